//! Times of schedules: each becomes one run, whoever sees it first, whatever dies, and whatever clocks do (R3).

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use domain::id::ScheduleId;
use domain::schedule::{
    Cron, Delta, Deprovision, Frequency, LOOKED_AT_AGAIN, Schedule, Spread, Timing, Zone,
};
use rollcall_fetcher::scheduler::Scheduler;
use service::Clock;
use service::clock::Hand;
use store::Store;
use store::run::Kind;
use store::run_queue;
use store::schedule::{self, Stored};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::world::{ORGANIZATION, World, until};

const DAY: TimeDelta = TimeDelta::days(1);

/// A world whose time stands still, and two schedulers in it.
struct Stage {
    world: World,
    hand: Hand,
    clock: Clock,
    first: Scheduler,
    second: Scheduler,
    schedule: Uuid,
}

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Daily at half past two in Berlin from the start of February on, every six hours what has changed, leavers at three.
fn nightly() -> Schedule {
    let zone = Zone::named("Europe/Berlin").unwrap();
    let start = NaiveDate::from_ymd_opt(2026, 2, 1).unwrap();
    Schedule {
        on: true,
        full: Some(Timing::new(
            Frequency::Daily,
            start.and_hms_opt(2, 30, 0).unwrap(),
            zone,
        )),
        delta: Delta { on: true, hours: 6 },
        deprovision: Deprovision {
            on: true,
            at: NaiveTime::from_hms_opt(3, 0, 0).unwrap(),
        },
        zone,
    }
}

impl Stage {
    /// Before the schedule begins. Its runs end as soon as they are there.
    async fn of(schedule: Schedule) -> Self {
        let world = World::of(1).await;
        let (clock, hand) = Clock::set_by_hand(utc("2026-01-31T12:00:00Z"));
        let connection = world.connection;
        world
            .sql(&format!(
                "INSERT INTO mapping (id, organization_id, connection_id, name, target, role, override_by_email,
                     include_disabled, created_at, updated_at)
                 VALUES (gen_random_uuid(), '{ORGANIZATION}', '{connection}', 'staff', 'accounts', 'user', false, false,
                     '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z');
                 CREATE FUNCTION end_at_once() RETURNS trigger LANGUAGE plpgsql AS
                     'BEGIN NEW.cancel_requested_at := NEW.created_at; RETURN NEW; END';
                 CREATE TRIGGER end_at_once BEFORE INSERT ON run FOR EACH ROW EXECUTE FUNCTION end_at_once()"
            ))
            .await;
        let scheduler = || Scheduler::new(world.store.clone(), world.bus.clone(), clock.clone());
        let (first, second) = (scheduler(), scheduler());
        let stage = Self {
            hand,
            first,
            second,
            schedule: clock.new_id(),
            clock,
            world,
        };
        stage.write(schedule, true).await;
        stage.tick().await;
        stage
    }

    /// Writes the schedule as api does.
    async fn write(&self, schedule: Schedule, new: bool) {
        let now = self.clock.now();
        let row = Stored {
            id: ScheduleId(self.schedule),
            organization: ORGANIZATION,
            connection: self.world.connection,
            name: "nightly".into(),
            schedule,
            revision: 0,
            created_at: now,
            updated_at: now,
        };
        let mut tx = self.world.store.begin("test").await.unwrap();
        if new {
            schedule::insert(tx.connection(), &row).await.unwrap();
        } else {
            schedule::update(tx.connection(), &row).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    /// Both look at the same time.
    async fn tick(&self) {
        tokio::join!(self.first.tick(), self.second.tick());
    }

    /// Both look, and again when all that was late has begun.
    async fn at(&self, time: &str) {
        self.at_last(utc(time)).await;
    }

    async fn at_last(&self, time: DateTime<Utc>) {
        for time in [time, time + LOOKED_AT_AGAIN] {
            self.hand.set(time);
            self.tick().await;
        }
    }

    /// When the run of this time begins.
    fn begins(&self, slot: &str) -> DateTime<Utc> {
        utc(slot) + Spread::of(self.world.connection).offset(None)
    }

    /// Kind, reason and time of each run, in the order in which they were made.
    async fn runs(&self) -> Vec<String> {
        let told = self
            .world
            .sql("SELECT kind || ': ' || coalesce(reason, '') FROM run ORDER BY created_at, kind")
            .await;
        told.lines().map(|line| line.trim_end().to_owned()).collect()
    }

    /// Which times have come: kind, time, and what came of it.
    async fn slots(&self) -> Vec<(String, DateTime<Utc>, String)> {
        let told = self
            .world
            .sql(
                "SELECT kind, to_char(slot AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),
                     coalesce(skipped, 'run') FROM schedule_slot ORDER BY slot, kind",
            )
            .await;
        let slot = |line: &str| {
            let mut parts = line.splitn(3, '|').map(str::to_owned);
            let mut part = || parts.next().unwrap();
            (part(), utc(&part()), part())
        };
        told.lines().map(slot).collect()
    }
}

#[tokio::test]
async fn r3_in_a_year_with_two_schedulers_each_time_comes_once() {
    let stage = Stage::of(nightly()).await;
    stage
        .world
        .sql("CREATE RULE keep_all AS ON DELETE TO schedule_slot DO INSTEAD NOTHING")
        .await;
    let (from, until) = (utc("2026-02-01T00:00:00Z"), utc("2027-02-01T00:00:00Z"));
    // When the run of each time that may come begins: looking each second would take the year itself.
    let offset = Spread::of(stage.world.connection).offset(None);
    for date in from.date_naive().iter_days().take(365) {
        for (hour, minute) in [(0, 30), (1, 0), (1, 30), (2, 0), (7, 30), (13, 30), (19, 30)] {
            let slot = date.and_hms_opt(hour, minute, 0).unwrap().and_utc();
            stage.hand.set(slot + offset);
            stage.tick().await;
        }
    }
    let mut times: BTreeMap<String, Vec<DateTime<Utc>>> = BTreeMap::new();
    for (kind, at, came_to) in stage.slots().await {
        assert_eq!(came_to, "run", "{kind} {at}");
        times.entry(kind).or_default().push(at);
    }
    let berlin = Zone::named("Europe/Berlin").unwrap();
    for (kind, at) in [("full", "02:30"), ("deprovision", "03:00")] {
        let shown: Vec<_> = times[kind].iter().map(|time| berlin.local(*time)).collect();
        let days: Vec<NaiveDate> = shown.iter().map(chrono::NaiveDateTime::date).collect();
        let all: Vec<NaiveDate> = berlin.local(from).date().iter_days().take(365).collect();
        assert_eq!(days, all, "{kind}: each day once");
        for time in shown {
            // Clocks go from two to three on that day.
            let expected = if time.date() == NaiveDate::from_ymd_opt(2026, 3, 29).unwrap() {
                "03:00"
            } else {
                at
            };
            assert_eq!(time.format("%H:%M").to_string(), expected, "{kind} {time}");
        }
    }
    // Every six hours as time passes, but when a full run is due.
    let start = utc("2026-02-01T01:30:00Z");
    let mut deltas = Vec::new();
    let mut at = start;
    while at + TimeDelta::minutes(5) < until {
        if !times["full"].contains(&at) {
            deltas.push(at);
        }
        at += TimeDelta::hours(6);
    }
    assert!(deltas.len() > 1_200 && deltas.len() < 1_460, "{}", deltas.len());
    let missing: Vec<_> = deltas.iter().filter(|at| !times["delta"].contains(at)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert_eq!(times["delta"].len(), deltas.len());
    let runs = stage.world.sql("SELECT count(*) FROM run").await;
    assert_eq!(runs.trim(), (2 * 365 + deltas.len()).to_string());
    let late = stage
        .world
        .sql(
            "SELECT count(*) FROM schedule_slot WHERE missed > 0 OR claimed_at - slot > interval '5 minutes'",
        )
        .await;
    assert_eq!(late.trim(), "0");
}

#[tokio::test]
async fn r3_downtime_is_made_up_for_by_one_run_of_each_kind() {
    let stage = Stage::of(nightly()).await;
    stage.at("2026-02-01T04:00:00Z").await;
    let before = stage.runs().await.len();
    assert_eq!(before, 2);
    stage.at("2026-02-08T12:10:00Z").await;
    stage.tick().await;
    let runs = stage.runs().await;
    assert_eq!(
        runs[before..],
        [
            "deprovision: makes up for 7 scheduled times that were missed while nobody ran",
            "full: makes up for 7 scheduled times that were missed while nobody ran",
        ]
    );
    let slots = stage.slots().await;
    let skipped: Vec<_> = slots.iter().filter(|(.., came_to)| came_to != "run").collect();
    assert_eq!(skipped.len(), 1, "{slots:#?}");
    assert_eq!(skipped[0].0, "delta");
    assert!(skipped[0].2.contains("takes its place"), "{skipped:?}");
    // What comes next is on time.
    stage.at("2026-02-08T13:36:00Z").await;
    let runs = stage.runs().await;
    assert!(runs[before + 2].starts_with("delta"), "{runs:?}");
    let catch_up = stage
        .world
        .sql("SELECT missed FROM schedule_slot WHERE kind = 'delta' AND run_id IS NOT NULL")
        .await;
    assert_eq!(
        catch_up.lines().last(),
        Some("1"),
        "some minutes after its time: {catch_up}"
    );
}

#[tokio::test]
async fn r3_a_clock_that_goes_back_repeats_nothing_and_one_that_was_ahead_stops_nothing() {
    let stage = Stage::of(nightly()).await;
    stage.at("2026-02-01T12:00:00Z").await;
    let mut before = stage.runs().await.len();
    stage.at("2026-01-31T20:00:00Z").await;
    for hour in 0..16 {
        stage
            .hand
            .set(utc("2026-01-31T20:00:00Z") + TimeDelta::hours(hour));
        stage.tick().await;
    }
    // The delta of 07:30 was the last of its kind; nothing came between.
    assert_eq!(stage.runs().await.len(), before, "{:#?}", stage.slots().await);
    stage.at("2026-02-01T13:36:00Z").await;
    assert_eq!(stage.runs().await.len(), before + 1);

    // A year ahead by mistake: once each, and then on as if it had not been.
    stage.at("2027-02-01T13:00:00Z").await;
    before = stage.runs().await.len();
    let real = utc("2026-02-01T14:00:00Z");
    for hour in 0..48 {
        stage.hand.set(real + TimeDelta::hours(hour));
        stage.tick().await;
    }
    let again = stage.runs().await.len() - before;
    assert_eq!(
        again,
        2 + 2 + 5,
        "two days of full runs, deprovisions and deltas: {:#?}",
        stage.slots().await
    );
    // When that year has really gone by, its times come.
    let ahead = stage
        .world
        .sql("SELECT count(*) FROM schedule_slot WHERE slot > '2026-03-10'")
        .await;
    assert_eq!(ahead.trim(), "0");
}

#[tokio::test]
async fn r3_what_has_something_in_its_way_is_skipped_and_recorded() {
    let stage = Stage::of(nightly()).await;
    stage.world.sql("DROP TRIGGER end_at_once ON run").await;
    stage.at("2026-02-01T01:36:00Z").await;
    assert_eq!(
        stage.runs().await,
        ["full: makes up for 1 scheduled time that was missed while nobody ran"]
    );
    stage.at("2026-02-02T01:36:00Z").await;
    let slots = stage.slots().await;
    let full: Vec<&str> = slots
        .iter()
        .filter(|(kind, ..)| kind == "full")
        .map(|(.., came_to)| came_to.as_str())
        .collect();
    assert!(full.len() == 2 && full[1].contains("is not done yet"), "{full:?}");

    let why = async |at: DateTime<Utc>| {
        stage.at_last(at).await;
        stage.slots().await.into_iter().next_back().unwrap().2
    };
    let connection = stage.world.connection;
    let set = async |at: &str| {
        let sql = format!("UPDATE connection SET disconnected_at = {at} WHERE id = '{connection}'");
        stage.world.sql(&sql).await;
    };
    let mut day = utc("2026-02-03T01:36:00Z");
    set("'2026-02-02T00:00:00Z'").await;
    assert_eq!(why(day).await, "the connection is disconnected");
    set("NULL").await;
    day += DAY;
    stage.world.sql("UPDATE mapping SET target = 'groups'").await;
    assert!(
        why(day)
            .await
            .contains("no mapping with target accounts or people")
    );
    stage.world.sql("UPDATE mapping SET target = 'accounts'").await;
    day += DAY;
    stage
        .world
        .sql(&format!(
            "INSERT INTO run_plan (run_id, organization_id, connection_id, attempt, state, preview, rules_fingerprint,
                 created_at)
             SELECT id, organization_id, connection_id, 1, 'planned', true, 0, created_at FROM run
             WHERE kind = 'full' AND connection_id = '{connection}' LIMIT 1"
        ))
        .await;
    assert!(why(day).await.contains("waits to be applied"));
    stage.world.sql("UPDATE run_plan SET state = 'expired'").await;
    day += DAY;
    assert_eq!(why(day).await, "run");
}

#[tokio::test]
async fn r3_a_change_keeps_the_times_that_it_leaves_alone() {
    let stage = Stage::of(nightly()).await;
    stage.at("2026-02-01T12:00:00Z").await;
    let before = stage.runs().await.len();
    // Between the time and the moment in which its run begins.
    stage.hand.set(utc("2026-02-02T01:30:00Z"));
    let mut changed = nightly();
    changed.delta.hours = 3;
    changed.deprovision.on = false;
    stage.write(changed.clone(), false).await;
    stage.tick().await;
    stage.at("2026-02-02T01:35:00Z").await;
    let runs = stage.runs().await;
    assert!(
        runs[before..].iter().any(|run| run.starts_with("full:")),
        "{runs:?}"
    );
    changed.full = Some(Timing::new(
        Frequency::Cron(Cron::parse("0 20 * * *").unwrap()),
        nightly().full.unwrap().start(),
        changed.zone,
    ));
    changed.delta.on = false;
    stage.write(changed.clone(), false).await;
    let before = stage.runs().await.len();
    stage.at("2026-02-02T18:00:00Z").await;
    assert_eq!(stage.runs().await.len(), before);
    stage.at("2026-02-02T19:05:00Z").await;
    assert_eq!(stage.runs().await.len(), before + 1);
    changed.on = false;
    stage.write(changed, false).await;
    stage.at("2026-02-09T19:05:00Z").await;
    assert_eq!(stage.runs().await.len(), before + 1, "off is off");
}

#[tokio::test]
async fn r3_clocks_that_differ_by_some_seconds_double_nothing() {
    let stage = Stage::of(nightly()).await;
    let (clock, hand) = Clock::set_by_hand(utc("2026-01-31T12:00:00Z"));
    let other = Scheduler::new(stage.world.store.clone(), stage.world.bus.clone(), clock);
    let (from, until) = (utc("2026-02-01T01:00:00Z"), utc("2026-02-02T14:00:00Z"));
    let mut now = from;
    let mut behind = false;
    while now < until {
        now += TimeDelta::seconds(30);
        behind = !behind;
        let differ = TimeDelta::seconds(if behind { -20 } else { 20 });
        stage.hand.set(now);
        hand.set(now + differ);
        tokio::join!(stage.first.tick(), other.tick());
    }
    let slots = stage.slots().await;
    assert!(slots.iter().all(|(.., came_to)| came_to == "run"), "{slots:#?}");
    assert_eq!(stage.runs().await.len(), slots.len());
    let of = |kind: &str| slots.iter().filter(|(of, ..)| of == kind).count();
    assert_eq!(
        (of("full"), of("delta"), of("deprovision")),
        (2, 5, 2),
        "{slots:#?}"
    );
    let late = stage
        .world
        .sql("SELECT kind, slot, claimed_at, missed FROM schedule_slot WHERE missed > 0")
        .await;
    assert_eq!(late.trim(), "");
}

#[tokio::test]
async fn r3_off_and_on_again_neither_doubles_nor_loses() {
    let stage = Stage::of(nightly()).await;
    let mut off = nightly();
    off.on = false;
    off.deprovision.on = false;
    let begins = stage.begins("2026-02-01T01:30:00Z");
    // Before anybody has noticed.
    stage.hand.set(begins - TimeDelta::seconds(1));
    stage.write(off.clone(), false).await;
    stage.write(nightly(), false).await;
    stage.tick().await;
    stage.hand.set(begins);
    stage.tick().await;
    assert_eq!(stage.runs().await, ["full:"]);
    for after in 1..5 {
        stage.hand.set(begins + TimeDelta::seconds(after));
        stage.write(off.clone(), false).await;
        stage.tick().await;
        stage.write(nightly(), false).await;
        stage.tick().await;
    }
    assert_eq!(stage.runs().await, ["full:"]);
    stage.hand.set(stage.begins("2026-02-01T02:00:00Z"));
    stage.tick().await;
    assert_eq!(stage.runs().await, ["full:", "deprovision:"]);
}

#[tokio::test]
async fn b17_what_was_due_in_a_quarantine_is_made_up_for_when_it_ends() {
    let mut monthly = nightly();
    let start = monthly.full.as_ref().unwrap().start();
    monthly.full = Some(Timing::new(Frequency::Monthly(1), start, monthly.zone));
    monthly.delta.on = false;
    let stage = Stage::of(monthly).await;
    let connection = stage.world.connection;
    stage
        .world
        .sql(&format!(
            "INSERT INTO connection_health (connection_id, considered_at, failures, cause, reason,
                 quarantined_since, tries, next_try_at)
             VALUES ('{connection}', '2100-01-01T00:00:00Z', 1, 'expired_secret', 'The secret is over.',
                 '2026-01-31T12:00:00Z', 1, '2026-02-03T12:00:00Z')"
        ))
        .await;
    stage.at("2026-02-01T01:36:00Z").await;
    stage.at("2026-02-03T11:59:00Z").await;
    // Its next try is due: a test comes first.
    stage.hand.set(utc("2026-02-03T12:00:59Z"));
    stage.tick().await;
    assert!(stage.runs().await.is_empty());
    let slots = stage.slots().await;
    assert_eq!(slots.len(), 2, "{slots:#?}");
    assert!(
        slots.iter().all(|(.., came_to)| came_to.contains("quarantine")),
        "{slots:#?}"
    );
    stage.world.sql("DELETE FROM connection_health").await;
    stage.hand.set(utc("2026-02-03T12:02:00Z"));
    stage.tick().await;
    assert_eq!(
        stage.runs().await,
        [
            "deprovision: makes up for 3 scheduled times that passed while the connection was in quarantine",
            "full: makes up for 1 scheduled time that passed while the connection was in quarantine",
        ]
    );
    let slots = stage.slots().await;
    assert!(
        slots.contains(&("full".to_owned(), utc("2026-02-01T01:30:00Z"), "run".to_owned())),
        "{slots:#?}"
    );
    stage.hand.set(stage.begins("2026-02-04T02:00:00Z"));
    stage.tick().await;
    assert_eq!(
        stage.runs().await.last().unwrap(),
        "deprovision:",
        "and on as before"
    );
}

#[tokio::test]
async fn r3_death_within_a_claim_is_as_if_it_had_not_begun() {
    let stage = Stage::of(nightly()).await;
    stage.hand.set(stage.begins("2026-02-01T01:30:00Z"));
    // Whoever claims is stopped while the run is written down.
    let world = &stage.world;
    world
        .sql(
            "CREATE FUNCTION wait_long() RETURNS trigger LANGUAGE plpgsql AS
                 'BEGIN PERFORM pg_advisory_xact_lock_shared(hashtextextended(NEW.connection_id::text, 0)); RETURN NEW; END';
             CREATE TRIGGER wait_long BEFORE INSERT ON run FOR EACH ROW EXECUTE FUNCTION wait_long()",
        )
        .await;
    let mut hold = world.store.begin("test.hold").await.unwrap();
    run_queue::lock(hold.connection(), world.connection)
        .await
        .unwrap();
    let dying = Store::new(&world.database.url(), 2).unwrap();
    let dying = Scheduler::new(dying, world.bus.clone(), stage.clock.clone());
    let mut claiming = JoinSet::new();
    claiming.spawn(async move { dying.tick().await });
    let waiting = until("somebody claims", async || {
        let pid = world
            .sql("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
            .await;
        (!pid.trim().is_empty()).then(|| pid.trim().to_owned())
    })
    .await;
    // The others pass it by, and go on when it has died.
    stage.tick().await;
    assert_eq!(stage.runs().await.len(), 0);
    world
        .sql(&format!("SELECT pg_terminate_backend({waiting})"))
        .await;
    claiming.join_next().await.unwrap().unwrap();
    hold.rollback().await.unwrap();
    stage.tick().await;
    assert_eq!(stage.runs().await.len(), 1);
    assert_eq!(stage.slots().await.len(), 1);
}

#[tokio::test]
async fn r3_death_between_claim_and_publish_loses_nothing_and_doubles_nothing() {
    let mut stage = Stage::of(nightly()).await;
    stage.world.sql("DROP TRIGGER end_at_once ON run").await;
    stage.hand.set(stage.begins("2026-02-01T01:30:00Z"));
    // Nobody can be woken, and whoever claimed does not come to its end.
    stage.world.nats.kill();
    let claimed = tokio::time::timeout(Duration::from_millis(500), stage.first.tick()).await;
    let ids = stage.world.sql("SELECT id FROM run").await;
    assert_eq!(ids.lines().count(), 1, "{claimed:?} {ids}");
    stage.world.nats.restart().await.unwrap();
    stage.second.tick().await;
    assert_eq!(stage.world.sql("SELECT id FROM run").await, ids);
    // The fetcher's time is not ours: it is not to start anything by itself.
    let mut off = nightly();
    off.on = false;
    off.deprovision.on = false;
    stage.write(off, false).await;
    let _fetcher = stage.world.fetcher().await;
    let id: Uuid = ids.trim().parse().unwrap();
    let fetch = stage.world.fetched(domain::id::RunId(id)).await;
    assert_eq!(fetch.attempt, 1);
    let kind = stage.world.sql("SELECT kind FROM run").await;
    assert_eq!(kind.trim(), Kind::Full.key());
}
