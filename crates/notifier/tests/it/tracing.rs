//! One trace from the event to the mail.

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tracing_subscriber::layer::SubscriberExt;

use crate::world::{TRACEPARENT, World};

/// The one span of this name that names the run: other tests make spans at the same time.
fn one<'a>(spans: &'a [SpanData], name: &str, run: &str) -> &'a SpanData {
    let is_of_run = |span: &&SpanData| {
        let mut attributes = span.attributes.iter();
        attributes.any(|attribute| attribute.key.as_str() == "run.id" && attribute.value.as_str() == run)
    };
    let mut found = spans.iter().filter(|span| span.name == name).filter(is_of_run);
    let span = found.next().unwrap_or_else(|| panic!("no span {name}"));
    assert!(found.next().is_none(), "several spans {name}");
    span
}

#[tokio::test]
async fn deciding_and_sending_are_in_the_trace_of_the_run() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    // For the whole process: a span that another thread comes by first, without a subscriber, is off for this one, too.
    ::tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();

    let world = World::new().await;
    let event = world.due(&["ops@contoso.com"]).await;
    world.send_all(&world.sender()).await;

    let spans = exporter.get_finished_spans().unwrap();
    let run = event.run.to_string();
    let (decide, send) = (
        one(&spans, "notice.decide", &run),
        one(&spans, "delivery.send", &run),
    );
    let parts: Vec<&str> = TRACEPARENT.split('-').collect();
    assert_eq!(decide.span_context.trace_id().to_string(), parts[1]);
    assert_eq!(decide.parent_span_id.to_string(), parts[2]);
    assert_eq!(send.span_context.trace_id(), decide.span_context.trace_id());
    assert_eq!(send.parent_span_id, decide.span_context.span_id());
}
