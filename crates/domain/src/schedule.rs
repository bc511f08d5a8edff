//! When a connection's runs are due by themselves: full ones, the deltas between them, and nightly deprovisions (R3, D7).

mod cron;
mod frequency;
mod spread;
#[cfg(test)]
mod tests;
mod timing;
mod waits;
mod zone;

use std::fmt;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};

pub use cron::{Cron, CronError};
pub use frequency::{Frequency, day_key, day_of_key};
pub use spread::Spread;
pub use timing::Timing;
pub use waits::{LOOKED_AT_AGAIN, TRIED_FIRST};
pub use zone::Zone;

/// Steps of a search at most, where one time after the other has to be looked at: more than there are hours in a year.
const MOST_STEPS: u32 = 10_000;
/// How late a run may be and still count as on time.
const ON_TIME: TimeDelta = TimeDelta::seconds(60);

/// What a connection does by itself, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Whether full runs and deltas are on.
    pub on: bool,
    /// When full runs are due; always there where they are on.
    pub full: Option<Timing>,
    /// Runs that read what has changed, in between.
    pub delta: Delta,
    /// Runs that deal with leavers alone: a toggle of their own.
    pub deprovision: Deprovision,
    /// Where local times are meant.
    pub zone: Zone,
}

/// The deltas of a schedule. They are due every so many hours from its start on, except when a full run is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delta {
    /// Whether there are any while the schedule is on.
    pub on: bool,
    /// Hours between two of them.
    pub hours: u32,
}

/// The nightly runs that deal with leavers alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deprovision {
    /// Whether there are any, be the schedule on or off.
    pub on: bool,
    /// When, on each day.
    pub at: NaiveTime,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A full run.
    Full,
    /// A delta.
    Delta,
    /// A run that deals with leavers alone.
    Deprovision,
}

/// The times that have come since someone last looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// How many; not more than can be counted in a moment.
    pub count: u32,
    /// The last of them.
    pub last: DateTime<Utc>,
    /// How many of them nobody kept: all but the last, and that one, too, when it is long over.
    pub missed: u32,
}

/// What keeps a connection from running by schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objection {
    /// It is disconnected.
    Disconnected,
    /// It has no mapping that would bring anyone in.
    NoMapping,
    /// Its first run has stopped with its plan, which a person has to look at first.
    PlanWaits,
    /// It is in quarantine, and its next try is not due (B17).
    Quarantined,
}

/// What has to be known of a connection before it runs by schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
pub struct Readiness {
    /// Whether it is connected.
    pub connected: bool,
    /// Whether a mapping brings someone in.
    pub mapped: bool,
    /// Whether a run has stopped with its plan, without having been asked to, and the plan waits to be applied.
    pub plan_waits: bool,
    /// Whether it is in quarantine, and its next try is not due.
    pub quarantined: bool,
}

/// Whether a connection may run by schedule now: the one place where that is asked.
pub const fn objection(ready: Readiness) -> Option<Objection> {
    match ready {
        Readiness { connected: false, .. } => Some(Objection::Disconnected),
        Readiness { mapped: false, .. } => Some(Objection::NoMapping),
        Readiness { plan_waits: true, .. } => Some(Objection::PlanWaits),
        Readiness {
            quarantined: true, ..
        } => Some(Objection::Quarantined),
        Readiness { .. } => None,
    }
}

impl Schedule {
    /// The first time of this kind after `after`.
    #[must_use]
    pub fn next(&self, kind: Kind, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match kind {
            Kind::Full => self.full_runs()?.next(after),
            Kind::Delta => self.next_delta(after),
            Kind::Deprovision => self.deprovisions()?.next(after),
        }
    }

    /// When the run of a time really begins: connections that are due together begin one after the other.
    #[must_use]
    pub fn due(&self, kind: Kind, slot: DateTime<Utc>, spread: Spread) -> DateTime<Utc> {
        let gap = match kind {
            Kind::Full => self
                .full_runs()
                .and_then(|full| full.next(slot))
                .map(|next| next - slot),
            Kind::Delta => Some(TimeDelta::hours(i64::from(self.delta.hours))),
            Kind::Deprovision => Some(TimeDelta::days(1)),
        };
        slot + spread.offset(gap)
    }

    /// What has come due until `now`, from the time `first` on. `None`: that is still to come.
    #[must_use]
    pub fn passed(
        &self,
        kind: Kind,
        first: DateTime<Utc>,
        spread: Spread,
        now: DateTime<Utc>,
    ) -> Option<Passed> {
        let is_due = |slot: &DateTime<Utc>| *slot <= now && self.due(kind, *slot, spread) <= now;
        let mut last = Some(first).filter(is_due)?;
        let mut count = 1;
        while let Some(next) = self.next(kind, last).filter(is_due) {
            last = next;
            count += 1;
            if count >= MOST_STEPS {
                last = self.latest(kind, last, &is_due, now);
                break;
            }
        }
        let on_time = now - self.due(kind, last, spread) <= ON_TIME;
        Some(Passed {
            count,
            last,
            missed: count - u32::from(on_time),
        })
    }

    /// The last time that has come due, of more than can be looked at one after the other.
    fn latest(
        &self,
        kind: Kind,
        known: DateTime<Utc>,
        is_due: &impl Fn(&DateTime<Utc>) -> bool,
        now: DateTime<Utc>,
    ) -> DateTime<Utc> {
        let mut back = TimeDelta::hours(1);
        while now - back > known {
            let mut found = None;
            let mut from = now - back;
            while let Some(next) = self.next(kind, from).filter(is_due) {
                (found, from) = (Some(next), next);
            }
            if let Some(found) = found {
                return found;
            }
            back = back * 8;
        }
        known
    }

    fn full_runs(&self) -> Option<&Timing> {
        self.full.as_ref().filter(|_| self.on)
    }

    /// Where a full run is due at the same time, it takes the delta's place.
    fn next_delta(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let full = self.full_runs().filter(|_| self.delta.on)?;
        let deltas = Timing::new(Frequency::Hours(self.delta.hours), full.start(), self.zone);
        let mut after = after;
        for _ in 0..MOST_STEPS {
            let next = deltas.next(after)?;
            if !full.is_due_at(next) {
                return Some(next);
            }
            after = next;
        }
        None
    }

    fn deprovisions(&self) -> Option<Timing> {
        let start = NaiveDate::default().and_time(self.deprovision.at);
        self.deprovision
            .on
            .then(|| Timing::new(Frequency::Daily, start, self.zone))
    }

    /// What decides on the times of a kind: while it stays the same, so do they. Empty: there are none.
    #[must_use]
    pub fn timing_key(&self, kind: Kind) -> String {
        match (kind, self.full_runs()) {
            (Kind::Full, Some(full)) => full.to_string(),
            (Kind::Delta, Some(full)) if self.delta.on => {
                format!("every {} hours but {full}", self.delta.hours)
            }
            (Kind::Deprovision, _) if self.deprovision.on => {
                format!("{} {}", self.deprovision.at, self.zone)
            }
            _ => String::new(),
        }
    }
}

impl fmt::Display for Schedule {
    /// In words: `daily at 02:00 from 2026-11-21, Europe/Berlin; changes every hour; leavers at 03:00`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.full_runs() {
            Some(full) => write!(f, "{full}")?,
            None => f.write_str("off")?,
        }
        if self.full_runs().is_some() && self.delta.on {
            match self.delta.hours {
                1 => f.write_str("; changes every hour")?,
                hours => write!(f, "; changes every {hours} hours")?,
            }
        }
        if self.deprovision.on {
            write!(
                f,
                "; leavers nightly at {}, {}",
                self.deprovision.at.format("%H:%M"),
                self.zone
            )?;
        }
        Ok(())
    }
}

impl Kind {
    /// All of them. A full run comes before the delta that it takes the place of.
    pub const ALL: [Self; 3] = [Self::Full, Self::Delta, Self::Deprovision];

    /// The name in tables, and of the run's kind.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Delta => "delta",
            Self::Deprovision => "deprovision",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn of_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.key() == key)
    }
}

impl Passed {
    /// Why a run comes although it is not its time, or for more times than one. `None`: it is on time. `waited`: the
    /// connection was in quarantine meanwhile.
    #[must_use]
    pub fn reason(&self, waited: bool) -> Option<String> {
        let why = match (waited, self.missed) {
            (true, _) => "passed while the connection was in quarantine",
            (false, 1) => "was missed while nobody ran",
            (false, _) => "were missed while nobody ran",
        };
        let more = if self.count >= MOST_STEPS {
            "more than "
        } else {
            ""
        };
        match self.missed {
            0 => None,
            1 => Some(format!("makes up for 1 scheduled time that {why}")),
            missed => Some(format!("makes up for {more}{missed} scheduled times that {why}")),
        }
    }
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disconnected => "the connection is disconnected",
            Self::NoMapping => "the connection has no mapping with target accounts or people",
            Self::PlanWaits => "the plan of the connection's first run waits to be applied",
            Self::Quarantined => "the connection is in quarantine until its next try",
        })
    }
}
