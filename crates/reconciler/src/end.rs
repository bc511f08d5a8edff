//! The end of a run: late decisions, tallies, the list of failed records, the next delta's beginning and the event, in one transaction.

use domain::id::EventId;
use prost::Message;
use service::Clock;
use service::telemetry::TraceContext;
use store::failed_record::Settles;
use store::outbox::{self, Event};
use store::run::Kind;
use store::run_beside::Which;
use store::run_plan::{self, State, Work};
use store::{Store, Tx, decision, failed_record, link, review, run_page, run_tally};
use uuid::Uuid;

use crate::error::Error;
use crate::{apply, health, log};

/// Late decisions that are applied at a time, within the one transaction.
const BATCH: i64 = 1_000;

/// Ends a plan of which every page is applied. `false`: not yet, or not any more.
pub async fn finish(store: &Store, work: &Work, clock: &Clock) -> Result<bool, Error> {
    loop {
        match try_finish(store, work, clock).await {
            Err(Error::Store(error)) if error.duplicate() == Some("account_login") => {
                apply::give_way(store, work, error).await?;
            }
            done => return done,
        }
    }
}

async fn try_finish(store: &Store, work: &Work, clock: &Clock) -> Result<bool, Error> {
    let mut tx = store.begin("end.finish").await?;
    match run_plan::lock(tx.connection(), work.run).await? {
        Some(open) if open.state == State::Applying => (),
        _ => return Ok(false),
    }
    if run_page::any_to_apply(tx.connection(), work.run).await? {
        return Ok(false);
    }
    apply::enter(&mut tx, work, Which::Late).await?;
    let mut after = (i32::MIN, i32::MIN);
    loop {
        let late = decision::late(tx.connection(), work.run, after, BATCH).await?;
        let Some(last) = late.last() else { break };
        after = (last.page, last.position);
        apply::write(&mut tx, work, &late, clock).await?;
    }
    let failed = run_tally::tally(tx.connection(), work.run).await?;
    // What a revert could not do says nothing of the directory's objects.
    if work.kind != Kind::Revert {
        if failed > 0 {
            mark_conflicts(&mut tx, work).await?;
        }
        log::removals(&mut tx, work, clock).await?;
        // A preview may be applied late: what it knew of everybody may be so no more.
        let of_now = !matches!(work.kind, Kind::Manual | Kind::Preview);
        let complete = work.fetch.proved && !work.fetch.delta && of_now;
        // What failed is decided anew by the next run.
        if complete && failed == 0 {
            review::close_unasked(tx.connection(), work.connection, work.run, clock.now()).await?;
        }
        let settles = match work.kind {
            // Who is no leaver was not decided on.
            Kind::Deprovision => Settles::Nobody,
            _ if work.fetch.proved && !work.fetch.delta => Settles::Everybody,
            _ => Settles::WhoWasSeen,
        };
        failed_record::record(tx.connection(), work.run, work.connection, settles, clock.now()).await?;
        run_plan::advance_cursor(tx.connection(), work.run).await?;
    }
    set_ended(&mut tx, work, State::Finished, None, clock).await?;
    tell_changed(&mut tx, work, clock).await?;
    tx.commit().await?;
    Ok(true)
}

/// The links of whom the run failed say so (I6).
async fn mark_conflicts(tx: &mut Tx, work: &Work) -> Result<(), Error> {
    let mut after = (i32::MIN, i32::MIN);
    loop {
        let failed = decision::failed_objects(tx.connection(), work.run, after, BATCH).await?;
        let Some((last, ..)) = failed.last() else {
            return Ok(());
        };
        after = *last;
        let (objects, kinds): (Vec<Uuid>, Vec<i16>) =
            failed.into_iter().map(|(_, object, kind)| (object, kind)).unzip();
        link::mark_conflicts(tx.connection(), (work.connection, work.run), (&objects, &kinds)).await?;
    }
}

/// Ends a plan and tells of it, in the caller's transaction.
pub async fn set_ended(
    tx: &mut Tx,
    work: &Work,
    state: State,
    error: Option<&str>,
    clock: &Clock,
) -> Result<(), Error> {
    run_plan::set_ended(tx.connection(), work.run, state, error, clock.now()).await?;
    tell_ended(tx, work, clock).await
}

/// Tells that a run has come to its end, or to the end of its planning.
pub async fn tell_ended(tx: &mut Tx, work: &Work, clock: &Clock) -> Result<(), Error> {
    let id = clock.new_id();
    let message = contracts::bus::v1::RunFinished {
        event_id: id.as_bytes().to_vec(),
        organization_id: work.organization.0.as_bytes().to_vec(),
        run_id: work.run.0.as_bytes().to_vec(),
    };
    let subject = bus::subjects::run_finished(work.organization).to_string();
    let event = event(work, EventId(id), subject, message.encode_to_vec());
    outbox::insert(tx.connection(), &event, clock.now()).await?;
    health::of_run(tx, work, event.id, clock).await?;
    Ok(())
}

async fn tell_changed(tx: &mut Tx, work: &Work, clock: &Clock) -> Result<(), Error> {
    let id = clock.new_id();
    let message = contracts::bus::v1::RegisterChanged {
        event_id: id.as_bytes().to_vec(),
        organization_id: work.organization.0.as_bytes().to_vec(),
        run_id: work.run.0.as_bytes().to_vec(),
        records: 0,
    };
    let subject = bus::subjects::register_changed(work.organization).to_string();
    let event = event(work, EventId(id), subject, message.encode_to_vec());
    outbox::insert(tx.connection(), &event, clock.now()).await?;
    Ok(())
}

fn event(work: &Work, id: EventId, subject: String, payload: Vec<u8>) -> Event {
    Event {
        id,
        organization: work.organization,
        subject,
        payload,
        run: Some(work.run),
        traceparent: TraceContext::current()
            .map(|context| context.to_string())
            .or_else(|| work.traceparent.clone()),
    }
}
