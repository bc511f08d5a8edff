mod edges;

use chrono::{Datelike, NaiveDateTime, Timelike, Weekday};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::id::ConnectionId;

const ZONES: [&str; 6] = [
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Asia/Kolkata",
    "Pacific/Apia",
    "UTC",
];

fn zone(name: &str) -> Zone {
    Zone::named(name).unwrap()
}

fn local(text: &str) -> NaiveDateTime {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M").unwrap()
}

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn timing(frequency: Frequency, start: &str, zone_name: &str) -> Timing {
    Timing::new(frequency, local(start), zone(zone_name))
}

fn cron(text: &str) -> Frequency {
    Frequency::Cron(Cron::parse(text).unwrap())
}

/// A schedule of daily runs at two and deltas every hour.
fn schedule(frequency: Frequency) -> Schedule {
    Schedule {
        on: true,
        full: Some(timing(frequency, "2026-01-01T02:00", "Europe/Berlin")),
        delta: Delta { on: true, hours: 1 },
        deprovision: Deprovision {
            on: true,
            at: NaiveTime::from_hms_opt(3, 0, 0).unwrap(),
        },
        zone: zone("Europe/Berlin"),
    }
}

fn all_after(timing: &Timing, after: DateTime<Utc>, until: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    std::iter::successors(timing.next(after), |last| timing.next(*last))
        .take_while(|at| *at <= until)
        .collect()
}

/// Walks every minute as a clock on the wall would: a local minute counts when clocks first show it, or have gone past it.
fn walked(
    zone: Zone,
    (from, until): (DateTime<Utc>, DateTime<Utc>),
    is_due: impl Fn(NaiveDateTime) -> bool,
) -> Vec<DateTime<Utc>> {
    let minute = TimeDelta::minutes(1);
    let mut shown_last = zone.local(from);
    let mut found = Vec::new();
    let mut at = from;
    while at < until {
        at += minute;
        let shows = zone.local(at);
        let mut passed = shown_last + minute;
        let mut due = false;
        while passed <= shows {
            due |= is_due(passed);
            passed += minute;
        }
        if due {
            found.push(at);
        }
        shown_last = shown_last.max(shows);
    }
    found
}

/// A year that has all of a zone's oddities in it: Apia left a day out at the end of 2011.
fn year(zone_name: &str) -> (DateTime<Utc>, DateTime<Utc>) {
    match zone_name {
        "Pacific/Apia" => (utc("2011-02-01T00:00:00Z"), utc("2012-02-01T00:00:00Z")),
        _ => (utc("2026-02-01T00:00:00Z"), utc("2027-02-01T00:00:00Z")),
    }
}

fn agree(frequency: &Frequency, time: (u32, u32), is_due: impl Fn(NaiveDateTime) -> bool) {
    for name in ZONES {
        let (from, until) = year(name);
        let start = local("2011-01-01T00:00")
            .with_hour(time.0)
            .unwrap()
            .with_minute(time.1)
            .unwrap();
        let timing = Timing::new(frequency.clone(), start, zone(name));
        let expected = walked(zone(name), (from, until), &is_due);
        assert!(expected.len() > 11, "{name} {timing}: {}", expected.len());
        assert_eq!(all_after(&timing, from, until), expected, "{name} {timing}");
    }
}

fn at_time(at: NaiveDateTime, (hour, minute): (u32, u32)) -> bool {
    (at.hour(), at.minute()) == (hour, minute)
}

#[test]
fn r3_a_year_of_days_agrees_with_a_clock_on_the_wall() {
    for time in [(2, 0), (2, 30), (1, 45), (0, 0)] {
        agree(&Frequency::Daily, time, |at| at_time(at, time));
    }
}

#[test]
fn r3_a_year_of_weeks_and_months_agrees_with_a_clock_on_the_wall() {
    let days = Frequency::weekly(vec![Weekday::Sun, Weekday::Fri, Weekday::Sun]);
    agree(&days, (2, 15), |at| {
        at_time(at, (2, 15)) && matches!(at.weekday(), Weekday::Fri | Weekday::Sun)
    });
    agree(&Frequency::Monthly(31), (2, 30), |at| {
        at_time(at, (2, 30)) && at.date().succ_opt().unwrap().day() == 1
    });
    agree(&Frequency::Monthly(30), (23, 59), |at| {
        let last = at.date().succ_opt().unwrap().day() == 1;
        at_time(at, (23, 59)) && (at.day() == 30 || (last && at.month() == 2))
    });
}

#[test]
fn r3_a_year_of_cron_agrees_with_a_clock_on_the_wall() {
    agree(&cron("*/15 1-3 * * *"), (0, 0), |at| {
        at.minute() % 15 == 0 && (1..=3).contains(&at.hour())
    });
    agree(&cron("30 2 * * mon-fri"), (0, 0), |at| {
        at_time(at, (2, 30)) && at.weekday().num_days_from_monday() < 5
    });
    agree(&cron("0 0 1 * *"), (0, 0), |at| {
        at_time(at, (0, 0)) && at.day() == 1
    });
}

#[test]
fn r3_a_time_that_does_not_exist_comes_at_the_next_that_does_and_one_that_exists_twice_comes_once() {
    let daily = timing(Frequency::Daily, "2026-01-01T02:30", "Europe/Berlin");
    let around = |from, until| all_after(&daily, utc(from), utc(until));
    // Clocks go from 02:00 to 03:00 at 01:00 UTC.
    assert_eq!(
        around("2026-03-28T00:00:00Z", "2026-03-30T12:00:00Z"),
        [
            utc("2026-03-28T01:30:00Z"),
            utc("2026-03-29T01:00:00Z"),
            utc("2026-03-30T00:30:00Z")
        ]
    );
    // Clocks go from 03:00 to 02:00 at 01:00 UTC.
    assert_eq!(
        around("2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z"),
        [utc("2026-10-25T00:30:00Z"), utc("2026-10-26T01:30:00Z")]
    );
    // From within the hour that comes twice.
    assert_eq!(
        daily.next(utc("2026-10-25T01:10:00Z")),
        Some(utc("2026-10-26T01:30:00Z"))
    );
}

#[test]
fn r3_hours_go_by_as_time_passes() {
    let every = timing(Frequency::Hours(6), "2026-03-28T20:00", "Europe/Berlin");
    assert_eq!(
        all_after(&every, utc("2026-01-01T00:00:00Z"), utc("2026-03-29T08:00:00Z")),
        [
            utc("2026-03-28T19:00:00Z"),
            utc("2026-03-29T01:00:00Z"),
            utc("2026-03-29T07:00:00Z")
        ]
    );
}

#[test]
fn r3_once_is_once_and_nothing_comes_before_the_start() {
    let once = timing(Frequency::Once, "2026-11-21T02:00", "Asia/Kolkata");
    let at = utc("2026-11-20T20:30:00Z");
    assert_eq!(once.next(utc("2020-01-01T00:00:00Z")), Some(at));
    assert_eq!(once.next(at), None);
    let daily = timing(Frequency::Daily, "2026-11-21T02:00", "UTC");
    assert_eq!(
        daily.next(utc("2020-01-01T00:00:00Z")),
        Some(utc("2026-11-21T02:00:00Z"))
    );
}

#[test]
fn r3_a_full_run_takes_the_place_of_a_delta() {
    let schedule = schedule(Frequency::Daily);
    let midnight = utc("2026-06-01T22:30:00Z");
    let deltas: Vec<DateTime<Utc>> = std::iter::successors(schedule.next(Kind::Delta, midnight), |last| {
        schedule.next(Kind::Delta, *last)
    })
    .take(2)
    .collect();
    assert_eq!(
        schedule.next(Kind::Full, midnight),
        Some(utc("2026-06-02T00:00:00Z"))
    );
    assert_eq!(deltas, [utc("2026-06-01T23:00:00Z"), utc("2026-06-02T01:00:00Z")]);
    let hourly = super::tests::schedule(Frequency::Hours(1));
    assert_eq!(
        hourly.next(Kind::Delta, midnight),
        None,
        "a full run takes each one's place"
    );
}

#[test]
fn r3_the_toggles_are_what_they_say() {
    let now = utc("2026-06-01T00:00:00Z");
    let mut schedule = schedule(Frequency::Daily);
    schedule.delta.on = false;
    assert_eq!(schedule.next(Kind::Delta, now), None);
    assert!(schedule.next(Kind::Full, now).is_some());
    schedule.delta.on = true;
    schedule.on = false;
    assert_eq!(schedule.next(Kind::Full, now), None);
    assert_eq!(schedule.next(Kind::Delta, now), None);
    assert_eq!(
        schedule.next(Kind::Deprovision, now),
        Some(utc("2026-06-01T01:00:00Z")),
        "D7: a toggle of its own"
    );
    assert_eq!(
        schedule.to_string(),
        "off; leavers nightly at 03:00, Europe/Berlin"
    );
    schedule.deprovision.on = false;
    assert_eq!(schedule.next(Kind::Deprovision, now), None);
    assert_eq!(schedule.timing_key(Kind::Deprovision), "");
    assert_eq!(schedule.to_string(), "off");
}

#[test]
fn r3_what_was_missed_is_counted() {
    let schedule = schedule(Frequency::Daily);
    let spread = Spread::of(ConnectionId(Uuid::from_u128(7)));
    let first = utc("2026-06-02T00:00:00Z");
    let due = schedule.due(Kind::Full, first, spread);
    assert!(due >= first && due < first + TimeDelta::minutes(5));
    let passed = |now| schedule.passed(Kind::Full, first, spread, now);
    assert_eq!(passed(first - TimeDelta::seconds(1)), None);
    assert_eq!(passed(due - TimeDelta::seconds(1)), None);
    let on_time = Passed {
        count: 1,
        last: first,
        missed: 0,
    };
    assert_eq!(passed(due), Some(on_time));
    assert_eq!(on_time.reason(false), None);
    let late = passed(due + TimeDelta::hours(3)).unwrap();
    assert_eq!((late.count, late.missed), (1, 1));
    let week = passed(due + TimeDelta::days(7)).unwrap();
    assert_eq!((week.count, week.missed), (8, 7), "the eighth is on time");
    assert_eq!(week.last, first + TimeDelta::days(7));
    let more = passed(due + TimeDelta::days(7) + TimeDelta::hours(1)).unwrap();
    assert_eq!(
        more.reason(false).unwrap(),
        "makes up for 8 scheduled times that were missed while nobody ran"
    );
    assert!(
        late.reason(false)
            .unwrap()
            .contains("for 1 scheduled time that was missed")
    );
    assert_eq!(
        more.reason(true).unwrap(),
        "makes up for 8 scheduled times that passed while the connection was in quarantine"
    );
}

#[test]
fn r3_years_of_minutes_are_counted_in_a_moment() {
    let schedule = schedule(cron("* * * * *"));
    let spread = Spread::of(ConnectionId(Uuid::from_u128(7)));
    let now = utc("2026-06-01T00:00:30Z");
    let passed = schedule
        .passed(Kind::Full, utc("2026-01-02T00:00:00Z"), spread, now)
        .unwrap();
    assert_eq!(passed.last, utc("2026-06-01T00:00:00Z"));
    assert!(passed.reason(false).unwrap().contains("more than"), "{passed:?}");
}

#[test]
fn r3_zones_are_found_and_suggested() {
    assert_eq!(Zone::named("europe/berlin").unwrap().name(), "Europe/Berlin");
    assert_eq!(Zone::named("Europe/Berlim"), None);
    assert_eq!(Zone::holding("Berlin"), ["Europe/Berlin"]);
    assert_eq!(Zone::holding("america/new york"), ["America/New_York"]);
    assert!(Zone::holding("").is_empty());
}

#[test]
fn r3_schedules_are_told_in_words() {
    assert_eq!(
        schedule(Frequency::weekly(vec![Weekday::Thu, Weekday::Mon])).to_string(),
        "weekly on mon, thu at 02:00 from 2026-01-01 on, Europe/Berlin; changes every hour; leavers nightly at 03:00, \
         Europe/Berlin"
    );
    let words = |frequency| timing(frequency, "2026-11-21T02:00", "UTC").to_string();
    assert_eq!(
        words(Frequency::Hours(6)),
        "every 6 hours from 2026-11-21 02:00 on, UTC"
    );
    assert_eq!(
        words(Frequency::Monthly(31)),
        "monthly on day 31, or the last of a shorter month, at 02:00 from 2026-11-21 on, UTC"
    );
    assert_eq!(
        words(cron("0 2 * * mon")),
        "cron 0 2 * * mon from 2026-11-21 02:00 on, UTC"
    );
    assert_eq!(words(Frequency::Once), "once on 2026-11-21 at 02:00, UTC");
}

fn frequencies() -> impl Strategy<Value = Frequency> {
    prop_oneof![
        (1..200_u32).prop_map(Frequency::Hours),
        Just(Frequency::Daily),
        proptest::collection::vec(0..7_u8, 1..4).prop_map(|days| Frequency::weekly(
            days.into_iter()
                .map(|day| Weekday::try_from(day).unwrap())
                .collect()
        )),
        (1..=31_u32).prop_map(Frequency::Monthly),
        (0..60_u32, 0..24_u32).prop_map(|(minute, hour)| cron(&format!("{minute} {hour} * * *"))),
        (1..31_u32).prop_map(|step| cron(&format!("*/{step} * * * *"))),
        Just(Frequency::Once),
    ]
}

proptest! {
    #[test]
    fn r3_times_strictly_grow_and_none_is_left_out(
        frequency in frequencies(),
        zone_index in 0..ZONES.len(),
        start in 0..(400 * 24 * 60_i64),
        after in 0..(400 * 24 * 3600_i64),
        between in 1..100_000_i64,
    ) {
        let zone = zone(ZONES[zone_index]);
        let start = local("2011-06-01T00:00") + TimeDelta::minutes(start);
        let timing = Timing::new(frequency.clone(), start, zone);
        let after = utc("2011-06-01T00:00:00Z") + TimeDelta::seconds(after);
        let mut last = after;
        for _ in 0..50 {
            let Some(next) = timing.next(last) else { break };
            prop_assert!(next > last);
            prop_assert!(zone.local(next) >= start);
            prop_assert!(timing.is_due_at(next));
            // Looked for from anywhere in between, it is the same.
            let from = last.max(next - TimeDelta::seconds(between));
            prop_assert_eq!(timing.next(from), if from < next { Some(next) } else { timing.next(next) });
            last = next;
        }
        let stored = Frequency::of(frequency.key(), &frequency.detail());
        prop_assert_eq!(stored, Some(frequency));
    }
}
