//! Runs that come by themselves (R3, D7): what is due becomes a run, once, whoever of the fetchers sees it first.
//!
//! One transaction takes a schedule's times that have come, writes the run down and says what comes next. Whoever dies
//! before it ends has done nothing, and afterwards nothing is left to do: the run waits to be taken like any other. What
//! comes next only ever moves on, so that a clock that is set back repeats nothing; times that have come are remembered
//! for a month, so that one that was ahead and is set right again neither repeats nor waits for the time that it showed.

use std::convert::Infallible;
use std::time::Duration;

use bus::{Bus, Headers, subjects};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::bus::v1::RunRequested;
use domain::id::{OrganizationId, RunId, ScheduleId};
use domain::schedule::{Kind, Objection, Passed, Spread, TRIED_FIRST, objection};
use prost::Message;
use service::Clock;
use service::drain::Stopper;
use service::telemetry::TraceContext;
use store::run::{self, Run};
use store::schedule::{self, Changed, Stored};
use store::schedule_slot::{self, CameTo, InTheWay};
use store::schedule_state::{self, Next, Slot, State};
use store::{Store, StoreError, Tx};
use tokio::time::MissedTickBehavior;
use tracing::Instrument;

/// Schedules that one look considers.
const AT_ONCE: i64 = 64;
/// By how much the clocks of two fetchers may differ before one of them counts as set back.
const SET_BACK: TimeDelta = TimeDelta::minutes(10);
/// For how long times that have come are remembered.
const REMEMBERED: TimeDelta = TimeDelta::days(31);
/// For waking a fetcher, which would find the run by itself a moment later.
const WAKE_LIMIT: Duration = Duration::from_secs(5);
/// Times in a row that may have come already before the search for the next one is given up until the next change.
const MOST_PASSED_OVER: u32 = 100_000;

/// Starts runs that are due.
#[derive(Debug)]
pub struct Scheduler {
    store: Store,
    bus: Bus,
    clock: Clock,
}

/// A run that was started, and what wakes somebody for it.
#[derive(Clone, Copy, Debug)]
struct Started {
    run: RunId,
    organization: OrganizationId,
}

impl Scheduler {
    /// Does nothing yet.
    pub const fn new(store: Store, bus: Bus, clock: Clock) -> Self {
        Self { store, bus, clock }
    }

    /// Starts what is due until the process stops.
    pub async fn run(&self, every: Duration, stopper: Stopper) -> Result<(), Infallible> {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stopper.until(ticks.tick()).await.is_some() {
            if stopper.until(Box::pin(self.tick())).await.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Starts what is due now.
    pub async fn tick(&self) {
        if let Err(error) = self.start_due().await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "schedules could not be looked at; trying again");
        }
    }

    async fn start_due(&self) -> Result<(), StoreError> {
        loop {
            let now = self.clock.now();
            let mut database = self.store.connection().await?;
            let look = schedule_state::look(&mut database, now, now + SET_BACK, AT_ONCE).await?;
            drop(database);
            if look.changed {
                self.plan_changed().await?;
            }
            let (mut claimed, more) = (false, look.due.len() >= usize::try_from(AT_ONCE).unwrap_or(1));
            let mut all_started = Vec::new();
            for id in look.due {
                match self.claim(id).await {
                    Ok(started) => {
                        claimed |= started.is_some();
                        all_started.extend(started.into_iter().flatten());
                    }
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        tracing::error!(error, schedule.id = %id, "a schedule could not be kept; trying again");
                    }
                }
            }
            for started in all_started {
                // Where the bus is away for one, it is for all; they are found without.
                if !self.wake(started).await {
                    break;
                }
            }
            if !(look.changed || claimed && more) {
                return Ok(());
            }
        }
    }

    /// Plans the schedules that have changed, in the order of their changes, one fetcher at a time: none is passed over.
    async fn plan_changed(&self) -> Result<(), StoreError> {
        let mut tx = self.store.begin("schedule.plan").await?;
        schedule_state::lock_planning(tx.connection()).await?;
        for changed in schedule::changed(tx.connection(), AT_ONCE).await? {
            let was = schedule_state::lock(tx.connection(), changed.id).await?;
            let state = self.planned_anew(&mut tx, changed, was).await?;
            schedule_state::put(tx.connection(), &state).await?;
        }
        tx.commit().await
    }

    /// What comes next of a schedule that has changed: as before, where the change leaves the times as they were.
    async fn planned_anew(
        &self,
        tx: &mut Tx,
        changed: Changed,
        was: Option<State>,
    ) -> Result<State, StoreError> {
        let was = was.filter(|was| was.connection == changed.connection);
        let mut state = State {
            schedule: changed.id,
            organization: changed.organization,
            connection: changed.connection,
            revision: changed.revision,
            planned_at: self.clock.now(),
            full: Next::default(),
            delta: Next::default(),
            deprovision: Next::default(),
        };
        let stored = match changed.stored {
            Ok(stored) => stored,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, schedule.id = %changed.id, "the schedule can't be read; it stands still");
                return Ok(state);
            }
        };
        for kind in Kind::ALL {
            let key = stored.schedule.timing_key(kind);
            *state.of_mut(kind) = match was.as_ref().map(|was| was.of(kind)) {
                Some(as_before) if as_before.key == key => as_before.clone(),
                was => Next {
                    slot: next_slot(tx, &stored, kind, stored.updated_at).await?,
                    key,
                    run: was.and_then(|was| was.run),
                },
            };
        }
        tracing::info!(schedule = stored.name, "planned: {}", stored.schedule);
        Ok(state)
    }

    /// Takes what has come of a schedule. `None`: somebody else does, or nothing has.
    async fn claim(&self, id: ScheduleId) -> Result<Option<Vec<Started>>, StoreError> {
        let span = tracing::info_span!("schedule.claim", schedule.id = %id);
        self.claim_traced(id).instrument(span).await
    }

    async fn claim_traced(&self, id: ScheduleId) -> Result<Option<Vec<Started>>, StoreError> {
        let mut tx = self.store.begin("schedule.claim").await?;
        let started = self.claim_in(&mut tx, id).await?;
        // Either way at once: whoever looks next is not to find it locked.
        match started {
            Some(_) => tx.commit().await?,
            None => tx.rollback().await?,
        }
        Ok(started)
    }

    async fn claim_in(&self, tx: &mut Tx, id: ScheduleId) -> Result<Option<Vec<Started>>, StoreError> {
        let Some(mut state) = schedule_state::claim(tx.connection(), id).await? else {
            return Ok(None);
        };
        let stored = schedule::find(tx.connection(), id).await?;
        // One that has just changed is planned anew first.
        let Some(stored) = stored.filter(|stored| stored.revision == state.revision) else {
            return Ok(None);
        };
        let now = self.clock.now();
        let is_due = |kind: Kind| state.of(kind).slot.is_some_and(|slot| slot.due <= now);
        let set_back = state.planned_at > now + SET_BACK;
        // Somebody else may have taken it since we looked.
        if !set_back && !Kind::ALL.into_iter().any(is_due) {
            return Ok(None);
        }
        let mut started = Vec::new();
        if set_back {
            tracing::warn!(schedule = stored.name, was = %state.planned_at, "the clock has been set back");
            schedule_slot::delete_after(tx.connection(), stored.id, now + REMEMBERED).await?;
            for kind in Kind::ALL {
                state.of_mut(kind).slot = next_slot(tx, &stored, kind, now).await?;
            }
        } else {
            let known = schedule_slot::in_the_way(tx.connection(), &[stored.connection]).await?;
            let gone = InTheWay::gone(stored.connection);
            let objection = objection(known.first().unwrap_or(&gone).readiness(now - TRIED_FIRST));
            for kind in Kind::ALL {
                let Some(slot) = state.of(kind).slot.filter(|slot| slot.due <= now) else {
                    continue;
                };
                if let Some(due) = wait(tx, &stored, (kind, slot), objection, now).await? {
                    state.of_mut(kind).slot = Some(Slot { due, ..slot });
                    continue;
                }
                let full = started.first().copied().filter(|_| kind == Kind::Delta);
                let hindrance = hindrance(tx, objection, full, state.of(kind).run).await?;
                let (last, run) = self.take(tx, &stored, (kind, slot), hindrance, now).await?;
                let next = state.of_mut(kind);
                if let Some(run) = run {
                    next.run = Some(run);
                    started.push(Started {
                        run,
                        organization: stored.organization,
                    });
                }
                next.slot = next_slot(tx, &stored, kind, last).await?;
            }
        }
        state.planned_at = now;
        schedule_state::put(tx.connection(), &state).await?;
        Ok(Some(started))
    }

    /// Takes the times of one kind that have come: they are written down as one, with their run, unless something is in
    /// its way. Answers the last of them, and the run.
    async fn take(
        &self,
        tx: &mut Tx,
        stored: &Stored,
        (kind, slot): (Kind, Slot),
        hindrance: Option<String>,
        now: DateTime<Utc>,
    ) -> Result<(DateTime<Utc>, Option<RunId>), StoreError> {
        let spread = Spread::of(stored.connection);
        let passed = stored
            .schedule
            .passed(kind, slot.at, spread, now)
            .unwrap_or(Passed {
                count: 1,
                last: slot.at,
                missed: 0,
            });
        // Only what waited has come before, and is not over.
        let waited = schedule_slot::has_come(tx.connection(), stored.id, kind, slot.at).await?;
        let run = RunId(self.clock.new_id());
        let taken = schedule_slot::Slot {
            schedule: stored.id,
            kind,
            at: passed.last,
            claimed_at: now,
            missed: passed.missed,
            came_to: hindrance.map_or(CameTo::Run(run), CameTo::Skipped),
        };
        let is_new = schedule_slot::insert(tx.connection(), stored.organization, &taken).await?;
        schedule_slot::delete_before(tx.connection(), stored.id, kind, now - REMEMBERED).await?;
        let started = match &taken.came_to {
            CameTo::Run(run) if is_new => {
                self.add_run(tx, stored, (*run, kind), passed.reason(waited), now)
                    .await?;
                Some(*run)
            }
            CameTo::Run(_) => None,
            CameTo::Skipped(why) => {
                tracing::info!(schedule = stored.name, kind = kind.key(), slot = %passed.last, why, "skipped");
                None
            }
        };
        Ok((passed.last, started))
    }

    async fn add_run(
        &self,
        tx: &mut Tx,
        stored: &Stored,
        (id, kind): (RunId, Kind),
        reason: Option<String>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let by = format!("{}{}", run::OF_SCHEDULE, stored.name);
        let run = Run {
            id,
            organization: stored.organization,
            connection: stored.connection,
            kind: match kind {
                Kind::Full => run::Kind::Full,
                Kind::Delta => run::Kind::Delta,
                Kind::Deprovision => run::Kind::Deprovision,
            },
            trigger: by.clone(),
            requested_by: by,
            reason,
            apply_first: false,
            manual: None,
            revert: None,
            traceparent: TraceContext::current().map(|trace| trace.to_string()),
            created_at: now,
            cancel_requested_at: None,
            cancel_requested_by: None,
        };
        run::insert(tx.connection(), &run).await?;
        tracing::info!(run.id = %id, schedule = stored.name, kind = kind.key(), reason = run.reason, "run requested");
        Ok(())
    }

    /// Tells a fetcher of a run that is written down. One that is not told finds it by itself. `false`: the bus is away.
    async fn wake(&self, started: Started) -> bool {
        let message = RunRequested {
            run_id: started.run.0.as_bytes().to_vec(),
        };
        let headers = Headers {
            traceparent: None,
            run_id: Some(started.run.to_string()),
        };
        let subject = subjects::run_requested(started.organization);
        let id = format!("run.requested.{}", started.run);
        let published = self
            .bus
            .publish(&subject, &id, &headers, message.encode_to_vec().into());
        match tokio::time::timeout(WAKE_LIMIT, Box::pin(published)).await {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "no fetcher was woken");
            }
            Err(_) => tracing::warn!("the bus is away; no fetcher was woken"),
        }
        false
    }
}

/// Until when the times of a kind that have come wait: for the end of a quarantine, which is written down, or for their turn
/// among all that are late. `None`: they are seen to now.
async fn wait(
    tx: &mut Tx,
    stored: &Stored,
    (kind, slot): (Kind, Slot),
    objection: Option<Objection>,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    let spread = Spread::of(stored.connection);
    let due = stored
        .schedule
        .waits_until(kind, (slot.at, slot.due), spread, objection, now);
    if let (Some(_), Some(why)) = (due, objection) {
        let waiting = schedule_slot::Slot {
            schedule: stored.id,
            kind,
            at: slot.at,
            claimed_at: now,
            missed: 0,
            came_to: CameTo::Skipped(why.to_string()),
        };
        schedule_slot::insert(tx.connection(), stored.organization, &waiting).await?;
    }
    Ok(due)
}

/// Why the times of a kind that have come start no run. `full` is a run that has just been started and does the same.
async fn hindrance(
    tx: &mut Tx,
    objection: Option<Objection>,
    full: Option<Started>,
    last: Option<RunId>,
) -> Result<Option<String>, StoreError> {
    if let Some(objection) = objection {
        return Ok(Some(objection.to_string()));
    }
    if let Some(Started { run, .. }) = full {
        return Ok(Some(format!("the full run {run} takes its place")));
    }
    if let Some(last) = last
        && schedule_slot::goes_on(tx.connection(), last).await?
    {
        return Ok(Some(format!("the run before it, {last}, is not done yet")));
    }
    Ok(None)
}

/// The first time of a kind after `after` that has not come yet.
async fn next_slot(
    tx: &mut Tx,
    stored: &Stored,
    kind: Kind,
    after: DateTime<Utc>,
) -> Result<Option<Slot>, StoreError> {
    let mut after = after;
    for _ in 0..MOST_PASSED_OVER {
        let Some(at) = stored.schedule.next(kind, after) else {
            return Ok(None);
        };
        if !schedule_slot::has_come(tx.connection(), stored.id, kind, at).await? {
            let due = stored.schedule.due(kind, at, Spread::of(stored.connection));
            return Ok(Some(Slot { at, due }));
        }
        after = at;
    }
    Ok(None)
}
