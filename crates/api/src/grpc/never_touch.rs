//! `rollcall.v1.NeverTouch` (B18).

use contracts::v1;
use contracts::v1::never_touch_server::NeverTouch;
use domain::never_touch::{Entry, LONGEST, Whom};
use serde_json::json;
use store::never_touch::{self, Row};
use store::{Tx, audit, connection};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::app::App;
use crate::auth::Caller;
use crate::fault::{Fault, Violation};
use crate::once::Key;
use crate::page::Page;
use crate::{lookup, view};

/// Entries of an organization at most: each user that a run decides is held against all of them.
const MOST: i64 = 1_000;

/// The service.
pub struct Service(pub App);

#[tonic::async_trait]
impl NeverTouch for Service {
    async fn list_never_touch(
        &self,
        request: Request<v1::ListNeverTouchRequest>,
    ) -> Result<Response<v1::ListNeverTouchResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(list(&self.0, &caller, request.get_ref()).await?))
    }

    async fn add_never_touch(
        &self,
        request: Request<v1::AddNeverTouchRequest>,
    ) -> Result<Response<v1::NeverTouchEntry>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(add(&self.0, &caller, request.get_ref()).await?))
    }

    async fn remove_never_touch(
        &self,
        request: Request<v1::RemoveNeverTouchRequest>,
    ) -> Result<Response<v1::NeverTouchEntry>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(remove(&self.0, &caller, request.get_ref()).await?))
    }
}

async fn list(
    app: &App,
    caller: &Caller,
    request: &v1::ListNeverTouchRequest,
) -> Result<v1::ListNeverTouchResponse, Fault> {
    let list = format!("never-touch list of {}", request.connection);
    let page = Page::read(list, request.page_size, &request.page_token)?;
    let after = page.after_parsed(|parts| parts.first()?.parse().ok())?;
    let mut tx = app.store.begin("never_touch.list").await?;
    let of = lookup::connection_filter(&mut tx, caller, &request.connection).await?;
    let organization = caller.organization();
    let mut rows = never_touch::list(tx.connection(), organization, of, after, page.limit()).await?;
    tx.commit().await?;
    let next_page_token = page.cut(&mut rows, |row| vec![row.id.to_string()]);
    Ok(v1::ListNeverTouchResponse {
        entries: rows.iter().map(view::never_touch::entry).collect(),
        next_page_token,
    })
}

async fn add(
    app: &App,
    caller: &Caller,
    request: &v1::AddNeverTouchRequest,
) -> Result<v1::NeverTouchEntry, Fault> {
    let entry = check(request)?;
    let key = Key::of(caller, "AddNeverTouch", &request.idempotency_key, request)?;
    let organization = caller.organization();
    let mut tx = app.store.begin("never_touch.add").await?;
    if let Some(answer) = key.claim(app, &mut tx).await? {
        return Ok(answer);
    }
    let of = if request.connection.is_empty() {
        None
    } else {
        Some(lookup::connection(&mut tx, caller, &request.connection).await?)
    };
    if never_touch::count(tx.connection(), organization).await? >= MOST {
        return Err(Fault::Precondition {
            reason: "LIST_FULL",
            message: format!(
                "the never-touch list has {MOST} entries already; remove some, or say several with one UPN pattern"
            ),
        });
    }
    let row = Row {
        id: app.clock.new_id(),
        organization,
        connection: of.as_ref().map(|of| of.id),
        connection_name: of.map(|of| of.name),
        entry,
        created_by: caller.name().to_owned(),
        created_at: app.clock.now(),
    };
    never_touch::insert(tx.connection(), &row)
        .await
        .map_err(|error| {
            if error.duplicate() == Some("never_touch_once") {
                return Fault::Conflict(format!(
                    "{} {} is on the never-touch list already; see rollcall never-touch list",
                    row.entry.whom.kind(),
                    row.entry.whom.value()
                ));
            }
            Fault::from(error)
        })?;
    changed(app, caller, &mut tx, &row, "never_touch.add").await?;
    let answer = view::never_touch::entry(&row);
    key.answer(&mut tx, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

async fn remove(
    app: &App,
    caller: &Caller,
    request: &v1::RemoveNeverTouchRequest,
) -> Result<v1::NeverTouchEntry, Fault> {
    let id: Uuid = lookup::parse("entryId", &request.entry_id)?;
    let key = Key::of(caller, "RemoveNeverTouch", &request.idempotency_key, request)?;
    let mut tx = app.store.begin("never_touch.remove").await?;
    if let Some(answer) = key.claim(app, &mut tx).await? {
        return Ok(answer);
    }
    let row = never_touch::delete(tx.connection(), caller.organization(), id)
        .await?
        .ok_or_else(|| Fault::NotFound {
            what: "never-touch entry",
            name: id.to_string(),
            hint: "; list them with rollcall never-touch list".to_owned(),
        })?;
    changed(app, caller, &mut tx, &row, "never_touch.remove").await?;
    let answer = view::never_touch::entry(&row);
    key.answer(&mut tx, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}

/// Notes the change, and makes the next run of the connections concerned decide everyone anew.
async fn changed(app: &App, caller: &Caller, tx: &mut Tx, row: &Row, action: &str) -> Result<(), Fault> {
    let now = app.clock.now();
    let concerned = (row.organization, row.connection);
    let why = "the never-touch list changed";
    connection::rules_changed_in(tx.connection(), concerned, now, why).await?;
    let told = Some(json!({
        "connection": row.connection_name,
        "kind": row.entry.whom.kind(),
        "value": row.entry.whom.value(),
        "note": row.entry.note,
    }));
    let (before, after) = if action.ends_with("add") {
        (None, told)
    } else {
        (told, None)
    };
    let entry = audit::Entry {
        id: app.clock.new_id(),
        organization: row.organization,
        at: now,
        actor: format!("token {}", caller.name()),
        action: action.to_owned(),
        subject: format!("{} {}", row.entry.whom.kind(), row.entry.whom.value()),
        before,
        after,
    };
    Ok(audit::insert(tx.connection(), &entry).await?)
}

fn check(request: &v1::AddNeverTouchRequest) -> Result<Entry, Fault> {
    let mut violations = Vec::new();
    let mut add = |path: &str, problem: String| {
        violations.push(Violation {
            path: path.to_owned(),
            problem,
        });
    };
    let kind = match request.kind() {
        v1::NeverTouchKind::Object => Some("object"),
        v1::NeverTouchKind::Upn => Some("upn"),
        v1::NeverTouchKind::Group => Some("group"),
        v1::NeverTouchKind::Role => Some("role"),
        v1::NeverTouchKind::Unspecified => None,
    };
    let whom = match kind {
        None => {
            add(
                "kind",
                "is missing; use NEVER_TOUCH_KIND_OBJECT, NEVER_TOUCH_KIND_UPN, NEVER_TOUCH_KIND_GROUP or \
                 NEVER_TOUCH_KIND_ROLE"
                    .to_owned(),
            );
            None
        }
        Some(kind) => Whom::of(kind, &request.value)
            .map_err(|problem| add("value", problem))
            .ok(),
    };
    let note = request.note.trim();
    if note.chars().count() > LONGEST || note.contains(char::is_control) {
        add(
            "note",
            format!("is longer than {LONGEST} characters, or holds line breaks; shorten it"),
        );
    }
    match whom {
        Some(whom) if violations.is_empty() => Ok(Entry {
            whom,
            note: note.to_owned(),
        }),
        _ => Err(Fault::Invalid(violations)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b18_everything_wrong_with_an_entry_is_told_at_once() {
        let request = v1::AddNeverTouchRequest {
            kind: v1::NeverTouchKind::Role.into(),
            value: "boss".to_owned(),
            note: "a\nb".to_owned(),
            ..Default::default()
        };
        let Err(Fault::Invalid(violations)) = check(&request) else {
            panic!()
        };
        let paths: Vec<&str> = violations
            .iter()
            .map(|violation| violation.path.as_str())
            .collect();
        assert_eq!(paths, ["value", "note"]);
    }
}
