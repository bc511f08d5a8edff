//! Instruments by name.
//!
//! Each service keeps the names of its metrics, and of their labels, as constants in one file. Without a collector an
//! instrument costs next to nothing and goes nowhere. Make instruments after the start, not in a `static`: one made
//! before telemetry is set up counts for nobody.

use std::time::Duration;

use opentelemetry::metrics::Meter;
use opentelemetry::{KeyValue, global};

/// Label names with their values. Values must come from a small closed set: never an id or a name.
pub type Labels<'a> = &'a [(&'static str, &'a str)];

/// Something that only grows.
#[derive(Clone, Debug)]
pub struct Counter(opentelemetry::metrics::Counter<u64>);

/// A level that goes up and down.
#[derive(Clone, Debug)]
pub struct Gauge(opentelemetry::metrics::Gauge<u64>);

/// How durations are distributed, in seconds.
#[derive(Clone, Debug)]
pub struct Timer(opentelemetry::metrics::Histogram<f64>);

/// A counter called `name`; `what` says what it counts.
pub fn counter(name: &'static str, what: &'static str) -> Counter {
    Counter(meter().u64_counter(name).with_description(what).build())
}

/// A gauge called `name`; `what` says what it measures.
pub fn gauge(name: &'static str, what: &'static str) -> Gauge {
    Gauge(meter().u64_gauge(name).with_description(what).build())
}

/// A timer called `name`; `what` says what takes the time.
pub fn timer(name: &'static str, what: &'static str) -> Timer {
    // From a quick query to a long run's step.
    let bounds = vec![
        0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
    ];
    Timer(
        meter()
            .f64_histogram(name)
            .with_description(what)
            .with_unit("s")
            .with_boundaries(bounds)
            .build(),
    )
}

impl Counter {
    /// Adds `count`.
    pub fn add(&self, count: u64, labels: Labels<'_>) {
        self.0.add(count, &key_values(labels));
    }
}

impl Gauge {
    /// Sets the level.
    pub fn set(&self, level: u64, labels: Labels<'_>) {
        self.0.record(level, &key_values(labels));
    }
}

impl Timer {
    /// Adds one that took `duration`.
    pub fn record(&self, duration: Duration, labels: Labels<'_>) {
        self.0.record(duration.as_secs_f64(), &key_values(labels));
    }
}

fn meter() -> Meter {
    global::meter("rollcall")
}

fn key_values(labels: Labels<'_>) -> Vec<KeyValue> {
    labels
        .iter()
        .map(|(name, value)| KeyValue::new(*name, (*value).to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics, ScopeMetrics};
    use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};

    use super::*;

    #[test]
    fn counts_arrive_under_their_name_and_labels() {
        let exporter = InMemoryMetricExporter::default();
        let provider = SdkMeterProvider::builder()
            .with_periodic_exporter(exporter.clone())
            .build();
        global::set_meter_provider(provider.clone());
        let pages = counter("rollcall.test.pages", "Pages counted by a test.");
        pages.add(2, &[("kind", "full")]);
        pages.add(3, &[("kind", "full")]);
        provider.force_flush().unwrap();

        let finished = exporter.get_finished_metrics().unwrap();
        let metrics: Vec<_> = finished
            .iter()
            .flat_map(ResourceMetrics::scope_metrics)
            .flat_map(ScopeMetrics::metrics)
            .collect();
        let metric = metrics
            .iter()
            .find(|metric| metric.name() == "rollcall.test.pages")
            .unwrap();
        let AggregatedMetrics::U64(MetricData::Sum(sum)) = metric.data() else {
            panic!("not a sum")
        };
        let points: Vec<_> = sum.data_points().collect();
        assert_eq!(points.len(), 1);
        assert_eq!(points[0].value(), 5);
        assert_eq!(
            points[0].attributes().next().unwrap(),
            &KeyValue::new("kind", "full")
        );
    }
}
