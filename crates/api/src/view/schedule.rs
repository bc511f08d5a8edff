//! Schedules, and what comes next of them.

use chrono::{DateTime, TimeDelta, Utc, Weekday};
use contracts::v1;
use contracts::v1::schedule::Frequency as Written;
use domain::schedule::{Frequency, Kind, Objection, Spread, TRIED_FIRST, Timing, objection};
use store::schedule::Stored;
use store::schedule_slot::{CameTo, InTheWay, Slot};
use store::schedule_state::State;

use super::time;

/// What has been due for so long should have begun.
const OVERDUE: TimeDelta = TimeDelta::minutes(2);

/// A schedule with what comes next.
#[derive(Clone, Debug)]
pub struct Planned {
    /// What is stored.
    pub stored: Stored,
    /// The fetcher's plan, unless it has none yet.
    pub state: Option<State>,
    /// What may keep its runs from coming.
    pub in_the_way: InTheWay,
}

impl Planned {
    /// When the next run of this kind begins, seen at `now`: the first that does not come too early for a quarantine.
    pub fn next(&self, kind: Kind, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.objection(now) == Some(Objection::Disconnected) {
            return None;
        }
        // What is due in a quarantine waits until its end.
        let free = self.in_the_way.next_try.map(|next_try| next_try + TRIED_FIRST);
        let due = self.due(kind, now)?;
        Some(free.map_or(due, |free| due.max(free)))
    }

    /// When it begins if nothing is in its way.
    fn due(&self, kind: Kind, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
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

    fn objection(&self, now: DateTime<Utc>) -> Option<Objection> {
        objection(self.in_the_way.readiness(now))
    }

    /// Why nothing comes at present, seen at `now`.
    pub fn waits_because(&self, now: DateTime<Utc>) -> Option<String> {
        let schedule = &self.stored.schedule;
        if !(schedule.on || schedule.deprovision.on) {
            return None;
        }
        let why = match (self.objection(now), self.in_the_way.next_try) {
            (Some(Objection::Quarantined), Some(next_try)) => format!(
                "the connection is in quarantine; its next try is at {}",
                next_try.format("%Y-%m-%d %H:%M UTC")
            ),
            (Some(why), _) => why.to_string(),
            (None, _) if schedule.on && self.due(Kind::Full, now).is_none() => {
                "its last time is over, so that no full run comes; give it a later start".to_owned()
            }
            (None, _) => {
                let due = Kind::ALL
                    .into_iter()
                    .filter_map(|kind| self.due(kind, now))
                    .min()
                    .filter(|due| now - *due > OVERDUE)?;
                format!(
                    "no fetcher has come to what was due at {}; see that the service fetcher runs",
                    due.format("%Y-%m-%d %H:%M UTC")
                )
            }
        };
        Some(why)
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
            waits_because: self.waits_because(now).unwrap_or_default(),
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
