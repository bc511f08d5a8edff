//! Log lines: one per event, with the ids of the trace and the run around it.

use std::fmt;

use chrono::SecondsFormat;
use opentelemetry::trace::TraceContextExt;
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, Scope};

use super::run_id::RUN_ID;
use crate::clock::Clock;
use crate::config::LogFormat;

/// Writes every event as a line to `out`.
pub(super) struct LogLayer<W> {
    service: &'static str,
    format: LogFormat,
    clock: Clock,
    out: W,
}

impl<W: Fn(&str)> LogLayer<W> {
    pub(super) fn new(service: &'static str, format: LogFormat, clock: Clock, out: W) -> Self {
        Self {
            service,
            format,
            clock,
            out,
        }
    }
}

/// The fields of a span, kept with it.
struct SpanFields(Map<String, Value>);

/// What there is to say about an event.
struct Line<'a> {
    time: String,
    service: &'static str,
    event: &'a Event<'a>,
    message: String,
    /// The event's own fields.
    fields: Map<String, Value>,
    /// The fields of all spans around it, the inner over the outer.
    context: Map<String, Value>,
    span: Option<&'static str>,
    trace: Option<(String, String)>,
}

impl<S, W> Layer<S> for LogLayer<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: Fn(&str) + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(SpanFields(fields.0));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        values.record(&mut fields);
        if let Some(span) = context.span(id)
            && let Some(known) = span.extensions_mut().get_mut::<SpanFields>()
        {
            known.0.append(&mut fields.0);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut fields = fields.0;
        let message = match fields.remove("message") {
            Some(Value::String(text)) => text,
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let line = Line {
            time: self.clock.now().to_rfc3339_opts(SecondsFormat::Micros, true),
            service: self.service,
            event,
            message,
            fields,
            context: around(event, &context),
            span: context.event_span(event).map(|span| span.name()),
            trace: current_trace(),
        };
        (self.out)(&match self.format {
            LogFormat::Json => line.json(),
            LogFormat::Pretty => line.pretty(),
        });
    }
}

impl Line<'_> {
    fn json(self) -> String {
        let metadata = self.event.metadata();
        let mut line = json!({
            "time": self.time,
            "level": metadata.level().as_str(),
            "service": self.service,
            "target": metadata.target(),
            "message": self.message,
        });
        if let Value::Object(line) = &mut line {
            if let Some(run) = self.context.get(RUN_ID) {
                line.insert("run_id".to_owned(), run.clone());
            }
            if let Some((trace_id, span_id)) = self.trace {
                line.insert("trace_id".to_owned(), trace_id.into());
                line.insert("span_id".to_owned(), span_id.into());
            }
            if let Some(span) = self.span {
                line.insert("span".to_owned(), span.into());
            }
            for (name, fields) in [("fields", self.fields), ("context", self.context)] {
                if !fields.is_empty() {
                    line.insert(name.to_owned(), fields.into());
                }
            }
        }
        format!("{line}\n")
    }

    fn pretty(self) -> String {
        let metadata = self.event.metadata();
        let mut line = format!(
            "{} {:>5} {}: {}",
            self.time,
            metadata.level(),
            metadata.target(),
            self.message
        );
        let own = self.fields.iter().chain(
            self.context
                .iter()
                .filter(|(name, _)| !self.fields.contains_key(*name)),
        );
        for (name, value) in own {
            let value = match value {
                Value::String(text) if !text.contains(' ') => text.clone(),
                other => other.to_string(),
            };
            line.extend([" ", name, "=", &value]);
        }
        if let Some((trace_id, _)) = self.trace {
            line.extend([" trace_id=", &trace_id]);
        }
        // What others sent us must not be able to start a line or move the cursor.
        line.retain(|c| !c.is_control());
        line.push('\n');
        line
    }
}

fn around<S>(event: &Event<'_>, context: &Context<'_, S>) -> Map<String, Value>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let mut all = Map::new();
    for span in context.event_scope(event).into_iter().flat_map(Scope::from_root) {
        if let Some(fields) = span.extensions().get::<SpanFields>() {
            all.extend(fields.0.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
    }
    all
}

fn current_trace() -> Option<(String, String)> {
    let context = opentelemetry::Context::current();
    let span = context.span();
    let ids = span.span_context();
    ids.is_valid()
        .then(|| (ids.trace_id().to_string(), ids.span_id().to_string()))
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, crate::error::chain(value).to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    fn logged(format: LogFormat, body: impl FnOnce()) -> Vec<String> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        let (clock, _) = Clock::set_by_hand("2026-11-21T12:00:00Z".parse().unwrap());
        let log = LogLayer::new("fetcher", format, clock, move |line: &str| {
            sink.lock().unwrap().push(line.to_owned());
        });
        let tracer = SdkTracerProvider::builder().build().tracer("test");
        let spans = tracing_opentelemetry::layer().with_tracer(tracer);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(spans).with(log), body);
        lines.lock().unwrap().clone()
    }

    #[test]
    fn a_json_line_has_the_ids_of_the_run_and_the_trace_around_it() {
        let mut expected_trace = String::new();
        let lines = logged(LogFormat::Json, || {
            let run = tracing::info_span!("fetch.run", run.id = "r-1", pages = tracing::field::Empty);
            run.record("pages", 3);
            let _run = run.enter();
            let page = tracing::info_span!("fetch.page", page = 2).entered();
            expected_trace = super::super::TraceContext::current()
                .unwrap()
                .trace_id()
                .to_owned();
            tracing::warn!(target: "fetcher::run", wait_ms = 250, status = %"429", "throttled");
            drop(page);
        });
        let line: Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(line["run_id"], "r-1");
        assert_eq!(line["trace_id"], expected_trace);
        assert_eq!(line["span"], "fetch.page");
        assert_eq!(line["context"], json!({"run.id": "r-1", "pages": 3, "page": 2}));
        assert_eq!(line["fields"], json!({"wait_ms": 250, "status": "429"}));
        assert_eq!(
            (line["level"].as_str(), line["message"].as_str()),
            (Some("WARN"), Some("throttled"))
        );
        assert_eq!(
            (line["time"].as_str(), line["service"].as_str()),
            (Some("2026-11-21T12:00:00.000000Z"), Some("fetcher"))
        );
    }

    #[test]
    fn a_line_for_people_stays_one_line_whatever_is_in_it() {
        let lines = logged(LogFormat::Pretty, || {
            let name = "Eve\n2026-11-21 INFO all is well \u{1b}[2J";
            tracing::info!(target: "reconciler", name, count = 2, "one user failed");
        });
        insta::assert_snapshot!(
            lines[0],
            @r#"2026-11-21T12:00:00.000000Z  INFO reconciler: one user failed count=2 name="Eve\n2026-11-21 INFO all is well \u001b[2J""#
        );
    }

    #[test]
    fn an_error_shows_with_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("no answer")]
        struct Outer(#[source] std::io::Error);
        let lines = logged(LogFormat::Json, || {
            let error = Outer(std::io::Error::other("connection reset"));
            tracing::error!(error = &error as &dyn std::error::Error, "call failed");
        });
        let line: Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(line["fields"]["error"], "no answer: connection reset");
    }
}
