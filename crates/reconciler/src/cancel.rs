//! Ends a run before its time: because someone asked for it, or because it can't go on. The register stays whole.

use service::Clock;
use store::decision_settle as contested;
use store::run_plan::{self, New, State, Work};
use store::{Store, Tx, run_tally};

use crate::end;
use crate::error::Error;

/// Ends a run that someone asked to end. What is applied stays; the rest is skipped.
pub async fn cancel(store: &Store, work: &Work, clock: &Clock) -> Result<(), Error> {
    let mut tx = store.begin("cancel").await?;
    let state = open(&mut tx, work, clock).await?;
    if !matches!(state, State::Planning | State::Planned | State::Applying) {
        return Ok(());
    }
    contested::drop_unapplied(
        tx.connection(),
        work.run,
        "the run was cancelled before this was applied",
    )
    .await?;
    run_tally::tally(tx.connection(), work.run).await?;
    end::set_ended(&mut tx, work, State::Cancelled, None, clock).await?;
    tx.commit().await?;
    Ok(())
}

/// Ends a run that can't go on.
pub async fn fail(store: &Store, work: &Work, why: &str, clock: &Clock) -> Result<(), Error> {
    let mut tx = store.begin("fail").await?;
    let state = open(&mut tx, work, clock).await?;
    if !matches!(state, State::Planning | State::Applying) {
        return Ok(());
    }
    contested::drop_unapplied(
        tx.connection(),
        work.run,
        "the run failed before this was applied",
    )
    .await?;
    run_tally::tally(tx.connection(), work.run).await?;
    end::set_ended(&mut tx, work, State::Failed, Some(why), clock).await?;
    tx.commit().await?;
    tracing::error!(run.id = %work.run, why, "run failed");
    Ok(())
}

/// The plan's state; a run that never came to a plan gets an empty one to end.
async fn open(tx: &mut Tx, work: &Work, clock: &Clock) -> Result<State, Error> {
    if let Some(open) = run_plan::lock(tx.connection(), work.run).await? {
        return Ok(open.state);
    }
    let plan = New {
        run: work.run,
        organization: work.organization,
        connection: work.connection,
        attempt: work.fetch.attempt,
        preview: false,
        rules_fingerprint: 0,
        traceparent: work.traceparent.clone(),
    };
    run_plan::insert(tx.connection(), &plan, clock.now()).await?;
    let open = run_plan::lock(tx.connection(), work.run).await?;
    Ok(open.map_or(State::Planning, |open| open.state))
}
