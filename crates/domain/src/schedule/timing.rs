//! When something is due: a frequency, a start and a time zone.

use std::fmt;

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, TimeDelta, Utc};

use super::{Frequency, Zone, day_key};

/// Days that lie between two times at most, those of cron aside.
const LONGEST_WAIT: usize = 70;
/// By how much clocks are put back at most.
const LONGEST_REPEAT: TimeDelta = TimeDelta::hours(3);

/// When something is due.
///
/// Local times are resolved once each: one that clocks show twice is the first of the two, one that they leave out is the
/// moment in which they are put forward. Several that come to the same moment are one. Cron patterns of every hour go on while
/// clocks show an hour for the second time: nobody who asks for each hour means to wait for two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    frequency: Frequency,
    start: NaiveDateTime,
    zone: Zone,
}

impl Timing {
    /// So often, from this local time on.
    #[must_use]
    pub const fn new(frequency: Frequency, start: NaiveDateTime, zone: Zone) -> Self {
        Self {
            frequency,
            start,
            zone,
        }
    }

    /// How often.
    #[must_use]
    pub const fn frequency(&self) -> &Frequency {
        &self.frequency
    }

    /// From which local time on.
    #[must_use]
    pub const fn start(&self) -> NaiveDateTime {
        self.start
    }

    /// The first time after `after`.
    #[must_use]
    pub fn next(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if let Frequency::Hours(hours) = self.frequency {
            return self.every(hours, after);
        }
        // Whatever local time is not later than what clocks show at `after` has come already.
        let shown = self
            .zone
            .local(after)
            .checked_add_signed(TimeDelta::nanoseconds(1))?;
        let mut local = self.at_or_after(shown.max(self.start))?;
        let first = loop {
            let at = self.zone.instant(local)?;
            if at > after {
                break at;
            }
            // Clocks show it for the second time.
            local = self.at_or_after(local.checked_add_signed(TimeDelta::nanoseconds(1))?)?;
        };
        Some(self.repeated(after).map_or(first, |again| again.min(first)))
    }

    /// The first time after `after` that clocks show for the second time, where that counts.
    fn repeated(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let Frequency::Cron(cron) = &self.frequency else {
            return None;
        };
        if !cron.is_every_hour() {
            return None;
        }
        let from = self.zone.local(after.checked_sub_signed(LONGEST_REPEAT)?);
        let until = self.zone.local(after.checked_add_signed(LONGEST_REPEAT)?);
        if until - from >= LONGEST_REPEAT * 2 {
            return None;
        }
        let mut local = cron.at_or_after(from.max(self.start))?;
        while local <= until {
            if let Some(again) = self.zone.second_instant(local).filter(|again| *again > after) {
                return Some(again);
            }
            local = cron.at_or_after(local.checked_add_signed(TimeDelta::nanoseconds(1))?)?;
        }
        None
    }

    /// Whether this is one of the times.
    #[must_use]
    pub fn is_due_at(&self, at: DateTime<Utc>) -> bool {
        let before = at.checked_sub_signed(TimeDelta::nanoseconds(1));
        before.and_then(|before| self.next(before)) == Some(at)
    }

    fn every(&self, hours: u32, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let start = self.zone.instant(self.start)?;
        if after < start {
            return Some(start);
        }
        let length = TimeDelta::hours(i64::from(hours));
        let begun = (after - start).num_seconds().checked_div(length.num_seconds())?;
        let seconds = begun.checked_add(1)?.checked_mul(length.num_seconds())?;
        start.checked_add_signed(TimeDelta::try_seconds(seconds)?)
    }

    /// The first local time from this one on.
    fn at_or_after(&self, local: NaiveDateTime) -> Option<NaiveDateTime> {
        match &self.frequency {
            // Does not go by local times.
            Frequency::Hours(_) => None,
            Frequency::Daily => self.on_days(local, |_| true),
            Frequency::Weekly(days) => self.on_days(local, |date| days.contains(&date.weekday())),
            Frequency::Monthly(day) => self.on_days(local, |date| date.day() == (*day).min(last_day(date))),
            Frequency::Cron(cron) => cron.at_or_after(local),
            Frequency::Once => (self.start >= local).then_some(self.start),
        }
    }

    fn on_days(&self, local: NaiveDateTime, is_due: impl Fn(NaiveDate) -> bool) -> Option<NaiveDateTime> {
        local
            .date()
            .iter_days()
            .take(LONGEST_WAIT)
            .filter(|date| is_due(*date))
            .map(|date| date.and_time(self.start.time()))
            .find(|at| *at >= local)
    }
}

fn last_day(date: NaiveDate) -> u32 {
    let last = date
        .with_day(1)
        .and_then(|first| first.checked_add_months(Months::new(1)))
        .and_then(|next| next.checked_sub_days(Days::new(1)));
    last.map_or(31, |last| last.day())
}

impl fmt::Display for Timing {
    /// In words: `weekly on mon, thu at 02:00 from 2026-11-21, Europe/Berlin`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (date, time) = (self.start.date(), self.start.format("%H:%M"));
        match &self.frequency {
            Frequency::Hours(1) => write!(f, "every hour from {date} {time} on")?,
            Frequency::Hours(hours) => write!(f, "every {hours} hours from {date} {time} on")?,
            Frequency::Daily => write!(f, "daily at {time} from {date} on")?,
            Frequency::Weekly(days) => {
                let days: Vec<&str> = days.iter().map(|day| day_key(*day)).collect();
                write!(f, "weekly on {} at {time} from {date} on", days.join(", "))?;
            }
            Frequency::Monthly(day @ 29..) => write!(
                f,
                "monthly on day {day}, or the last of a shorter month, at {time} from {date} on"
            )?,
            Frequency::Monthly(day) => write!(f, "monthly on day {day} at {time} from {date} on")?,
            Frequency::Cron(cron) => write!(f, "cron {cron} from {date} {time} on")?,
            Frequency::Once => write!(f, "once on {date} at {time}")?,
        }
        write!(f, ", {}", self.zone)
    }
}
