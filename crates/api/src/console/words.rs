//! Times, numbers and states as people read them.

use chrono::{DateTime, TimeDelta, Utc};
use domain::decision::Outcome;
use domain::overwrite::Rule;
use store::run::Kind;
use store::run_view::{RunView, State};

pub use domain::notice::thousands;

/// A moment, for a `<time>` element.
pub struct Moment {
    /// For programs.
    pub iso: String,
    /// In full.
    pub full: String,
    /// How long ago.
    pub ago: String,
}

/// A word with the colour that goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pill {
    /// The word.
    pub word: &'static str,
    /// Its class: good, busy, wait, bad or quiet.
    pub tone: &'static str,
}

/// A moment, seen at `now`.
pub fn moment(at: DateTime<Utc>, now: DateTime<Utc>) -> Moment {
    Moment {
        iso: at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        full: at.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
        ago: ago(now - at),
    }
}

fn ago(since: TimeDelta) -> String {
    let to_come = since.num_seconds() < -10;
    let plural = |number: i64, unit: &str| {
        let number_of = format!("{number} {unit}{}", if number == 1 { "" } else { "s" });
        if to_come {
            format!("in {number_of}")
        } else {
            format!("{number_of} ago")
        }
    };
    match since.num_seconds().abs() {
        ..10 => "just now".to_owned(),
        seconds @ 10..60 => plural(seconds, "second"),
        seconds @ 60..3_600 => plural(seconds / 60, "minute"),
        seconds @ 3_600..86_400 => plural(seconds / 3_600, "hour"),
        seconds => plural(seconds / 86_400, "day"),
    }
}

/// A length of time: `4 s`, `2 min 5 s`, `1 h 3 min`.
pub fn lasted(time: TimeDelta) -> String {
    match time.num_seconds().max(0) {
        0 => format!("{} ms", time.num_milliseconds().max(0)),
        seconds @ 1..60 => format!("{seconds} s"),
        seconds @ 60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// How long a run took, or has taken until now.
pub fn took(run: &RunView, now: DateTime<Utc>) -> Option<String> {
    run.started_at
        .map(|start| lasted(run.ended_at.unwrap_or(now) - start))
}

/// The kind of a run.
pub const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Full => "Full run",
        Kind::Delta => "Delta run",
        Kind::Preview => "Preview",
        Kind::Manual => "Manual run",
        Kind::Deprovision => "Deprovision",
    }
}

/// How far a run is.
pub const fn state(state: State) -> Pill {
    match state {
        State::Requested => Pill {
            word: "Waiting",
            tone: "busy",
        },
        State::Fetching => Pill {
            word: "Reading",
            tone: "busy",
        },
        State::Planning => Pill {
            word: "Deciding",
            tone: "busy",
        },
        State::Planned => Pill {
            word: "Plan ready",
            tone: "wait",
        },
        State::Applying => Pill {
            word: "Applying",
            tone: "busy",
        },
        State::Finished => Pill {
            word: "Finished",
            tone: "good",
        },
        State::Failed => Pill {
            word: "Failed",
            tone: "bad",
        },
        State::Cancelled => Pill {
            word: "Cancelled",
            tone: "quiet",
        },
        State::Expired => Pill {
            word: "Expired",
            tone: "quiet",
        },
    }
}

/// What a decision comes to.
pub const fn outcome(outcome: Outcome) -> Pill {
    match outcome {
        Outcome::Added => Pill {
            word: "Added",
            tone: "good",
        },
        Outcome::Updated => Pill {
            word: "Updated",
            tone: "busy",
        },
        Outcome::Unchanged => Pill {
            word: "Unchanged",
            tone: "quiet",
        },
        Outcome::Skipped => Pill {
            word: "Skipped",
            tone: "quiet",
        },
        Outcome::Removed => Pill {
            word: "Removed",
            tone: "wait",
        },
        Outcome::Held => Pill {
            word: "Held",
            tone: "wait",
        },
        Outcome::Failed => Pill {
            word: "Failed",
            tone: "bad",
        },
    }
}

/// The outcome's name in an address.
pub const fn outcome_key(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Added => "added",
        Outcome::Updated => "updated",
        Outcome::Unchanged => "unchanged",
        Outcome::Skipped => "skipped",
        Outcome::Removed => "removed",
        Outcome::Held => "held",
        Outcome::Failed => "failed",
    }
}

/// The outcomes, in the order in which people look for them.
pub const OUTCOMES: [Outcome; 7] = [
    Outcome::Added,
    Outcome::Updated,
    Outcome::Removed,
    Outcome::Held,
    Outcome::Failed,
    Outcome::Skipped,
    Outcome::Unchanged,
];

/// The rule of this number in words; nothing for none.
pub fn rule(number: u8) -> String {
    let rule = Rule::IN_ORDER.into_iter().find(|rule| *rule as u8 == number);
    rule.map(|rule| rule.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_the_unit_that_people_would_use() {
        for (seconds, told) in [
            (-5, "just now"),
            (3, "just now"),
            (59, "59 seconds ago"),
            (61, "1 minute ago"),
            (7_200, "2 hours ago"),
            (90_000, "1 day ago"),
        ] {
            assert_eq!(ago(TimeDelta::seconds(seconds)), told);
        }
        assert_eq!(lasted(TimeDelta::milliseconds(340)), "340 ms");
        assert_eq!(lasted(TimeDelta::seconds(125)), "2 min 5 s");
        assert_eq!(lasted(TimeDelta::seconds(3_780)), "1 h 3 min");
    }

    #[test]
    fn rules_have_their_numbers() {
        assert_eq!(rule(4), "rule 4: login name and domain");
        assert_eq!(rule(0), "");
    }
}
