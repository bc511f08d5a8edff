//! Asking for what a run did to be taken back (B4).

use std::collections::HashSet;

use bus::subjects;
use contracts::bus::v1::RunFetched;
use contracts::v1;
use domain::id::{ConnectionId, RunId};
use serde_json::json;
use service::telemetry::TraceContext;
use store::run::{self, Kind, Revert, Run};
use store::run_view::{self, RunView, State};
use store::{Tx, audit, revert as store_revert, run_plan};
use uuid::Uuid;

use super::start;
use crate::app::App;
use crate::auth::Caller;
use crate::fault::{Fault, Violation};
use crate::once::Key;
use crate::{lookup, view};

/// Objects of one revert at most; more are the whole run, or several reverts.
const MOST: usize = 1_000;
/// Characters in a reason at most.
const LONGEST_REASON: usize = 1_000;

/// Writes the revert down and wakes a reconciler. A reconciler that is not woken finds it by itself.
pub async fn revert(app: &App, caller: &Caller, request: v1::RevertRunRequest) -> Result<v1::Run, Fault> {
    let key = Key::of(caller, "RevertRun", &request.idempotency_key, &request)?;
    let id: RunId = lookup::parse("runId", &request.run_id)?;
    let wanted = Revert {
        run: id,
        objects: objects(&request.object_ids)?,
        dry_run: request.dry_run,
        reason: reason(&request.reason)?,
    };
    let trigger = start::trigger(&request.trigger)?;
    let mut tx = app.store.begin("run.revert").await?;
    let answer = match key.claim(app, &mut tx).await? {
        Some(answer) => answer,
        None => {
            let answer = insert(app, caller, &mut tx, wanted, trigger).await?;
            key.answer(&mut tx, &answer).await?;
            answer
        }
    };
    tx.commit().await?;
    tracing::Span::current().record("run.id", &answer.id);
    wake(app, &answer)?;
    Ok(answer)
}

async fn insert(
    app: &App,
    caller: &Caller,
    tx: &mut Tx,
    wanted: Revert,
    trigger: String,
) -> Result<v1::Run, Fault> {
    let (organization, id, now) = (caller.organization(), wanted.run, app.clock.now());
    let found = run_view::find(tx.connection(), organization, id).await?;
    let found = found.ok_or_else(|| lookup::no_run(id))?;
    if found.state != State::Finished {
        return Err(refused("RUN_NOT_APPLIED", not_applied(&found)));
    }
    if found.details_pruned {
        return Err(refused(
            "DETAILS_PRUNED",
            format!(
                "runId: what run {id} did is not kept in detail any more, so it can't be taken back; correct the records by \
                 a file (rollcall import csv FILE) or in the directory"
            ),
        ));
    }
    let candidate = store_revert::candidate(tx.connection(), organization, id).await?;
    let candidate = candidate.ok_or_else(|| lookup::no_run(id))?;
    if !candidate.keeps_former {
        return Err(refused(
            "FORMER_STATE_UNKNOWN",
            format!(
                "runId: run {id} was applied by an earlier version of Rollcall, which did not keep all that is needed to \
                 take it back; correct the records by a file (rollcall import csv FILE) or in the directory"
            ),
        ));
    }
    none_active(tx, candidate.connection).await?;
    known(tx, &wanted).await?;
    let run = Run {
        id: RunId(app.clock.new_id()),
        organization,
        connection: candidate.connection,
        kind: Kind::Revert,
        manual: None,
        reason: None,
        revert: Some(wanted),
        trigger,
        requested_by: caller.name().to_owned(),
        apply_first: false,
        traceparent: TraceContext::current().map(|trace| trace.to_string()),
        created_at: now,
        cancel_requested_at: None,
        cancel_requested_by: None,
    };
    run::insert(tx.connection(), &run).await?;
    note(app, caller, tx, &run, &found).await?;
    let stored = run_view::find(tx.connection(), organization, run.id).await?;
    let stored = stored.ok_or_else(|| lookup::no_run(run.id))?;
    tracing::info!(run.id = %run.id, reverts = %id, connection = stored.connection_name, "revert requested");
    Ok(view::run::run(&stored, now))
}

/// Until this transaction ends no run of the connection begins.
async fn none_active(tx: &mut Tx, of: ConnectionId) -> Result<(), Fault> {
    run_plan::lock_connection(tx.connection(), of).await?;
    match store_revert::active(tx.connection(), of).await? {
        None => Ok(()),
        Some(other) => Err(refused(
            "RUN_ACTIVE",
            format!(
                "run {other} of the same connection is active; wait for its end (rollcall run show {other}), or cancel it \
                 (rollcall run cancel {other})"
            ),
        )),
    }
}

/// Every object must be one that the run decided on.
async fn known(tx: &mut Tx, wanted: &Revert) -> Result<(), Fault> {
    let unknown = store_revert::unknown_objects(tx.connection(), wanted.run, &wanted.objects).await?;
    if unknown.is_empty() {
        return Ok(());
    }
    let violations = wanted
        .objects
        .iter()
        .enumerate()
        .filter(|(_, object)| unknown.contains(object))
        .map(|(index, object)| Violation {
            path: format!("objectIds[{index}]"),
            problem: format!(
                "is {object}, of which the run changed nothing; see what it did with rollcall run changes {}",
                wanted.run
            ),
        })
        .collect();
    Err(Fault::Invalid(violations))
}

async fn note(app: &App, caller: &Caller, tx: &mut Tx, run: &Run, of: &RunView) -> Result<(), Fault> {
    let Some(wanted) = run.revert.as_ref().filter(|wanted| !wanted.dry_run) else {
        return Ok(());
    };
    let entry = audit::Entry {
        id: app.clock.new_id(),
        organization: run.organization,
        at: run.created_at,
        actor: format!("token {}", caller.name()),
        action: "run.revert".to_owned(),
        subject: format!("{} {}", of.connection_name, wanted.run),
        before: None,
        after: Some(json!({
            "run": run.id.to_string(),
            "reverts": wanted.run.to_string(),
            "objects": wanted.objects.iter().map(Uuid::to_string).collect::<Vec<_>>(),
            "reason": wanted.reason,
        })),
    };
    Ok(audit::insert(tx.connection(), &entry).await?)
}

/// There is nothing to read: the reconciler goes on at once.
fn wake(app: &App, run: &v1::Run) -> Result<(), Fault> {
    let id: RunId = lookup::parse("id", &run.id)?;
    let message = RunFetched {
        run_id: id.0.as_bytes().to_vec(),
    };
    app.wake(subjects::run_fetched(id), format!("run.fetched.{id}"), &message);
    Ok(())
}

fn objects(asked: &[String]) -> Result<Vec<Uuid>, Fault> {
    if asked.len() > MOST {
        return Err(Fault::invalid(
            "objectIds",
            format!(
                "has {} objects; name at most {MOST}, or none to take back the whole run",
                asked.len()
            ),
        ));
    }
    let mut seen = HashSet::new();
    let mut objects = Vec::with_capacity(asked.len());
    let mut violations = Vec::new();
    for (index, text) in asked.iter().enumerate() {
        let problem = match text.parse::<Uuid>() {
            Err(_) => {
                format!("is {text:?}, not an object id; rollcall run changes ID --output json shows them")
            }
            Ok(object) if !seen.insert(object) => "is named twice; name each object once".to_owned(),
            Ok(object) => {
                objects.push(object);
                continue;
            }
        };
        violations.push(Violation {
            path: format!("objectIds[{index}]"),
            problem,
        });
    }
    if violations.is_empty() {
        Ok(objects)
    } else {
        Err(Fault::Invalid(violations))
    }
}

fn reason(text: &str) -> Result<Option<String>, Fault> {
    let text = text.trim();
    if text.chars().count() > LONGEST_REASON || text.chars().any(char::is_control) {
        return Err(Fault::invalid(
            "reason",
            format!("has more than {LONGEST_REASON} characters, or control characters; say it in one line"),
        ));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn refused(reason: &'static str, message: String) -> Fault {
    Fault::Precondition { reason, message }
}

fn not_applied(run: &RunView) -> String {
    let id = run.id;
    match run.state {
        State::Requested | State::Fetching | State::Planning | State::Applying => format!(
            "runId: run {id} has not ended; wait for its end (rollcall run show {id}), or cancel it (rollcall run cancel {id})"
        ),
        State::Planned => format!(
            "runId: run {id} is a plan that was not applied: there is nothing to take back; discard it (rollcall run \
             cancel {id}), or name a finished run (rollcall run list --connection {})",
            run.connection_name
        ),
        State::Expired => format!(
            "runId: the plan of run {id} has expired and was not applied: there is nothing to take back; name a finished \
             run (rollcall run list --connection {})",
            run.connection_name
        ),
        State::Failed | State::Cancelled => format!(
            "runId: run {id} did not come to its end, and only a finished run can be taken back; start a full run (rollcall \
             run start {} --kind full), then revert that one if need be",
            run.connection_name
        ),
        State::Finished => format!("runId: run {id} is finished"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(fault: Fault) -> Vec<String> {
        match fault {
            Fault::Invalid(violations) => violations.into_iter().map(|violation| violation.path).collect(),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn b4_objects_are_ids_each_once() {
        let one = "0198b5a0-0000-7000-8000-000000000001".to_owned();
        assert!(objects(&[]).unwrap().is_empty());
        assert_eq!(objects(std::slice::from_ref(&one)).unwrap().len(), 1);
        let bad = objects(&[one.clone(), "ann".to_owned(), one.clone()]).unwrap_err();
        assert_eq!(paths(bad), ["objectIds[1]", "objectIds[2]"]);
        assert_eq!(paths(objects(&vec![one; 1_001]).unwrap_err()), ["objectIds"]);
    }

    #[test]
    fn b4_a_reason_is_a_line() {
        assert_eq!(reason(" wrong tenant ").unwrap().as_deref(), Some("wrong tenant"));
        assert_eq!(reason(" ").unwrap(), None);
        assert!(reason("a\nb").is_err());
        assert!(reason(&"x".repeat(1_001)).is_err());
    }
}
