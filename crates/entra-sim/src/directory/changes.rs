//! The change log that delta reads: one entry per change, chained per user, so that a round costs what changed.

use crate::property::{Properties, Property};
use chrono::{DateTime, Utc};
use std::collections::HashMap;

/// What happened to a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Some properties changed.
    Updated,
    /// Created, or restored from the deleted items: the whole row is told.
    Arrived,
    /// Soft-deleted, purged or deleted for good: the state tells which.
    Left,
}

/// One change.
#[derive(Clone, Debug)]
pub struct Change {
    /// Whose.
    pub slot: u32,
    /// What happened.
    pub kind: Kind,
    /// Which properties changed.
    pub properties: Properties,
    /// When.
    pub at: DateTime<Utc>,
    /// The manager before, where the manager changed.
    pub manager_before: Option<u32>,
    earlier: Option<u32>,
    later: Option<u32>,
}

impl Change {
    /// A change of some properties.
    pub fn updated(slot: u32, properties: Properties, at: DateTime<Utc>) -> Self {
        Self {
            slot,
            kind: Kind::Updated,
            properties,
            at,
            manager_before: None,
            earlier: None,
            later: None,
        }
    }

    /// A user came or left.
    pub fn moved(slot: u32, kind: Kind, at: DateTime<Utc>) -> Self {
        Self {
            kind,
            ..Self::updated(slot, Properties::default(), at)
        }
    }

    /// The manager changed from this one.
    pub fn manager(slot: u32, before: Option<u32>, at: DateTime<Utc>) -> Self {
        let properties = Properties::default().with(Property::MANAGER);
        Self {
            manager_before: before,
            ..Self::updated(slot, properties, at)
        }
    }
}

/// All that happened to one user within a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum {
    /// Whose.
    pub slot: u32,
    /// Did it come into being, or back?
    pub arrived: bool,
    /// Did it come or leave?
    pub moved: bool,
    /// Which properties changed.
    pub properties: Properties,
    /// The manager at the beginning of the round, where the manager changed.
    pub manager_before: Option<u32>,
}

/// The log.
#[derive(Debug, Default)]
pub struct Changes {
    entries: Vec<Change>,
    latest: HashMap<u32, u32>,
}

impl Changes {
    /// How many there are.
    pub fn len(&self) -> u32 {
        u32::try_from(self.entries.len()).expect("memory ends before four billion changes")
    }

    /// Appends one.
    pub fn push(&mut self, mut change: Change) {
        let at = self.len();
        change.earlier = self.latest.insert(change.slot, at);
        if let Some(earlier) = change.earlier {
            self.entries[earlier as usize].later = Some(at);
        }
        self.entries.push(change);
    }

    /// How many had happened at this time.
    pub fn until(&self, time: DateTime<Utc>) -> u32 {
        let count = self.entries.partition_point(|change| change.at <= time);
        u32::try_from(count).expect("no more than there are")
    }

    /// The users changed from an entry on.
    pub fn slots_since(&self, from: u32) -> impl Iterator<Item = u32> {
        self.entries.iter().skip(from as usize).map(|change| change.slot)
    }

    /// What happened to one user in `from..upto`, if entry `at` is its last one there: so each user is told once.
    pub fn sum(&self, from: u32, upto: u32, at: u32) -> Option<Sum> {
        let last = self.entries.get(at as usize)?;
        if last.later.is_some_and(|later| later < upto) {
            return None;
        }
        let mut sum = Sum {
            slot: last.slot,
            arrived: false,
            moved: false,
            properties: Properties::default(),
            manager_before: None,
        };
        let mut next = Some(at);
        while let Some(at) = next.filter(|at| *at >= from) {
            let change = &self.entries[at as usize];
            sum.arrived |= change.kind == Kind::Arrived;
            sum.moved |= change.kind != Kind::Updated;
            sum.properties.0 |= change.properties.0;
            if change.properties.has(Property::MANAGER) {
                sum.manager_before = change.manager_before;
            }
            next = change.earlier;
        }
        Some(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_summed_up_once_per_round() {
        let mut log = Changes::default();
        let at = DateTime::UNIX_EPOCH;
        log.push(Change::manager(5, Some(1), at));
        log.push(Change::updated(
            6,
            Properties::default().with(Property::ENABLED),
            at,
        ));
        log.push(Change::manager(5, Some(2), at));
        log.push(Change::updated(
            5,
            Properties::default().with(Property::DISPLAY_NAME),
            at,
        ));
        assert_eq!(log.sum(0, 4, 0), None);
        assert_eq!(log.sum(0, 4, 2), None);
        let sum = log.sum(0, 4, 3).unwrap();
        assert_eq!((sum.slot, sum.manager_before, sum.moved), (5, Some(1), false));
        assert!(sum.properties.has(Property::MANAGER) && sum.properties.has(Property::DISPLAY_NAME));
        assert_eq!(log.sum(0, 3, 2).unwrap().manager_before, Some(1));
        assert_eq!(log.sum(1, 3, 2).unwrap().manager_before, Some(2));
    }
}
