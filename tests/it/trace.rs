//! One trace from the call to the mail, with the run's id everywhere (design §3, 10).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use harness::people::{hire, nobody};
use harness::site::Site;
use harness::wait::until;
use harness::world::World;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// A collector that keeps what it is sent: each span with its service's name.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<(String, Span)>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut kept = self.0.lock().unwrap();
        for of_service in request.into_inner().resource_spans {
            let attributes = of_service.resource.map(|resource| resource.attributes).unwrap_or_default();
            let service = text(&attributes, "service.name").unwrap_or_default();
            for scope in of_service.scope_spans {
                kept.extend(scope.spans.into_iter().map(|span| (service.clone(), span)));
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    async fn start() -> (Self, String, tokio::task::JoinHandle<()>) {
        let collector = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let service = TraceServiceServer::new(collector.clone());
        #[expect(clippy::disallowed_methods, reason = "a test has no chassis")]
        let serving = tokio::spawn(async move {
            let server = tonic::transport::Server::builder().add_service(service);
            server.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap();
        });
        (collector, url, serving)
    }

    fn of_trace(&self, trace: &str) -> Vec<(String, Span)> {
        let kept = self.0.lock().unwrap();
        kept.iter().filter(|(_, span)| hex(&span.trace_id) == trace).cloned().collect()
    }
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        any_value::Value::StringValue(text) => Some(text.clone()),
        _ => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn one_trace_goes_from_the_call_to_the_mail() {
    let (collector, url, serving) = Collector::start().await;
    let builder = Site::builder()
        .variable("OTEL_EXPORTER_OTLP_ENDPOINT", &url)
        .variable("OTEL_BSP_SCHEDULE_DELAY", "100")
        .variable("OTEL_METRICS_EXPORTER", "none");
    let site = Site::start(builder).await;
    let world = World::bare(&site, nobody()).await;
    world.connect("", "").await;
    hire(&world.tenant, "ann", json!({}));
    let run = world.full().await;
    world.mails_until(&site, 1).await;
    assert_eq!(run.trace_id.len(), 32, "{run:#?}");

    let everyone: BTreeSet<&str> = ["api", "fetcher", "reconciler", "notifier"].into();
    let spans = until("spans of all four services, the mail's too", async || {
        let spans = collector.of_trace(&run.trace_id);
        let services: BTreeSet<_> =
            spans.iter().map(|(service, _)| service.trim_start_matches("rollcall-")).collect();
        let mailed = spans.iter().any(|(_, span)| span.name.contains("mail") || span.name.contains("deliver"));
        (services.is_superset(&everyone) && mailed).then_some(spans)
    })
    .await;

    let names: BTreeSet<&str> = spans.iter().map(|(_, span)| span.name.as_str()).collect();
    for step in ["run.fetch", "page.decide", "run.settle", "run.apply", "notice.decide"] {
        assert!(names.contains(step), "{step}: {names:?}");
    }
    // Every step of ours is below the call, and says which run it is.
    let by_id: BTreeMap<_, _> = spans.iter().map(|(_, span)| (span.span_id.clone(), span)).collect();
    for (service, span) in &spans {
        if ["run.fetch", "page.decide", "run.settle", "run.apply", "notice.decide"].contains(&span.name.as_str()) {
            assert_eq!(text(&span.attributes, "run.id").as_deref(), Some(run.id.as_str()), "{service}: {span:#?}");
            assert!(!span.parent_span_id.is_empty(), "{service}: {span:#?}");
        }
    }
    let start = spans.iter().find(|(_, span)| span.name.contains("StartRun")).unwrap_or_else(|| panic!("{names:?}"));
    assert!(start.1.parent_span_id.is_empty() || !by_id.contains_key(&start.1.parent_span_id));

    for service in everyone {
        let log = std::fs::read_to_string(site.stack().home().log(service)).unwrap();
        assert!(log.contains(&run.id), "the log of {service} names the run");
        assert!(log.contains(&run.trace_id), "the log of {service} names the trace");
    }
    site.stop().await;
    serving.abort();
    // Waits until the collector's port is free again.
    drop(tokio::time::timeout(Duration::from_secs(5), serving).await);
}
