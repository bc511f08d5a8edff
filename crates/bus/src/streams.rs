//! The streams: what the broker keeps, how much and how long.

use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};

use crate::subjects::{
    NOTICE, PAGE, REGISTER_CHANGED, RUN_CANCEL, RUN_FETCHED, RUN_FINISHED, RUN_REQUESTED, any,
};

/// Runs waiting for a fetcher. A queue: a message is gone once it is acknowledged.
pub const RUNS: &str = "ROLLCALL_RUNS";
/// Pages waiting for a reconciler. A queue; when it is full, publishing waits.
pub const PAGES: &str = "ROLLCALL_PAGES";
/// What has happened. Kept for a week, whoever has read it.
pub const EVENTS: &str = "ROLLCALL_EVENTS";

/// For so long the broker drops a repeat of a message id. Retries of a publish end well within it.
pub const DUPLICATE_WINDOW: Duration = Duration::from_secs(5 * 60);

/// For so long the broker keeps a message, and may bring it.
pub const MAX_AGE: Duration = Duration::from_secs(7 * 24 * 3600);
const MIB: i64 = 1024 * 1024;

/// What an operator may choose about the streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of pages to keep before publishing waits. A million users take about 200 MiB.
    pub page_bytes: i64,
    /// Copies of each stream in a NATS cluster, 1 to 5.
    pub replicas: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            page_bytes: 512 * MIB,
            replicas: 1,
        }
    }
}

/// All streams as they should be.
pub(crate) fn configs(limits: Limits) -> [Config; 3] {
    let common = Config {
        storage: StorageType::File,
        max_age: MAX_AGE,
        max_messages: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        duplicate_window: DUPLICATE_WINDOW,
        num_replicas: limits.replicas,
        ..Config::default()
    };
    let runs = Config {
        name: RUNS.to_owned(),
        description: Some("Rollcall: runs waiting for a fetcher".to_owned()),
        subjects: vec![any(RUN_REQUESTED)],
        retention: RetentionPolicy::WorkQueue,
        max_bytes: 16 * MIB,
        // Refusing is better than forgetting: who publishes gets to know.
        discard: DiscardPolicy::New,
        ..common.clone()
    };
    let pages = Config {
        name: PAGES.to_owned(),
        description: Some("Rollcall: pages waiting for a reconciler".to_owned()),
        subjects: vec![any(PAGE)],
        retention: RetentionPolicy::WorkQueue,
        max_bytes: limits.page_bytes,
        discard: DiscardPolicy::New,
        ..common.clone()
    };
    let events = Config {
        name: EVENTS.to_owned(),
        description: Some("Rollcall: what has happened".to_owned()),
        subjects: [RUN_FETCHED, RUN_CANCEL, RUN_FINISHED, REGISTER_CHANGED, NOTICE]
            .map(any)
            .to_vec(),
        retention: RetentionPolicy::Limits,
        max_bytes: 128 * MIB,
        // These are wake-ups; the database knows what they say.
        discard: DiscardPolicy::Old,
        ..common
    };
    [runs, pages, events]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_is_in_exactly_one_stream() {
        let streams = configs(Limits::default());
        for kind in crate::subjects::ALL {
            let holders = streams
                .iter()
                .filter(|stream| stream.subjects.contains(&any(kind)))
                .count();
            assert_eq!(holders, 1, "{kind}");
        }
    }
}
