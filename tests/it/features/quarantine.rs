//! Quarantine: a connection that keeps failing backs off, says why, is told of once, and recovers by itself (B17).

use std::time::Duration;

use chrono::{DateTime, Utc};
use contracts::v1::{Connection, NoticeKind, Quarantine, Run, RunKind, RunState};
use entra_sim::{AppChange, Corruption, Effect, Fault, Operation};
use harness::documents::CONNECTION;
use harness::groups::{forbid_groups, join, security_group};
use harness::moved_clock::MovedClock;
use harness::people::{crowd, hire, hire_many, nobody};
use harness::runs::counts;
use harness::site::Site;
use harness::wait::until;
use harness::world::World;
use local::stack::Service;
use serde_json::json;

fn answer(status: u16) -> Effect {
    Effect::Status {
        status,
        code: None,
        message: None,
        retry_after: None,
    }
}

/// Whatever Rollcall asks for first is refused, in a way that may pass.
fn break_for_a_while(world: &World) {
    world.tenant.fault(Fault::on("/v1.0/organization*", answer(400)));
}

/// Another secret at Entra's, unknown to Rollcall; and what Rollcall has as a token is worth nothing any more.
fn change_the_secret(world: &World, secret: &str) {
    world.tenant.change_app(AppChange {
        secret: Some(secret.to_owned()),
        ..AppChange::default()
    });
    world.tenant.revoke_tokens();
}

async fn failing_run(world: &World) -> Run {
    let run = world.run_to_end(RunKind::Delta).await;
    assert_eq!(run.state(), RunState::Failed, "{run:#?}");
    run
}

async fn quarantined(world: &World) -> Quarantine {
    until("it is in quarantine", async || {
        world.connection().await.quarantine
    })
    .await
}

async fn free(world: &World) -> Connection {
    until("it is in no quarantine", async || {
        Some(world.connection().await).filter(|connection| connection.quarantine.is_none())
    })
    .await
}

async fn notices_of(world: &World, kind: NoticeKind) -> usize {
    let notices = world.notices().await.notices;
    notices.iter().filter(|notice| notice.kind() == kind).count()
}

fn seconds(quarantine: &Quarantine) -> (i64, i64) {
    let time = |time: Option<prost_types::Timestamp>| time.unwrap().seconds;
    (time(quarantine.since), time(quarantine.next_try_time))
}

fn subjects(world: &World, site: &Site) -> Vec<String> {
    let mails = world.mails(site);
    mails.iter().map(|mail| mail.header("Subject").unwrap()).collect()
}

#[tokio::test]
async fn b17_a_wrong_secret_quarantines_at_once_and_a_right_one_ends_it() {
    let (world, site) = (World::start().await, Site::shared().await);
    hire(&world.tenant, "ann", json!({}));
    world.full().await;
    world.mails_until(site, 1).await;
    assert_eq!(world.connection().await.quarantine, None);

    change_the_secret(&world, "another~secret");
    let run = failing_run(&world).await;
    world.notice(&run.id, NoticeKind::ConnectionQuarantined).await;
    let first = quarantined(&world).await;
    assert_eq!(
        (first.cause.as_str(), first.tries),
        ("wrong_secret", 1),
        "{first:#?}"
    );
    assert!(first.reason.contains("Certificates & secrets"), "{first:#?}");
    let (since, next) = seconds(&first);
    assert!((15 * 60..=17 * 60).contains(&(next - since)), "{first:#?}");

    // A person may try at any time. That it fails again is on the bell, as everything that a person starts, but no news.
    let again = failing_run(&world).await;
    world.notice(&again.id, NoticeKind::RunFailed).await;
    let second = quarantined(&world).await;
    assert_eq!((second.tries, second.since), (2, first.since), "{second:#?}");

    let listed = world.cli_run(&["connection", "list"]).await.stdout;
    assert!(listed.contains("quarantined"), "{listed}");
    let shown = world.cli_run(&["connection", "show", CONNECTION]).await.stdout;
    assert!(
        shown.contains("Quarantined")
            && shown.contains("Certificates & secrets")
            && shown.contains("next try"),
        "{shown}"
    );

    // Entering the right secret makes it try at once.
    let yaml = harness::documents::documents(&world.options, &world.url(), "", "");
    let file = world.file("right.yaml", &yaml);
    let cli = world
        .cli()
        .env(harness::documents::SECRET_VARIABLE, "another~secret");
    cli.json(&["apply", "-f", file.to_str().unwrap()]).await.unwrap();
    free(&world).await;
    let mails = world.mails_until(site, 3).await;
    assert_eq!(mails.len(), 3, "{:#?}", subjects(&world, site));
    let subjects = subjects(&world, site);
    assert!(
        subjects[1].contains("is in quarantine") && subjects[2].contains("works again"),
        "{subjects:#?}"
    );
    assert_eq!(notices_of(&world, NoticeKind::ConnectionQuarantined).await, 1);
    assert_eq!(notices_of(&world, NoticeKind::ConnectionRecovered).await, 1);
    world.delta().await;
    world.account("ann").await;
}

#[tokio::test]
async fn b17_what_may_pass_quarantines_after_three_times_and_sync_now_ends_it() {
    let (world, site) = (World::start().await, Site::shared().await);
    hire(&world.tenant, "ann", json!({}));
    world.full().await;
    break_for_a_while(&world);
    for _ in 0..2 {
        failing_run(&world).await;
        assert_eq!(world.connection().await.quarantine, None, "it may pass");
    }
    let third = failing_run(&world).await;
    world.notice(&third.id, NoticeKind::ConnectionQuarantined).await;
    let quarantine = quarantined(&world).await;
    assert_eq!(quarantine.tries, 1, "{quarantine:#?}");
    world.tenant.clear_faults();
    let well = world.delta().await;
    free(&world).await;
    world.notice(&well.id, NoticeKind::ConnectionRecovered).await;
    // The full run, the first failure, the quarantine, and its end.
    let mails = world.mails_until(site, 4).await;
    assert_eq!(mails.len(), 4, "{:#?}", subjects(&world, site));
}

#[tokio::test]
async fn b17_a_success_in_between_begins_the_count_anew() {
    let world = World::start().await;
    world.full().await;
    for _ in 0..2 {
        break_for_a_while(&world);
        failing_run(&world).await;
        failing_run(&world).await;
        world.tenant.clear_faults();
        world.full().await;
    }
    break_for_a_while(&world);
    failing_run(&world).await;
    assert_eq!(world.connection().await.quarantine, None);
}

#[tokio::test]
async fn b17_a_run_of_which_too_many_records_fail_quarantines() {
    let world = World::start().await;
    let ids = hire_many(&world.tenant, 20);
    let enabled = |json: &str| {
        for id in &ids[11..] {
            let corruption = Corruption::Raw {
                property: "accountEnabled".to_owned(),
                json: json.to_owned(),
            };
            let user = id.clone();
            world
                .tenant
                .apply(&Operation::Corrupt { user, corruption })
                .unwrap();
        }
    };
    enabled("\"perhaps\"");
    let run = world.full().await;
    assert_eq!(counts(&run).failed, 9, "{run:#?}");
    let quarantine = quarantined(&world).await;
    assert_eq!(quarantine.cause, "records_failed");
    assert!(quarantine.reason.contains("9 of 20"), "{quarantine:#?}");
    world.notice(&run.id, NoticeKind::ConnectionQuarantined).await;
    // Nothing is scheduled, and a test would not tell: so nothing tries it by itself, and that is said.
    assert_eq!(quarantine.next_try_time, None, "{quarantine:#?}");
    let shown = world.cli_run(&["connection", "show", CONNECTION]).await.stdout;
    assert!(shown.contains("no next try by itself"), "{shown}");
    // That the connection can be reached says nothing of its records; nor does a run for leavers, or for somebody.
    assert!(world.test_connection().await.passed);
    world.run(RunKind::Deprovision).await;
    let import = world.cli_run(&["import", "users", CONNECTION, &ids[0]]).await;
    assert_eq!(import.code, 0, "{import:?}");
    // Those that fail need not be among what has changed: a delta reads everything.
    let next = world.connection().await.next_full_reason;
    assert!(next.contains("records fail"), "{next}");
    let delta = world.delta().await;
    assert!(
        counts(&delta).seen == 20 && delta.reason.contains("quarantine"),
        "{delta:#?}"
    );
    assert_eq!(quarantined(&world).await.tries, 2);

    enabled("true");
    let well = world.delta().await;
    assert_eq!((counts(&well).seen, counts(&well).failed), (20, 0), "{well:#?}");
    free(&world).await;
    assert_eq!(world.delta().await.reason, "", "changes are enough again");
}

#[tokio::test]
async fn b17_a_person_releases_it_and_that_is_written_down() {
    let (world, site) = (World::start().await, Site::shared().await);
    world.full().await;
    change_the_secret(&world, "another~secret");
    failing_run(&world).await;
    quarantined(&world).await;
    let released = world.cli_json(&["connection", "release", CONNECTION]).await;
    assert!(released.get("quarantine").is_none(), "{released:#}");
    assert_eq!(world.connection().await.quarantine, None);
    let written = site
        .sql(&format!(
            "SELECT actor, subject, before ->> 'cause' FROM audit
             WHERE organization_id = '{}' AND action = 'connection.release'",
            world.organization
        ))
        .await;
    assert_eq!(written.trim(), format!("token tester|{CONNECTION}|wrong_secret"));
    // The reconciler has taken it over, too: the next failure begins another quarantine.
    until("it is forgotten", async || {
        let row = site
            .sql(&format!(
                "SELECT count(*) FROM connection_health WHERE connection_id IN
                     (SELECT id FROM connection WHERE organization_id = '{}')",
                world.organization
            ))
            .await;
        (row.trim() == "0").then_some(())
    })
    .await;
    failing_run(&world).await;
    assert_eq!(quarantined(&world).await.tries, 1);
    let twice = world.cli_run(&["connection", "release", "nobody"]).await;
    assert_eq!(twice.code, 1);
    assert!(
        twice.stderr.contains(CONNECTION),
        "it names those there are: {twice:?}"
    );
}

/// Moves the clock to a moment.
fn go_to(clock: &mut MovedClock, at: &prost_types::Timestamp) {
    let at = DateTime::<Utc>::from_timestamp(at.seconds + 5, 0).unwrap();
    let by = (at - clock.now()).num_seconds();
    clock.advance(Duration::from_secs(u64::try_from(by).unwrap()));
}

#[tokio::test]
async fn b17_tries_come_later_and_later_and_the_first_that_works_ends_it() {
    let mut clock = MovedClock::new();
    // Of each service two: none of them does what another one does.
    let builder = clock.of(Site::builder());
    let two = [Service::Fetcher, Service::Reconciler, Service::Notifier];
    let site = Site::start(
        two.into_iter()
            .fold(builder, |builder, service| builder.copies(service, 2)),
    )
    .await;
    let world = World::bare(&site, nobody()).await;
    world.connect("", "").await;
    hire(&world.tenant, "ann", json!({}));
    world.full().await;
    let secret = world.options.client_secret.clone();
    change_the_secret(&world, "another~secret");
    let run = failing_run(&world).await;
    world.notice(&run.id, NoticeKind::ConnectionQuarantined).await;
    let mut last = quarantined(&world).await;
    // Scheduled runs wait, and say why; the connection comes back by tries that cost little.
    let schedule = format!(
        "kind: Schedule\nname: hourly\nconnection: {CONNECTION}\nfrequency: {{ hours: 1 }}\n\
         start: \"2026-01-01T00:30\"\ntimeZone: UTC\n"
    );
    world.apply(&schedule).await;
    let shown = world.cli_json(&["schedule", "show", "hourly"]).await;
    assert!(
        shown["waitsBecause"].as_str().unwrap().contains("quarantine"),
        "{shown:#}"
    );
    for (tries, minutes) in [(2, 30), (3, 60), (4, 120)] {
        go_to(&mut clock, last.next_try_time.as_ref().unwrap());
        last = until("it was tried by itself", async || {
            world
                .connection()
                .await
                .quarantine
                .filter(|now| now.tries == tries)
        })
        .await;
        let next = DateTime::<Utc>::from_timestamp(last.next_try_time.unwrap().seconds, 0).unwrap();
        let wait = (next - clock.now()).num_minutes();
        assert!(
            (minutes - 1..=minutes + minutes / 10).contains(&wait),
            "{wait} of {minutes}: {last:#?}"
        );
    }
    until("its times came, and wait", async || {
        let shown = world.cli_json(&["schedule", "show", "hourly"]).await;
        let kept = shown["lastTimes"].as_array().unwrap();
        kept.iter()
            .any(|time| time.to_string().contains("quarantine"))
            .then_some(())
    })
    .await;
    // What waits would begin when it is free, and be told; here only its recovery is to be.
    world.cli_json(&["schedule", "off", "hourly"]).await;
    // Nobody touches Rollcall: what was wrong is put right at Entra's.
    change_the_secret(&world, &secret);
    go_to(&mut clock, last.next_try_time.as_ref().unwrap());
    free(&world).await;
    let recovered = async || notices_of(&world, NoticeKind::ConnectionRecovered).await == 1;
    until("its recovery is told", async || recovered().await.then_some(())).await;
    let mails = world.mails_until(&site, 3).await;
    assert_eq!(mails.len(), 3, "{:#?}", subjects(&world, &site));
    assert_eq!(
        notices_of(&world, NoticeKind::RunFailed).await,
        1,
        "tries are no news"
    );
    assert_eq!(notices_of(&world, NoticeKind::ConnectionQuarantined).await, 1);
    let shown = world.cli_json(&["schedule", "on", "hourly"]).await;
    assert!(
        !shown["waitsBecause"]
            .as_str()
            .unwrap_or_default()
            .contains("quarantine"),
        "{shown:#}"
    );
    site.stop().await;
}

#[tokio::test]
async fn b17_where_a_test_does_not_tell_enough_scheduled_runs_are_the_tries() {
    let mut clock = MovedClock::new();
    let site = Site::start(clock.of(Site::builder())).await;
    let world = World::bare(&site, nobody()).await;
    world.connect("", "").await;
    hire(&world.tenant, "ann", json!({}));
    world.full().await;
    world.mails_until(&site, 1).await;
    let schedule = format!(
        "kind: Schedule\nname: hourly\nconnection: {CONNECTION}\nfrequency: {{ hours: 1 }}\n\
         start: \"2026-01-01T00:30\"\ntimeZone: UTC\n"
    );
    world.apply(&schedule).await;
    // What would come is shown before; whether runs come is known by the plan.
    until("a fetcher has planned it", async || {
        let planned = site.sql("SELECT count(full_due) FROM schedule_state").await;
        (planned.trim() == "1").then_some(())
    })
    .await;
    break_for_a_while(&world);
    for _ in 0..3 {
        failing_run(&world).await;
    }
    let first = quarantined(&world).await;
    // A few calls go well: whether a run does, the next one tells.
    world.tenant.clear_faults();
    assert!(world.test_connection().await.passed);
    break_for_a_while(&world);
    let (_, next) = seconds(&first);
    let since = seconds(&first).0;
    assert!(next - since >= 15 * 60, "{first:#?}");
    let connection = world.connection().await;
    assert_eq!(
        (
            connection.next_full_time,
            connection.quarantine.map(|of| of.tries)
        ),
        (first.next_try_time, Some(1)),
        "no scheduled run comes before"
    );
    let card = world.cli_json(&["schedule", "show", "hourly"]).await;
    assert_eq!(
        card["nextFullTime"]
            .as_str()
            .map(|time| time.parse::<DateTime<Utc>>().unwrap().timestamp()),
        Some(next),
        "{card:#}"
    );

    let mut last = first;
    for (tries, minutes) in [(2, 30), (3, 60)] {
        go_to(&mut clock, last.next_try_time.as_ref().unwrap());
        let now = clock.now();
        last = until("a scheduled run has tried it", async || {
            // What has been looked at a moment too early is looked at again after a minute.
            clock.advance(Duration::from_secs(1));
            let quarantine = world.connection().await.quarantine;
            quarantine.filter(|now| now.tries == tries)
        })
        .await;
        let next = DateTime::<Utc>::from_timestamp(seconds(&last).1, 0).unwrap();
        assert!((next - now).num_minutes() >= minutes, "{last:#?}");
    }
    world.tenant.clear_faults();
    go_to(&mut clock, last.next_try_time.as_ref().unwrap());
    until("a scheduled run has ended it", async || {
        clock.advance(Duration::from_secs(1));
        world.connection().await.quarantine.is_none().then_some(())
    })
    .await;
    until("its recovery is told", async || {
        (notices_of(&world, NoticeKind::ConnectionRecovered).await == 1).then_some(())
    })
    .await;
    // The first full run, the first failure, the quarantine, and its end; of the tries there is nothing.
    let mails = world.mails_until(&site, 4).await;
    assert_eq!(mails.len(), 4, "{:#?}", subjects(&world, &site));
    assert_eq!(notices_of(&world, NoticeKind::RunFailed).await, 3);
    site.stop().await;
}

const TWO_PAGES: u32 = 1_500;

/// Everyone is linked; then the directory refuses in this way, and nobody may leave the register for that.
async fn nobody_leaves(kind: RunKind, fault: Fault, cause: &str) {
    let world = World::of(crowd(TWO_PAGES), "", "includeDisabled: true").await;
    world.full().await;
    if kind == RunKind::Delta {
        hire_many(&world.tenant, 20);
    }
    let active = async || {
        let accounts = world.accounts().await;
        accounts
            .iter()
            .filter(|account| account.status() == contracts::v1::AccountStatus::Active)
            .count()
    };
    let before = active().await;
    assert!(before > 1_000, "{before}");
    world.tenant.fault(fault);
    let run = world.run_to_end(kind).await;
    assert_eq!(run.state(), RunState::Failed, "{run:#?}");
    assert_eq!((counts(&run).removed, counts(&run).held), (0, 0), "{run:#?}");
    assert_eq!(active().await, before);
    if !cause.is_empty() {
        assert_eq!(quarantined(&world).await.cause, cause);
    }
    // What the next good run says is the truth again.
    world.tenant.clear_faults();
    let well = world.full().await;
    assert_eq!((counts(&well).removed, counts(&well).held), (0, 0), "{well:#?}");
    assert_eq!(active().await, before + counts(&well).added as usize);
}

#[tokio::test]
async fn b17_a_permission_that_goes_in_the_middle_of_a_listing_is_no_empty_directory() {
    nobody_leaves(
        RunKind::Full,
        Fault::on("/v1.0/users", answer(403)).after(1),
        "missing_permission",
    )
    .await;
}

#[tokio::test]
async fn b17_a_token_that_is_refused_in_the_middle_of_a_listing_is_no_empty_directory() {
    nobody_leaves(RunKind::Full, Fault::on("/v1.0/users", answer(401)).after(1), "").await;
}

#[tokio::test]
async fn b17_a_permission_that_goes_before_a_delta_is_no_empty_directory() {
    nobody_leaves(
        RunKind::Delta,
        Fault::on("/v1.0/users/delta*", answer(403)),
        "missing_permission",
    )
    .await;
}

#[tokio::test]
async fn b17_deleted_items_that_may_not_be_read_remove_nobody() {
    nobody_leaves(
        RunKind::Full,
        Fault::on("/v1.0/directory/deletedItems*", answer(403)),
        "missing_permission",
    )
    .await;
}

#[tokio::test]
async fn b17_groups_that_may_not_be_read_have_not_lost_their_members() {
    let world = World::bare(Site::shared().await, nobody()).await;
    let ids = hire_many(&world.tenant, 5);
    let staff = security_group(&world.tenant, "staff");
    join(&world.tenant, &staff, &ids);
    let criteria = format!("criteria:\n  - - {{ operator: memberOf, value: {staff} }}\n");
    world.connect("leavers: { outOfScope: delete }", &criteria).await;
    let first = world.full().await;
    assert_eq!(counts(&first).added, 5, "{first:#?}");
    for kind in [RunKind::Full, RunKind::Delta] {
        forbid_groups(&world.tenant);
        let run = world.run_to_end(kind).await;
        assert_eq!(run.state(), RunState::Failed, "{run:#?}");
        assert_eq!((counts(&run).removed, counts(&run).held), (0, 0), "{run:#?}");
        assert_eq!(quarantined(&world).await.cause, "missing_permission");
    }
    let accounts = world.accounts().await;
    let active = |account: &&contracts::v1::Account| account.status() == contracts::v1::AccountStatus::Active;
    assert_eq!(accounts.iter().filter(active).count(), 5);
}
