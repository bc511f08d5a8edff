//! Resource units: a bucket per app that refills over ten seconds (graph-facts §7.1).

use chrono::{DateTime, Utc};
use std::collections::HashMap;

/// Seconds in which a bucket refills.
const PERIOD: f64 = 10.0;

/// The buckets of a tenant.
#[derive(Debug, Default)]
pub struct Throttle {
    buckets: HashMap<String, Bucket>,
}

#[derive(Debug)]
struct Bucket {
    left: f64,
    at: DateTime<Utc>,
}

/// What the bucket says to a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// Seconds to wait, if the call is refused.
    pub wait: Option<u32>,
    /// Part of the budget in use, 1.0 at the limit.
    pub used: f64,
}

/// Units in ten seconds for a tenant of so many users.
pub fn budget(users: u32) -> u32 {
    match users {
        0..50 => 3_500,
        50..=500 => 5_000,
        _ => 8_000,
    }
}

impl Throttle {
    /// Books a call. One that is refused counts, too: hammering prolongs the wait (§7.4).
    pub fn book(&mut self, app: &str, cost: u32, budget: u32, now: DateTime<Utc>) -> Verdict {
        let full = f64::from(budget);
        let bucket = self
            .buckets
            .entry(app.into())
            .or_insert(Bucket { left: full, at: now });
        let seconds = (now - bucket.at).as_seconds_f64().max(0.0);
        let before = (bucket.left + seconds * full / PERIOD).min(full);
        // Debt ends at 80 % over the limit, as the header does.
        bucket.left = (before - f64::from(cost)).max(-0.8 * full);
        bucket.at = now;
        let missing = f64::from(cost) - before;
        let wait = (missing > 0.0).then(|| whole_seconds((f64::from(cost) - bucket.left) * PERIOD / full));
        Verdict {
            wait,
            used: (full - bucket.left) / full,
        }
    }

    /// Gives back what a call cost that came to nothing: 400 and 403 are free (§7.2).
    pub fn refund(&mut self, app: &str, cost: u32) {
        if let Some(bucket) = self.buckets.get_mut(app) {
            bucket.left += f64::from(cost);
        }
    }
}

fn whole_seconds(seconds: f64) -> u32 {
    (1..600).find(|whole| f64::from(*whole) >= seconds).unwrap_or(600)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn a_budget_runs_out_and_refills() {
        let mut throttle = Throttle::default();
        let start = DateTime::UNIX_EPOCH;
        for _ in 0..10 {
            assert_eq!(throttle.book("app", 1, 10, start).wait, None);
        }
        let refused = throttle.book("app", 1, 10, start);
        assert!(
            refused.wait.is_some_and(|wait| (1..=3).contains(&wait)),
            "{refused:?}"
        );
        assert!(refused.used > 1.0);
        assert_eq!(throttle.book("other", 1, 10, start).wait, None);
        let later = start + TimeDelta::seconds(i64::from(refused.wait.unwrap()));
        assert_eq!(throttle.book("app", 1, 10, later).wait, None);
    }

    #[test]
    fn hammering_prolongs_the_wait() {
        let mut throttle = Throttle::default();
        let waits: Vec<Option<u32>> = (0..18)
            .map(|_| throttle.book("app", 1, 10, DateTime::UNIX_EPOCH).wait)
            .collect();
        assert!(waits[17] > waits[10]);
    }
}
