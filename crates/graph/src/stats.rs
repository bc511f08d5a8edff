//! What a run's calls cost: shown while it runs and kept with it (B16, R8).

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use url::Url;

/// Causes that are told apart; further ones count as [`WaitCause::other`].
const MOST_CAUSES: usize = 16;
/// Parts of a path that tell what was asked for.
const PARTS: usize = 3;

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
    /// All waits by their cause, a bounded number of causes.
    pub waits: BTreeMap<WaitCause, Waited>,
    /// The wait going on now.
    pub waiting: Option<Wait>,
}

/// Why there was a wait, and for what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WaitCause {
    /// `429 with Retry-After`, `503`, `no answer`.
    pub why: String,
    /// What was asked for: `/users`, `/groups/{id}/members`.
    pub resource: String,
}

/// Waits of one cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waited {
    /// How many.
    pub count: u64,
    /// Their length in all.
    pub total: Duration,
    /// The longest.
    pub longest: Duration,
}

/// A wait before the next try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Why, for people: `Graph throttled the call (429)`.
    pub reason: String,
    /// The same in short, and what it was about.
    pub cause: WaitCause,
    /// When it ends.
    pub until: Instant,
    /// Whether it is because of throttling.
    pub throttled: bool,
    /// How long it is in all.
    pub length: Duration,
    /// Which try has failed, from 1.
    pub attempt: u32,
}

impl WaitCause {
    /// Neither one nor the other: there were too many to tell apart.
    pub fn other() -> Self {
        Self {
            why: "other".to_owned(),
            resource: String::new(),
        }
    }
}

impl Waited {
    /// One more.
    pub fn add(&mut self, length: Duration) {
        self.count += 1;
        self.total += length;
        self.longest = self.longest.max(length);
    }
}

/// What a call asks for, ids and the version left out: `/users`, `/groups/{id}/members`.
pub(crate) fn resource(url: &Url) -> String {
    let parts = url.path_segments().into_iter().flatten();
    let named = parts
        .filter(|part| !part.is_empty())
        .skip_while(|part| matches!(*part, "v1.0" | "beta"))
        .map(|part| {
            if uuid::Uuid::try_parse(part).is_ok() {
                "{id}"
            } else {
                part
            }
        })
        .take(PARTS);
    named.fold(String::new(), |path, part| path + "/" + part)
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
        let known = counts.waits.contains_key(&wait.cause) || counts.waits.len() + 1 < MOST_CAUSES;
        let cause = if known {
            wait.cause.clone()
        } else {
            WaitCause::other()
        };
        counts.waits.entry(cause).or_default().add(waited);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(why: &str, resource: &str) -> Wait {
        Wait {
            reason: String::new(),
            cause: WaitCause {
                why: why.to_owned(),
                resource: resource.to_owned(),
            },
            until: Instant::now(),
            throttled: true,
            length: Duration::ZERO,
            attempt: 1,
        }
    }

    #[test]
    fn a_resource_is_the_path_without_version_and_ids() {
        let of = |url: &str| resource(&Url::parse(url).unwrap());
        assert_eq!(
            of("https://graph.microsoft.com/v1.0/users?$skiptoken=secret"),
            "/users"
        );
        assert_eq!(of("https://graph.microsoft.com/v1.0/users/delta"), "/users/delta");
        assert_eq!(
            of(
                "https://graph.microsoft.com/v1.0/groups/11111111-2222-3333-4444-555555555555/members/microsoft.graph.user"
            ),
            "/groups/{id}/members"
        );
        assert_eq!(of("https://graph.microsoft.com"), "");
    }

    #[test]
    fn waits_are_told_apart_by_cause_in_bounded_number() {
        let stats = CallStats::default();
        for seconds in [3, 5, 1] {
            stats.end_wait(&wait("429", "/users"), Duration::from_secs(seconds));
        }
        for n in 0..100 {
            stats.end_wait(&wait("503", &format!("/{n}")), Duration::from_secs(1));
        }
        let waits = stats.snapshot().waits;
        assert_eq!(waits.len(), MOST_CAUSES);
        let users = waits[&wait("429", "/users").cause];
        assert_eq!(
            (users.count, users.total.as_secs(), users.longest.as_secs()),
            (3, 9, 5)
        );
        assert_eq!(waits.values().map(|waited| waited.count).sum::<u64>(), 103);
    }
}
