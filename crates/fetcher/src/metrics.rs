//! The fetcher's metrics, by name.

use graph::Snapshot;
use service::metrics::{Counter, Gauge, Seconds, Timer, counter, gauge, long_timer, seconds};

/// Runs that this process reads just now.
pub const ACTIVE: &str = "rollcall.fetch.active";
/// Readings that have ended, by [`STATE`].
pub const ENDED: &str = "rollcall.fetch.ended";
/// How long a reading took.
pub const DURATION: &str = "rollcall.fetch.duration";
/// Page messages published.
pub const PAGES: &str = "rollcall.fetch.pages";
/// Records in them.
pub const RECORDS: &str = "rollcall.fetch.records";
/// Calls to Graph and to the token endpoint, by [`STATUS`].
pub const GRAPH_CALLS: &str = "rollcall.graph.calls";
/// Graph's resource units (B16).
pub const RESOURCE_UNITS: &str = "rollcall.graph.resource_units";
/// Waits before another try, by [`REASON`].
pub const WAITS: &str = "rollcall.graph.waits";
/// Seconds of these waits, by [`REASON`].
pub const WAITED: &str = "rollcall.graph.waited";

/// Label: an HTTP status, or `none` for a call without an answer.
pub const STATUS: &str = "status";
/// Label: how a reading ended: `fetched`, `failed`, `cancelled` or `let_go`.
pub const STATE: &str = "state";
/// Label: `throttled`, or `unavailable` for all else.
pub const REASON: &str = "reason";

/// The instruments.
#[derive(Debug)]
pub struct Metrics {
    /// [`ACTIVE`]
    pub active: Gauge,
    /// [`ENDED`]
    pub ended: Counter,
    /// [`DURATION`]
    pub duration: Timer,
    /// [`PAGES`]
    pub pages: Counter,
    /// [`RECORDS`]
    pub records: Counter,
    calls: Counter,
    resource_units: Counter,
    waits: Counter,
    waited: Seconds,
}

impl Metrics {
    /// Makes them; after telemetry has been set up.
    pub fn new() -> Self {
        Self {
            active: gauge(ACTIVE, "Runs being read."),
            ended: counter(ENDED, "Readings that have ended.")
                .from_zero(&[(STATE, "fetched")])
                .from_zero(&[(STATE, "failed")]),
            duration: long_timer(DURATION, "Readings of runs."),
            pages: counter(PAGES, "Page messages published.").from_zero(&[]),
            records: counter(RECORDS, "Records published.").from_zero(&[]),
            calls: counter(GRAPH_CALLS, "Calls to Graph and the token endpoint."),
            resource_units: counter(RESOURCE_UNITS, "Resource units that Graph reported.").from_zero(&[]),
            waits: counter(WAITS, "Waits before another try of a call."),
            waited: seconds(WAITED, "Time waited before another try of a call."),
        }
    }

    /// Adds what a run's calls have cost since `before`.
    pub fn graph(&self, before: &Snapshot, now: &Snapshot) {
        for (status, count) in &now.answers {
            let new = count - before.answers.get(status).copied().unwrap_or(0);
            if new > 0 {
                self.calls.add(new, &[(STATUS, &status.to_string())]);
            }
        }
        let unanswered = now.unanswered - before.unanswered;
        if unanswered > 0 {
            self.calls.add(unanswered, &[(STATUS, "none")]);
        }
        self.resource_units
            .add(now.resource_units - before.resource_units, &[]);
        for (reason, waits, length) in [
            (
                "throttled",
                now.throttle_waits - before.throttle_waits,
                now.throttled.saturating_sub(before.throttled),
            ),
            (
                "unavailable",
                now.retry_waits - before.retry_waits,
                now.retrying.saturating_sub(before.retrying),
            ),
        ] {
            if waits > 0 {
                self.waits.add(waits, &[(REASON, reason)]);
                self.waited.add(length, &[(REASON, reason)]);
            }
        }
    }
}
