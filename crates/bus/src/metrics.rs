//! What the bus counts.

use std::sync::OnceLock;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Meter};

/// Messages that the broker has stored, by `subject` (without its id).
pub const PUBLISHED: &str = "rollcall.bus.published";
/// Attempts to publish that had to be repeated, by `subject` and `reason` (`full`, `unavailable`).
pub const PUBLISH_RETRIES: &str = "rollcall.bus.publish_retries";
/// Messages received, by `subject` and `again` (`true` when it was delivered before).
pub const RECEIVED: &str = "rollcall.bus.received";
/// Messages given up after too many deliveries, by `subject`.
pub const EXHAUSTED: &str = "rollcall.bus.exhausted";
/// Messages waiting for a consumer, by `consumer` and `state` (`pending`, `in_flight`).
pub const LAG: &str = "rollcall.bus.lag";

/// 1 while the broker is connected, else 0.
pub const CONNECTED: &str = "rollcall.bus.connected";

pub(crate) const SUBJECT: &str = "subject";
pub(crate) const REASON: &str = "reason";
pub(crate) const AGAIN: &str = "again";
pub(crate) const CONSUMER: &str = "consumer";
pub(crate) const STATE: &str = "state";

/// The bus' instruments, made with the first connection, when telemetry is set up.
pub(crate) struct Instruments {
    pub(crate) published: Counter<u64>,
    pub(crate) publish_retries: Counter<u64>,
    pub(crate) received: Counter<u64>,
    pub(crate) exhausted: Counter<u64>,
    pub(crate) lag: Gauge<u64>,
}

pub(crate) fn instruments() -> &'static Instruments {
    static INSTRUMENTS: OnceLock<Instruments> = OnceLock::new();
    INSTRUMENTS.get_or_init(|| Instruments::new(&opentelemetry::global::meter("rollcall")))
}

impl Instruments {
    fn new(meter: &Meter) -> Self {
        let counter = |name, what| meter.u64_counter(name).with_description(what).build();
        Self {
            published: counter(PUBLISHED, "Messages stored by the broker."),
            publish_retries: counter(PUBLISH_RETRIES, "Attempts to publish that had to be repeated."),
            received: counter(RECEIVED, "Messages received."),
            exhausted: counter(EXHAUSTED, "Messages given up after too many deliveries."),
            lag: meter
                .u64_gauge(LAG)
                .with_description("Messages waiting for a consumer.")
                .build(),
        }
    }
}

/// Tells from now on whether the broker is connected.
pub(crate) fn tell_connected(is_connected: impl Fn() -> bool + Send + Sync + 'static) {
    let meter = opentelemetry::global::meter("rollcall");
    let gauge = meter
        .u64_observable_gauge(CONNECTED)
        .with_description("1 while the broker is connected.");
    // It goes on being read without being held.
    let _gauge = gauge
        .with_callback(move |to| to.observe(u64::from(is_connected()), &[]))
        .build();
}

pub(crate) fn label(name: &'static str, value: &str) -> KeyValue {
    KeyValue::new(name, value.to_owned())
}
