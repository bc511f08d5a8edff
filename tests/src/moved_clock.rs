//! A clock that all services of a stack go by, and that a test moves.

use std::time::Duration;

use chrono::{DateTime, Utc};
use local::stack::{Builder, Service};
use tempfile::NamedTempFile;

/// Ahead of the machine's clock by as much as the test has moved it.
pub struct MovedClock {
    file: NamedTempFile,
    ahead: i64,
}

impl Default for MovedClock {
    fn default() -> Self {
        Self::new()
    }
}

/// What the machine's clock shows, by which services go whose clock is not moved.
#[expect(
    clippy::disallowed_methods,
    reason = "tests go by the machine's clock, as the services do"
)]
#[must_use]
pub fn machine_time() -> DateTime<Utc> {
    Utc::now()
}

impl MovedClock {
    /// Not ahead yet.
    pub fn new() -> Self {
        let file = NamedTempFile::new().unwrap();
        Self { file, ahead: 0 }
    }

    /// Makes all services go by it. It has to outlive them.
    pub fn of(&self, builder: Builder) -> Builder {
        let path = self.file.path().to_str().unwrap();
        Service::ALL.into_iter().fold(builder, |builder, service| {
            builder.set(service, "process.clock_ahead_file", path)
        })
    }

    /// Moves it, for all services at once.
    pub fn advance(&mut self, by: Duration) {
        self.move_to(self.ahead + i64::try_from(by.as_secs()).unwrap());
    }

    /// Sets it back.
    pub fn turn_back(&mut self, by: Duration) {
        self.move_to(self.ahead - i64::try_from(by.as_secs()).unwrap());
    }

    /// The time it shows, to the second.
    pub fn now(&self) -> DateTime<Utc> {
        machine_time() + chrono::TimeDelta::seconds(self.ahead)
    }

    fn move_to(&mut self, ahead: i64) {
        self.ahead = ahead;
        std::fs::write(self.file.path(), ahead.to_string()).unwrap();
    }
}
