//! Applying a preview's plan.

use std::time::Duration;

use contracts::internal::v1::ApplyPlanRequest;
use contracts::v1;
use store::run_view::State;
use tonic::Request;

use crate::app::App;
use crate::auth::Caller;
use crate::fault::Fault;
use crate::once::Key;
use crate::{lookup, view};

const DEADLINE: Duration = Duration::from_secs(50);

/// Asks the reconciler to apply the plan exactly as it was shown; it refuses when the register has moved.
pub async fn apply(app: &App, caller: &Caller, request: v1::ApplyRunRequest) -> Result<v1::Run, Fault> {
    let key = Key::of(caller, "ApplyRun", &request.idempotency_key, &request)?;
    if let Some(answer) = key.claim_first(app).await? {
        return Ok(answer);
    }
    let outcome = ask(app, caller, &request).await;
    key.settle(app, &outcome).await?;
    outcome
}

async fn ask(app: &App, caller: &Caller, request: &v1::ApplyRunRequest) -> Result<v1::Run, Fault> {
    let run = lookup::run(app, caller, &request.run_id).await?;
    if !matches!(run.state, State::Planned | State::Applying) {
        return Err(Fault::Precondition {
            reason: "NO_PLAN_WAITS",
            message: refusal(run.state).to_owned(),
        });
    }
    let mut call = Request::new(ApplyPlanRequest {
        run_id: run.id.to_string(),
        requested_by: caller.name().to_owned(),
    });
    call.set_timeout(DEADLINE);
    app.register
        .clone()
        .apply_plan(call)
        .await
        .map_err(|status| Fault::Upstream {
            service: "reconciler",
            status: Box::new(status),
        })?;
    let run = lookup::run(app, caller, &request.run_id).await?;
    tracing::info!(run.id = %run.id, by = caller.name(), "plan applied on request");
    Ok(view::run::run(&run, app.clock.now()))
}

const fn refusal(state: State) -> &'static str {
    match state {
        State::Requested | State::Fetching | State::Planning => {
            "the run has no plan yet; wait until it is planned (rollcall run show ID)"
        }
        State::Finished => "the run has been applied already",
        State::Expired => "the plan is more than a day old and has expired; start a new preview",
        State::Failed => "the run failed and has no plan; its error says what to do next",
        State::Cancelled => "the run was cancelled; start a new preview",
        State::Planned | State::Applying => "the plan is being applied",
    }
}
