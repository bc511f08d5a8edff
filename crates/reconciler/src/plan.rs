//! Begins a run's plan with its first page, and anew when the fetch has begun anew.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::id::RunId;
use service::telemetry::TraceContext;
use store::connection::FirstRun;
use store::run::Kind;
use store::run_partition::{self, Week};
use store::run_plan::{self, New, Open, State, Work};
use store::{Store, Tx, decision, run_page};

use crate::error::Error;
use crate::rules::{self, Known, RunRules};

/// Makes sure that the plan for this attempt at the run's fetch is begun. `None`: the attempt is void, because a later
/// one has begun, or the plan has ended.
pub async fn ensure(
    store: &Store,
    known: &Known,
    work: &Work,
    now: DateTime<Utc>,
) -> Result<Option<Open>, Error> {
    let mut tx = store.begin("plan.ensure").await?;
    let open = match run_plan::lock(tx.connection(), work.run).await? {
        Some(open) => open,
        None => begin(&mut tx, known, work, now).await?,
    };
    if open.state != State::Planning || open.attempt > work.fetch.attempt {
        return Ok(None);
    }
    if open.attempt < work.fetch.attempt {
        begin_anew(&mut tx, known, work).await?;
    }
    let open = run_plan::lock(tx.connection(), work.run).await?;
    tx.commit().await?;
    Ok(open)
}

/// The rules that the plan is made by. They must be the ones that it was begun with.
pub async fn rules(tx: &mut Tx, known: &Known, work: &Work, open: Open) -> Result<Arc<RunRules>, Error> {
    if let Some(rules) = known
        .get(work.run)
        .filter(|rules| rules.fingerprint == open.rules_fingerprint)
    {
        return Ok(rules);
    }
    let rules = load(tx, work).await?;
    if rules.fingerprint != open.rules_fingerprint {
        return Err(Error::Rules(
            "the mapping or the policies changed while the run was being decided; start it again".to_owned(),
        ));
    }
    Ok(known.put(work.run, rules))
}

async fn load(tx: &mut Tx, work: &Work) -> Result<RunRules, Error> {
    let rules = rules::load(tx, work.connection).await?;
    Ok(if work.kind == Kind::Manual {
        rules.by_hand()
    } else {
        rules
    })
}

async fn begin(tx: &mut Tx, known: &Known, work: &Work, now: DateTime<Utc>) -> Result<Open, Error> {
    // Its week is there, unless the clock that made its id goes by another week than ours.
    run_partition::ensure(tx.connection(), Week::of_run(work.run)).await?;
    let rules = load(tx, work).await?;
    let first = !run_plan::any_finished(tx.connection(), work.connection).await?;
    let careful = first && rules.first_run == FirstRun::Preview && !work.apply_first;
    let plan = New {
        run: work.run,
        organization: work.organization,
        connection: work.connection,
        attempt: work.fetch.attempt,
        preview: work.kind == Kind::Preview || (careful && work.kind != Kind::Manual),
        rules_fingerprint: rules.fingerprint,
        traceparent: TraceContext::current()
            .map(|context| context.to_string())
            .or(work.traceparent.clone()),
    };
    run_plan::insert(tx.connection(), &plan, now).await?;
    known.put(work.run, rules);
    run_plan::lock(tx.connection(), work.run)
        .await?
        .ok_or_else(|| Error::Rules(format!("the plan of run {} vanished", work.run)))
}

async fn begin_anew(tx: &mut Tx, known: &Known, work: &Work) -> Result<(), Error> {
    let rules = load(tx, work).await?;
    decision::delete_of_run(tx.connection(), work.run).await?;
    run_page::delete_of_run(tx.connection(), work.run).await?;
    run_plan::begin_anew(tx.connection(), work.run, work.fetch.attempt, rules.fingerprint).await?;
    known.put(work.run, rules);
    Ok(())
}

/// Loads the work of a run outside any transaction.
pub async fn work(store: &Store, run: RunId) -> Result<Option<Work>, Error> {
    Ok(run_plan::work(&mut *store.connection().await?, run).await?)
}
