//! `rollcall.v1.Links` (B7).

use std::time::Duration;

use contracts::internal::v1::{EditLinkRequest, EditLinkResponse, ReadUserRequest};
use contracts::v1;
use contracts::v1::links_server::Links;
use domain::id::{AccountId, ConnectionId, ObjectId};
use prost::Message;
use serde_json::json;
use store::connection::Connection;
use store::link_list::{self, Filter, Link};
use store::{Tx, audit};
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::auth::Caller;
use crate::fault::{Fault, Violation};
use crate::once::Key;
use crate::page::Page;
use crate::{lookup, view};

const DEADLINE: Duration = Duration::from_secs(50);
/// Words in a search at most.
const MOST_WORDS: usize = 10;
/// Characters in a reason at most.
const LONGEST_REASON: usize = 1_000;

/// The service.
pub struct Service(pub App);

#[tonic::async_trait]
impl Links for Service {
    async fn list_links(
        &self,
        request: Request<v1::ListLinksRequest>,
    ) -> Result<Response<v1::ListLinksResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(list(&self.0, &caller, request.get_ref()).await?))
    }

    async fn cut_link(
        &self,
        request: Request<v1::CutLinkRequest>,
    ) -> Result<Response<v1::CutLinkResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(cut(&self.0, &caller, request.get_ref()).await?))
    }

    async fn move_link(
        &self,
        request: Request<v1::MoveLinkRequest>,
    ) -> Result<Response<v1::MoveLinkResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(
            move_link(&self.0, &caller, request.get_ref()).await?,
        ))
    }
}

async fn list(
    app: &App,
    caller: &Caller,
    request: &v1::ListLinksRequest,
) -> Result<v1::ListLinksResponse, Fault> {
    let list = format!(
        "links of {} {} {} {}",
        request.connection, request.account_id, request.object_id, request.search
    );
    let page = Page::read(list, request.page_size, &request.page_token)?;
    let after = page.after_parsed(|parts| {
        let [of, object] = parts else { return None };
        Some((of.parse().ok()?, object.parse().ok()?))
    })?;
    let words: Vec<String> = request.search.split_whitespace().map(str::to_owned).collect();
    if words.len() > MOST_WORDS {
        return Err(Fault::invalid("search", "has more than 10 words"));
    }
    let mut filter = Filter {
        words,
        ..Filter::default()
    };
    if !request.account_id.is_empty() {
        filter.account = Some(lookup::parse("accountId", &request.account_id)?);
    }
    if !request.object_id.is_empty() {
        filter.object = Some(lookup::parse("objectId", &request.object_id)?);
    }
    let mut tx = app.store.begin("link.list").await?;
    filter.connection = lookup::connection_filter(&mut tx, caller, &request.connection).await?;
    let mut rows = link_list::list(
        tx.connection(),
        caller.organization(),
        &filter,
        after,
        page.limit(),
    )
    .await?;
    tx.commit().await?;
    let next_page_token = page.cut(&mut rows, |row| {
        vec![row.connection.to_string(), row.object.to_string()]
    });
    Ok(v1::ListLinksResponse {
        links: rows.into_iter().map(view::account::link).collect(),
        next_page_token,
    })
}

async fn cut(app: &App, caller: &Caller, request: &v1::CutLinkRequest) -> Result<v1::CutLinkResponse, Fault> {
    let object = check(&request.object_id, None, &request.reason)?.0;
    let key = Key::of(caller, "CutLink", &request.idempotency_key, request)?;
    once(app, &key, async {
        let (of, link) = known(app, caller, &request.connection, object).await?;
        ask(app, caller, &of, object, (None, false), &request.reason).await?;
        note(
            app,
            caller,
            "link.cut",
            &of,
            object,
            link.as_ref(),
            &request.reason,
            None,
        )
        .await?;
        let link = link.map(view::account::link);
        Ok(v1::CutLinkResponse { link })
    })
    .await
}

async fn move_link(
    app: &App,
    caller: &Caller,
    request: &v1::MoveLinkRequest,
) -> Result<v1::MoveLinkResponse, Fault> {
    let (object, to) = check(&request.object_id, Some(&request.account_id), &request.reason)?;
    let key = Key::of(caller, "MoveLink", &request.idempotency_key, request)?;
    once(app, &key, async {
        let (of, link) = known(app, caller, &request.connection, object).await?;
        // One that has no link yet is known by nobody but the directory.
        let seen = link.is_none() && is_there(app, &of, object).await?;
        let left = ask(app, caller, &of, object, (to, seen), &request.reason).await?;
        note(
            app,
            caller,
            "link.move",
            &of,
            object,
            link.as_ref(),
            &request.reason,
            to,
        )
        .await?;
        let (_, now) = known(app, caller, &request.connection, object).await?;
        Ok(v1::MoveLinkResponse {
            link: now.map(view::account::link),
            from_account_id: left.from_account_id,
            from_account_name: left.from_account_name,
        })
    })
    .await
}

/// The same answer to a repeated request.
async fn once<R: Message + Default>(
    app: &App,
    key: &Key,
    work: impl Future<Output = Result<R, Fault>>,
) -> Result<R, Fault> {
    if let Some(answer) = key.claim_first(app).await? {
        return Ok(answer);
    }
    let outcome = work.await;
    key.settle(app, &outcome).await?;
    outcome
}

/// The connection, and the object's link if it has one.
async fn known(
    app: &App,
    caller: &Caller,
    connection: &str,
    object: ObjectId,
) -> Result<(Connection, Option<Link>), Fault> {
    let mut tx = app.store.begin("link.find").await?;
    let of = lookup::connection(&mut tx, caller, connection).await?;
    let link = find(&mut tx, caller, of.id, object).await?;
    tx.commit().await?;
    Ok((of, link))
}

async fn find(
    tx: &mut Tx,
    caller: &Caller,
    of: ConnectionId,
    object: ObjectId,
) -> Result<Option<Link>, Fault> {
    let filter = Filter {
        connection: Some(of),
        object: Some(object),
        ..Filter::default()
    };
    let found = link_list::list(tx.connection(), caller.organization(), &filter, None, 1).await?;
    Ok(found.into_iter().next())
}

/// Whether the directory has this user just now.
async fn is_there(app: &App, of: &Connection, object: ObjectId) -> Result<bool, Fault> {
    let mut call = Request::new(ReadUserRequest {
        connection_id: of.id.to_string(),
        key: object.to_string(),
    });
    call.set_timeout(DEADLINE);
    let answer = app.directory.clone().read_user(call).await;
    let answer = answer
        .map(Response::into_inner)
        .map_err(|status| Fault::Upstream {
            service: "fetcher",
            status: Box::new(status),
        })?;
    if answer.problem.is_empty() {
        Ok(answer.found)
    } else {
        Err(Fault::Precondition {
            reason: "DIRECTORY_AWAY",
            message: format!(
                "the object {object} is not linked yet, and whether it is there can't be asked: {}",
                answer.problem
            ),
        })
    }
}

/// Asked of the reconciler, which writes links.
async fn ask(
    app: &App,
    caller: &Caller,
    of: &Connection,
    object: ObjectId,
    (to, object_seen): (Option<AccountId>, bool),
    reason: &str,
) -> Result<EditLinkResponse, Fault> {
    let mut call = Request::new(EditLinkRequest {
        organization_id: caller.organization().to_string(),
        connection_id: of.id.to_string(),
        object_id: object.to_string(),
        to_account_id: to.map(|to| to.to_string()).unwrap_or_default(),
        reason: reason.trim().to_owned(),
        edited_by: caller.name().to_owned(),
        object_seen,
    });
    call.set_timeout(DEADLINE);
    let answer = app.register.clone().edit_link(call).await;
    answer
        .map(Response::into_inner)
        .map_err(|status| Fault::Upstream {
            service: "reconciler",
            status: Box::new(status),
        })
}

#[expect(clippy::too_many_arguments, reason = "an entry tells all of them")]
async fn note(
    app: &App,
    caller: &Caller,
    action: &str,
    of: &Connection,
    object: ObjectId,
    before: Option<&Link>,
    reason: &str,
    to: Option<AccountId>,
) -> Result<(), Fault> {
    let entry = audit::Entry {
        id: app.clock.new_id(),
        organization: caller.organization(),
        at: app.clock.now(),
        actor: format!("token {}", caller.name()),
        action: action.to_owned(),
        subject: format!("{} {object}", of.name),
        before: before.map(|link| json!({ "account": link.account.to_string() })),
        after: Some(json!({ "account": to.map(|to| to.to_string()), "reason": reason.trim() })),
    };
    let mut connection = app.store.connection().await?;
    Ok(audit::insert(&mut connection, &entry).await?)
}

fn check(object: &str, to: Option<&str>, reason: &str) -> Result<(ObjectId, Option<AccountId>), Fault> {
    let mut violations = Vec::new();
    let mut file = |fault: Fault| {
        if let Fault::Invalid(found) = fault {
            violations.extend(found);
        }
    };
    let object = lookup::parse::<ObjectId>("objectId", object)
        .map_err(&mut file)
        .ok();
    let to = match to {
        None => Some(None),
        Some(to) => lookup::parse::<AccountId>("accountId", to)
            .map_err(&mut file)
            .ok()
            .map(Some),
    };
    let problem = match reason.trim() {
        "" => Some("is missing; it is kept with the link"),
        reason if reason.chars().count() > LONGEST_REASON => Some("is longer than 1000 characters"),
        _ => None,
    };
    violations.extend(problem.map(|problem| Violation {
        path: "reason".to_owned(),
        problem: problem.to_owned(),
    }));
    match (object, to) {
        (Some(object), Some(to)) if violations.is_empty() => Ok((object, to)),
        _ => Err(Fault::Invalid(violations)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b7_everything_wrong_is_told_at_once() {
        let Err(Fault::Invalid(violations)) = check("ann", Some(""), " ") else {
            panic!()
        };
        let paths: Vec<&str> = violations
            .iter()
            .map(|violation| violation.path.as_str())
            .collect();
        assert_eq!(paths, ["objectId", "accountId", "reason"]);
    }
}
