//! Waiting for a condition, with a deadline.

use std::time::{Duration, Instant};

/// Long for what is waited for, short for who waits.
const LIMIT: Duration = Duration::from_secs(40);
const PAUSE: Duration = Duration::from_millis(30);

/// Asks `probe` until it has an answer; panics with `what` when there is none in time.
pub async fn until<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = probe().await {
            return answer;
        }
        assert!(begun.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}
