//! Accounts and links.

use contracts::v1;
use domain::account::{Role, Status};
use domain::decision::LinkStatus;
use domain::field::Field;
use store::account_list::{Account, Password};
use store::link_list::Link;

use super::time;

/// An account.
pub fn account(account: Account) -> v1::Account {
    let value = |field| account.value(field).unwrap_or_default().to_owned();
    let link = account.link.as_ref();
    v1::Account {
        id: account.id.to_string(),
        name: value(Field::Name),
        login: value(Field::Login),
        domain: value(Field::Domain),
        email: value(Field::Email),
        upn: value(Field::Upn),
        lookup_guid: value(Field::LookupGuid),
        role: role(account.role).into(),
        status: match account.status {
            Status::Active => v1::AccountStatus::Active,
            Status::Deactivated => v1::AccountStatus::Deactivated,
            Status::Deleted => v1::AccountStatus::Deleted,
        }
        .into(),
        integration_status: link
            .map_or(v1::IntegrationStatus::Unspecified, |link| {
                integration(link.status)
            })
            .into(),
        connection: link.map(|link| link.connection.clone()).unwrap_or_default(),
        object_id: link.map(|link| link.object.to_string()).unwrap_or_default(),
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
        fields: account
            .fields
            .into_iter()
            .map(|(field, value)| (field.key().to_owned(), value))
            .collect(),
    }
}

/// A link of the connection of this name.
pub fn link(connection: &str, link: Link) -> v1::Link {
    v1::Link {
        connection: connection.to_owned(),
        object_id: link.object.to_string(),
        account_id: link.account.to_string(),
        account_name: link.account_name.unwrap_or_default(),
        status: integration(link.status).into(),
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
    }
}
