//! Taking runs: wake-ups from the bus and a sweep do the same, and the database decides.
//!
//! A connection's runs are taken one at a time, oldest first; manual ones at once, beside the others. A run whose reader died, or whose pages got lost, is taken
//! again and begins anew. Two fetchers never hold the same run.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bus::{Consumer, Received, Watch, consumers};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::bus::v1::RunCancel;
use domain::id::{ConnectionId, RunId};
use service::drain::Tasks;
use store::run_fetch::{Hold, State};
use store::run_queue::{self, Again};
use store::run_take;
use store::{StoreError, Tx};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, MissedTickBehavior};
use uuid::Uuid;

use crate::fetch::{Fetcher, Taken};
use crate::lease::until;
use crate::metrics::Metrics;

/// Runs that one look considers.
const CANDIDATES: i64 = 16;
/// Manual runs that are read at the same time. They have room of their own, for long runs may have all the other.
const MANUAL: usize = 4;
/// Between two looks for lost pages, which look at more of the database.
const STALL_LOOKS: Duration = Duration::from_secs(5);

/// Takes runs and has them read.
pub struct Taker {
    fetcher: Arc<Fetcher>,
    tasks: Tasks,
    slots: Arc<Semaphore>,
    manual: Arc<Semaphore>,
    active: Arc<Active>,
    sweep: Notify,
    last_stall_look: Mutex<Option<Instant>>,
}

/// The runs that this process reads, each with what makes it look whether it is to end.
#[derive(Debug)]
struct Active {
    runs: Mutex<HashMap<RunId, Arc<Notify>>>,
    metrics: Arc<Metrics>,
}

impl Taker {
    /// Takes nothing yet.
    pub fn new(fetcher: Arc<Fetcher>, tasks: Tasks) -> Self {
        let metrics = Arc::clone(&fetcher.metrics);
        Self {
            slots: Arc::new(Semaphore::new(fetcher.config.runs.get())),
            manual: Arc::new(Semaphore::new(MANUAL)),
            fetcher,
            tasks,
            active: Arc::new(Active {
                runs: Mutex::default(),
                metrics,
            }),
            sweep: Notify::new(),
            last_stall_look: Mutex::default(),
        }
    }

    /// Takes runs until the process stops; `wake_ups` says when there may be one.
    pub async fn take_runs(&self, mut wake_ups: Consumer) -> Result<(), Infallible> {
        let looking = Box::pin(self.look_again_and_again(&mut wake_ups));
        self.fetcher.stopper.until(looking).await;
        wake_ups.close().await;
        Ok(())
    }

    /// Hears of runs that someone wants ended, until the process stops.
    pub async fn hear_cancels(&self, mut watch: Watch) -> Result<(), Infallible> {
        while let Some(Some(seen)) = self.fetcher.stopper.until(watch.next()).await {
            let run = seen
                .decode::<RunCancel>()
                .ok()
                .and_then(|cancel| Uuid::from_slice(&cancel.run_id).ok());
            match run.map(RunId) {
                Some(run) if self.active.look(run) => {}
                // Nobody reads it here: it may wait to be taken.
                _ => self.sweep.notify_one(),
            }
        }
        Ok(())
    }

    async fn look_again_and_again(&self, wake_ups: &mut Consumer) {
        let mut sweep = tokio::time::interval(self.fetcher.config.sweep());
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let wake_up = tokio::select! {
                received = Box::pin(wake_ups.next()) => Some(received),
                _ = sweep.tick() => None,
                () = self.sweep.notified() => None,
            };
            if let Err(error) = self.take_all().await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "no run could be taken; trying again");
            }
            // Taken or not: the sweep finds what is left.
            if let Some(Received::Message(delivery) | Received::Exhausted(delivery)) = wake_up
                && let Err(error) = delivery.ack().await
            {
                tracing::warn!(error = &error as &dyn std::error::Error, "a wake-up comes again");
            }
        }
    }

    /// Takes runs while there are any and there is room.
    async fn take_all(&self) -> Result<(), StoreError> {
        self.fetcher.directories.forget_idle();
        self.cancel_unheld().await?;
        self.take_manual().await?;
        while let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
            let Some(taken) = self.take_one().await? else {
                break;
            };
            self.read(taken, slot);
        }
        Ok(())
    }

    /// Has a run read, while it has its slot.
    fn read(&self, taken: Taken, slot: OwnedSemaphorePermit) {
        let (fetcher, active) = (Arc::clone(&self.fetcher), Arc::clone(&self.active));
        let look = active.enter(taken.run);
        self.tasks.spawn("fetch", async move {
            fetcher.fetch(taken, look).await;
            active.leave(taken.run);
            drop(slot);
            Ok::<_, Infallible>(())
        });
    }

    /// Takes manual runs, which wait for nobody.
    async fn take_manual(&self) -> Result<(), StoreError> {
        if self.manual.available_permits() == 0 {
            return Ok(());
        }
        let mut database = self.fetcher.store.connection().await?;
        for run in run_queue::manual(&mut database, CANDIDATES).await? {
            let Ok(slot) = Arc::clone(&self.manual).try_acquire_owned() else {
                break;
            };
            let (holder, now) = (&self.fetcher.holder, self.fetcher.clock.now());
            let lease_until = until(now, self.fetcher.config.lease());
            if run_take::begin(&mut database, run, holder, now, lease_until).await? {
                self.read(Taken { run, attempt: 1 }, slot);
            }
        }
        Ok(())
    }

    async fn take_one(&self) -> Result<Option<Taken>, StoreError> {
        let now = self.fetcher.clock.now();
        let mut database = self.fetcher.store.connection().await?;
        let left_behind = run_queue::left_behind(&mut database, now, CANDIDATES).await?;
        let connections = run_queue::connections(&mut database, CANDIDATES).await?;
        drop(database);
        for run in left_behind {
            if let Some(taken) = self.take_again(run, State::Fetching).await? {
                return Ok(Some(taken));
            }
        }
        for connection in connections {
            if let Some(taken) = self.take_next(connection).await? {
                return Ok(Some(taken));
            }
        }
        self.take_stalled(now).await
    }

    /// The connection's oldest waiting run, unless another of its runs is active.
    async fn take_next(&self, connection: ConnectionId) -> Result<Option<Taken>, StoreError> {
        let mut tx = self.locked("run.take", connection).await?;
        let Some(run) = run_queue::next(tx.connection(), connection).await? else {
            return Ok(None);
        };
        let (holder, now) = (&self.fetcher.holder, self.fetcher.clock.now());
        let lease_until = until(now, self.fetcher.config.lease());
        let taken = run_take::begin(tx.connection(), run, holder, now, lease_until).await?;
        tx.commit().await?;
        Ok(taken.then_some(Taken { run, attempt: 1 }))
    }

    /// A run that came to nothing in an earlier attempt; too many of those are enough.
    async fn take_again(&self, run: Again, state: State) -> Result<Option<Taken>, StoreError> {
        let mut tx = self.locked("run.take_again", run.connection).await?;
        let now = self.fetcher.clock.now();
        if let Some((cause, error)) = self.enough(run, state) {
            let told =
                run_take::give_up(tx.connection(), run.run, run.attempt, state, (cause, &error), now).await?;
            tx.commit().await?;
            if told {
                tracing::error!(run.id = %run.run, cause, "{error}");
                self.fetcher.tell(run.run, run.attempt).await;
            }
            return Ok(None);
        }
        let hold = Hold {
            run: run.run,
            attempt: run.attempt,
            holder: self.fetcher.holder.clone(),
        };
        let lease_until = until(now, self.fetcher.config.lease());
        let taken = run_take::begin_anew(tx.connection(), &hold, state, now, lease_until).await?;
        tx.commit().await?;
        if taken {
            tracing::warn!(run.id = %run.run, attempt = run.attempt + 1, was = state.key(), "taken again");
        }
        Ok(taken.then_some(Taken {
            run: run.run,
            attempt: run.attempt + 1,
        }))
    }

    /// A run that is read, but whose pages nobody decides: if none is waiting on the bus, they are lost.
    async fn take_stalled(&self, now: DateTime<Utc>) -> Result<Option<Taken>, StoreError> {
        if !self.time_to_look_for_stalls() {
            return Ok(None);
        }
        let quiet = TimeDelta::from_std(self.fetcher.config.stall()).unwrap_or(TimeDelta::MAX);
        let quiet_since = now.checked_sub_signed(quiet).unwrap_or(DateTime::<Utc>::MIN_UTC);
        let mut database = self.fetcher.store.connection().await?;
        let stalled = run_queue::stalled(&mut database, None, quiet_since, CANDIDATES).await?;
        drop(database);
        if stalled.is_empty() || !self.no_page_waits().await {
            return Ok(None);
        }
        for run in stalled {
            // What was decided while we asked the bus counts.
            let mut database = self.fetcher.store.connection().await?;
            let still = run_queue::stalled(&mut database, Some(run.run), quiet_since, 1).await?;
            drop(database);
            if still.contains(&run)
                && let Some(taken) = self.take_again(run, State::Fetched).await?
            {
                return Ok(Some(taken));
            }
        }
        Ok(None)
    }

    /// Whether no page is on the bus: then nobody is about to decide one. If the bus can't tell, one may be.
    async fn no_page_waits(&self) -> bool {
        match self.fetcher.bus.lag(&consumers::RECONCILER_PAGES).await {
            Ok(lag) if lag.pending == 0 && lag.in_flight == 0 => true,
            Ok(lag) => {
                tracing::info!(
                    pending = lag.pending,
                    in_flight = lag.in_flight,
                    "pages wait for a reconciler"
                );
                false
            }
            Err(error) => {
                tracing::info!(
                    error = &error as &dyn std::error::Error,
                    "the bus does not tell whether pages wait for a reconciler"
                );
                false
            }
        }
    }

    fn time_to_look_for_stalls(&self) -> bool {
        let mut last = self
            .last_stall_look
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let every = STALL_LOOKS.min(self.fetcher.config.stall());
        let due = last.is_none_or(|last| last.elapsed() >= every);
        if due {
            *last = Some(Instant::now());
        }
        due
    }

    /// Why a run has been begun often enough.
    fn enough(&self, run: Again, state: State) -> Option<(&'static str, String)> {
        let (limit, cause, what) = match state {
            State::Fetched => (
                self.fetcher.config.max_attempts,
                "pages_lost",
                "its pages got lost on the way to the reconciler; check NATS and its disk",
            ),
            _ => (
                self.fetcher.config.max_takings,
                "given_up",
                "the fetcher ended each time before everything was read; see the fetcher's log and its memory limit",
            ),
        };
        let attempts = run.attempt;
        (attempts >= limit).then(|| (cause, format!("The run was begun {attempts} times, and {what}.")))
    }

    /// Ends the runs that someone wants ended and nobody reads.
    async fn cancel_unheld(&self) -> Result<(), StoreError> {
        let mut database = self.fetcher.store.connection().await?;
        let now = self.fetcher.clock.now();
        let ended = run_take::cancel_unheld(&mut database, &self.fetcher.holder, now).await?;
        drop(database);
        for run in ended {
            tracing::info!(run.id = %run, "cancelled before it was read");
            self.fetcher.tell(run, 0).await;
        }
        Ok(())
    }

    async fn locked(&self, name: &'static str, connection: ConnectionId) -> Result<Tx, StoreError> {
        let mut tx = self.fetcher.store.begin(name).await?;
        run_queue::lock(tx.connection(), connection).await?;
        Ok(tx)
    }
}

impl Active {
    fn enter(&self, run: RunId) -> Arc<Notify> {
        let look = Arc::new(Notify::new());
        self.change(|runs| {
            runs.insert(run, Arc::clone(&look));
        });
        look
    }

    fn leave(&self, run: RunId) {
        self.change(|runs| {
            runs.remove(&run);
        });
    }

    /// Makes a run look whether it is to end. Says whether it is read here.
    fn look(&self, run: RunId) -> bool {
        let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.get(&run).map(|look| look.notify_one()).is_some()
    }

    fn change(&self, change: impl FnOnce(&mut HashMap<RunId, Arc<Notify>>)) {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut runs);
        self.metrics.active.set(runs.len() as u64, &[]);
    }
}
