//! Logs, traces and metrics: set up at the start, flushed at the end.

mod context;
mod count;
mod log;
mod run_id;

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{Key, KeyValue};
use opentelemetry_otlp::tonic_types::transport::{Certificate, ClientTlsConfig};
use opentelemetry_otlp::{ExporterBuildError, MetricExporter, SpanExporter, WithTonicConfig};
use opentelemetry_prometheus::PrometheusExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use prometheus::Registry;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;

pub use context::{TraceContext, link, set_parent};
pub(crate) use context::{extract, inject};

use crate::clock::Clock;
use crate::config::{Environment, LogConfig, MetricsConfig};

/// How long the last spans and metrics may take to reach the collector.
const FLUSH_LIMIT: Duration = Duration::from_secs(5);

/// Libraries whose spans say nothing about Rollcall, or that would trace the export of traces.
const NOT_TRACED: [&str; 8] = [
    "h2",
    "hyper",
    "tonic",
    "tower",
    "opentelemetry",
    "rustls",
    "async_nats",
    "sqlx",
];

/// What has to be flushed in the end.
pub(crate) struct Telemetry {
    tracer: SdkTracerProvider,
    meter: Option<SdkMeterProvider>,
    registry: Option<Registry>,
}

/// Why telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TelemetryError {
    #[error("cannot set up the export of traces from the OTEL_… variables")]
    Traces(#[source] ExporterBuildError),
    #[error("cannot set up the export of metrics from the OTEL_… variables")]
    Metrics(#[source] ExporterBuildError),
    #[error("cannot set up the metrics port")]
    Scraped(#[source] OTelSdkError),
    #[error("cannot read {}, named by OTEL_EXPORTER_OTLP_CERTIFICATE", path.display())]
    Certificate {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("OTEL_EXPORTER_OTLP_PROTOCOL is {0}; only grpc is supported (the collector's port 4317)")]
    Protocol(String),
    #[error("a log subscriber is already installed")]
    Subscriber(#[source] tracing::subscriber::SetGlobalDefaultError),
}

/// Installs the log, the tracer, the meter and the panic hook for this process. Must run inside the runtime, which the
/// exporters use.
pub(crate) fn start(
    service: &'static str,
    log: &LogConfig,
    metrics: &MetricsConfig,
    environment: &Environment,
) -> Result<Telemetry, TelemetryError> {
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    let resource = resource(service, environment);
    let tracer = tracer_provider(resource.clone(), environment)?;
    let (meter, registry) = meter_provider(resource, metrics, environment)?;
    if let Some(meter) = &meter {
        opentelemetry::global::set_meter_provider(meter.clone());
    }
    let filter = log.filter.clone();
    // Spans reach the log whatever its filter, so that a WARN line still has the run id of the span around it.
    let is_logged = move |metadata: &Metadata<'_>| {
        if metadata.is_span() {
            *metadata.level() <= Level::INFO
        } else {
            filter.would_enable(metadata.target(), metadata.level())
        }
    };
    let lines =
        log::LogLayer::new(service, log.format, Clock::system(), to_stderr).with_filter(filter_fn(is_logged));
    let spans = tracing_opentelemetry::layer()
        .with_tracer(tracer.tracer("rollcall"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .and_then(run_id::RunIdLayer)
        .with_filter(filter_fn(is_traced).with_max_level_hint(LevelFilter::INFO));
    crate::process::tell();
    let subscriber = tracing_subscriber::registry().with(spans).with(lines).with(
        count::CountLayer::new(&opentelemetry::global::meter("rollcall")).with_filter(LevelFilter::WARN),
    );
    tracing::subscriber::set_global_default(subscriber).map_err(TelemetryError::Subscriber)?;
    log_panics();
    Ok(Telemetry {
        tracer,
        meter,
        registry,
    })
}

impl Telemetry {
    /// What the metrics port tells, if there is one.
    pub(crate) fn registry(&self) -> Option<Registry> {
        self.registry.clone()
    }

    /// Sends what is left, for at most a few seconds. Blocks, so not from a task.
    pub(crate) fn finish(self) {
        // A collector that is away is no reason to fail, and the exporters have logged it.
        drop(self.tracer.shutdown_with_timeout(FLUSH_LIMIT));
        drop(self.meter.map(|meter| meter.shutdown_with_timeout(FLUSH_LIMIT)));
    }
}

fn resource(service: &'static str, environment: &Environment) -> Resource {
    let builder = Resource::builder().with_attributes([
        KeyValue::new("service.namespace", "rollcall"),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", Clock::system().new_id().to_string()),
    ]);
    let named = environment.get("OTEL_SERVICE_NAME").is_some()
        || environment
            .get("OTEL_RESOURCE_ATTRIBUTES")
            .is_some_and(|all| all.contains("service.name="));
    if named {
        builder.build()
    } else {
        builder.with_service_name(format!("rollcall-{service}")).build()
    }
}

fn tracer_provider(
    resource: Resource,
    environment: &Environment,
) -> Result<SdkTracerProvider, TelemetryError> {
    // Without an exporter the provider still makes trace ids, for the log and for whoever is called.
    let mut provider = SdkTracerProvider::builder().with_resource(resource);
    if exports("TRACES", environment)? {
        let exporter = SpanExporter::builder()
            .with_tonic()
            .with_tls_config(collector_tls(environment)?);
        provider = provider.with_batch_exporter(exporter.build().map_err(TelemetryError::Traces)?);
    }
    Ok(provider.build())
}

/// None where metrics are neither exported nor scraped; with what is to be scraped, where they are.
fn meter_provider(
    resource: Resource,
    metrics: &MetricsConfig,
    environment: &Environment,
) -> Result<(Option<SdkMeterProvider>, Option<Registry>), TelemetryError> {
    let exported = exports("METRICS", environment)?;
    if !exported && metrics.listen.is_none() {
        return Ok((None, None));
    }
    let mut provider = SdkMeterProvider::builder().with_resource(resource);
    let mut registry = None;
    if exported {
        let exporter = MetricExporter::builder()
            .with_tonic()
            .with_tls_config(collector_tls(environment)?);
        provider = provider.with_periodic_exporter(exporter.build().map_err(TelemetryError::Metrics)?);
    }
    if metrics.listen.is_some() {
        let (reader, gathered) = scraped().map_err(TelemetryError::Scraped)?;
        provider = provider.with_reader(reader);
        registry = Some(gathered);
    }
    Ok((Some(provider.build()), registry))
}

/// A reader of metrics, and what gathers them from it under the names that a collector's Prometheus exporter gives them.
pub(crate) fn scraped() -> Result<(PrometheusExporter, Registry), OTelSdkError> {
    let registry = Registry::new();
    let reader = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        // All of Rollcall's instruments are of one scope.
        .scope_info_enabled(false)
        // So that nobody depends on how the scraper names its targets.
        .with_resource_selector(HashSet::from([Key::from_static_str("service.name")]))
        .build()?;
    Ok((reader, registry))
}

/// Whether the variables ask for the export of this signal.
fn exports(signal: &str, environment: &Environment) -> Result<bool, TelemetryError> {
    let value = |name: &str| environment.get(name);
    let off = value("OTEL_SDK_DISABLED").is_some_and(|on| on.eq_ignore_ascii_case("true"))
        || value(&format!("OTEL_{signal}_EXPORTER")) == Some("none");
    let own = value(&format!("OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"));
    if off || own.or(value("OTEL_EXPORTER_OTLP_ENDPOINT")).is_none() {
        return Ok(false);
    }
    let own = value(&format!("OTEL_EXPORTER_OTLP_{signal}_PROTOCOL"));
    match own.or(value("OTEL_EXPORTER_OTLP_PROTOCOL")) {
        None | Some("grpc") => Ok(true),
        Some(other) => Err(TelemetryError::Protocol(other.to_owned())),
    }
}

/// For `https` endpoints: the CA that the variables name, else the system's.
fn collector_tls(environment: &Environment) -> Result<ClientTlsConfig, TelemetryError> {
    let Some(path) = environment
        .get("OTEL_EXPORTER_OTLP_CERTIFICATE")
        .map(PathBuf::from)
    else {
        return Ok(ClientTlsConfig::new().with_native_roots());
    };
    let pem = std::fs::read(&path).map_err(|source| TelemetryError::Certificate { path, source })?;
    Ok(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)))
}

fn is_traced(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::INFO
        && !NOT_TRACED
            .iter()
            .any(|library| metadata.target().starts_with(library))
}

fn to_stderr(line: &str) {
    use std::io::Write;
    // There is nowhere to report that standard error is closed.
    drop(std::io::stderr().lock().write_all(line.as_bytes()));
}

/// A panic becomes a log line; what it ends is up to [`crate::drain::Tasks`].
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let message = crate::drain::panic_message(panic.payload());
        let location = panic
            .location()
            .map_or_else(|| "?".to_owned(), ToString::to_string);
        tracing::error!(panic.location = location, panic.message = message, "panicked");
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn export_is_on_only_where_an_endpoint_is_named() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317");
        let on = |environment: Environment| exports("TRACES", &environment).unwrap();
        assert!(!on(Environment::default()));
        assert!(on(Environment::of([endpoint])));
        assert!(on(Environment::of([(
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "http://collector:4317"
        )])));
        assert!(!on(Environment::of([(
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
            "http://collector:4317"
        )])));
        assert!(!on(Environment::of([endpoint, ("OTEL_SDK_DISABLED", "true")])));
        assert!(!on(Environment::of([endpoint, ("OTEL_TRACES_EXPORTER", "none")])));
    }

    #[test]
    fn a_protocol_that_is_not_spoken_is_refused() {
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ];
        let error = exports("TRACES", &Environment::of(variables)).unwrap_err();
        assert!(error.to_string().contains("only grpc is supported"));
    }
}
