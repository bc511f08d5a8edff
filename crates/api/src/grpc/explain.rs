//! `Accounts.ExplainAccount` (B5): what the register, the directory and the history tell of one person, put together.

use std::time::Duration;

use contracts::internal::v1::{ExplainRequest, ReadUserRequest, ReadUserResponse};
use contracts::{observed, v1};
use domain::attribute::Attribute;
use domain::custom_field::CustomFields;
use domain::decision::LinkStatus;
use domain::field::Field;
use domain::id::ObjectId;
use domain::observed::Completeness;
use store::account_list::{self, Account};
use store::connection::{self, Connection};
use store::link_list::{self, Filter, Link};
use store::{Tx, custom_field, history};
use tonic::{Code, Request, Response};
use uuid::Uuid;

use crate::app::App;
use crate::auth::Caller;
use crate::fault::Fault;
use crate::{lookup, view};

const DEADLINE: Duration = Duration::from_secs(30);
/// Entries of the history that are told.
const TOLD: i64 = 50;
/// Bytes of a UPN at most.
const LONGEST: usize = 1_024;

/// Whom the caller asked for.
enum Person<'a> {
    /// By an account's or an object's id.
    Id(Uuid),
    /// By UPN.
    Upn(&'a str),
}

/// What the register knows of them.
struct Register {
    account: Option<Account>,
    link: Option<Link>,
    of: Connection,
}

/// Explains one person.
pub async fn explain(
    app: &App,
    caller: &Caller,
    request: &v1::ExplainAccountRequest,
) -> Result<v1::ExplainAccountResponse, Fault> {
    let person = person(&request.person)?;
    let mut register = find(app, caller, &person, &request.connection).await?;
    let read = read(app, &register, &person).await;
    let object = object(&register, &read, &person);
    if let (None, Some(object)) = (&register.link, object) {
        let link = link_of(app, caller, &register.of, object).await?;
        // Who has another UPN in the directory than in the register is found by the object.
        if let (None, Some(link)) = (&register.account, &link) {
            let mut connection = app.store.connection().await?;
            register.account =
                account_list::find_person(&mut connection, caller.organization(), Some(link.account.0), None)
                    .await?;
        }
        register.link = link.filter(|link| {
            let account = register.account.as_ref();
            account.is_none_or(|account| account.id == link.account)
        });
    }
    if register.account.is_none() && !read.found && read.problem.is_empty() {
        return Err(nobody(&request.person, &register.of));
    }
    let (explanation, problem) = match object {
        Some(object) => taken_apart(app, &register.of, object, &read).await?,
        None => (None, String::new()),
    };
    let custom = custom_field::list(&mut *app.store.connection().await?, caller.organization()).await?;
    let history = told(app, caller, &register, &custom).await?;
    Ok(v1::ExplainAccountResponse {
        connection: register.of.name,
        directory: Some(word(&read, object)),
        account: register
            .account
            .map(|account| view::account::account(account, &custom)),
        link: register.link.map(view::account::link),
        explanation,
        history,
        problem,
    })
}

fn person(text: &str) -> Result<Person<'_>, Fault> {
    let text = text.trim();
    if let Ok(id) = text.parse() {
        return Ok(Person::Id(id));
    }
    let upn = text.contains('@') && text.len() <= LONGEST && !text.contains(char::is_control);
    let problem = match text {
        "" => "is missing; give an account's id, an object id or a UPN",
        _ if upn => return Ok(Person::Upn(text)),
        _ => {
            "is neither an id (a UUID) nor a UPN (name@domain); find accounts with rollcall account list --search TEXT"
        }
    };
    Err(Fault::invalid("person", problem))
}

/// What the register has of them, and the connection that they are asked about.
async fn find(app: &App, caller: &Caller, person: &Person<'_>, name: &str) -> Result<Register, Fault> {
    let organization = caller.organization();
    let (id, upn) = match person {
        Person::Id(id) => (Some(*id), None),
        Person::Upn(upn) => (None, Some(*upn)),
    };
    let mut tx = app.store.begin("explain.find").await?;
    let account = account_list::find_person(tx.connection(), organization, id, upn).await?;
    let given = if name.is_empty() {
        None
    } else {
        Some(lookup::connection(&mut tx, caller, name).await?)
    };
    let filter = Filter {
        connection: given.as_ref().map(|of| of.id),
        account: account.as_ref().map(|account| account.id),
        ..Filter::default()
    };
    let mut links = match &account {
        Some(_) => link_list::list(tx.connection(), organization, &filter, None, TOLD).await?,
        None => Vec::new(),
    };
    links.sort_by_key(|link| matches!(link.status, LinkStatus::SoftDeleted | LinkStatus::Gone));
    let link = links.into_iter().next();
    let of = match (given, &link) {
        (Some(given), _) => given,
        (None, Some(link)) => lookup::connection(&mut tx, caller, &link.connection.to_string()).await?,
        (None, None) => only(&mut tx, caller).await?,
    };
    tx.commit().await?;
    Ok(Register { account, link, of })
}

/// The connection of someone whom no link ties to one.
async fn only(tx: &mut Tx, caller: &Caller) -> Result<Connection, Fault> {
    let mut all = connection::list(tx.connection(), caller.organization(), None, 2).await?;
    if all.len() > 1 {
        let names = connection::names(tx.connection(), caller.organization()).await?;
        return Err(Fault::invalid(
            "connection",
            format!(
                "is missing: no link ties this person to one; name one of {}",
                names.join(", ")
            ),
        ));
    }
    all.pop().ok_or_else(|| Fault::NotFound {
        what: "connection",
        name: String::new(),
        hint: "; there is none yet: make one with rollcall apply -f FILE".to_owned(),
    })
}

/// What the directory says of them just now. That it can't be asked is said, and the rest told all the same.
async fn read(app: &App, register: &Register, person: &Person<'_>) -> ReadUserResponse {
    let upn = register
        .account
        .as_ref()
        .and_then(|account| account.value(Field::Upn));
    let key = match (&register.link, &register.account, person) {
        (Some(link), _, _) => link.object.to_string(),
        (None, Some(account), Person::Id(id)) if account.id.0 == *id => match upn {
            Some(upn) => upn.to_owned(),
            None => {
                return ReadUserResponse {
                    problem: "The account is linked to no object, and has no UPN to ask the directory for."
                        .to_owned(),
                    ..ReadUserResponse::default()
                };
            }
        },
        (None, _, Person::Id(id)) => id.to_string(),
        (None, _, Person::Upn(upn)) => (*upn).to_owned(),
    };
    let mut call = Request::new(ReadUserRequest {
        connection_id: register.of.id.to_string(),
        key,
    });
    call.set_timeout(DEADLINE);
    match app.directory.clone().read_user(call).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => {
            tracing::warn!(%status, "the fetcher did not read a user");
            ReadUserResponse {
                problem: "The fetcher, which reads the directory, did not answer; is it running?".to_owned(),
                ..ReadUserResponse::default()
            }
        }
    }
}

/// The object that is asked about, as far as anybody knows it.
fn object(register: &Register, read: &ReadUserResponse, person: &Person<'_>) -> Option<ObjectId> {
    if let Ok(id) = Uuid::from_slice(&read.object_id) {
        return Some(ObjectId(id));
    }
    match (&register.link, person) {
        (Some(link), _) => Some(link.object),
        (None, Person::Id(id)) if register.account.is_none() => Some(ObjectId(*id)),
        (None, _) => None,
    }
}

async fn link_of(
    app: &App,
    caller: &Caller,
    of: &Connection,
    object: ObjectId,
) -> Result<Option<Link>, Fault> {
    let filter = Filter {
        connection: Some(of.id),
        object: Some(object),
        ..Filter::default()
    };
    let mut connection = app.store.connection().await?;
    let found = link_list::list(&mut connection, caller.organization(), &filter, None, 1).await?;
    Ok(found.into_iter().next())
}

/// What the reconciler makes of it; or why it can't.
async fn taken_apart(
    app: &App,
    of: &Connection,
    object: ObjectId,
    read: &ReadUserResponse,
) -> Result<(Option<v1::Explanation>, String), Fault> {
    let mut call = Request::new(ExplainRequest {
        connection_id: of.id.to_string(),
        object_id: object.0.as_bytes().to_vec(),
        user: read.user.clone(),
    });
    call.set_timeout(DEADLINE);
    match app.register.clone().explain(call).await.map(Response::into_inner) {
        Ok(mut explanation) => {
            for field in &mut explanation.fields {
                field.connection.clone_from(&of.name);
            }
            Ok((Some(explanation), String::new()))
        }
        Err(status) if status.code() == Code::FailedPrecondition => Ok((None, status.message().to_owned())),
        Err(status) => Err(Fault::Upstream {
            service: "reconciler",
            status: Box::new(status),
        }),
    }
}

async fn told(
    app: &App,
    caller: &Caller,
    register: &Register,
    custom: &CustomFields,
) -> Result<Vec<v1::HistoryEntry>, Fault> {
    let Some(account) = &register.account else {
        return Ok(Vec::new());
    };
    let made = register.link.as_ref().and_then(|link| {
        let created = link.rule == Some(store::link::CREATED) && link.account == account.id;
        created.then_some((link.run?, link.page?, link.object))
    });
    let mut connection = app.store.connection().await?;
    let entries = history::of_account(&mut connection, caller.organization(), account.id, made, TOLD).await?;
    Ok(entries
        .into_iter()
        .map(|entry| view::change::entry(entry, custom))
        .collect())
}

fn word(read: &ReadUserResponse, object: Option<ObjectId>) -> v1::DirectoryWord {
    let object_id = object.map(|id| id.to_string()).unwrap_or_default();
    let presence = match (read.problem.as_str(), read.found) {
        ("", true) => v1::DirectoryPresence::Present,
        ("", false) => v1::DirectoryPresence::NotFound,
        _ => v1::DirectoryPresence::Unspecified,
    };
    let user = object
        .filter(|_| read.found)
        .and_then(|object| observed::decode(object, Completeness::Whole, &read.user).ok());
    let value = |attribute| {
        user.as_ref()
            .and_then(|user| user.value(attribute))
            .unwrap_or_default()
            .to_owned()
    };
    v1::DirectoryWord {
        presence: presence.into(),
        object_id,
        name: value(Attribute::DisplayName),
        upn: value(Attribute::UserPrincipalName),
        problem: read.problem.clone(),
    }
}

fn nobody(person: &str, of: &Connection) -> Fault {
    Fault::NotFound {
        what: "person",
        name: person.to_owned(),
        hint: format!(
            ", neither in the register nor among the users of {}; find accounts with rollcall account list --search TEXT",
            of.name
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b5_people_are_named_by_id_or_upn() {
        assert!(matches!(
            person("99999999-aaaa-bbbb-cccc-dddddddddddd"),
            Ok(Person::Id(_))
        ));
        assert!(matches!(
            person(" ann@contoso.com "),
            Ok(Person::Upn("ann@contoso.com"))
        ));
        for wrong in ["", "ann", "a@b\u{7}"] {
            assert!(person(wrong).is_err(), "{wrong:?}");
        }
    }
}
