//! What a run's calls cost: shown while it runs and kept with it (B16, R8).

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Counts the calls of one run. Share it between the run and those who look at it.
#[derive(Debug, Default)]
pub struct CallStats(Mutex<Snapshot>);

/// What has been counted so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Answers by HTTP status, those of the token endpoint included.
    pub answers: BTreeMap<u16, u64>,
    /// Calls that ended without an answer: connection refused, timeout, cut off.
    pub unanswered: u64,
    /// Bytes of answer bodies.
    pub bytes: u64,
    /// Resource units as Graph reported them (`x-ms-resource-unit`, graph-facts §7.3).
    pub resource_units: u64,
    /// Tokens fetched.
    pub tokens: u64,
    /// Waits because Graph or the token endpoint throttled (429).
    pub throttle_waits: u64,
    /// Time spent in them.
    pub throttled: Duration,
    /// Waits for any other reason: no answer, 5xx.
    pub retry_waits: u64,
    /// Time spent in them.
    pub retrying: Duration,
    /// The wait going on now.
    pub waiting: Option<Wait>,
}

/// A wait before the next try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Why, for people: `Graph throttled the call (429)`.
    pub reason: String,
    /// Whether it is because of throttling.
    pub throttled: bool,
    /// How long it is in all.
    pub length: Duration,
    /// Which try has failed, from 1.
    pub attempt: u32,
}

impl CallStats {
    /// Everything counted so far.
    pub fn snapshot(&self) -> Snapshot {
        self.lock().clone()
    }

    pub(crate) fn answered(&self, status: u16, resource_units: u64) {
        let mut counts = self.lock();
        *counts.answers.entry(status).or_default() += 1;
        counts.resource_units += resource_units;
    }

    pub(crate) fn unanswered(&self) {
        self.lock().unanswered += 1;
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.lock().bytes += bytes as u64;
    }

    pub(crate) fn got_token(&self) {
        self.lock().tokens += 1;
    }

    pub(crate) fn begin_wait(&self, wait: &Wait) {
        self.lock().waiting = Some(wait.clone());
    }

    pub(crate) fn end_wait(&self, wait: &Wait, waited: Duration) {
        let mut counts = self.lock();
        counts.waiting = None;
        if wait.throttled {
            counts.throttle_waits += 1;
            counts.throttled += waited;
        } else {
            counts.retry_waits += 1;
            counts.retrying += waited;
        }
    }

    /// Counters are right after every single step, so a panic elsewhere does not spoil them.
    fn lock(&self) -> MutexGuard<'_, Snapshot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
