//! Trying again: exponential backoff with full jitter.

use std::error::Error;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::drain::Stopper;
use crate::error::chain;

/// How long to wait before another attempt: random between zero and a limit that doubles with each attempt.
///
/// Full jitter spreads clients that failed at the same moment over the whole interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    base: Duration,
    max: Duration,
}

impl Backoff {
    /// A backoff whose limit is `base` before the second attempt and never more than `max`.
    pub const fn new(base: Duration, max: Duration) -> Self {
        Self { base, max }
    }

    /// The wait after failed attempt number `attempt` (the first is 0). `random` is from 0 to below 1.
    pub fn delay(&self, attempt: u32, random: f64) -> Duration {
        let factor = 1_u32.checked_shl(attempt).unwrap_or(u32::MAX);
        let limit = self.base.saturating_mul(factor).min(self.max);
        limit.mul_f64(random.clamp(0.0, 1.0))
    }
}

/// How often to try, and how long to wait in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Attempts in all, the first included; `None` tries until stopped.
    pub attempts: Option<NonZeroU32>,
    /// The waits.
    pub backoff: Backoff,
}

impl Policy {
    /// Tries until it works or the process stops: for the connections that a service cannot start without.
    pub const UNTIL_STOPPED: Self = Self {
        attempts: None,
        backoff: Backoff::new(Duration::from_millis(100), Duration::from_secs(10)),
    };
}

/// What to do about a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may work later: wait and try again.
    Again,
    /// It may work, but not before this long from now (as in `Retry-After`).
    AgainAfter(Duration),
    /// It will not work by itself.
    GiveUp,
}

/// Runs `operation` until it succeeds, `judge` gives up, the attempts are used, or the process stops.
///
/// Every attempt needs a time limit of its own. Each wait is logged at level WARN under `what`. Returns the last error.
pub async fn retry<T, E, F>(
    what: &'static str,
    policy: Policy,
    stopper: &Stopper,
    judge: impl Fn(&E) -> Verdict,
    mut operation: F,
) -> Result<T, E>
where
    F: AsyncFnMut() -> Result<T, E>,
    E: Error + 'static,
{
    let mut attempt = 0_u32;
    loop {
        let error = match operation().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let used_up = policy.attempts.is_some_and(|most| attempt + 1 >= most.get());
        let at_least = match judge(&error) {
            Verdict::GiveUp => return Err(error),
            _ if used_up => return Err(error),
            Verdict::Again => Duration::ZERO,
            Verdict::AgainAfter(wait) => wait,
        };
        let wait = at_least + policy.backoff.delay(attempt, rand::random());
        tracing::warn!(attempt = attempt + 1, wait_ms = wait.as_millis(), error = %chain(&error), "{what} failed; trying again");
        if stopper.until(tokio::time::sleep(wait)).await.is_none() {
            return Err(error);
        }
        attempt = attempt.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Backoff = Backoff::new(Duration::from_millis(1), Duration::from_millis(4));

    #[test]
    fn the_limit_doubles_up_to_the_maximum_and_the_jitter_fills_it() {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
        let limits: Vec<u128> = (0..7).map(|n| backoff.delay(n, 1.0).as_millis()).collect();
        assert_eq!(limits, [100, 200, 400, 800, 1600, 2000, 2000]);
        assert_eq!(backoff.delay(3, 0.0), Duration::ZERO);
        assert_eq!(backoff.delay(3, 0.5), Duration::from_millis(400));
        assert_eq!(backoff.delay(u32::MAX, 1.0), Duration::from_secs(2));
    }

    #[derive(Debug, PartialEq, thiserror::Error)]
    #[error("attempt {0} failed")]
    struct Failed(u32);

    #[tokio::test]
    async fn it_tries_as_often_as_it_may_and_returns_the_last_error() {
        let policy = Policy {
            attempts: NonZeroU32::new(3),
            backoff: QUICK,
        };
        let mut calls = 0;
        let result: Result<(), Failed> = retry(
            "the thing",
            policy,
            &Stopper::new(),
            |_| Verdict::Again,
            async || {
                calls += 1;
                Err(Failed(calls))
            },
        )
        .await;
        assert_eq!(result, Err(Failed(3)));
    }

    #[tokio::test]
    async fn it_stops_at_once_when_told_that_it_is_no_use() {
        let policy = Policy {
            attempts: None,
            backoff: QUICK,
        };
        let mut calls = 0;
        let result: Result<(), Failed> = retry(
            "the thing",
            policy,
            &Stopper::new(),
            |_| Verdict::GiveUp,
            async || {
                calls += 1;
                Err(Failed(calls))
            },
        )
        .await;
        assert_eq!(result, Err(Failed(1)));
    }

    #[tokio::test]
    async fn it_returns_the_first_success() {
        let policy = Policy {
            attempts: None,
            backoff: QUICK,
        };
        let mut calls = 0;
        let again = |_: &Failed| Verdict::AgainAfter(Duration::from_millis(1));
        let result = retry("the thing", policy, &Stopper::new(), again, async || {
            calls += 1;
            if calls < 4 { Err(Failed(calls)) } else { Ok(calls) }
        })
        .await;
        assert_eq!(result, Ok(4));
    }

    #[tokio::test]
    async fn a_stop_ends_the_waiting() {
        let hour = Duration::from_secs(3600);
        let policy = Policy {
            attempts: None,
            backoff: Backoff::new(hour, hour),
        };
        let stopper = Stopper::new();
        stopper.stop();
        let result: Result<(), Failed> = retry(
            "the thing",
            policy,
            &stopper,
            |_| Verdict::Again,
            async || Err(Failed(0)),
        )
        .await;
        assert_eq!(result, Err(Failed(0)));
    }
}
