//! Accounts and links.

use contracts::v1;
use domain::account::{Role, Status};
use domain::custom_field::CustomFields;
use domain::decision::LinkStatus;
use domain::field::Field;
use store::account_list::{self, Account, Password};
use store::link;
use store::link_list::Link;

use super::time;

/// An account.
pub fn account(account: Account, custom: &CustomFields) -> v1::Account {
    let value = |field| account.value(field).unwrap_or_default().to_owned();
    let fed = Fed::by(account.link.as_ref());
    v1::Account {
        id: account.id.to_string(),
        name: value(Field::Name),
        login: value(Field::Login),
        domain: value(Field::Domain),
        email: value(Field::Email),
        upn: value(Field::Upn),
        lookup_guid: value(Field::LookupGuid),
        role: role(account.role).into(),
        status: status(account.status).into(),
        integration_status: fed.status.into(),
        connection: fed.connection,
        object_id: fed.object,
        reporting_to: account.reporting_to.map(|id| id.to_string()).unwrap_or_default(),
        create_time: Some(time(account.created_at)),
        update_time: Some(time(account.updated_at)),
        password_state: match account.password {
            Password::None => v1::PasswordState::None,
            Password::Pending => v1::PasswordState::Pending,
            Password::Set => v1::PasswordState::Set,
            Password::MustChange => v1::PasswordState::MustChange,
        }
        .into(),
        fields: fields(account.fields, custom),
    }
}

/// A person without a login.
pub fn person(person: Account, custom: &CustomFields) -> v1::Person {
    let value = |field| person.value(field).unwrap_or_default().to_owned();
    let fed = Fed::by(person.link.as_ref());
    v1::Person {
        id: person.id.to_string(),
        name: value(Field::Name),
        entity: value(Field::Entity),
        collection: value(Field::Collection),
        identifier: value(Field::Identifier),
        email: value(Field::Email),
        upn: value(Field::Upn),
        status: status(person.status).into(),
        integration_status: fed.status.into(),
        connection: fed.connection,
        object_id: fed.object,
        reporting_to: person.reporting_to.map(|id| id.to_string()).unwrap_or_default(),
        create_time: Some(time(person.created_at)),
        update_time: Some(time(person.updated_at)),
        fields: fields(person.fields, custom),
    }
}

/// What feeds a record, as messages say it; empty where nothing does.
struct Fed {
    status: v1::IntegrationStatus,
    connection: String,
    object: String,
}

impl Fed {
    fn by(link: Option<&account_list::Link>) -> Self {
        match link {
            Some(link) => Self {
                status: integration(link.status),
                connection: link.connection.clone(),
                object: link.object.to_string(),
            },
            None => Self {
                status: v1::IntegrationStatus::Unspecified,
                connection: String::new(),
                object: String::new(),
            },
        }
    }
}

fn fields(fields: Vec<(Field, String)>, custom: &CustomFields) -> std::collections::HashMap<String, String> {
    fields
        .into_iter()
        .map(|(field, value)| (custom.key_of(field).into_owned(), value))
        .collect()
}

const fn status(status: Status) -> v1::AccountStatus {
    match status {
        Status::Active => v1::AccountStatus::Active,
        Status::Deactivated => v1::AccountStatus::Deactivated,
        Status::Deleted => v1::AccountStatus::Deleted,
    }
}

/// A link, and how it came to be.
pub fn link(link: Link) -> v1::Link {
    let (origin, rule) = match link.rule {
        None => (v1::LinkOrigin::Unspecified, 0),
        Some(link::CREATED) => (v1::LinkOrigin::Created, 0),
        Some(link::BY_HAND) => (v1::LinkOrigin::ByHand, 0),
        Some(rule) => (v1::LinkOrigin::Rule, rule),
    };
    let (linked_by, reason) = link.by_hand.unwrap_or_default();
    v1::Link {
        connection: link.connection_name,
        object_id: link.object.to_string(),
        account_id: link.account.to_string(),
        account_name: link.account_name.unwrap_or_default(),
        status: integration(link.status).into(),
        origin: origin.into(),
        rule: rule.into(),
        run_id: link.run.map(|run| run.to_string()).unwrap_or_default(),
        link_time: link.linked_at.map(time),
        linked_by,
        reason,
    }
}

/// A role as messages name it.
pub const fn role(role: Role) -> v1::Role {
    match role {
        Role::User => v1::Role::User,
        Role::Technician => v1::Role::Technician,
        Role::Admin => v1::Role::Admin,
        Role::Owner => v1::Role::Owner,
    }
}

const fn integration(status: LinkStatus) -> v1::IntegrationStatus {
    match status {
        LinkStatus::Active => v1::IntegrationStatus::Active,
        LinkStatus::Disabled => v1::IntegrationStatus::Disabled,
        LinkStatus::SoftDeleted => v1::IntegrationStatus::SoftDeleted,
        LinkStatus::Gone => v1::IntegrationStatus::Gone,
        LinkStatus::OutOfScope => v1::IntegrationStatus::OutOfScope,
        LinkStatus::Conflict => v1::IntegrationStatus::Conflict,
    }
}
