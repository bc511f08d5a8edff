//! Cron patterns of five fields.

use std::fmt;

use chrono::{NaiveDateTime, TimeDelta, Timelike};
use croner::parser::{CronParser, Seconds, Year};

/// The fields, in their order.
const FIELDS: [(&str, &str); 5] = [
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of the month", "1 to 31"),
    ("month", "1 to 12, or jan to dec"),
    ("weekday", "0 to 7, or sun to sat"),
];
/// Bytes of a pattern at most.
const LONGEST: usize = 200;

/// A cron pattern: minute, hour, day of the month, month, weekday.
#[derive(Clone, Debug)]
pub struct Cron {
    text: String,
    pattern: Box<croner::Cron>,
}

/// What is wrong with a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CronError {
    /// It has not five fields but so many.
    Fields(usize),
    /// It is too long to be meant.
    TooLong,
    /// One field can't be read.
    Field {
        /// Its name.
        name: &'static str,
        /// What stands in it.
        text: String,
        /// What may stand in it.
        range: &'static str,
    },
    /// Every field can be read, but no day is like that.
    Never,
}

impl Cron {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        if text.len() > LONGEST {
            return Err(CronError::TooLong);
        }
        let fields: Vec<&str> = text.split_whitespace().collect();
        if fields.len() != FIELDS.len() {
            return Err(CronError::Fields(fields.len()));
        }
        for (place, (field, (name, range))) in fields.iter().zip(FIELDS).enumerate() {
            let mut alone = ["*"; FIELDS.len()];
            alone[place] = field;
            // The parser takes a list with nothing in it, and would look for its time for half a minute.
            let has_gap = field.split(',').any(str::is_empty);
            if has_gap || parser().parse(&alone.join(" ")).is_err() {
                return Err(CronError::Field {
                    name,
                    text: (*field).to_owned(),
                    range,
                });
            }
        }
        let text = fields.join(" ");
        let pattern = Box::new(parser().parse(&text).map_err(|_| CronError::Never)?);
        let cron = Self { text, pattern };
        match cron.at_or_after(NaiveDateTime::default()) {
            Some(_) => Ok(cron),
            None => Err(CronError::Never),
        }
    }

    /// Whether it means each hour of a day: then it goes on while clocks show an hour for the second time.
    pub(super) fn is_every_hour(&self) -> bool {
        matches!(self.text.split(' ').nth(1), Some("*" | "*/1" | "0-23"))
    }

    /// The first local time from this one on that it means.
    pub(super) fn at_or_after(&self, local: NaiveDateTime) -> Option<NaiveDateTime> {
        let mut minute = local.with_second(0)?.with_nanosecond(0)?;
        if minute < local {
            minute = minute.checked_add_signed(TimeDelta::minutes(1))?;
        }
        // Local times as such, by a clock that is never put forward or back: what the zone makes of them is not cron's.
        let found = self.pattern.find_next_occurrence(&minute.and_utc(), true);
        found.ok().map(|found| found.naive_utc())
    }
}

fn parser() -> CronParser {
    CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .build()
}

impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Cron {}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for CronError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fields(count) => write!(
                f,
                "has {count} fields; write five: minute, hour, day of the month, month, weekday, such as \"0 2 * * mon-fri\""
            ),
            Self::TooLong => write!(f, "is longer than {LONGEST} characters"),
            Self::Field { name, text, range } => write!(
                f,
                "has \"{text}\" for the {name}; use {range}, as numbers, lists (1,2), ranges (1-5), steps (*/15) or *"
            ),
            Self::Never => f.write_str("means no time that ever comes; check day of the month and month"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r3_what_is_wrong_names_the_field() {
        let problem = |text: &str| Cron::parse(text).unwrap_err().to_string();
        assert!(problem("61 2 * * *").contains("\"61\" for the minute"));
        assert!(problem("0 25 * * *").contains("\"25\" for the hour; use 0 to 23"));
        assert!(problem("0 2 32 * *").contains("day of the month"));
        assert!(problem("0 2 * 13 *").contains("for the month"));
        assert!(problem("0 2 * * fry").contains("\"fry\" for the weekday"));
        for list in [",", "1,", ",1", "1,,2"] {
            let told = format!("has \"{list}\" for the minute; use 0 to 59");
            assert!(problem(&format!("{list} * * * *")).contains(&told), "{list}");
        }
        assert!(problem("0 2 * *").contains("has 4 fields"));
        assert!(problem("0 0 2 * * *").contains("has 6 fields"));
        assert!(problem("@daily").contains("has 1 fields"));
        assert!(problem("0 2 30 2 *").contains("no time that ever comes"));
        assert!(problem(&"0".repeat(10_000)).contains("longer"));
        assert_eq!(
            Cron::parse(" 0  2 * * mon-fri ").unwrap().to_string(),
            "0 2 * * mon-fri"
        );
        Cron::parse("0 2 29 2 *").unwrap();
    }

    fn times(text: &str, from: &str, count: usize) -> Vec<String> {
        let cron = Cron::parse(text).unwrap();
        let nanosecond = TimeDelta::nanoseconds(1);
        let first = cron.at_or_after(from.parse().unwrap());
        std::iter::successors(first, |last| cron.at_or_after(*last + nanosecond))
            .take(count)
            .map(|at| at.format("%a %Y-%m-%d %H:%M").to_string())
            .collect()
    }

    #[test]
    fn r3_where_both_days_are_given_either_is_enough() {
        assert_eq!(
            times("0 2 13 * fri", "2026-02-01T00:00:00", 5),
            [
                "Fri 2026-02-06 02:00",
                "Fri 2026-02-13 02:00",
                "Fri 2026-02-20 02:00",
                "Fri 2026-02-27 02:00",
                "Fri 2026-03-06 02:00",
            ]
        );
        assert_eq!(
            times("0 2 1,15 * 0", "2026-05-30T00:00:00", 4),
            [
                "Sun 2026-05-31 02:00",
                "Mon 2026-06-01 02:00",
                "Sun 2026-06-07 02:00",
                "Sun 2026-06-14 02:00",
            ]
        );
        // Sunday is 0 and 7.
        assert_eq!(
            times("0 2 * * 7", "2026-05-30T00:00:00", 2),
            times("0 2 * * sun", "2026-05-30T00:00:00", 2)
        );
        assert_eq!(
            times("59 23 29 2 *", "2026-02-01T00:00:00", 2),
            ["Tue 2028-02-29 23:59", "Sun 2032-02-29 23:59"]
        );
    }
}
