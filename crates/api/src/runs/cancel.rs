//! Asking for a run's end.

use bus::subjects;
use contracts::bus::v1::RunCancel;
use contracts::v1;
use domain::id::RunId;
use store::run_view::State;
use store::{run, run_view};

use crate::app::App;
use crate::auth::Caller;
use crate::fault::Fault;
use crate::once::Key;
use crate::{lookup, view};

/// Writes the wish down and wakes whoever works on the run. A run that has ended by itself is refused; one that is being
/// cancelled is answered as it is.
pub async fn cancel(app: &App, caller: &Caller, request: v1::CancelRunRequest) -> Result<v1::Run, Fault> {
    let key = Key::of(caller, "CancelRun", &request.idempotency_key, &request)?;
    let id: RunId = lookup::parse("runId", &request.run_id)?;
    let now = app.clock.now();
    let mut tx = app.store.begin("run.cancel").await?;
    if let Some(answer) = key.claim(app, &mut tx).await? {
        return Ok(answer);
    }
    let find = run_view::find(tx.connection(), caller.organization(), id).await?;
    let found = find.ok_or_else(|| lookup::no_run(id))?;
    match found.state {
        State::Finished | State::Failed | State::Expired => {
            return Err(Fault::Precondition {
                reason: "RUN_ENDED",
                message: format!(
                    "the run has already ended ({}); nothing is left to cancel",
                    word(found.state)
                ),
            });
        }
        _ => run::request_cancel(tx.connection(), id, now, caller.name()).await?,
    };
    let stored = run_view::find(tx.connection(), caller.organization(), id).await?;
    let answer = view::run::run(&stored.ok_or_else(|| lookup::no_run(id))?, now);
    key.answer(&mut tx, &answer).await?;
    tx.commit().await?;
    wake(app, id);
    tracing::info!(run.id = %id, by = caller.name(), "cancel requested");
    Ok(answer)
}

/// Tells whoever works on the run to look at it.
pub fn wake(app: &App, id: RunId) {
    let message = RunCancel {
        run_id: id.0.as_bytes().to_vec(),
    };
    app.wake(subjects::run_cancel(id), format!("run.cancel.{id}"), &message);
}

const fn word(state: State) -> &'static str {
    match state {
        State::Finished => "finished",
        State::Failed => "failed",
        State::Expired => "its plan expired",
        _ => "cancelled",
    }
}
