//! Following a stream over broken connections.

use std::time::{Duration, Instant};

use tonic::{Code, Status};

use crate::api::Api;
use crate::backoff::Backoff;
use crate::failure::Failure;

const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How long a stream has been broken, and whether to go on trying.
pub struct Patience {
    limit: Duration,
    since: Option<Instant>,
    backoff: Backoff,
    pause: Backoff,
}

impl Patience {
    /// Gives up when the stream has been broken for `limit`.
    pub fn new(limit: Duration) -> Self {
        Self {
            limit,
            since: None,
            backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT),
            pause: Backoff::new(FIRST_WAIT, LONGEST_PAUSE),
        }
    }

    /// Something came: all is well again.
    pub fn renew(&mut self) {
        if self.since.take().is_some() {
            self.backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        }
    }

    /// The stream ended by itself, although there is more to come: waits a moment before the next one.
    pub async fn pause(&mut self) {
        self.pause.wait().await;
    }

    /// The stream broke: waits before the next try, or gives up.
    pub async fn endure(&mut self, api: &Api, status: Status) -> Result<(), Failure> {
        let since = *self.since.get_or_insert_with(Instant::now);
        if !may_pass(status.code()) || since.elapsed() > self.limit {
            return Err(api.failed(status));
        }
        self.backoff.wait().await;
        Ok(())
    }
}

/// Whether a broken stream may be all right the next time. A connection that breaks half-way shows as any of these.
fn may_pass(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable
            | Code::Unknown
            | Code::Internal
            | Code::Cancelled
            | Code::Aborted
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_endured() {
        assert!(may_pass(Code::Unavailable));
        assert!(!may_pass(Code::NotFound));
        assert!(!may_pass(Code::PermissionDenied));
    }
}
