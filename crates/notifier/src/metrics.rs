//! What the notifier counts.

use service::metrics::{Counter, counter};

/// Notices written, by `kind`.
pub const NOTICES: &str = "rollcall.notifier.notices";
/// Tries at a mail, by `result` (`sent`, `retried`, `failed`).
pub const DELIVERIES: &str = "rollcall.notifier.deliveries";
/// Events that the sweep found because the bus had not brought them.
pub const SWEPT: &str = "rollcall.notifier.events_swept";

/// Label of [`NOTICES`].
pub const KIND: &str = "kind";
/// Label of [`DELIVERIES`].
pub const RESULT: &str = "result";

/// The instruments, made when telemetry is set up.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// [`NOTICES`]
    pub notices: Counter,
    /// [`DELIVERIES`]
    pub deliveries: Counter,
    /// [`SWEPT`]
    pub swept: Counter,
}

impl Metrics {
    /// All instruments.
    pub fn new() -> Self {
        Self {
            notices: counter(NOTICES, "Notices written."),
            deliveries: counter(DELIVERIES, "Tries at a mail.")
                .from_zero(&[(RESULT, "sent")])
                .from_zero(&[(RESULT, "retried")])
                .from_zero(&[(RESULT, "failed")]),
            swept: counter(SWEPT, "Events found by the sweep.").from_zero(&[]),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
