//! Time as a tenant sees it: the real one, moved forward on request.

use chrono::{DateTime, TimeDelta, Utc};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

/// The time of day outside. Dates in headers are of this one: clients compare them with their own clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the simulator stands for a server elsewhere, with a clock of its own"
)]
pub fn real() -> DateTime<Utc> {
    SystemTime::now().into()
}

/// A tenant's clock: expiry of tokens, retention of deleted users, and throttling go by it.
#[derive(Debug, Default)]
pub struct Clock {
    ahead_ms: AtomicI64,
}

impl Clock {
    /// The tenant's time.
    pub fn now(&self) -> DateTime<Utc> {
        real() + TimeDelta::milliseconds(self.ahead_ms.load(Ordering::Relaxed))
    }

    /// Moves the tenant's time forward.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX / 2);
        self.ahead_ms.fetch_add(by, Ordering::Relaxed);
    }
}
