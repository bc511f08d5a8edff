//! What dashboards, alerts, runbook and README name arrives: in a real Prometheus that scrapes the services, and by a real
//! collector that they export to. A run, a brake, reviews, mails, waits and a quarantine make sure that there is something.

use std::collections::BTreeSet;

use contracts::v1::{NoticeKind, ReviewState, RunKind, RunState};
use entra_sim::{AppChange, Effect, Fault, RetryAfter};
use harness::documents::{CONNECTION, SECRET_VARIABLE};
use harness::people::{hire_many, nobody};
use harness::site::Site;
use harness::wait::until;
use harness::world::World;
use local::stack::Service;

use super::dashboards::questions;
use super::monitoring::{Prometheus, collector};
use super::promql::names;
use super::{RULES, path, read};
use crate::trace::collector::Collector;

/// Metrics that nothing here brings about.
const SELDOM: [(&str, &str); 1] = [(
    "rollcall_bus_publish_retries_total",
    "no stream is full, and the broker stays",
)];

/// Questions of dashboards with no answer here, by a part of them.
const UNANSWERED: [(&str, &str); 3] = [
    (
        "rollcall_bus_publish_retries_total",
        "nothing has to be published again",
    ),
    ("again=\"true\"", "nothing is delivered twice"),
    (
        "rpc_grpc_status_code=~\"2|4|13|14|15\"",
        "no call ends by our fault",
    ),
];

/// Modules, as filters of the log name them: no metrics.
const MODULES: [&str; 4] = [
    "rollcall_api",
    "rollcall_fetcher",
    "rollcall_reconciler",
    "rollcall_notifier",
];

#[tokio::test]
async fn what_dashboards_alerts_and_texts_name_arrives() {
    let directory = tempfile::tempdir().unwrap();
    let sink = Collector::start().await;
    let between = collector(sink.url(), directory.path()).await;
    let mut builder = Site::builder()
        .set(Service::Reconciler, "work.figures_seconds", "1")
        .variable("OTEL_EXPORTER_OTLP_ENDPOINT", &between.url())
        .variable("OTEL_BSP_SCHEDULE_DELAY", "100")
        .variable("OTEL_METRIC_EXPORT_INTERVAL", "300");
    for service in Service::ALL {
        builder = builder.set(service, "metrics.listen", "127.0.0.1:0");
    }
    let site = Site::start(builder).await;
    let targets: Vec<String> = Service::ALL
        .iter()
        .map(|service| scraped(&site, *service))
        .collect();
    let prometheus = Prometheus::start(&targets, &path(RULES), directory.path()).await;
    let world = live(&site).await;

    scraped_and_exported_alike(&prometheus, &sink).await;
    all_metrics(&prometheus).await;
    all_questions(&prometheus).await;
    all_rules(&prometheus).await;
    spans(&sink).await;
    drop(world);
    site.stop().await;
}

/// Where a service says that its metrics are.
fn scraped(site: &Site, service: Service) -> String {
    let file = site.stack().home().address_file(service.name());
    let addresses: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    addresses["metrics"].as_str().unwrap().to_owned()
}

/// A connection with a schedule and a secret that expires: full run, brake, throttling, mails, quarantine.
async fn live(site: &Site) -> World {
    let world = World::bare(site, nobody()).await;
    world.connect("brake: { percent: 50, count: 2 }", "").await;
    let more = format!(
        "kind: Credential\nname: {CONNECTION}-app\ntenantId: {}\nclientId: {}\n\
         clientSecret: {{ fromEnv: {SECRET_VARIABLE} }}\nexpires: 2126-01-31\n---\n\
         kind: Schedule\nname: nightly\nconnection: {CONNECTION}\nfrequency: daily\nstart: \"2126-01-31T02:30\"\n\
         timeZone: UTC\ndelta: {{ hours: 4 }}\n",
        world.options.id, world.options.client_id
    );
    world.apply(&more).await;
    let people = hire_many(&world.tenant, 24);
    let run = world.full().await;
    world.notice(&run.id, NoticeKind::RunFinished).await;
    for id in &people[..3] {
        world.tenant.disable(id).unwrap();
    }
    let slow = Effect::Status {
        status: 429,
        code: None,
        message: None,
        retry_after: Some(RetryAfter::Seconds(1)),
    };
    world.tenant.fault(Fault::on("/v1.0/users*", slow).times(1));
    let braked = world.full().await;
    assert!(braked.removals_note.contains("brake"), "{braked:#?}");
    assert_eq!(world.reviews(ReviewState::Open).await.len(), 3);
    world.mails_until(site, 1).await;

    world.tenant.change_app(AppChange {
        secret: Some("another~secret".to_owned()),
        ..AppChange::default()
    });
    world.tenant.revoke_tokens();
    let failed = world.run_to_end(RunKind::Delta).await;
    assert_eq!(failed.state(), RunState::Failed, "{failed:#?}");
    until("it is in quarantine", async || {
        world.connection().await.quarantine
    })
    .await;
    world
}

/// The metric that a series of a histogram belongs to.
fn metric_of(series: &str) -> &str {
    ["_bucket", "_count", "_sum"]
        .into_iter()
        .find_map(|ending| {
            series
                .strip_suffix(ending)
                .filter(|name| name.ends_with("_seconds"))
        })
        .unwrap_or(series)
}

/// Prometheus' own series aside.
async fn told(prometheus: &Prometheus) -> BTreeSet<String> {
    let all = prometheus.names().await;
    let ours = |name: &&String| {
        !name.starts_with("scrape_")
            && !["up", "target_info", "ALERTS", "ALERTS_FOR_STATE"].contains(&name.as_str())
    };
    all.iter()
        .filter(ours)
        .map(|name| metric_of(name).to_owned())
        .collect()
}

async fn scraped_and_exported_alike(prometheus: &Prometheus, sink: &Collector) {
    let mut differing = BTreeSet::new();
    let found = until("the same metrics come both ways", async || {
        let (scraped, exported) = (told(prometheus).await, sink.metrics());
        let differ: BTreeSet<String> = scraped.symmetric_difference(&exported).cloned().collect();
        if differ != differing {
            eprintln!("not both ways yet: {differ:?}");
            differing.clone_from(&differ);
        }
        let whole = differ.is_empty() && scraped.contains("rollcall_run_duration_seconds");
        whole.then_some(scraped)
    })
    .await;
    assert!(found.len() > 40, "{found:#?}");
}

/// Words of a text that begin like a metric of ours.
fn named_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words
        .filter(|word| word.starts_with("rollcall_") && !MODULES.contains(word))
        .map(ToOwned::to_owned)
        .collect()
}

async fn all_metrics(prometheus: &Prometheus) {
    let mut wanted = BTreeSet::new();
    for question in questions() {
        wanted.extend(names(&question.expression).metrics);
    }
    for (_, expression) in prometheus.rules().await {
        wanted.extend(names(&expression).metrics);
    }
    let mut texts = read("README.md");
    for page in std::fs::read_dir(path("docs")).unwrap() {
        texts.push_str(&std::fs::read_to_string(page.unwrap().path()).unwrap());
    }
    wanted.extend(named_in(&texts));
    assert!(wanted.len() > 40, "{wanted:#?}");
    let here = prometheus.names().await;
    // A text may name several by what they begin with, or a histogram by its own name.
    let arrives = |name: &String| {
        here.contains(name)
            || here.contains(&format!("{name}_count"))
            || name.ends_with('_') && here.iter().any(|known| known.starts_with(name.as_str()))
    };
    let missing: Vec<_> = wanted
        .iter()
        .filter(|name| !arrives(name) && !SELDOM.iter().any(|(seldom, _)| seldom == name))
        .collect();
    assert!(missing.is_empty(), "named, but not told: {missing:#?}");
}

/// Every label of an expression is one of its metrics' labels.
async fn known_labels(prometheus: &Prometheus, of: &str, expression: &str) {
    let names = names(expression);
    let mut known = BTreeSet::new();
    for metric in &names.metrics {
        known.extend(prometheus.labels(metric).await);
    }
    if known.is_empty() {
        return;
    }
    let unknown: Vec<_> = names.labels.difference(&known).collect();
    assert!(
        unknown.is_empty(),
        "{of}: no metric of {expression} has {unknown:?}: {known:?}"
    );
}

async fn all_questions(prometheus: &Prometheus) {
    for question in questions() {
        let expression = question.expression.replace("$__rate_interval", "5m");
        assert!(!expression.contains('$'), "{}: {expression}", question.panel);
        if UNANSWERED.iter().any(|(part, _)| expression.contains(part)) {
            prometheus.query(&expression).await;
            continue;
        }
        until(
            &format!("{} is answered: {expression}", question.panel),
            async || {
                let answer = prometheus.query(&expression).await;
                (!answer.is_empty()).then_some(())
            },
        )
        .await;
        known_labels(prometheus, &question.panel, &expression).await;
    }
}

async fn all_rules(prometheus: &Prometheus) {
    for (name, expression) in prometheus.rules().await {
        prometheus.query(&expression).await;
        known_labels(prometheus, &name, &expression).await;
    }
    // What has happened is told, and nothing else.
    let wanted: BTreeSet<String> = ["RollcallBrakeTripped", "RollcallConnectionQuarantined"]
        .map(ToOwned::to_owned)
        .into();
    let mut last = BTreeSet::new();
    until("both alerts are there, and no other", async || {
        let alerts = prometheus.alerts().await;
        if alerts != last {
            eprintln!("alerts: {alerts:?}");
            last.clone_from(&alerts);
        }
        (alerts == wanted).then_some(())
    })
    .await;
}

/// The spans of the table in the page about observing.
async fn spans(sink: &Collector) {
    let text = read("docs/observing.md");
    let rows = text.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let name = cells.next()?.strip_suffix('`')?.to_owned();
        Some((name, cells.next()?.to_owned()))
    });
    let rows: Vec<(String, String)> = rows.collect();
    assert!(rows.len() > 6, "{rows:?}");
    for (name, service) in rows {
        // api's own call is made by the command line or a program.
        until(&format!("the span {name} of {service} comes"), async || {
            let here = sink.spans();
            let comes =
                |(of, known): &(String, String)| known == &name && (service == "each" || of == &service);
            here.iter().any(comes).then_some(())
        })
        .await;
    }
}
