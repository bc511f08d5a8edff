//! An OpenTelemetry collector that keeps what it is sent.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point;
use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint};
use opentelemetry_proto::tonic::resource::v1::Resource;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::codec::CompressionEncoding;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// Listens until it is dropped.
pub struct Collector {
    url: String,
    kept: Kept,
    server: JoinHandle<()>,
}

/// What of a span matters here.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Whose it is.
    pub service: String,
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// The id of the span that it is part of; empty for none.
    pub parent: String,
    trace: String,
    attributes: Vec<(String, String)>,
}

impl Seen {
    /// One of its attributes.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Received>>);

#[derive(Default)]
struct Received {
    spans: Vec<Seen>,
    /// By instance of a service, name and attributes: the last value told.
    points: Vec<(String, String, Vec<(String, String)>, u64)>,
    /// What metrics are called by Prometheus.
    metrics: BTreeSet<String>,
    /// All of it, to look for what must not be there.
    raw: String,
}

impl Collector {
    #[expect(clippy::disallowed_methods, reason = "its end is that of the test")]
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let kept = Kept::default();
        let router = Server::builder()
            // Other collectors pack what they hand on.
            .add_service(TraceServiceServer::new(kept.clone()).accept_compressed(CompressionEncoding::Gzip))
            .add_service(
                MetricsServiceServer::new(kept.clone()).accept_compressed(CompressionEncoding::Gzip),
            );
        let server = tokio::spawn(async move {
            router
                .serve_with_incoming(TcpListenerStream::new(listener))
                .await
                .unwrap();
        });
        Self { url, kept, server }
    }

    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What has come of a trace.
    pub fn trace(&self, id: &str) -> Vec<Seen> {
        let received = self.kept.0.lock().unwrap();
        received
            .spans
            .iter()
            .filter(|span| span.trace == id)
            .cloned()
            .collect()
    }

    /// The sum of a metric over all services, of the points with these attributes; none before the first.
    pub fn metric(&self, name: &str, with: &[(&str, &str)]) -> Option<u64> {
        let received = self.kept.0.lock().unwrap();
        let fits = |attributes: &[(String, String)]| {
            with.iter()
                .all(|(key, value)| attributes.iter().any(|(k, v)| k == key && v == value))
        };
        let mut found = received
            .points
            .iter()
            .filter(|(_, known, attributes, _)| known == name && fits(attributes))
            .peekable();
        found.peek()?;
        Some(found.map(|(.., value)| value).sum())
    }

    /// The metrics that have come, by the names that they have in Prometheus.
    pub fn metrics(&self) -> BTreeSet<String> {
        self.kept.0.lock().unwrap().metrics.clone()
    }

    /// The names of the spans that have come, each with its service's.
    pub fn spans(&self) -> BTreeSet<(String, String)> {
        let received = self.kept.0.lock().unwrap();
        let spans = received.spans.iter();
        spans
            .map(|span| (span.service.clone(), span.name.clone()))
            .collect()
    }

    /// Everything that has come, as text.
    pub fn everything(&self) -> String {
        self.kept.0.lock().unwrap().raw.clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[tonic::async_trait]
impl TraceService for Kept {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut received = self.0.lock().unwrap();
        received.keep(request.get_ref());
        for of_resource in request.into_inner().resource_spans {
            let service = resource(of_resource.resource.as_ref(), "service.name");
            for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                received.spans.push(Seen {
                    service: service.clone(),
                    name: span.name,
                    id: hex(&span.span_id),
                    parent: hex(&span.parent_span_id),
                    trace: hex(&span.trace_id),
                    attributes: pairs(&span.attributes),
                });
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Kept {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let mut received = self.0.lock().unwrap();
        received.keep(request.get_ref());
        for of_resource in request.into_inner().resource_metrics {
            let instance = resource(of_resource.resource.as_ref(), "service.instance.id");
            for metric in of_resource
                .scope_metrics
                .into_iter()
                .flat_map(|scope| scope.metrics)
            {
                received.metrics.insert(in_prometheus(&metric));
                for point in points(&metric) {
                    received.put(&instance, &metric.name, point);
                }
            }
        }
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

impl Received {
    fn keep(&mut self, message: &impl std::fmt::Debug) {
        writeln!(self.raw, "{message:?}").unwrap();
    }

    /// Values are told from the start of the process on: a later one replaces an earlier one.
    fn put(&mut self, instance: &str, name: &str, point: &NumberDataPoint) {
        // What is measured, and not counted, is of no use to whoever asks for sums.
        let Some(number_data_point::Value::AsInt(value)) = point.value else {
            return;
        };
        let value = u64::try_from(value).unwrap();
        let attributes = pairs(&point.attributes);
        self.points.retain(|(of, known, with, _)| {
            (of.as_str(), known.as_str(), with) != (instance, name, &attributes)
        });
        self.points
            .push((instance.to_owned(), name.to_owned(), attributes, value));
    }
}

/// By the standard translation: dots become underscores, then comes the unit, then what counters end in.
fn in_prometheus(metric: &Metric) -> String {
    let unit = match metric.unit.as_str() {
        "" => "",
        "s" => "_seconds",
        "By" => "_bytes",
        other => panic!("{} has a unit that is new to this test: {other}", metric.name),
    };
    let counter = matches!(&metric.data, Some(Data::Sum(sum)) if sum.is_monotonic);
    let total = if counter { "_total" } else { "" };
    format!("{}{unit}{total}", metric.name.replace('.', "_"))
}

fn points(metric: &Metric) -> &[NumberDataPoint] {
    match &metric.data {
        Some(Data::Sum(sum)) => &sum.data_points,
        Some(Data::Gauge(gauge)) => &gauge.data_points,
        _ => &[],
    }
}

fn resource(resource: Option<&Resource>, name: &str) -> String {
    let attributes = pairs(&resource.unwrap().attributes);
    attributes.into_iter().find(|(key, _)| key == name).unwrap().1
}

fn pairs(attributes: &[KeyValue]) -> Vec<(String, String)> {
    let text = |attribute: &KeyValue| match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes
        .iter()
        .map(|attribute| (attribute.key.clone(), text(attribute)))
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
