//! Counts warnings and errors as they are logged.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Meter};
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
    /// Counts by this meter.
    pub(super) fn new(meter: &Meter) -> Self {
        let counter = meter
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

#[cfg(test)]
mod tests {
    use opentelemetry::metrics::MeterProvider as _;
    use opentelemetry_sdk::Resource;
    use opentelemetry_sdk::metrics::SdkMeterProvider;
    use prometheus::TextEncoder;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::telemetry::scraped;

    #[test]
    fn warnings_and_errors_count_but_not_those_about_counting() {
        let (reader, registry) = scraped().unwrap();
        let resource = Resource::builder_empty().with_service_name("a").build();
        let provider = SdkMeterProvider::builder()
            .with_resource(resource)
            .with_reader(reader)
            .build();
        let told = || TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        let layer = CountLayer::new(&provider.meter("test"));
        let error =
            |count: u32| format!("rollcall_log_events_total{{level=\"error\",service_name=\"a\"}} {count}");
        let warning =
            |count: u32| format!("rollcall_log_events_total{{level=\"warn\",service_name=\"a\"}} {count}");
        assert!(told().contains(&error(0)), "{}", told());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::info!("all is well");
            tracing::warn!("take care");
            tracing::warn!(target: "opentelemetry_sdk", "too many labels");
            tracing::error!("it broke");
            tracing::error!("it broke again");
        });
        for line in [warning(1), error(2)] {
            assert!(told().contains(&line), "{line} in {}", told());
        }
    }
}
