//! Checking documents of kind Schedule (R3, D7).

use std::ops::RangeInclusive;

use chrono::{Datelike, NaiveDateTime, NaiveTime, Weekday};
use contracts::v1;
use contracts::v1::schedule::Frequency as Written;
use domain::schedule::{Cron, Delta, Deprovision, Frequency, Schedule, Timing, Zone};

use super::check::Problems;
use crate::suggest::did_you_mean;

/// Hours between two full runs: up to a year.
const HOURS: RangeInclusive<u32> = 1..=8_760;
/// Hours between two deltas: delta links live for seven days.
const DELTA_HOURS: RangeInclusive<u32> = 1..=144;
/// Years in which a start makes sense.
const YEARS: RangeInclusive<i32> = 2000..=2199;
/// When leavers are dealt with, where nothing else is written.
const NIGHT: &str = "03:00";

/// A schedule as a document asks for it.
#[derive(Debug)]
pub struct WantedSchedule {
    /// Its name.
    pub name: String,
    /// Its connection's name.
    pub connection: String,
    /// What it says.
    pub schedule: Schedule,
}

/// Checks one document.
pub fn check(document: &v1::Schedule, problems: &mut Problems<'_>) -> WantedSchedule {
    let on = document.on.unwrap_or(true);
    let zone = zone(&document.time_zone, problems);
    let full = full_runs(document, on, zone, problems);
    WantedSchedule {
        name: problems.name("name", &document.name),
        connection: problems.name("connection", &document.connection),
        schedule: Schedule {
            on,
            full,
            delta: delta(document.delta.unwrap_or_default(), problems),
            deprovision: deprovision(document.deprovision.as_ref(), problems),
            zone,
        },
    }
}

fn zone(name: &str, problems: &mut Problems<'_>) -> Zone {
    if let Some(zone) = Zone::named(name.trim()) {
        return zone;
    }
    let problem = if name.trim().is_empty() {
        "is missing; write timeZone: and a name of the IANA database, such as Europe/Berlin or UTC".to_owned()
    } else {
        let near = Zone::holding(name);
        let advice = if near.is_empty() {
            did_you_mean(name, Zone::names())
        } else {
            let near: Vec<String> = near.iter().map(|near| format!("\"{near}\"")).collect();
            format!("; did you mean {}?", near.join(" or "))
        };
        let advice = if advice.is_empty() {
            "; use a name such as Europe/Berlin".to_owned()
        } else {
            advice
        };
        format!("{name:?} is no time zone of the IANA database{advice}")
    };
    problems.add("timeZone", problem);
    Zone::UTC
}

/// They may be left out while the schedule is off.
fn full_runs(document: &v1::Schedule, on: bool, zone: Zone, problems: &mut Problems<'_>) -> Option<Timing> {
    if !on && document.frequency.is_none() && document.start.is_empty() {
        return None;
    }
    let frequency = frequency(document.frequency.as_ref(), problems);
    let start = start(&document.start, problems);
    Some(Timing::new(frequency?, start?, zone))
}

fn frequency(written: Option<&Written>, problems: &mut Problems<'_>) -> Option<Frequency> {
    let found = match written {
        None => Err((
            "frequency",
            "is missing; write daily, once, { hours: 6 }, { weekly: [mon, thu] }, { monthly: 31 } or \
             { cron: \"0 2 * * mon-fri\" }"
                .to_owned(),
        )),
        Some(Written::Hours(hours)) if HOURS.contains(hours) => Ok(Frequency::Hours(*hours)),
        Some(Written::Hours(hours)) => Err((
            "frequency.hours",
            format!(
                "{hours} is not 1 to {}; write how many hours lie between two runs",
                HOURS.end()
            ),
        )),
        Some(Written::Daily(_)) => Ok(Frequency::Daily),
        Some(Written::Once(_)) => Ok(Frequency::Once),
        Some(Written::Weekly(weekly)) => {
            let days: Option<Vec<Weekday>> = weekly.days().map(weekday).collect();
            match days {
                Some(days) if !days.is_empty() => Ok(Frequency::weekly(days)),
                _ => Err((
                    "frequency.weekly",
                    "has no weekdays, or unknown ones; write some of mon, tue, wed, thu, fri, sat, sun"
                        .to_owned(),
                )),
            }
        }
        Some(Written::Monthly(day @ 1..=31)) => Ok(Frequency::Monthly(*day)),
        Some(Written::Monthly(day)) => Err((
            "frequency.monthly",
            format!("{day} is no day of a month; write 1 to 31, 31 for the last one"),
        )),
        Some(Written::Cron(text)) => match Cron::parse(text) {
            Ok(cron) => Ok(Frequency::Cron(cron)),
            Err(error) => Err(("frequency.cron", error.to_string())),
        },
    };
    found
        .map_err(|(field, problem)| problems.add(field, problem))
        .ok()
}

fn weekday(day: v1::Weekday) -> Option<Weekday> {
    u8::try_from(day as i32 - 1).ok()?.try_into().ok()
}

fn start(text: &str, problems: &mut Problems<'_>) -> Option<NaiveDateTime> {
    let example = "write what clocks show in the time zone, such as \"2026-11-21T02:00\"";
    if text.trim().is_empty() {
        problems.add("start", format!("is missing; {example}"));
        return None;
    }
    let read = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:00", "%Y-%m-%d %H:%M"]
        .into_iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text.trim(), form).ok());
    match read {
        None => {
            problems.add("start", format!("{text:?} is no date and time of day; {example}"));
            None
        }
        Some(start) if !YEARS.contains(&start.year()) => {
            let problem = format!(
                "{text:?} is not between the years {} and {}",
                YEARS.start(),
                YEARS.end()
            );
            problems.add("start", problem);
            None
        }
        start => start,
    }
}

fn delta(written: v1::ScheduleDelta, problems: &mut Problems<'_>) -> Delta {
    let hours = written.hours.unwrap_or(1);
    if !DELTA_HOURS.contains(&hours) {
        let problem = format!(
            "{hours} is not 1 to {}; delta links live for seven days",
            DELTA_HOURS.end()
        );
        problems.add("delta.hours", problem);
    }
    Delta {
        on: written.on.unwrap_or(true),
        hours,
    }
}

fn deprovision(written: Option<&v1::ScheduleDeprovision>, problems: &mut Problems<'_>) -> Deprovision {
    let at = written
        .map(|written| written.at.trim())
        .filter(|at| !at.is_empty());
    let at = at.unwrap_or(NIGHT);
    let read = NaiveTime::parse_from_str(at, "%H:%M");
    if read.is_err() {
        let problem = format!("{at:?} is no time of day; write hours and minutes, such as \"{NIGHT}\"");
        problems.add("deprovision.at", problem);
    }
    Deprovision {
        on: written.is_some_and(|written| written.on.unwrap_or(true)),
        at: read.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> v1::Schedule {
        v1::Schedule {
            name: "nightly".into(),
            connection: "contoso".into(),
            frequency: Some(Written::Daily(v1::Daily {})),
            start: "2026-11-21T02:00".into(),
            time_zone: "Europe/Berlin".into(),
            ..v1::Schedule::default()
        }
    }

    fn problems(document: &v1::Schedule) -> Vec<String> {
        let mut found = Vec::new();
        check(document, &mut Problems::at("schedule", &mut found));
        found
            .into_iter()
            .map(|violation| format!("{} {}", violation.path, violation.problem))
            .collect()
    }

    fn problem(document: &v1::Schedule) -> String {
        let [one] = problems(document).try_into().unwrap();
        one
    }

    #[test]
    fn r3_what_is_not_written_has_its_default() {
        let wanted = check(&document(), &mut Problems::at("schedule", &mut Vec::new()));
        assert_eq!(problems(&document()), Vec::<String>::new());
        assert!(wanted.schedule.on);
        assert_eq!(wanted.schedule.delta, Delta { on: true, hours: 1 });
        assert!(!wanted.schedule.deprovision.on);
        let bare = v1::Schedule {
            on: Some(false),
            frequency: None,
            start: String::new(),
            deprovision: Some(v1::ScheduleDeprovision::default()),
            ..document()
        };
        let wanted = check(&bare, &mut Problems::at("schedule", &mut Vec::new()));
        assert_eq!(problems(&bare), Vec::<String>::new());
        assert_eq!(
            wanted.schedule.to_string(),
            "off; leavers nightly at 03:00, Europe/Berlin"
        );
    }

    #[test]
    fn r3_bad_input_names_field_value_and_next_step() {
        let zone = |time_zone: &str| {
            problem(&v1::Schedule {
                time_zone: time_zone.into(),
                ..document()
            })
        };
        assert_eq!(
            zone("Berlin"),
            "schedule.timeZone \"Berlin\" is no time zone of the IANA database; did you mean \"Europe/Berlin\"?"
        );
        assert!(zone("Europe/Berlim").contains("did you mean \"Europe/Berlin\"?"));
        assert!(zone("").contains("is missing; write timeZone:"));
        assert!(zone("Mars/Olympus_Mons").contains("use a name such as"));
        let of = |frequency| {
            problem(&v1::Schedule {
                frequency: Some(frequency),
                ..document()
            })
        };
        assert!(of(Written::Hours(0)).starts_with("schedule.frequency.hours 0 is not 1 to"));
        assert!(of(Written::Monthly(32)).contains("32 is no day of a month; write 1 to 31"));
        assert!(of(Written::Weekly(v1::Weekly::default())).contains("write some of mon"));
        assert!(of(Written::Cron("0 25 * * *".into())).contains("frequency.cron has \"25\" for the hour"));
        let start = |start: &str| {
            problem(&v1::Schedule {
                start: start.into(),
                ..document()
            })
        };
        assert!(start("tomorrow").starts_with("schedule.start \"tomorrow\" is no date"));
        assert!(start("1826-11-21T02:00").contains("between the years"));
        assert!(start("").contains("is missing"));
        let missing = v1::Schedule {
            frequency: None,
            ..document()
        };
        assert!(problem(&missing).starts_with("schedule.frequency is missing; write daily"));
        let rest = v1::Schedule {
            delta: Some(v1::ScheduleDelta {
                on: None,
                hours: Some(145),
            }),
            deprovision: Some(v1::ScheduleDeprovision {
                on: None,
                at: "3 am".into(),
            }),
            ..document()
        };
        let found = problems(&rest);
        assert!(found[0].contains("delta.hours 145 is not 1 to 144"), "{found:?}");
        assert!(
            found[1].contains("deprovision.at \"3 am\" is no time of day"),
            "{found:?}"
        );
    }
}
