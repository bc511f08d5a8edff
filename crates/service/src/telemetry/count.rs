//! Counts warnings and errors as they are logged.

use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Warnings and errors logged, by [`LEVEL`]; those about telemetry itself left out.
pub const EVENTS: &str = "rollcall.log.events";
/// Label: `warn` or `error`.
pub const LEVEL: &str = "level";

/// The layer.
pub(super) struct CountLayer(Counter<u64>);

impl CountLayer {
    /// After the meter has been set up.
    pub(super) fn new() -> Self {
        let counter = opentelemetry::global::meter("rollcall")
            .u64_counter(EVENTS)
            .with_description("Warnings and errors logged.")
            .build();
        // So that the first one is seen as a rise.
        for level in ["warn", "error"] {
            counter.add(0, &[KeyValue::new(LEVEL, level)]);
        }
        Self(counter)
    }
}

impl<S: Subscriber> Layer<S> for CountLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let level = match *metadata.level() {
            Level::ERROR => "error",
            Level::WARN => "warn",
            _ => return,
        };
        // What counting itself logs must not be counted: it may hold what the counter needs.
        if !metadata.target().starts_with("opentelemetry") {
            self.0.add(1, &[KeyValue::new(LEVEL, level)]);
        }
    }
}
