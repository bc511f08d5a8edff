//! Values that can be compared: those of a clause, and those of the directory.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use uuid::Uuid;

use super::folded;
use crate::account::fold;
use crate::attribute::Kind;

/// A value by which two can be told equal or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Term {
    /// Text, truth value or id, letter case aside.
    Folded(String),
    /// A moment.
    Moment(DateTime<Utc>),
}

/// A value that others can be larger or smaller than.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measure {
    /// A number.
    Number(f64),
    /// A moment.
    Moment(DateTime<Utc>),
}

/// A number is never NaN: [`number`] sees to that.
impl Eq for Measure {}

impl Term {
    /// Whether what the directory says is the same. What can't be compared is not.
    pub fn is(&self, observed: &str) -> bool {
        match self {
            Self::Folded(folded) => folded::is(observed, folded),
            Self::Moment(at) => moment(observed) == Some(*at),
        }
    }

    /// What a clause says, or what is wrong with that.
    pub fn written(kind: Kind, text: &str) -> Result<Self, String> {
        let folded = fold(text);
        match kind {
            Kind::Text | Kind::List => Ok(Self::Folded(folded)),
            Kind::Boolean if matches!(folded.as_str(), "true" | "false") => Ok(Self::Folded(folded)),
            Kind::Boolean => Err(format!("{text:?} is neither true nor false")),
            Kind::Date => moment(text).map(Self::Moment).ok_or_else(|| no_date(text)),
            Kind::Reference => match Uuid::try_parse(text) {
                Ok(id) => Ok(Self::Folded(id.to_string())),
                Err(_) => Err(format!(
                    "{text:?} is no object id; it looks like 11111111-2222-3333-4444-555555555555"
                )),
            },
        }
    }
}

impl Measure {
    /// What a clause says, or what is wrong with that.
    pub fn written(kind: Kind, text: &str) -> Result<Self, String> {
        let moment = moment(text).map(Self::Moment);
        match kind {
            Kind::Date => moment.ok_or_else(|| no_date(text)),
            _ => number(text).map(Self::Number).or(moment).ok_or_else(|| {
                format!(
                    "{text:?} is neither a number nor a date; write 42, 2026-01-31 or 2026-01-31T08:00:00Z"
                )
            }),
        }
    }

    /// What the directory says, as something like this. `None`: it can't be compared.
    pub fn alike(self, text: &str) -> Option<Self> {
        match self {
            Self::Number(_) => number(text).map(Self::Number),
            Self::Moment(_) => moment(text).map(Self::Moment),
        }
    }

    /// Whether it is larger or later. Unlike values never are.
    pub fn is_beyond(self, other: Self) -> bool {
        match (self, other) {
            (Self::Number(mine), Self::Number(theirs)) => mine > theirs,
            (Self::Moment(mine), Self::Moment(theirs)) => mine > theirs,
            _ => false,
        }
    }
}

fn no_date(text: &str) -> String {
    format!("{text:?} is no date; write 2026-01-31, or 2026-01-31T08:00:00Z")
}

/// A date is its first moment in UTC.
fn moment(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(date.and_time(NaiveTime::MIN).and_utc());
    }
    DateTime::parse_from_rfc3339(text)
        .ok()
        .map(|moment| moment.to_utc())
}

/// Numbers as people write them: `inf` and `NaN` are words here.
fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    let digits = text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first));
    text.parse()
        .ok()
        .filter(|number: &f64| digits && number.is_finite())
}
