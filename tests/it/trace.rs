//! One trace from the call to the mail, with the run's id everywhere (design §3, 10), and the metrics of it.

mod caller;
mod collector;

use std::collections::BTreeSet;

use collector::Collector;
use harness::people::{hire, nobody};
use harness::site::Site;
use harness::wait::until;
use harness::world::World;
use serde_json::json;

/// What every run comes through.
const STEPS: [&str; 5] = [
    "run.fetch",
    "page.decide",
    "run.settle",
    "run.apply",
    "notice.decide",
];

#[tokio::test]
async fn one_trace_goes_from_the_call_to_the_mail() {
    let collector = Collector::start().await;
    let builder = Site::builder()
        .variable("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())
        .variable("OTEL_BSP_SCHEDULE_DELAY", "100")
        .variable("OTEL_METRIC_EXPORT_INTERVAL", "200");
    let site = Site::start(builder).await;
    let world = World::bare(&site, nobody()).await;
    world.connect("", "").await;
    hire(&world.tenant, "ann", json!({}));
    let run = world.full().await;
    world.mails_until(&site, 1).await;
    assert_eq!(run.trace_id.len(), 32, "{run:#?}");

    let everyone: BTreeSet<&str> = ["api", "fetcher", "reconciler", "notifier"].into();
    let spans = until("spans of all four services, the mail's too", async || {
        let spans = collector.trace(&run.trace_id);
        let services: BTreeSet<_> = spans
            .iter()
            .map(|span| span.service.trim_start_matches("rollcall-"))
            .collect();
        let mailed = spans
            .iter()
            .any(|span| span.name.contains("mail") || span.name.contains("deliver"));
        (services.is_superset(&everyone) && mailed).then_some(spans)
    })
    .await;
    let names: BTreeSet<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    for step in STEPS {
        assert!(names.contains(step), "{step}: {names:?}");
    }
    let ids: BTreeSet<&str> = spans.iter().map(|span| span.id.as_str()).collect();
    for span in spans.iter().filter(|span| STEPS.contains(&span.name.as_str())) {
        assert_eq!(span.attribute("run.id"), Some(run.id.as_str()), "{span:#?}");
        assert!(
            ids.contains(span.parent.as_str()),
            "part of what the call set off: {span:#?}"
        );
    }
    for service in everyone {
        let log = std::fs::read_to_string(site.stack().home().log(service)).unwrap();
        assert!(log.contains(&run.id), "the log of {service} names the run");
        assert!(
            log.contains(&run.trace_id),
            "the log of {service} names the trace"
        );
    }
    assert!(
        !collector.everything().contains(&world.options.client_secret),
        "no secret goes there"
    );
    site.stop().await;
}
