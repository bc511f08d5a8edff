//! What happened to groups, for delta: one entry per change, chained per group, so that a round costs what changed.

use super::Member;
use super::property::GroupProperties;
use chrono::{DateTime, Utc};
use std::collections::HashMap;
use uuid::Uuid;

/// What happened to a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Some properties changed.
    Updated(GroupProperties),
    /// Members came; by id.
    Joined(Box<[Member]>),
    /// Members went; by id.
    Parted(Box<[Member]>),
    /// Created, or restored from the deleted items: everything is told.
    Arrived,
    /// Deleted, for a while or for good: the state tells which.
    Left,
}

#[derive(Debug)]
struct Entry {
    group: u32,
    change: Change,
    at: DateTime<Utc>,
    earlier: Option<u32>,
    later: Option<u32>,
}

/// All that happened to one group within a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum {
    /// Which.
    pub group: u32,
    /// The last entry of it.
    pub entry: u32,
    /// Did it come into being, or back?
    pub arrived: bool,
    /// Did it come or leave?
    pub moved: bool,
    /// Which properties changed.
    pub properties: GroupProperties,
    /// Did members come or go?
    pub members: bool,
}

/// Which moves of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All.
    All,
    /// Of those who went.
    Gone,
}

/// The log.
#[derive(Debug, Default)]
pub struct Log {
    entries: Vec<Entry>,
    latest: HashMap<u32, u32>,
}

impl Log {
    /// How many changes there are.
    pub fn len(&self) -> u32 {
        u32::try_from(self.entries.len()).expect("memory ends before four billion changes")
    }

    /// Appends one.
    pub fn push(&mut self, group: u32, change: Change, at: DateTime<Utc>) {
        let own = self.len();
        let earlier = self.latest.insert(group, own);
        if let Some(earlier) = earlier {
            self.entries[earlier as usize].later = Some(own);
        }
        self.entries.push(Entry {
            group,
            change,
            at,
            earlier,
            later: None,
        });
    }

    /// How many had happened at this time.
    pub fn until(&self, time: DateTime<Utc>) -> u32 {
        let count = self.entries.partition_point(|entry| entry.at <= time);
        u32::try_from(count).expect("no more than there are")
    }

    /// What happened to one group in `from..upto`, if entry `at` is its last one there: so each group is told once.
    pub fn sum(&self, from: u32, upto: u32, at: u32) -> Option<Sum> {
        let last = self.entries.get(at as usize)?;
        if last.later.is_some_and(|later| later < upto) {
            return None;
        }
        let mut sum = Sum {
            group: last.group,
            entry: at,
            arrived: false,
            moved: false,
            properties: GroupProperties::default(),
            members: false,
        };
        for change in self.chain(from, at) {
            match change {
                Change::Updated(properties) => sum.properties.0 |= properties.0,
                Change::Joined(_) | Change::Parted(_) => sum.members = true,
                Change::Arrived => (sum.arrived, sum.moved) = (true, true),
                Change::Left => sum.moved = true,
            }
        }
        Some(sum)
    }

    /// Who came (true) and who went (false) by all entries from `from` up to entry `at`: so many whose ids come after
    /// `after`, by id. Who did both is left out, and who came where only who went is of interest.
    pub fn members(
        &self,
        from: u32,
        at: u32,
        which: Which,
        after: Option<Uuid>,
        count: usize,
    ) -> Vec<(Member, bool)> {
        let rest = |members: &'_ [Member]| {
            after.map_or(0, |after| members.partition_point(|member| member.id <= after))
        };
        // Newest first.
        let mut moves: Vec<(&[Member], bool)> = self
            .chain(from, at)
            .filter_map(|change| match change {
                Change::Joined(members) => Some((&members[rest(members)..], true)),
                Change::Parted(members) => Some((&members[rest(members)..], false)),
                Change::Updated(_) | Change::Arrived | Change::Left => None,
            })
            .collect();
        if which == Which::Gone && moves.iter().all(|(_, came)| *came) {
            return Vec::new();
        }
        let mut told = Vec::new();
        while told.len() < count {
            let least = moves.iter().filter_map(|(members, _)| members.first()).min();
            let Some(member) = least.copied() else { break };
            let (mut last, mut first) = (None, false);
            for (members, came) in &mut moves {
                if members.first().is_some_and(|other| other.id == member.id) {
                    *members = &members[1..];
                    last.get_or_insert(*came);
                    first = *came;
                }
            }
            // A move is only logged when it changes something, so whoever's first and last move are the same is now
            // where it was not before.
            let came = last.filter(|last| *last == first);
            told.extend(
                came.filter(|came| which == Which::All || !came)
                    .map(|came| (member, came)),
            );
        }
        told
    }

    /// The changes of one group from entry `at` back to `from`.
    fn chain(&self, from: u32, at: u32) -> impl Iterator<Item = &Change> {
        let mut next = Some(at);
        std::iter::from_fn(move || {
            let entry = self.entries.get(next.filter(|at| *at >= from)? as usize)?;
            next = entry.earlier;
            Some(&entry.change)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::MemberKind;
    use super::*;

    fn members(ids: &[u128]) -> Box<[Member]> {
        ids.iter()
            .map(|id| Member {
                id: Uuid::from_u128(*id),
                kind: MemberKind::User,
            })
            .collect()
    }

    #[test]
    fn coming_and_going_in_one_round_is_nothing() {
        let mut log = Log::default();
        let at = DateTime::UNIX_EPOCH;
        log.push(1, Change::Joined(members(&[1, 2, 3])), at);
        log.push(2, Change::Left, at);
        log.push(1, Change::Parted(members(&[2, 9])), at);
        log.push(1, Change::Joined(members(&[9])), at);
        assert_eq!((log.sum(0, 4, 0), log.sum(0, 4, 2)), (None, None));
        let sum = log.sum(0, 4, 3).unwrap();
        assert!(sum.members && !sum.moved && sum.group == 1);
        let told = |from, at, which, after: Option<u128>, count| -> Vec<(u128, bool)> {
            let after = after.map(Uuid::from_u128);
            let members = log.members(from, at, which, after, count);
            members
                .into_iter()
                .map(|(member, came)| (member.id.as_u128(), came))
                .collect()
        };
        assert_eq!(told(0, 3, Which::All, None, 9), [(1, true), (3, true)]);
        assert_eq!(told(0, 3, Which::All, None, 1), [(1, true)]);
        assert_eq!(told(0, 3, Which::All, Some(1), 9), [(3, true)]);
        assert_eq!(told(0, 3, Which::Gone, None, 9), []);
        assert_eq!(told(1, 2, Which::All, None, 9), [(2, false), (9, false)]);
        assert_eq!(told(0, 2, Which::Gone, None, 9), [(9, false)]);
        assert!(log.sum(0, 4, 1).unwrap().moved);
    }
}
