//! Instruments by name.
//!
//! Each service keeps the names of its metrics, and of their labels, as constants in one file. Where metrics are
//! neither exported nor scraped, an instrument costs next to nothing and goes nowhere. Make instruments after the start, not in a `static`: one made
//! before telemetry is set up counts for nobody.

use std::time::Duration;

use opentelemetry::metrics::{AsyncInstrument, Meter};
use opentelemetry::{KeyValue, global};

/// Connections to the database, by [`DATABASE_STATE`].
pub const DATABASE_CONNECTIONS: &str = "db.client.connection.count";
/// How many of them there may be.
pub const DATABASE_MOST: &str = "db.client.connection.max";
/// Label: `used` or `idle`.
pub const DATABASE_STATE: &str = "db.client.connection.state";
/// 1 where calls should be sent to this process, else 0.
pub const READY: &str = "rollcall.service.ready";
/// Calls answered, until their last byte.
pub const CALLS: &str = "rpc.server.duration";

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

/// Seconds that add up.
#[derive(Clone, Debug)]
pub struct Seconds(opentelemetry::metrics::Counter<f64>);

/// Where a measured level is told.
pub struct Observer<'a>(&'a dyn AsyncInstrument<f64>);

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
    // From a quick query to a long step.
    let bounds = vec![
        0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
    ];
    timer_of(name, what, bounds)
}

/// The same for what takes seconds to hours.
pub fn long_timer(name: &'static str, what: &'static str) -> Timer {
    let bounds = vec![
        0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 7_200.0,
        21_600.0,
    ];
    timer_of(name, what, bounds)
}

/// Seconds called `name` that add up; `what` says of what.
pub fn seconds(name: &'static str, what: &'static str) -> Seconds {
    let meter = meter();
    let counter = meter.f64_counter(name).with_description(what).with_unit("s");
    Seconds(counter.build())
}

/// A level that is measured whenever it is asked for: what `read` does not tell then is not known then. `unit` is `s`, `By` or
/// empty. `read` is quick and waits for nothing.
pub fn observe<F>(name: &'static str, what: &'static str, unit: &'static str, read: F)
where
    F: Fn(&Observer<'_>) + Send + Sync + 'static,
{
    let meter = meter();
    let gauge = meter
        .f64_observable_gauge(name)
        .with_description(what)
        .with_unit(unit);
    // It goes on being read without being held.
    let _gauge = gauge.with_callback(move |to| read(&Observer(to))).build();
}

/// The same of what only grows.
pub fn observe_total<F>(name: &'static str, what: &'static str, unit: &'static str, read: F)
where
    F: Fn(&Observer<'_>) + Send + Sync + 'static,
{
    let meter = meter();
    let counter = meter
        .f64_observable_counter(name)
        .with_description(what)
        .with_unit(unit);
    let _counter = counter.with_callback(move |to| read(&Observer(to))).build();
}

/// How a pool of connections is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Connections at work.
    pub used: u32,
    /// Connections that wait for work.
    pub idle: u32,
    /// How many there may be.
    pub most: u32,
}

/// Tells from now on how the connections to the database are used.
pub fn database(read: impl Fn() -> Pool + Clone + Send + Sync + 'static) {
    let most = read.clone();
    observe(
        DATABASE_CONNECTIONS,
        "Connections to the database.",
        "",
        move |to| {
            let pool = read();
            to.tell(pool.used.into(), &[(DATABASE_STATE, "used")]);
            to.tell(pool.idle.into(), &[(DATABASE_STATE, "idle")]);
        },
    );
    observe(
        DATABASE_MOST,
        "Connections to the database that there may be.",
        "",
        move |to| {
            to.tell(most().most.into(), &[]);
        },
    );
}

fn timer_of(name: &'static str, what: &'static str, bounds: Vec<f64>) -> Timer {
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
    /// Begins the count of these labels at nothing, so that its first step is seen as a rise.
    #[must_use]
    pub fn from_zero(self, labels: Labels<'_>) -> Self {
        self.add(0, labels);
        self
    }

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

impl Seconds {
    /// Adds a duration.
    pub fn add(&self, duration: Duration, labels: Labels<'_>) {
        self.0.add(duration.as_secs_f64(), &key_values(labels));
    }
}

impl Observer<'_> {
    /// Tells the level of these labels.
    pub fn tell(&self, level: f64, labels: Labels<'_>) {
        self.0.observe(level, &key_values(labels));
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
