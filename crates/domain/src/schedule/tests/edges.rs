//! The edges of calendars and clocks.

use std::time::{Duration, Instant};

use super::*;

fn days((frequency, start): (Frequency, &str), from: &str, count: usize) -> Vec<String> {
    let timing = timing(frequency, start, "Europe/Berlin");
    std::iter::successors(timing.next(utc(from)), |last| timing.next(*last))
        .take(count)
        .map(|at| zone("Europe/Berlin").local(at).format("%m-%d %H:%M").to_string())
        .collect()
}

#[test]
fn r3_a_day_that_a_month_has_not_is_its_last() {
    let monthly = |day| (Frequency::Monthly(day), "2027-12-01T23:30");
    assert_eq!(
        days(monthly(31), "2027-12-15T00:00:00Z", 5),
        [
            "12-31 23:30",
            "01-31 23:30",
            "02-29 23:30",
            "03-31 23:30",
            "04-30 23:30"
        ]
    );
    assert_eq!(
        days(monthly(29), "2029-01-30T00:00:00Z", 3),
        ["02-28 23:30", "03-29 23:30", "04-29 23:30"]
    );
    assert_eq!(
        days(
            (cron("30 23 29 2 *"), "2026-01-01T00:00"),
            "2026-01-01T00:00:00Z",
            2
        ),
        ["02-29 23:30", "02-29 23:30"],
        "every fourth year"
    );
}

#[test]
fn r3_once_at_a_time_that_is_left_out_or_comes_twice_is_once() {
    for (start, at) in [
        ("2026-03-29T02:30", "2026-03-29T01:00:00Z"),
        ("2026-10-25T02:30", "2026-10-25T00:30:00Z"),
    ] {
        let once = timing(Frequency::Once, start, "Europe/Berlin");
        let at = utc(at);
        let around = at - TimeDelta::days(1);
        for minutes in 0..(2 * 24 * 60) {
            let after = around + TimeDelta::minutes(minutes);
            assert_eq!(
                once.next(after),
                (after < at).then_some(at),
                "{start} after {after}"
            );
        }
    }
    let over = timing(Frequency::Once, "2020-01-01T00:00", "UTC");
    assert_eq!(over.next(utc("2026-01-01T00:00:00Z")), None);
}

#[test]
fn r3_a_cron_pattern_of_every_hour_leaves_no_hour_out() {
    for zone_name in ["Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns"] {
        let (from, until) = year(zone_name);
        for (pattern, longest) in [("15 * * * *", 60), ("0,30 0-23 * * *", 30)] {
            let every = timing(cron(pattern), "2011-01-01T00:00", zone_name);
            let times = all_after(&every, from, until);
            for pair in times.windows(2) {
                let wait = (pair[1] - pair[0]).num_minutes();
                // Lord Howe's clocks go by half an hour.
                let longest = match zone_name {
                    "Australia/Lord_Howe" => longest + 30,
                    _ => longest,
                };
                assert!(
                    (1..=longest).contains(&wait),
                    "{zone_name} {pattern}: {wait} before {}",
                    pair[1]
                );
            }
        }
    }
    let every = timing(cron("30 * * * *"), "2026-01-01T00:00", "Europe/Berlin");
    assert_eq!(
        all_after(&every, utc("2026-10-24T23:45:00Z"), utc("2026-10-25T03:00:00Z")),
        [
            utc("2026-10-25T00:30:00Z"),
            utc("2026-10-25T01:30:00Z"),
            utc("2026-10-25T02:30:00Z")
        ],
        "half past two comes twice"
    );
    let certain = timing(cron("30 1-3 * * *"), "2026-01-01T00:00", "Europe/Berlin");
    assert_eq!(
        all_after(&certain, utc("2026-10-24T22:00:00Z"), utc("2026-10-25T03:00:00Z")).len(),
        3,
        "certain hours come once each"
    );
}

#[test]
fn r3_deltas_that_never_come_are_found_out_in_a_moment() {
    let now = utc("2026-01-10T00:10:00Z");
    for frequency in [Frequency::Hours(1), cron("0 * * * *"), cron("* * * * *")] {
        let schedule = schedule(frequency);
        let begun = Instant::now();
        assert_eq!(schedule.next(Kind::Delta, now), None, "{schedule}");
        assert!(
            begun.elapsed() < Duration::from_secs(2),
            "{schedule}: {:?}",
            begun.elapsed()
        );
    }
}

#[test]
fn r3_a_hundred_connections_that_are_late_begin_over_a_minute() {
    let schedule = schedule(Frequency::Daily);
    let slot = utc("2026-06-02T00:00:00Z");
    let now = slot + TimeDelta::hours(9);
    let begin: Vec<i64> = (0..100)
        .map(|n| {
            let spread = Spread::of(ConnectionId(Uuid::from_u128(n)));
            let due = schedule.due(Kind::Full, slot, spread);
            let waits =
                |due, objection, now| schedule.waits_until(Kind::Full, (slot, due), spread, objection, now);
            assert_eq!(waits(due, None, due), None, "on time");
            assert_eq!(waits(due, None, due + TimeDelta::seconds(60)), None, "nearly");
            let gone = Some(Objection::Disconnected);
            assert_eq!(waits(due, gone, now), None, "there is nothing to wait for");
            let later = waits(due, None, now).unwrap_or(now);
            assert_eq!(
                waits(later, None, later + TimeDelta::hours(1)),
                None,
                "it waits once"
            );
            (later - now).num_seconds()
        })
        .collect();
    assert!(begin.iter().all(|begin| (0..60).contains(begin)));
    for second in 0..60 {
        let at_once = begin.iter().filter(|begin| **begin == second).count();
        assert!(at_once < 10, "{at_once} in second {second}");
    }
}

#[test]
fn b17_what_is_due_in_a_quarantine_waits_for_its_end() {
    let schedule = schedule(Frequency::Monthly(1));
    let slot = utc("2026-06-01T00:00:00Z");
    let spread = Spread::of(ConnectionId(Uuid::from_u128(7)));
    let quarantined = Some(Objection::Quarantined);
    let mut due = schedule.due(Kind::Full, slot, spread);
    let mut now = due;
    for _ in 0..10 {
        let later = schedule
            .waits_until(Kind::Full, (slot, due), spread, quarantined, now)
            .unwrap();
        assert_eq!(later, now + LOOKED_AT_AGAIN);
        (due, now) = (later, later + TimeDelta::hours(1));
    }
    assert_eq!(
        schedule.waits_until(Kind::Full, (slot, due), spread, None, now),
        None,
        "it is free"
    );
}

fn schedules() -> impl Strategy<Value = Schedule> {
    (frequencies(), 0..ZONES.len(), 0..(400 * 24 * 60_i64), 1..145_u32).prop_map(
        |(frequency, zone_index, start, hours)| {
            let zone = zone(ZONES[zone_index]);
            let start = local("2025-06-01T00:00") + TimeDelta::minutes(start);
            Schedule {
                on: true,
                full: Some(Timing::new(frequency, start, zone)),
                delta: Delta { on: true, hours },
                deprovision: Deprovision {
                    on: true,
                    at: start.time(),
                },
                zone,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn r3_a_run_begins_before_the_next_time_and_not_before_its_own(
        schedule in schedules(),
        connection in any::<u128>(),
        after in 0..(800 * 24 * 3600_i64),
    ) {
        let spread = Spread::of(ConnectionId(Uuid::from_u128(connection)));
        for kind in Kind::ALL {
            let mut after = utc("2025-06-01T00:00:00Z") + TimeDelta::seconds(after);
            for _ in 0..20 {
                let Some(slot) = schedule.next(kind, after) else { break };
                let due = schedule.due(kind, slot, spread);
                prop_assert!(due >= slot && due < slot + TimeDelta::minutes(5));
                if let Some(next) = schedule.next(kind, slot) {
                    prop_assert!(due < next, "{schedule}: {due} of {slot}, but {next}");
                }
                // Seen when it begins, it is one, on time, and not a second sooner.
                prop_assert_eq!(schedule.passed(kind, slot, spread, due - TimeDelta::seconds(1)), None);
                let passed = schedule.passed(kind, slot, spread, due);
                prop_assert_eq!(passed, Some(Passed { count: 1, last: slot, missed: 0 }));
                after = slot;
            }
        }
    }

    #[test]
    fn r3_a_delta_never_comes_with_a_full_run(schedule in schedules(), after in 0..(800 * 24 * 3600_i64)) {
        let full = schedule.full.clone().unwrap();
        let mut after = utc("2025-06-01T00:00:00Z") + TimeDelta::seconds(after);
        for _ in 0..50 {
            let Some(delta) = schedule.next(Kind::Delta, after) else { break };
            prop_assert!(!full.is_due_at(delta));
            after = delta;
        }
    }

    #[test]
    fn r3_what_has_come_is_counted_as_if_one_had_looked_each_time(
        schedule in schedules(),
        after in 0..(400 * 24 * 3600_i64),
        away in 0..(3 * 24 * 3600_i64),
    ) {
        let spread = Spread::of(ConnectionId(Uuid::from_u128(7)));
        for kind in Kind::ALL {
            let from = utc("2025-06-01T00:00:00Z") + TimeDelta::seconds(after);
            let Some(first) = schedule.next(kind, from) else { continue };
            let now = first + TimeDelta::seconds(away);
            let looked: Vec<DateTime<Utc>> = std::iter::successors(Some(first), |last| schedule.next(kind, *last))
                .take_while(|slot| schedule.due(kind, *slot, spread) <= now)
                .collect();
            let passed = schedule.passed(kind, first, spread, now);
            prop_assert_eq!(passed.map(|passed| passed.last), looked.last().copied());
            prop_assert_eq!(passed.map_or(0, |passed| passed.count as usize), looked.len());
        }
    }
}
