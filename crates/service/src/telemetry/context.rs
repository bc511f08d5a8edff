//! The trace context, carried in metadata, headers and table columns.

use std::collections::HashMap;
use std::fmt;

use http::HeaderMap;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{SpanContext, TraceContextExt};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

const TRACEPARENT: &str = "traceparent";

/// The W3C `traceparent` of a span, as text: what the queue's headers and the tables carry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TraceContext(String);

impl TraceContext {
    /// The current span's, if it is in a trace.
    pub fn current() -> Option<Self> {
        Self::of(&Span::current())
    }

    /// The one of `span`, if it is in a trace.
    pub fn of(span: &Span) -> Option<Self> {
        let mut carrier = HashMap::new();
        TraceContextPropagator::new().inject_context(&span.context(), &mut carrier);
        carrier.remove(TRACEPARENT).map(Self)
    }

    /// Takes a text that came from elsewhere; `None` where it is not a `traceparent`.
    pub fn parse(text: &str) -> Option<Self> {
        let context = Self(text.to_owned());
        context.span_context().is_valid().then_some(context)
    }

    /// `00-<trace id>-<span id>-<flags>`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The trace id: 32 hexadecimal digits.
    pub fn trace_id(&self) -> &str {
        self.0.split('-').nth(1).unwrap_or_default()
    }

    fn span_context(&self) -> SpanContext {
        self.to_context().span().span_context().clone()
    }

    fn to_context(&self) -> opentelemetry::Context {
        let carrier = HashMap::from([(TRACEPARENT.to_owned(), self.0.clone())]);
        TraceContextPropagator::new().extract_with_context(&opentelemetry::Context::new(), &carrier)
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Makes `span` a part of the trace `parent`, below it. Call it before the span is entered; later it has no effect.
pub fn set_parent(span: &Span, parent: &TraceContext) {
    adopt(span, parent.to_context());
}

/// Makes `span` refer to another trace without becoming part of it.
pub fn link(span: &Span, other: &TraceContext) {
    span.add_link(other.span_context());
}

/// Puts the current span's context into `headers`.
pub(crate) fn inject(headers: &mut HeaderMap) {
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut Headers(headers));
}

/// Makes `span` a child of the context found in `headers`, if there is one.
pub(crate) fn extract(span: &Span, headers: &HeaderMap) {
    let context = TraceContextPropagator::new()
        .extract_with_context(&opentelemetry::Context::new(), &HeadersRef(headers));
    if context.has_active_span() {
        adopt(span, context);
    }
}

fn adopt(span: &Span, parent: opentelemetry::Context) {
    // It fails where no tracer is installed or the span is filtered out: then there is no trace to join.
    if let Err(reason) = span.set_parent(parent) {
        tracing::trace!(%reason, "span joins no trace");
    }
}

struct Headers<'a>(&'a mut HeaderMap);

impl Injector for Headers<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (
            http::HeaderName::try_from(key),
            http::HeaderValue::try_from(value),
        ) {
            self.0.insert(name, value);
        }
    }
}

struct HeadersRef<'a>(&'a HeaderMap);

impl Extractor for HeadersRef<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    /// Runs `body` under a tracer and returns what it exported.
    fn traced(body: impl FnOnce()) -> Vec<opentelemetry_sdk::trace::SpanData> {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(exporter.clone())
            .build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), body);
        exporter.get_finished_spans().unwrap()
    }

    #[test]
    fn the_context_goes_through_text_and_comes_back() {
        let spans = traced(|| {
            let sender = tracing::info_span!("send");
            let text = sender
                .in_scope(TraceContext::current)
                .unwrap()
                .as_str()
                .to_owned();
            let receiver = tracing::info_span!("receive");
            set_parent(&receiver, &TraceContext::parse(&text).unwrap());
            receiver.in_scope(|| assert_eq!(TraceContext::current().unwrap().trace_id(), &text[3..35]));
        });
        let by_name = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
        let (sender, receiver) = (by_name("send"), by_name("receive"));
        assert_eq!(receiver.parent_span_id, sender.span_context.span_id());
        assert_eq!(receiver.span_context.trace_id(), sender.span_context.trace_id());
    }

    #[test]
    fn a_link_refers_to_the_other_trace_without_joining_it() {
        let spans = traced(|| {
            let span = tracing::info_span!("sweep");
            link(&span, &TraceContext::parse(PARENT).unwrap());
            span.in_scope(|| ());
        });
        let linked = spans[0].links.iter().next().unwrap();
        assert_eq!(linked.span_context.trace_id().to_string(), &PARENT[3..35]);
        assert_ne!(spans[0].span_context.trace_id().to_string(), &PARENT[3..35]);
    }

    #[test]
    fn the_context_goes_through_headers_and_comes_back() {
        let spans = traced(|| {
            let mut headers = HeaderMap::new();
            let caller = tracing::info_span!("call");
            caller.in_scope(|| inject(&mut headers));
            let answer = tracing::info_span!("answer");
            extract(&answer, &headers);
            answer.in_scope(|| ());
        });
        assert_eq!(spans[0].span_context.trace_id(), spans[1].span_context.trace_id());
    }

    #[test]
    fn what_is_no_traceparent_is_refused() {
        assert!(TraceContext::parse(PARENT).is_some());
        for text in [
            "",
            "00",
            "00-zz-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceContext::parse(text), None, "{text:?}");
        }
        assert_eq!(TraceContext::current(), None, "no tracer is installed here");
    }
}
