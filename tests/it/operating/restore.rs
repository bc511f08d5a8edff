//! Backup and restore, by the commands of docs/operating.md: the database is everything but the key ring, and a broker that is
//! empty loses nothing.

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::v1::{LeaverAction, ListRunsRequest, NoticeKind, Outcome, Run, RunKind, RunState};
use harness::documents::CONNECTION;
use harness::groups::{join, security_group};
use harness::moved_clock::MovedClock;
use harness::people::{crowd, hire, hire_many, nobody};
use harness::runs::{counts, tally};
use harness::schedules::schedule_of;
use harness::site::Site;
use harness::told::part;
use harness::wait::until;
use harness::world::World;
use local::mail::{Action, Fault, Moment};
use local::stack::{DATABASE, Service};
use serde_json::json;

use super::commands;
use super::ring::key;
use super::streams::{streams, wipe};

/// Everything of a test: each world's part of the state is another.
struct Scene {
    site: Site,
    clock: MovedClock,
    /// Users, groups, a review, a schedule; nothing under way.
    calm: World,
    /// A plan that nobody has applied.
    planned: World,
    /// A run whose pages wait on the bus.
    running: World,
    /// A password whose mail could not be sent.
    mailing: World,
    people: Vec<String>,
    group: String,
    preview: Run,
    in_flight: String,
    due: DateTime<Utc>,
    backup: tempfile::TempDir,
}

async fn next_full(world: &World) -> DateTime<Utc> {
    let time = until("the schedule's next time", async || {
        schedule_of(world, "nightly").await.next_full_time
    })
    .await;
    DateTime::from_timestamp(time.seconds, 0).unwrap()
}

/// Nothing that was committed waits to be told, mails aside.
async fn all_is_told(site: &Site) {
    let untold = "SELECT count(*) FROM outbox o WHERE published_at IS NULL OR run_id IS NOT NULL AND NOT EXISTS
                      (SELECT FROM inbox i WHERE i.event_id = o.id) AND o.subject LIKE 'rollcall.run.finished.%'";
    until("all is told", async || {
        (site.sql(untold).await == "0").then_some(())
    })
    .await;
}

/// Notices by run, of all organizations: `run|count`, each run once.
async fn notices(site: &Site) -> Vec<String> {
    let rows = site
        .sql("SELECT run_id, kind, count(*) FROM notice WHERE run_id IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2")
        .await;
    rows.lines().map(str::to_owned).collect()
}

impl Scene {
    async fn start() -> Self {
        let clock = MovedClock::new();
        let builder = clock
            .of(Site::builder())
            .set(Service::Fetcher, "fetch.stall_seconds", "3")
            .set(Service::Fetcher, "fetch.lease_seconds", "2")
            .set(Service::Notifier, "delivery.max_attempts", "1000");
        let mut site = Site::start(builder).await;

        let calm = World::bare(&site, nobody()).await;
        let people = hire_many(&calm.tenant, 5);
        let group = security_group(&calm.tenant, "staff");
        join(&calm.tenant, &group, &people);
        calm.connect(
            "leavers: { disabled: review }",
            &format!("criteria:\n  - [{{ operator: memberOf, value: {group} }}]"),
        )
        .await;
        calm.full().await;
        calm.tenant.disable(&people[0]).unwrap();
        let held = calm.delta().await;
        assert_eq!(counts(&held).held, 1, "{held:#?}");
        let start = DateTime::from_timestamp((clock.now().timestamp() / 3600 + 3) * 3600, 0).unwrap();
        calm.apply(&format!(
            "kind: Schedule\nname: nightly\nconnection: {CONNECTION}\nstart: \"{}\"\ntimeZone: UTC\nfrequency: \
             daily\ndelta: {{ on: false }}\n",
            start.format("%Y-%m-%dT%H:%M")
        ))
        .await;
        let due = next_full(&calm).await;

        let planned = World::bare(&site, nobody()).await;
        planned.connect("", "").await;
        hire(&planned.tenant, "ann", json!({}));
        planned.full().await;
        hire(&planned.tenant, "eve", json!({"department": "Legal"}));
        let preview = planned.preview().await;

        let mailing = World::bare(&site, nobody()).await;
        mailing.connect("", "").await;
        mailing.full().await;
        all_is_told(&site).await;
        let open = "SELECT count(*) FROM delivery WHERE state NOT IN ('sent', 'failed')";
        until("all mails are sent", async || {
            (site.sql(open).await == "0").then_some(())
        })
        .await;
        site.mail().add_fault(Fault::always(
            Moment::Recipient,
            Action::Reply {
                code: 451,
                text: "later".to_owned(),
            },
        ));
        mailing
            .apply(&format!(
                "kind: Settings\nname: default\nmailTo: [\"{}\"]\npasswords: {{ mode: random }}\n",
                mailing.mail_to
            ))
            .await;
        hire(&mailing.tenant, "fay", json!({"mail": "fay@restored.example"}));
        mailing.delta().await;
        until("a mail that could not be sent", async || {
            let waits = "SELECT count(*) FROM password_mail p JOIN delivery d ON d.event_id = p.id";
            (site.sql(waits).await == "1").then_some(())
        })
        .await;

        let running = World::bare(&site, crowd(300)).await;
        running.connect("", "includeDisabled: true").await;
        site.stack_mut().freeze(Service::Reconciler, 1, true).unwrap();
        let in_flight = running.start_run(RunKind::Full).await.id;
        until("everything is read and waits on the bus", async || {
            let run = running.get_run(&in_flight).await;
            (run.state() == RunState::Planning).then_some(())
        })
        .await;
        Self {
            site,
            clock,
            calm,
            planned,
            running,
            mailing,
            people,
            group,
            preview,
            in_flight,
            due,
            backup: tempfile::tempdir().unwrap(),
        }
    }

    fn command(&self, title: &str) -> String {
        let access = self.site.access();
        let (own, admin) = (access.url(DATABASE), access.url("postgres"));
        let variables = [("DATABASE_URL", own.as_str()), ("ADMIN_URL", admin.as_str())];
        commands::run(title, self.backup.path(), &variables)
    }

    /// Life goes on after the dump: all of it is lost with the database, and none of it in the directory.
    async fn live_on(&mut self) {
        self.site
            .stack_mut()
            .freeze(Service::Reconciler, 1, false)
            .unwrap();
        let run = self.running.ended(&self.in_flight).await;
        assert_eq!(run.state(), RunState::Finished, "{run:#?}");
        self.calm
            .tenant
            .update(&self.people[1], "department", json!("Sales"))
            .unwrap();
        let delta = self.calm.delta().await;
        assert_eq!(tally(&delta), [(Outcome::Updated, 1)]);
        self.calm
            .tenant
            .update(&self.people[2], "jobTitle", json!("Clerk"))
            .unwrap();
        hire(&self.running.tenant, "gus", json!({}));
        all_is_told(&self.site).await;
    }

    async fn lose_everything(&mut self) {
        for service in Service::ALL {
            assert!(
                self.site.stack_mut().stop_one(service, 1).await.unwrap(),
                "{service}"
            );
        }
        self.site.access().drop_database(DATABASE).await.unwrap();
        wipe(&mut self.site).await;
    }

    async fn start_again(&mut self) {
        for service in Service::ALL {
            self.site.stack_mut().spawn(service, 1).unwrap();
        }
        for service in Service::ALL {
            self.site.stack_mut().ready(service, 1).await.unwrap();
        }
    }

    async fn check_calm(&mut self) {
        let calm = &self.calm;
        let listed = listings(calm);
        let delta = calm.delta().await;
        assert_eq!(delta.reason, "", "from the older link on: {delta:#?}");
        assert_eq!(listings(calm), listed, "nobody is read who has not changed");
        assert_eq!(
            tally(&delta),
            [(Outcome::Updated, 2)],
            "what was lost with the database, and what came since: {delta:#?}"
        );
        let sold = calm.account_by_object(&self.people[1]).await;
        assert_eq!(sold.fields["department"], "Sales");
        let reviews = calm.reviews(contracts::v1::ReviewState::Open).await;
        assert_eq!(reviews.len(), 1, "{reviews:#?}");
        let done = calm.approve(&[&reviews[0].id], LeaverAction::Unspecified).await;
        assert_eq!(done.len(), 1, "{done:#?}");
        let members = calm
            .cli_json(&["group", "members", &self.group, "--limit", "10"])
            .await;
        assert_eq!(members["members"].as_array().unwrap().len(), 5, "{members:#}");

        assert_eq!(next_full(calm).await, self.due, "the schedule is as it was");
        let left = self.due - self.clock.now() + TimeDelta::seconds(2);
        self.clock.advance(left.to_std().unwrap_or(Duration::ZERO));
        let run = until("the scheduled run", async || {
            let mut runs = scheduled(calm).await;
            assert!(runs.len() <= 1, "{runs:#?}");
            runs.pop()
        })
        .await;
        let run = calm.ended(&run.id).await;
        assert_eq!(run.state(), RunState::Finished, "{run:#?}");
    }

    async fn check_planned(&self) {
        let run = self.planned.apply_plan(&self.preview.id).await;
        assert_eq!(counts(&run).added, 1, "{run:#?}");
        assert_eq!(self.planned.account("eve").await.fields["department"], "Legal");
        let delta = self.planned.delta().await;
        assert_eq!(delta.reason, "", "{delta:#?}");
    }

    /// Its pages were on a bus that is gone: it is read once more.
    async fn check_running(&self) {
        let run = self.running.ended(&self.in_flight).await;
        assert_eq!(run.state(), RunState::Finished, "{run:#?}");
        let everybody = u32::try_from(self.running.tenant.users().len()).unwrap();
        assert_eq!(
            tally(&run),
            [(Outcome::Added, everybody)],
            "as it is now, gus included"
        );
        self.running.check_register().await;
        let delta = self.running.delta().await;
        assert_eq!(delta.reason, "", "{delta:#?}");
    }

    async fn check_mailing(&self) {
        self.site.mail().clear_faults();
        until("the mail that could not be sent", async || {
            (!self.passwords().is_empty()).then_some(())
        })
        .await;
        let open = "SELECT count(*) FROM delivery WHERE state NOT IN ('sent', 'failed')";
        until("no mail waits", async || {
            (self.site.sql(open).await == "0").then_some(())
        })
        .await;
        assert_eq!(self.passwords().len(), 1, "once");
        let failed = "SELECT count(*) FROM delivery WHERE state = 'failed'";
        assert_eq!(self.site.sql(failed).await, "0");
        let delta = self.mailing.delta().await;
        assert_eq!(delta.reason, "", "{delta:#?}");
    }

    /// Mails that bring the password.
    fn passwords(&self) -> Vec<String> {
        let mails = self.site.mail().messages();
        let ours = mails
            .iter()
            .filter(|mail| mail.to.iter().any(|to| to == "fay@restored.example"));
        ours.filter_map(|mail| part(mail, "text/plain")).collect()
    }

    async fn check_told(&self, before: &[String]) {
        all_is_told(&self.site).await;
        let after = notices(&self.site).await;
        for told in before {
            assert!(after.contains(told), "{told} is told once more: {after:#?}");
        }
        for told in &after {
            assert!(told.ends_with("|1"), "{told} is told twice");
        }
        let mails = self.site.mail().messages();
        let mut ids: Vec<String> = mails
            .iter()
            .filter_map(|mail| {
                let text = mail.text();
                let line = text
                    .lines()
                    .find(|line| line.to_ascii_lowercase().starts_with("message-id:"));
                line.map(str::to_owned)
            })
            .collect();
        assert_eq!(ids.len(), mails.len());
        ids.sort();
        let all = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), all, "a mail came twice");
    }
}

/// How often everybody was listed.
fn listings(world: &World) -> u64 {
    let requests = world.tenant.requests();
    requests.get("GET /v1.0/users").copied().unwrap_or_default()
}

/// The runs that the schedule started.
async fn scheduled(world: &World) -> Vec<Run> {
    let request = ListRunsRequest {
        page_size: 100,
        ..ListRunsRequest::default()
    };
    let runs = world.runs().list_runs(world.call(request)).await.unwrap();
    let mut runs = runs.into_inner().runs;
    runs.retain(|run| run.trigger == "schedule nightly");
    runs
}

#[tokio::test]
async fn a_dump_taken_while_running_brings_everything_back_onto_an_empty_broker() {
    let mut scene = Scene::start().await;
    let told = notices(&scene.site).await;
    assert!(!told.is_empty());
    scene.command("Back up");
    let size = std::fs::metadata(dump(scene.backup.path())).unwrap().len();
    assert!(size > 10_000, "{size}");

    scene.live_on().await;
    scene.lose_everything().await;
    scene.command("Restore");
    scene.start_again().await;

    // Tokens sign in, and the key ring, which is no part of the dump, opens what is sealed.
    let ring = key(&scene.calm, "local-1").await.unwrap();
    assert_eq!(ring["state"], "KEY_STATE_CURRENT", "{ring:#}");
    scene.check_running().await;
    scene.check_planned().await;
    scene.check_calm().await;
    scene.check_mailing().await;
    scene.check_told(&told).await;
    assert_eq!(streams(&scene.site).await.len(), 3);
    let finished = scene
        .running
        .notice(&scene.in_flight, NoticeKind::RunFinished)
        .await;
    let everybody = format!("{} added", scene.running.tenant.users().len());
    assert!(finished.body.contains(&everybody), "{finished:#?}");
    let Scene { site, clock, .. } = scene;
    site.stop().await;
    drop(clock);
}

fn dump(dir: &Path) -> std::path::PathBuf {
    dir.join("rollcall.dump")
}
