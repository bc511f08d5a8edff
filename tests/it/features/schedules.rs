//! Schedules: runs that come by themselves, and what is told of them (R3, R4).

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use contracts::v1::{ListRunsRequest, Run, RunKind, RunState};
use harness::documents::CONNECTION;
use harness::moved_clock::{MovedClock, machine_time};
use harness::people::{hire, nobody};
use harness::schedules::schedule_of;
use harness::site::Site;
use harness::wait::until;
use harness::world::World;
use prost_types::Timestamp;
use serde_json::{Value, json};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Runs begin so late at most.
const SPREAD: Duration = Duration::from_secs(5 * 60);

/// A schedule of our connection that begins at `start`, in UTC.
fn schedule(start: DateTime<Utc>, lines: &str) -> String {
    format!(
        "kind: Schedule
name: nightly
connection: {CONNECTION}
start: \"{}\"
timeZone: UTC
{lines}
",
        start.format("%Y-%m-%dT%H:%M")
    )
}

/// The next full hour but one.
fn soon(clock: &MovedClock) -> DateTime<Utc> {
    let hour = clock.now().timestamp() / 3600 + 2;
    DateTime::from_timestamp(hour * 3600, 0).unwrap()
}

/// Moves the clock far behind this time: what was missed begins within a minute, and it is told when.
async fn let_be_missed(world: &World, clock: &mut MovedClock, time: DateTime<Utc>) {
    let_come(clock, time);
    let now = clock.now();
    let next = until("somebody has seen that it is late", async || {
        let next = at(schedule_of(world, "nightly").await.next_full_time);
        (next > now).then_some(next)
    })
    .await;
    // Unless it has begun at once.
    if next < now + TimeDelta::minutes(2) {
        let_come(clock, next);
    }
}

/// Moves the clock a little behind this time.
fn let_come(clock: &mut MovedClock, time: DateTime<Utc>) {
    let left = time - clock.now() + TimeDelta::seconds(2);
    clock.advance(left.to_std().unwrap_or_default());
}

/// The runs that a schedule started.
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

/// The one run that a schedule started beside those that we know, at its end.
async fn next_run(world: &World, known: &mut Vec<String>) -> Run {
    let new = until("another scheduled run", async || {
        let mut runs = scheduled(world).await;
        runs.retain(|run| !known.contains(&run.id));
        (!runs.is_empty()).then_some(runs)
    })
    .await;
    assert_eq!(new.len(), 1, "{new:#?}");
    known.push(new[0].id.clone());
    let ended = world.ended(&new[0].id).await;
    assert_eq!(ended.state(), RunState::Finished, "{ended:#?}");
    ended
}

fn at(time: Option<Timestamp>) -> DateTime<Utc> {
    let time = time.expect("it is told");
    DateTime::from_timestamp(time.seconds, 0).unwrap()
}

#[tokio::test]
async fn r3_full_runs_and_deltas_come_by_themselves_and_make_up_for_what_was_missed() {
    let mut clock = MovedClock::new();
    let site = Site::start(clock.of(Site::builder())).await;
    let world = World::bare(&site, nobody()).await;
    world.connect("", "").await;
    hire(&world.tenant, "ann", json!({}));
    let start = soon(&clock);
    world.apply(&schedule(start, "frequency: daily")).await;
    let mut known = Vec::new();

    let told = schedule_of(&world, "nightly").await;
    let offset = at(told.next_full_time) - start;
    assert!(offset >= TimeDelta::zero() && offset < TimeDelta::from_std(SPREAD).unwrap());
    assert_eq!(at(told.next_delta_time), start + HOUR + offset);
    let_come(&mut clock, start + offset);
    let run = next_run(&world, &mut known).await;
    assert_eq!(
        (run.kind(), run.requested_by.as_str(), run.reason.as_str()),
        (RunKind::Full, "schedule nightly", "")
    );
    world.account("ann").await;

    // On means the hourly delta, too.
    hire(&world.tenant, "bob", json!({}));
    let_come(&mut clock, start + HOUR + offset);
    let run = next_run(&world, &mut known).await;
    assert_eq!(run.kind(), RunKind::Delta);
    assert_eq!(run.counts.unwrap().added, 1, "{run:#?}");

    // A week passes while nobody runs.
    let_be_missed(&world, &mut clock, start + 7 * DAY + 3 * HOUR + offset).await;
    let run = next_run(&world, &mut known).await;
    assert_eq!(run.kind(), RunKind::Full, "it takes the delta's place");
    assert_eq!(
        run.reason,
        "makes up for 7 scheduled times that were missed while nobody ran"
    );
    let told = schedule_of(&world, "nightly").await;
    let full = told.last_times.iter().find(|time| time.missed == 7).unwrap();
    assert_eq!(full.run_id, run.id);
    let skipped = told
        .last_times
        .iter()
        .find(|time| time.skipped_because.contains("takes its place"))
        .unwrap();
    assert_eq!(skipped.kind(), RunKind::Delta);

    // Clocks that go back repeat nothing; what comes next comes once.
    clock.turn_back(DAY);
    let back = clock.now();
    until("the next time is one that has not come", async || {
        let next = at(schedule_of(&world, "nightly").await.next_delta_time);
        (next < back + TimeDelta::hours(2)).then_some(())
    })
    .await;
    assert_eq!(scheduled(&world).await.len(), 3);
    let next = at(schedule_of(&world, "nightly").await.next_delta_time);
    let_come(&mut clock, next);
    let run = next_run(&world, &mut known).await;
    assert_eq!(run.kind(), RunKind::Delta);

    // Off is off, for both.
    world.apply(&schedule(start, "frequency: daily\non: false")).await;
    let told = schedule_of(&world, "nightly").await;
    assert_eq!((told.next_full_time, told.next_delta_time), (None, None));
    assert_eq!(told.description, "off");
    clock.advance(2 * DAY);
    world
        .apply(&schedule(start, "frequency: { hours: 6 }\ndelta: { on: false }"))
        .await;
    let next = at(schedule_of(&world, "nightly").await.next_full_time);
    let_come(&mut clock, next);
    let run = next_run(&world, &mut known).await;
    assert_eq!(run.kind(), RunKind::Full);
    site.stop().await;
}

#[tokio::test]
async fn r3_a_document_says_everything_and_comes_back_as_it_was() {
    let world = World::start().await;
    for (frequency, key) in [
        ("daily", "daily"),
        ("once", "once"),
        ("{ hours: 6 }", "hours"),
        ("{ weekly: [thu, Monday] }", "weekly"),
        ("{ monthly: 31 }", "monthly"),
        ("{ cron: \"30 2 * * mon-fri\" }", "cron"),
    ] {
        let document = format!(
            "kind: Schedule\nname: nightly\nconnection: {CONNECTION}\nfrequency: {frequency}\n\
             start: \"2036-03-31T02:30\"\ntimeZone: europe/berlin\ndelta: {{ hours: 2 }}\n\
             deprovision: {{ at: \"23:15\" }}\n"
        );
        world.apply(&document).await;
        let again = world.apply(&document).await;
        assert_eq!(again["changes"][0]["action"], "unchanged", "{again}");
        let listed = world.cli_json(&["schedule", "list"]).await;
        let told = &listed["schedules"][0];
        assert!(told.get(key).is_some(), "{key}: {listed}");
        assert_eq!(told["timeZone"], "Europe/Berlin");
        let exported = world.cli_run(&["export"]).await.stdout;
        let file = world.file("exported.yaml", &exported);
        let cli = world
            .cli()
            .env("CONTOSO_APP_SECRET", &world.options.client_secret);
        let differs = cli.json(&["diff", "-f", file.to_str().unwrap()]).await.unwrap();
        let changes = differs["changes"].as_array().unwrap();
        let of_it = changes
            .iter()
            .find(|change| change["kind"] == "Schedule")
            .unwrap();
        assert_eq!(of_it["action"], "unchanged", "{exported}\n{differs}");
    }
    let shown = world.cli_run(&["schedule", "show", "nightly"]).await.stdout;
    for words in [
        "cron 30 2 * * mon-fri from 2036-03-31 02:30 on, Europe/Berlin",
        "changes every 2 hours",
        "leavers nightly at 23:15",
        "2036-03-31T00:3",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
}

/// What `apply` says of a schedule with these lines.
async fn refusal(world: &World, name: &str, lines: &str) -> String {
    let document = format!("kind: Schedule\nname: {name}\nconnection: {CONNECTION}\n{lines}\n");
    let file = world.file("wrong.yaml", &document);
    let answer = world.cli_run(&["apply", "-f", file.to_str().unwrap()]).await;
    assert_ne!(answer.code, 0, "{answer:?}");
    answer.stderr
}

#[tokio::test]
async fn r3_what_is_wrong_with_a_document_names_field_value_and_next_step() {
    let world = World::start().await;
    let good = "frequency: daily\nstart: \"2199-03-31T02:30\"\ntimeZone: UTC";
    for (from, to, says) in [
        (
            "UTC",
            "Berlin",
            "4:11: schedule a: timeZone: \"Berlin\" is no time zone",
        ),
        ("UTC", "Berlin", "did you mean \"Europe/Berlin\"?"),
        (
            "daily",
            "{ cron: \"0 25 * * *\" }",
            "frequency.cron: has \"25\" for the hour; use 0 to 23",
        ),
        ("daily", "{ hours: 0 }", "frequency.hours: 0 is not 1 to 8760"),
        ("daily", "{ monthly: 32 }", "frequency.monthly: 32 is no day"),
        (
            "daily",
            "{ weekly: [mon, fry] }",
            "\"fry\" is no weekday; write some of mon",
        ),
        ("daily", "dayly", "did you mean \"daily\"?"),
        ("daily", "{ hours: 1, monthly: 2 }", "says several things; write"),
        (
            "2199-03-31T02:30",
            "tomorrow",
            "start: \"tomorrow\" is no date and time of day; write",
        ),
        ("frequency: daily", "", "frequency: is missing; write daily"),
        ("timeZone: UTC", "", "\"timeZone\" is missing"),
    ] {
        let told = refusal(&world, "a", &good.replace(from, to)).await;
        let said = says.replace("4:11: ", "");
        assert!(told.contains(&said), "{says}: {told}");
    }
    world
        .apply(&format!(
            "kind: Schedule\nname: a\nconnection: {CONNECTION}\n{good}\n"
        ))
        .await;
    let second = refusal(&world, "b", good).await;
    assert!(second.contains("has the schedule \"a\" already"), "{second}");
    let unknown = refusal(&world, "b", good).await;
    assert!(unknown.contains("connection"), "{unknown}");
    let missing = world.cli_run(&["schedule", "show", "weekly"]).await;
    assert!(
        missing.code == 1 && missing.stderr.contains("schedule list"),
        "{missing:?}"
    );
}

#[tokio::test]
async fn r4_the_last_and_the_next_times_are_told() {
    let world = World::start().await;
    hire(&world.tenant, "ann", json!({}));
    world.full().await;
    world.delta().await;
    world.run(RunKind::Deprovision).await;
    let start: NaiveDateTime = "2199-03-31T02:30:00".parse().unwrap();
    let start = start.and_utc();
    world
        .apply(&schedule(
            start,
            "frequency: { weekly: [sun] }\ndelta: { hours: 3 }\ndeprovision: { at: \"04:00\" }",
        ))
        .await;
    let shown = world.cli_json(&["connection", "show", CONNECTION]).await;
    let time = |value: &Value, key: &str| -> DateTime<Utc> {
        value[key]
            .as_str()
            .unwrap_or_else(|| panic!("{key}: {value}"))
            .parse()
            .unwrap()
    };
    for last in ["lastFullTime", "lastDeltaTime", "lastDeprovisionTime"] {
        assert!(
            time(&shown, last) > machine_time() - TimeDelta::minutes(10),
            "{last}"
        );
    }
    assert!(
        shown["schedule"]
            .as_str()
            .unwrap()
            .starts_with("weekly on sun at 02:30"),
        "{shown}"
    );
    // The true times: each connection begins a little later, always by as much.
    let offset = time(&shown, "nextFullTime") - start;
    assert!(offset >= TimeDelta::zero() && offset < TimeDelta::from_std(SPREAD).unwrap());
    assert_eq!(
        time(&shown, "nextDeltaTime") - start,
        offset + TimeDelta::hours(3)
    );
    assert!(time(&shown, "nextDeprovisionTime") < machine_time() + TimeDelta::hours(25));
    let told = world.cli_json(&["schedule", "show", "nightly"]).await;
    assert_eq!(told["nextFullTime"], shown["nextFullTime"]);
    let listed = world.cli_run(&["connection", "list"]).await.stdout;
    assert!(
        listed.contains("NEXT FULL") && listed.contains("2199-03-31T02:3"),
        "{listed}"
    );

    // Why the next one reads everything, if it does.
    assert_eq!(shown["nextFullReason"], "");
    world
        .apply(&format!(
            "kind: Mapping\nname: {CONNECTION}-staff\nconnection: {CONNECTION}\ntarget: accounts\nincludeDisabled: true\n"
        ))
        .await;
    let card = world.cli_run(&["connection", "show", CONNECTION]).await.stdout;
    assert!(
        card.contains("Next is full") && card.contains("includeDisabled"),
        "{card}"
    );

    // What is disconnected comes never.
    let gone = world
        .cli_run(&["connection", "disconnect", CONNECTION, "--yes"])
        .await;
    assert_eq!(gone.code, 0, "{gone:?}");
    let shown = world.cli_json(&["connection", "show", CONNECTION]).await;
    assert!(
        shown["nextFullTime"].is_null() && shown["nextDeprovisionTime"].is_null(),
        "{shown}"
    );
    let told = world.cli_json(&["schedule", "show", "nightly"]).await;
    assert_eq!(told["waitsBecause"], "the connection is disconnected");
}
