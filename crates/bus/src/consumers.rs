//! Who consumes what, and how patiently.

use std::time::Duration;

use crate::streams::{EVENTS, PAGES, RUNS};

/// A durable queue on a stream. All copies of a service share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerSpec {
    /// The stream.
    pub stream: &'static str,
    /// Its name at the broker, which remembers under it what is acknowledged.
    pub durable: &'static str,
    /// Which of the stream's subjects: a pattern.
    pub filter: &'static str,
    /// A message that is neither acknowledged nor reported in progress for so long is given to another.
    pub ack_wait: Duration,
    /// Messages that all copies together may hold unacknowledged.
    pub max_ack_pending: i64,
    /// Deliveries after which a message counts as exhausted.
    pub max_deliver: i64,
}

const fn spec(stream: &'static str, durable: &'static str, filter: &'static str) -> ConsumerSpec {
    ConsumerSpec {
        stream,
        durable,
        filter,
        // Short, so that the work of a killed process goes on soon; handlers report progress.
        ack_wait: Duration::from_secs(15),
        max_ack_pending: 256,
        max_deliver: 10,
    }
}

/// The fetchers' runs.
pub const FETCHER_RUNS: ConsumerSpec = spec(RUNS, "fetcher", "rollcall.run.requested.*");

/// The reconcilers' pages.
pub const RECONCILER_PAGES: ConsumerSpec = spec(PAGES, "reconciler", "rollcall.page.*");

/// The reconcilers' ends of fetches.
pub const RECONCILER_FETCHED: ConsumerSpec = spec(EVENTS, "reconciler_run_fetched", "rollcall.run.fetched.*");

/// The notifiers' finished runs.
pub const NOTIFIER_FINISHED: ConsumerSpec = spec(EVENTS, "notifier_run_finished", "rollcall.run.finished.*");

/// The notifiers' changes of the register.
pub const NOTIFIER_CHANGED: ConsumerSpec =
    spec(EVENTS, "notifier_register_changed", "rollcall.register.changed.*");

/// All of them, for measuring their lag.
pub const ALL: [ConsumerSpec; 5] = [
    FETCHER_RUNS,
    RECONCILER_PAGES,
    RECONCILER_FETCHED,
    NOTIFIER_FINISHED,
    NOTIFIER_CHANGED,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::{Limits, configs};

    #[test]
    fn every_filter_is_a_subject_of_its_stream_and_every_name_is_its_own() {
        let streams = configs(Limits::default());
        for spec in ALL {
            let stream = streams.iter().find(|stream| stream.name == spec.stream).unwrap();
            assert!(
                stream.subjects.iter().any(|subject| subject == spec.filter),
                "{}",
                spec.durable
            );
            assert_eq!(
                ALL.iter().filter(|other| other.durable == spec.durable).count(),
                1,
                "{}",
                spec.durable
            );
        }
    }
}
