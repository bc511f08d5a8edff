//! Schedules, and what comes next of them.

use chrono::{DateTime, TimeDelta, Utc, Weekday};
use contracts::v1;
use contracts::v1::schedule::Frequency as Written;
use domain::schedule::{Frequency, Kind, Spread, Timing};
use store::schedule::Stored;
use store::schedule_slot::{CameTo, Slot};
use store::schedule_state::State;

use super::time;

/// A run begins later than its time, but by less than this.
const SPREAD: TimeDelta = TimeDelta::minutes(6);

/// A schedule with what comes next.
#[derive(Clone, Debug)]
pub struct Planned {
    /// What is stored.
    pub stored: Stored,
    /// The fetcher's plan, unless it has none yet.
    pub state: Option<State>,
    /// Whether its connection is connected.
    pub connected: bool,
    /// Until when its runs wait, for a connection in quarantine (B17).
    pub held_until: Option<DateTime<Utc>>,
}

impl Planned {
    /// When the next run of this kind begins, seen at `now`: the first that does not come too early for a quarantine.
    pub fn next(&self, kind: Kind, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let first = self.first(kind, now)?;
        let Some(held) = self.held_until.filter(|held| *held > first) else {
            return Some(first);
        };
        let schedule = &self.stored.schedule;
        let spread = Spread::of(self.stored.connection);
        let mut after = held - SPREAD;
        loop {
            after = schedule.next(kind, after)?;
            let due = schedule.due(kind, after, spread);
            if due >= held {
                return Some(due);
            }
        }
    }

    /// When the first run of this kind would begin.
    fn first(&self, kind: Kind, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if !self.connected {
            return None;
        }
        let planned = self
            .state
            .as_ref()
            .filter(|state| state.revision == self.stored.revision);
        if let Some(state) = planned {
            return state.of(kind).slot.map(|slot| slot.due);
        }
        // No fetcher has seen the change yet: it will come to the same.
        let schedule = &self.stored.schedule;
        let slot = schedule.next(kind, self.stored.updated_at.max(now))?;
        Some(schedule.due(kind, slot, Spread::of(self.stored.connection)))
    }

    /// The message, seen at `now`.
    pub fn message(&self, connection: &str, now: DateTime<Utc>) -> v1::Schedule {
        v1::Schedule {
            id: self.stored.id.to_string(),
            description: self.stored.schedule.to_string(),
            next_full_time: self.next(Kind::Full, now).map(time),
            next_delta_time: self.next(Kind::Delta, now).map(time),
            next_deprovision_time: self.next(Kind::Deprovision, now).map(time),
            update_time: Some(time(self.stored.updated_at)),
            ..document(&self.stored, connection)
        }
    }
}

/// What of a schedule is configured.
pub fn document(stored: &Stored, connection: &str) -> v1::Schedule {
    let schedule = &stored.schedule;
    let full = schedule.full.as_ref();
    v1::Schedule {
        name: stored.name.clone(),
        connection: connection.to_owned(),
        on: Some(schedule.on),
        frequency: full.map(Timing::frequency).map(frequency),
        start: full
            .map(|full| full.start().format("%Y-%m-%dT%H:%M").to_string())
            .unwrap_or_default(),
        time_zone: schedule.zone.name().to_owned(),
        delta: Some(v1::ScheduleDelta {
            on: Some(schedule.delta.on),
            hours: Some(schedule.delta.hours),
        }),
        deprovision: Some(v1::ScheduleDeprovision {
            on: Some(schedule.deprovision.on),
            at: schedule.deprovision.at.format("%H:%M").to_string(),
        }),
        ..v1::Schedule::default()
    }
}

/// A time that has come.
pub fn slot(slot: &Slot) -> v1::ScheduledTime {
    let (run_id, skipped_because) = match &slot.came_to {
        CameTo::Run(run) => (run.to_string(), String::new()),
        CameTo::Skipped(why) => (String::new(), why.clone()),
    };
    v1::ScheduledTime {
        kind: match slot.kind {
            Kind::Full => v1::RunKind::Full,
            Kind::Delta => v1::RunKind::Delta,
            Kind::Deprovision => v1::RunKind::Deprovision,
        }
        .into(),
        time: Some(time(slot.at)),
        claim_time: Some(time(slot.claimed_at)),
        missed: slot.missed,
        run_id,
        skipped_because,
    }
}

fn frequency(frequency: &Frequency) -> Written {
    match frequency {
        Frequency::Hours(hours) => Written::Hours(*hours),
        Frequency::Daily => Written::Daily(v1::Daily {}),
        Frequency::Weekly(days) => Written::Weekly(v1::Weekly {
            days: days.iter().map(|day| weekday(*day).into()).collect(),
        }),
        Frequency::Monthly(day) => Written::Monthly(*day),
        Frequency::Cron(cron) => Written::Cron(cron.to_string()),
        Frequency::Once => Written::Once(v1::Once {}),
    }
}

const fn weekday(day: Weekday) -> v1::Weekday {
    match day {
        Weekday::Mon => v1::Weekday::Monday,
        Weekday::Tue => v1::Weekday::Tuesday,
        Weekday::Wed => v1::Weekday::Wednesday,
        Weekday::Thu => v1::Weekday::Thursday,
        Weekday::Fri => v1::Weekday::Friday,
        Weekday::Sat => v1::Weekday::Saturday,
        Weekday::Sun => v1::Weekday::Sunday,
    }
}
