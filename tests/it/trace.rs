//! One trace from the call to the mail, with the run's id everywhere (design §3, 10), and the metrics of it.

pub mod collector;

use collector::{Collector, Seen};
use contracts::v1::runs_client::RunsClient;
use contracts::v1::{NoticeKind, Outcome, RunKind, RunState, StartRunRequest};
use harness::documents::CONNECTION;
use harness::people::{hire_many, nobody};
use harness::runs::tally;
use harness::site::Site;
use harness::wait::until;
use harness::world::World;

/// The trace that the caller is in already, and the caller's own span.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// Each step of a run, and who takes it.
const STEPS: [(&str, &str); 7] = [
    (API, "rollcall.v1.Runs/StartRun"),
    ("rollcall-fetcher", "run.fetch"),
    ("rollcall-reconciler", "page.decide"),
    ("rollcall-reconciler", "run.settle"),
    ("rollcall-reconciler", "run.apply"),
    ("rollcall-notifier", "notice.decide"),
    ("rollcall-notifier", "delivery.send"),
];

const API: &str = "rollcall-api";

#[tokio::test]
async fn a_run_is_in_its_caller_s_trace_from_the_call_to_the_mail_and_is_counted() {
    let collector = Collector::start().await;
    let builder = Site::builder()
        .variable("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())
        .variable("OTEL_BSP_SCHEDULE_DELAY", "100")
        .variable("OTEL_METRIC_EXPORT_INTERVAL", "300");
    let site = Site::start(builder).await;
    let world = World::bare(&site, nobody()).await;
    world.connect("", "").await;
    hire_many(&world.tenant, 3);
    world
        .import("name,login,domain,email\nOne,p01,contoso.com,p01@contoso.com\n")
        .await;

    let run_id = start_within_a_trace(&world).await;
    let run = world.ended(&run_id).await;
    assert_eq!(run.state(), RunState::Finished, "{run:#?}");
    assert_eq!(tally(&run), [(Outcome::Added, 2), (Outcome::Updated, 1)]);
    assert_eq!(run.trace_id, TRACE, "the run names its trace");
    world.notice(&run_id, NoticeKind::RunFinished).await;
    world.mails_until(&site, 1).await;

    one_trace(&collector, &run_id).await;
    logs(&site, &run_id);
    metrics(&collector).await;
    let told = collector.everything();
    for secret in [&world.options.client_secret, &world.token] {
        assert!(!told.contains(secret.as_str()), "a secret is in the telemetry");
    }
    site.stop().await;
}

/// As a traced program calls.
async fn start_within_a_trace(world: &World) -> String {
    let request = StartRunRequest {
        connection: CONNECTION.to_owned(),
        kind: RunKind::Full.into(),
        ..StartRunRequest::default()
    };
    let mut call = world.call(request);
    let parent = format!("00-{TRACE}-{CALLER}-01").parse().unwrap();
    call.metadata_mut().insert("traceparent", parent);
    RunsClient::new(world.channel())
        .start_run(call)
        .await
        .unwrap()
        .into_inner()
        .id
}

async fn one_trace(collector: &Collector, run_id: &str) {
    // No step hangs in the air: from every span the parents lead to the caller.
    let spans = until("every step, and a trace without gaps", async || {
        let spans = collector.trace(TRACE);
        let known = |id: &str| id == CALLER || spans.iter().any(|span| span.id == id);
        let has = |(service, name)| {
            spans
                .iter()
                .any(|span| span.service == service && span.name == name)
        };
        let whole = STEPS.into_iter().all(has) && spans.iter().all(|span| known(&span.parent));
        whole.then_some(spans)
    })
    .await;
    // What api does before the run has its id can't name it.
    let (of_api, of_run): (Vec<&Seen>, Vec<&Seen>) = spans.iter().partition(|span| span.service == API);
    let call = of_api.into_iter().filter(|span| span.parent == CALLER);
    for span in of_run.into_iter().chain(call) {
        assert_eq!(span.attribute("run.id"), Some(run_id), "{span:#?}");
    }
    assert!(
        spans
            .iter()
            .any(|span| span.name == "db.tx" && span.service != API),
        "helpers are among them"
    );
}

fn logs(site: &Site, run_id: &str) {
    for service in ["api", "fetcher", "reconciler", "notifier"] {
        let log = std::fs::read_to_string(site.stack().home().log(service)).unwrap();
        assert!(log.contains(run_id), "the log of {service} names the run");
        assert!(log.contains(TRACE), "the log of {service} names the trace");
    }
}

async fn metrics(collector: &Collector) {
    let counted = async |name: &str, with: &[(&str, &str)], at_least: u64| {
        until(&format!("{at_least} of {name} {with:?}"), async || {
            collector.metric(name, with).filter(|value| *value >= at_least)
        })
        .await
    };
    counted("rollcall.reconciler.runs", &[("state", "finished")], 1).await;
    counted("rollcall.fetch.pages", &[], 1).await;
    counted("rollcall.fetch.records", &[], 3).await;
    counted("rollcall.reconciler.pages", &[], 1).await;
    counted(
        "rollcall.reconciler.decisions",
        &[("outcome", "added"), ("rule", "none")],
        2,
    )
    .await;
    counted(
        "rollcall.reconciler.decisions",
        &[("outcome", "updated"), ("rule", "4")],
        1,
    )
    .await;
    counted("rollcall.graph.calls", &[("status", "200")], 2).await;
    counted("rollcall.notifier.deliveries", &[], 1).await;
    // The queue is told even when nothing waits in it.
    counted("rollcall.bus.lag", &[], 0).await;
}
