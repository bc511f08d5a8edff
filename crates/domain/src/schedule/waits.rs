//! Times that have come, and yet their runs wait.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Kind, ON_TIME, Objection, Schedule, Spread};

/// A connection in quarantine whose next try is due is tested so long before a run tries it: a test costs less, and tells as
/// much.
pub const TRIED_FIRST: TimeDelta = TimeDelta::seconds(60);
/// Between two looks whether a quarantine has ended.
pub const LOOKED_AT_AGAIN: TimeDelta = TimeDelta::seconds(60);
/// Where all that was due for a while is seen at once, its runs begin one after the other within this time.
const CATCH_UP: TimeDelta = TimeDelta::seconds(60);

impl Schedule {
    /// Until when a time that has come waits. `None`: it is seen to now. `due` is when its run was to begin.
    #[must_use]
    pub fn waits_until(
        &self,
        kind: Kind,
        (slot, due): (DateTime<Utc>, DateTime<Utc>),
        spread: Spread,
        objection: Option<Objection>,
        now: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        match objection {
            Some(Objection::Quarantined) => Some(now + LOOKED_AT_AGAIN),
            Some(_) => None,
            None => {
                let has_waited = due != self.due(kind, slot, spread);
                let late = now - due > ON_TIME;
                let later = now + spread.within(CATCH_UP);
                (late && !has_waited && later > now).then_some(later)
            }
        }
    }
}
