//! Calls repeated as gRPC's standard retry policy does it: up to five tries of what is UNAVAILABLE, with exponential backoff
//! and jitter. It is what every client library can be told to do by a service config, so what it hides nobody notices.

use std::error::Error as _;
use std::time::Duration;

use rand::Rng;
use tonic::{Code, Status};

/// `maxAttempts`: no client library allows more.
const TRIES: u32 = 5;
/// `initialBackoff`.
const FIRST: Duration = Duration::from_millis(200);
/// `backoffMultiplier`.
const FACTOR: u32 = 2;

/// The answer of `call`, or the first failure that such a client shows. A call that changes something needs an idempotency key.
pub async fn retried<T>(mut call: impl AsyncFnMut() -> Result<T, Status>) -> Result<T, Status> {
    let mut wait = FIRST;
    for _ in 1..TRIES {
        match call().await {
            Err(status) if is_unavailable(&status) => (),
            answer => return answer,
        }
        tokio::time::sleep(wait.mul_f64(rand::rng().random_range(0.8..1.2))).await;
        wait *= FACTOR;
    }
    call().await
}

/// A lost connection is UNAVAILABLE to every other library; tonic says INTERNAL, UNKNOWN or CANCELLED, with a cause, which
/// what the other side says never has.
pub fn is_unavailable(status: &Status) -> bool {
    status.code() == Code::Unavailable || status.source().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn five_tries_and_only_of_what_is_unavailable() {
        for (code, tries) in [(Code::Unavailable, 5), (Code::Internal, 1), (Code::Aborted, 1)] {
            let mut made = 0;
            let answer = retried(async || {
                made += 1;
                Err::<(), _>(Status::new(code, "no"))
            });
            assert_eq!(answer.await.unwrap_err().code(), code);
            assert_eq!(made, tries);
        }
    }
}
