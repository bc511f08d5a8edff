//! `kind: Schedule`.

use contracts::v1;
use contracts::v1::schedule::Frequency;

use crate::suggest::did_you_mean;
use crate::words::{WEEKDAYS, weekday};
use crate::yaml::node::Value;
use crate::yaml::section::Section;

/// The frequencies that are one word.
const WORDS: [&str; 2] = ["daily", "once"];
/// All ways to say how often.
const WAYS: &str = "write daily, once, { hours: 6 }, { weekly: [mon, thu] }, { monthly: 31 } or { cron: \"0 2 * * mon-fri\" }";

/// Reads the document. What is not written stays unspecified: the defaults are api's.
pub fn read(section: &mut Section<'_>) -> v1::Schedule {
    v1::Schedule {
        name: section.required("name"),
        connection: section.required("connection"),
        on: section.flag("on"),
        frequency: frequency(section),
        start: section.text("start").unwrap_or_default(),
        time_zone: section.required("timeZone"),
        delta: section.section("delta", |delta| v1::ScheduleDelta {
            on: delta.flag("on"),
            hours: delta.number("hours"),
        }),
        deprovision: section.section("deprovision", |deprovision| v1::ScheduleDeprovision {
            on: deprovision.flag("on"),
            at: deprovision.text("at").unwrap_or_default(),
        }),
        ..v1::Schedule::default()
    }
}

/// A word, or a map with one key.
fn frequency(section: &mut Section<'_>) -> Option<Frequency> {
    let node = section.node("frequency")?;
    if let Value::Map(_) = node.value {
        return section.section("frequency", in_detail)?;
    }
    let text = section.text("frequency")?;
    match text.as_str() {
        "daily" => Some(Frequency::Daily(v1::Daily {})),
        "once" => Some(Frequency::Once(v1::Once {})),
        other => {
            let advice = did_you_mean(other, WORDS);
            section.problem_with(
                "frequency",
                format_args!("{other:?} is no frequency{advice}; {WAYS}"),
            );
            None
        }
    }
}

fn in_detail(section: &mut Section<'_>) -> Option<Frequency> {
    let hours = section.number("hours").map(Frequency::Hours);
    let weekly = weekly(section);
    let monthly = section.number("monthly").map(Frequency::Monthly);
    let cron = section.text("cron").map(Frequency::Cron);
    let mut written: Vec<Frequency> = [hours, weekly, monthly, cron].into_iter().flatten().collect();
    match written.len() {
        1 => written.pop(),
        0 => {
            section.problem_here(format_args!("says nothing; {WAYS}"));
            None
        }
        _ => {
            section.problem_here(format_args!("says several things; {WAYS}"));
            None
        }
    }
}

fn weekly(section: &mut Section<'_>) -> Option<Frequency> {
    section.node("weekly")?;
    let mut days = Vec::new();
    for text in section.scalars("weekly") {
        let given = text.to_lowercase();
        let found = WEEKDAYS
            .iter()
            .find(|(word, day)| *word == given || weekday(*day) == given);
        match found {
            Some((_, day)) => days.push((*day).into()),
            None => {
                let names = WEEKDAYS.map(|(word, _)| word).join(", ");
                section.problem_with(
                    "weekly",
                    format_args!("{text:?} is no weekday; write some of {names}"),
                );
            }
        }
    }
    Some(Frequency::Weekly(v1::Weekly { days }))
}
