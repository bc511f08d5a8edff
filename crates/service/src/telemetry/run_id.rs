//! The run's id on every span of the run: what a span does not say itself it has from the spans around it.

use opentelemetry::KeyValue;
use opentelemetry::trace::TraceContextExt;
use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// The span field that names the run; any span may have it.
pub(super) const RUN_ID: &str = "run.id";

/// Tells each exported span that names no run of the one around it. Has to come after the layer that exports, which
/// makes the entered span the current one.
pub(super) struct RunIdLayer;

/// The run that a span is part of, kept with it.
#[derive(Clone)]
struct Run(String);

impl<S> Layer<S> for RunIdLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        keep(id, &context, |found| attributes.record(found));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        keep(id, &context, |found| values.record(found));
    }

    // Not before: the span around it may come to know its run later than it begins.
    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if span.extensions().get::<Run>().is_some() {
            return;
        }
        let around = span
            .scope()
            .skip(1)
            .find_map(|outer| outer.extensions().get::<Run>().cloned());
        if let Some(run) = around {
            span.extensions_mut().insert(run.clone());
            let current = opentelemetry::Context::current();
            current.span().set_attribute(KeyValue::new(RUN_ID, run.0));
        }
    }
}

fn keep<S>(id: &Id, context: &Context<'_, S>, record: impl FnOnce(&mut Found))
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let mut found = Found::default();
    record(&mut found);
    if let (Some(run), Some(span)) = (found.0, context.span(id)) {
        span.extensions_mut().replace(Run(run));
    }
}

#[derive(Default)]
struct Found(Option<String>);

impl Visit for Found {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == RUN_ID {
            self.0 = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == RUN_ID {
            self.0 = Some(format!("{value:?}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
    use tracing::field::{Empty, display};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// Runs `body` under a tracer and returns the run that each exported span names.
    fn traced(body: impl FnOnce()) -> Vec<(String, Vec<String>)> {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(exporter.clone())
            .build();
        let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        let layers = spans.and_then(RunIdLayer);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layers), body);
        let runs = |span: &SpanData| {
            let named = span.attributes.iter().filter(|pair| pair.key.as_str() == RUN_ID);
            named.map(|pair| pair.value.to_string()).collect()
        };
        let spans = exporter.get_finished_spans().unwrap();
        spans
            .iter()
            .map(|span| (span.name.to_string(), runs(span)))
            .collect()
    }

    fn named(name: &str, runs: &[&str]) -> (String, Vec<String>) {
        (name.to_owned(), runs.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn spans_inside_a_run_s_name_the_run_once() {
        let seen = traced(|| {
            let _run = tracing::info_span!("run", run.id = %"r-1").entered();
            let _page = tracing::info_span!("page", page = 2).entered();
            let inner = tracing::info_span!("db.tx");
            inner.in_scope(|| ());
            inner.in_scope(|| ());
            tracing::info_span!("other", run.id = "r-2").in_scope(|| ());
        });
        let expected = [
            named("db.tx", &["r-1"]),
            named("other", &["r-2"]),
            named("page", &["r-1"]),
            named("run", &["r-1"]),
        ];
        let mut seen = seen;
        seen.sort();
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_run_that_is_known_late_is_named_from_then_on() {
        let seen = traced(|| {
            let call = tracing::info_span!("call", run.id = Empty).entered();
            tracing::info_span!("before").in_scope(|| ());
            let open = tracing::info_span!("open");
            call.record(RUN_ID, display("r-1"));
            open.in_scope(|| ());
        });
        let expected = [
            named("before", &[]),
            named("open", &["r-1"]),
            named("call", &["r-1"]),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn spans_outside_of_any_run_name_none() {
        let seen = traced(|| {
            let _sweep = tracing::info_span!("sweep").entered();
            tracing::info_span!("db.tx").in_scope(|| ());
        });
        assert_eq!(seen, [named("db.tx", &[]), named("sweep", &[])]);
    }
}
