//! What a reading waits for: Graph, as its client counts it, and whoever takes the pages.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bus::{Hindrance, Obstacle};
use chrono::{DateTime, TimeDelta, Utc};
use graph::{Snapshot, Wait, WaitCause, Waited};
use store::run_wait::{Waiting, Waits};
use tokio::time::Instant;

/// Shorter ones are the normal time that storing takes.
const SHORTEST: Duration = Duration::from_millis(250);

/// Waits for room on the way to the bus.
#[derive(Debug, Default)]
pub struct HeldUp(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    waits: BTreeMap<&'static str, Waited>,
    now: Option<(Instant, Hindrance)>,
}

impl HeldUp {
    /// Waits for the end of a publish, and counts it when it took long.
    pub async fn watch<T>(&self, hindrance: Hindrance, publish: impl Future<Output = T>) -> T {
        hindrance.clear();
        let began = Instant::now();
        self.lock().now = Some((began, hindrance.clone()));
        let published = publish.await;
        let took = began.elapsed();
        let mut state = self.lock();
        state.now = None;
        if took >= SHORTEST {
            let why = why(&hindrance);
            state.waits.entry(why).or_default().add(took);
        }
        published
    }

    /// What it was, for what, and how long.
    fn waits(&self) -> Vec<Waits> {
        let state = self.lock();
        let told = |(cause, waited): (&&str, &Waited)| told((*cause).to_owned(), String::new(), *waited);
        state.waits.iter().map(told).collect()
    }

    fn waiting(&self) -> Option<Waiting> {
        let state = self.lock();
        let (began, hindrance) = state.now.as_ref()?;
        (began.elapsed() >= SHORTEST).then(|| Waiting {
            what: why(hindrance).to_owned(),
            until: None,
        })
    }

    /// How many there were, and how long they took, in milliseconds.
    pub fn sum(&self) -> (u64, Duration) {
        let state = self.lock();
        state
            .waits
            .values()
            .fold((0, Duration::ZERO), |(count, total), waited| {
                (count + waited.count, total + waited.total)
            })
    }

    /// The sums are right after every single step, so a panic elsewhere does not spoil them.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everything that was waited for, by its cause, the longest waits first.
pub fn all(calls: &Snapshot, held_up: &HeldUp) -> Vec<Waits> {
    let graph = calls.waits.iter().map(|(cause, waited)| {
        let WaitCause { why, resource } = cause.clone();
        told(why, resource, *waited)
    });
    let mut all: Vec<Waits> = graph.chain(held_up.waits()).collect();
    all.sort_by_key(|waits| std::cmp::Reverse(waits.total_ms));
    all
}

/// What is waited for at `now`.
pub fn at(calls: &Snapshot, held_up: &HeldUp, now: DateTime<Utc>) -> Option<Waiting> {
    let graph = calls.waiting.as_ref().map(|wait| of_graph(wait, now));
    graph.or_else(|| held_up.waiting())
}

fn of_graph(wait: &Wait, now: DateTime<Utc>) -> Waiting {
    let left = wait.until.saturating_duration_since(Instant::now());
    Waiting {
        what: format!("Graph: {} on {}", wait.cause.why, wait.cause.resource),
        until: TimeDelta::from_std(left).ok().map(|left| now + left),
    }
}

fn why(hindrance: &Hindrance) -> &'static str {
    match hindrance.obstacle() {
        Some(Obstacle::Full) => "the reconciler is behind: the broker has no room for more pages",
        Some(Obstacle::Unavailable) => "the broker does not answer",
        None => "the broker takes its time to store pages",
    }
}

fn told(cause: String, resource: String, waited: Waited) -> Waits {
    let milliseconds = |length: Duration| u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    Waits {
        cause,
        resource,
        count: u32::try_from(waited.count).unwrap_or(u32::MAX),
        total_ms: milliseconds(waited.total),
        longest_ms: milliseconds(waited.longest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_long_publishes_are_waits() {
        let held_up = HeldUp::default();
        for milliseconds in [10, 249, 250, 4_000] {
            let publish = tokio::time::sleep(Duration::from_millis(milliseconds));
            held_up.watch(Hindrance::default(), publish).await;
        }
        let waits = held_up.waits();
        assert_eq!(waits.len(), 1);
        assert_eq!(
            (waits[0].count, waits[0].total_ms, waits[0].longest_ms),
            (2, 4_250, 4_000)
        );
        assert_eq!(held_up.sum().0, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_is_told_while_it_lasts_the_graph_s_first() {
        let held_up = HeldUp::default();
        let mut calls = Snapshot::default();
        let now: DateTime<Utc> = "2026-11-21T12:00:00Z".parse().unwrap();
        assert_eq!(at(&calls, &held_up, now), None);
        let publish = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            at(&calls, &held_up, now)
        };
        let told = held_up.watch(Hindrance::default(), publish).await.unwrap();
        assert_eq!(told.what, "the broker takes its time to store pages");
        calls.waiting = Some(Wait {
            reason: String::new(),
            cause: WaitCause {
                why: "429 with Retry-After".to_owned(),
                resource: "/users".to_owned(),
            },
            until: Instant::now() + Duration::from_secs(12),
            throttled: true,
            length: Duration::from_secs(30),
            attempt: 1,
        });
        let told = at(&calls, &held_up, now).unwrap();
        assert_eq!(told.what, "Graph: 429 with Retry-After on /users");
        assert_eq!(told.until, Some(now + TimeDelta::seconds(12)));
    }
}
