//! Holding a run: signs of life with its progress, until it is read, taken away, or to end.
//!
//! Every write names run, attempt and holder. One that finds no such row says that somebody else has the run.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::id::{ObjectId, RunId};
use graph::{CallStats, Snapshot};
use service::Clock;
use store::run_fetch::{self, Hold, Outcome, Progress};
use store::run_wait::{self, Waits};
use store::{Store, StoreError};
use tokio::sync::{Mutex, Notify};
use tokio::time::{Instant, MissedTickBehavior};

use crate::failure::FetchError;
use crate::metrics::Metrics;
use crate::pipeline::Counts;
use crate::waits;

/// A run that this process reads.
pub struct Lease {
    store: Store,
    clock: Clock,
    run: RunId,
    holder: String,
    length: Duration,
    heartbeat: Duration,
    /// Held during every write, so that a sign of life never names an attempt that has just ended.
    attempt: Mutex<u32>,
    /// What has been published.
    pub counts: Arc<Counts>,
    /// What the calls cost.
    pub stats: Arc<CallStats>,
    metrics: Arc<Metrics>,
    /// Costs that the metrics have already.
    counted: std::sync::Mutex<Snapshot>,
    /// The waits that were written down last, and whether one went on.
    told: Mutex<Option<(Vec<Waits>, bool)>>,
    look: Arc<Notify>,
}

/// Why a run is no longer to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Somebody else has it, or may have.
    Lost,
    /// Someone asked for its end.
    Cancelled,
}

/// What a lease is made of.
pub struct Terms {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// The run, the attempt and this process.
    pub hold: Hold,
    /// How long it lasts without a sign of life.
    pub length: Duration,
    /// Between two signs of life.
    pub heartbeat: Duration,
    /// Where costs are counted for everyone.
    pub metrics: Arc<Metrics>,
    /// Woken when somebody may have asked for the run's end.
    pub look: Arc<Notify>,
}

impl Lease {
    /// A lease on a run that was just taken.
    pub fn new(terms: Terms) -> Self {
        Self {
            store: terms.store,
            clock: terms.clock,
            run: terms.hold.run,
            holder: terms.hold.holder,
            length: terms.length,
            heartbeat: terms.heartbeat,
            attempt: Mutex::new(terms.hold.attempt),
            counts: Arc::default(),
            stats: Arc::default(),
            metrics: terms.metrics,
            counted: std::sync::Mutex::default(),
            told: Mutex::default(),
            look: terms.look,
        }
    }

    /// The present attempt.
    pub async fn attempt(&self) -> u32 {
        *self.attempt.lock().await
    }

    /// The hold as it is now, for writes of the reading's own that only its holder may do.
    pub async fn held(&self) -> Hold {
        self.hold(self.attempt().await)
    }

    /// Gives signs of life until the run is lost or to end.
    ///
    /// While the database is away the run goes on, but not for longer than the lease, since then somebody else may
    /// take it.
    pub async fn keep(&self) -> Over {
        let mut beat = tokio::time::interval(self.heartbeat);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut good_until = Instant::now() + self.length;
        loop {
            tokio::select! {
                _ = beat.tick() => {}
                () = self.look.notified() => {}
            }
            let began = Instant::now();
            let renewed = tokio::time::timeout_at(good_until, self.renew()).await;
            match renewed {
                Ok(Ok(Some(renewed))) if renewed.cancel_requested => return Over::Cancelled,
                Ok(Ok(Some(_))) => good_until = began + self.length,
                Ok(Ok(None)) => return Over::Lost,
                Ok(Err(error)) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "no sign of life");
                }
                Err(_) => {}
            }
            if Instant::now() >= good_until {
                return Over::Lost;
            }
        }
    }

    /// What has been read so far is void: begins the next attempt, and returns its number.
    pub async fn restart(&self) -> Result<u32, FetchError> {
        let mut attempt = self.attempt.lock().await;
        self.counts.pages.store(0, Ordering::Relaxed);
        self.counts.records.store(0, Ordering::Relaxed);
        let now = self.clock.now();
        let mut connection = self.store.connection().await?;
        let held = run_fetch::restart(&mut connection, &self.hold(*attempt), now, self.until(now)).await?;
        if !held {
            return Err(FetchError::Lost);
        }
        *attempt += 1;
        Ok(*attempt)
    }

    /// Writes down what is read, and why.
    pub async fn describe(
        &self,
        delta: bool,
        reason: Option<&str>,
        expected: Option<u32>,
    ) -> Result<(), FetchError> {
        let attempt = self.attempt.lock().await;
        let mut connection = self.store.connection().await?;
        let hold = self.hold(*attempt);
        let held = run_fetch::describe(&mut connection, &hold, delta, reason, expected).await?;
        if held { Ok(()) } else { Err(FetchError::Lost) }
    }

    /// Writes down which object each key of a manual run is.
    pub async fn note_found(&self, found: &[Option<ObjectId>]) -> Result<(), FetchError> {
        let attempt = self.attempt.lock().await;
        let mut connection = self.store.connection().await?;
        let held = run_fetch::note_found(&mut connection, &self.hold(*attempt), found).await?;
        if held { Ok(()) } else { Err(FetchError::Lost) }
    }

    /// Writes down the end of a reading that got everything. Says whether the run was still held.
    pub async fn succeed(&self, outcome: &Outcome) -> Result<bool, StoreError> {
        let attempt = self.attempt.lock().await;
        self.tell_waits(*attempt).await?;
        let mut connection = self.store.connection().await?;
        run_fetch::succeed(&mut connection, &self.hold(*attempt), outcome, self.clock.now()).await
    }

    /// Writes down that it could not be done. Says whether the run was still held.
    pub async fn fail(&self, cause: &str, error: &str) -> Result<bool, StoreError> {
        let attempt = self.attempt.lock().await;
        self.tell_waits(*attempt).await?;
        let mut connection = self.store.connection().await?;
        run_fetch::fail(
            &mut connection,
            &self.hold(*attempt),
            cause,
            error,
            self.clock.now(),
        )
        .await
    }

    /// Writes down that someone ended it. Says whether the run was still held.
    pub async fn cancel(&self) -> Result<bool, StoreError> {
        let attempt = self.attempt.lock().await;
        self.tell_waits(*attempt).await?;
        let mut connection = self.store.connection().await?;
        run_fetch::cancel(&mut connection, &self.hold(*attempt), self.clock.now()).await
    }

    /// Lets somebody else take it at once. Says whether the run was still held.
    pub async fn release(&self) -> Result<bool, StoreError> {
        let attempt = self.attempt.lock().await;
        let mut connection = self.store.connection().await?;
        run_fetch::release(&mut connection, &self.hold(*attempt), self.clock.now()).await
    }

    /// How much has been read and what it cost.
    pub fn progress(&self) -> Progress {
        let calls = self.stats.snapshot();
        let answered: u64 = calls.answers.values().sum();
        let (held_up, held_up_for) = self.counts.held_up.sum();
        Progress {
            pages: self.counts.pages.load(Ordering::Relaxed),
            records: self.counts.records.load(Ordering::Relaxed),
            calls: small(answered + calls.unanswered),
            resource_units: small(calls.resource_units),
            waits: small(calls.throttle_waits + calls.retry_waits + held_up),
            wait_ms: u64::try_from((calls.throttled + calls.retrying + held_up_for).as_millis())
                .unwrap_or(u64::MAX),
        }
    }

    /// Adds to the metrics what the calls have cost since the last time.
    pub fn count_calls(&self) {
        let calls = self.stats.snapshot();
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        self.metrics.graph(&counted, &calls);
        *counted = calls;
    }

    async fn renew(&self) -> Result<Option<run_fetch::Renewed>, StoreError> {
        let attempt = self.attempt.lock().await;
        let now = self.clock.now();
        self.count_calls();
        self.tell_waits(*attempt).await?;
        let mut connection = self.store.connection().await?;
        let hold = self.hold(*attempt);
        run_fetch::renew(&mut connection, &hold, self.progress(), now, self.until(now)).await
    }

    /// Writes down what was waited for, and is just now, if there is something new to tell.
    async fn tell_waits(&self, attempt: u32) -> Result<(), StoreError> {
        let calls = self.stats.snapshot();
        let all = waits::all(&calls, &self.counts.held_up);
        let waiting = waits::at(&calls, &self.counts.held_up, self.clock.now());
        let mut told = self.told.lock().await;
        // Whoever read it before may have left a wait behind: the first word is always written.
        if told
            .as_ref()
            .is_some_and(|(before, was_waiting)| *before == all && !was_waiting)
            && waiting.is_none()
        {
            return Ok(());
        }
        let mut connection = self.store.connection().await?;
        run_wait::write(&mut connection, &self.hold(attempt), &all, waiting.as_ref()).await?;
        *told = Some((all, waiting.is_some()));
        Ok(())
    }

    fn hold(&self, attempt: u32) -> Hold {
        Hold {
            run: self.run,
            attempt,
            holder: self.holder.clone(),
        }
    }

    fn until(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        until(now, self.length)
    }
}

/// The end of a lease that begins now.
pub fn until(now: DateTime<Utc>, length: Duration) -> DateTime<Utc> {
    now + TimeDelta::from_std(length).unwrap_or(TimeDelta::MAX)
}

fn small(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
