//! Waiting before another attempt: a random time up to a limit that doubles, so that clients do not come back together.

use std::time::Duration;

/// The wait after failed attempt number `attempt` (the first is 0).
pub(crate) fn delay(attempt: u32, base: Duration, max: Duration) -> Duration {
    let limit = base
        .saturating_mul(1_u32.checked_shl(attempt).unwrap_or(u32::MAX))
        .min(max);
    limit.mul_f64(rand::random())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_stays_below_a_limit_that_doubles_to_the_maximum() {
        let (base, max) = (Duration::from_millis(100), Duration::from_secs(1));
        for (attempt, limit) in [(0, 100), (1, 200), (3, 800), (4, 1000), (99, 1000)] {
            for _ in 0..100 {
                assert!(delay(attempt, base, max) <= Duration::from_millis(limit));
            }
        }
    }
}
