//! Which of the groups asked for each user belongs to, for a whole tenant or for a few users.
//!
//! Most members share their memberships with many others, so that one is kept as an id and the number of a set: a group
//! of half a million takes ten megabytes.

use std::collections::HashMap;

use domain::id::ObjectId;
use domain::membership::{Membership, Reach};
use store::group_mirror::Edge;

/// Everyone with a membership that is asked for; the others have none.
#[derive(Debug, Default)]
pub struct Memberships {
    /// In order.
    members: Vec<ObjectId>,
    /// For each member a place in `distinct`.
    sets: Vec<u32>,
    distinct: Vec<Box<[Membership]>>,
}

/// Takes edges in the order of their members.
#[derive(Debug)]
pub struct Builder<'r> {
    reach: &'r Reach,
    built: Memberships,
    /// The sets by the groups that lead to them.
    known: HashMap<Vec<ObjectId>, u32>,
    member: Option<ObjectId>,
    groups: Vec<ObjectId>,
}

impl Memberships {
    /// What this user belongs to.
    pub fn of(&self, user: ObjectId) -> &[Membership] {
        match self.members.binary_search(&user) {
            Ok(place) => &self.distinct[self.sets[place] as usize],
            Err(_) => &[],
        }
    }

    /// How many users belong to something.
    pub fn len(&self) -> usize {
        self.members.len()
    }
}

impl<'r> Builder<'r> {
    /// Nobody yet.
    pub fn new(reach: &'r Reach) -> Self {
        Self {
            reach,
            built: Memberships::default(),
            known: HashMap::new(),
            member: None,
            groups: Vec::new(),
        }
    }

    /// Takes an edge.
    pub fn add(&mut self, edge: Edge) {
        if self.member != Some(edge.member) {
            self.close();
            self.member = Some(edge.member);
        }
        if self.reach.has(edge.group) {
            self.groups.push(edge.group);
        }
    }

    /// Everyone.
    pub fn finish(mut self) -> Memberships {
        self.close();
        self.built.members.shrink_to_fit();
        self.built.sets.shrink_to_fit();
        self.built
    }

    fn close(&mut self) {
        let Some(member) = self.member.take() else { return };
        if self.groups.is_empty() {
            return;
        }
        self.groups.sort_unstable();
        let set = match self.known.get(&self.groups) {
            Some(set) => *set,
            None => self.intern(),
        };
        self.groups.clear();
        self.built.members.push(member);
        self.built.sets.push(set);
    }

    fn intern(&mut self) -> u32 {
        let set = u32::try_from(self.built.distinct.len()).unwrap_or(u32::MAX);
        let memberships = self.reach.memberships(self.groups.iter().copied());
        self.built.distinct.push(memberships.into());
        self.known.insert(self.groups.clone(), set);
        set
    }
}

#[cfg(test)]
mod tests {
    use domain::membership::Nesting;
    use uuid::Uuid;

    use super::*;

    fn id(number: u128) -> ObjectId {
        ObjectId(Uuid::from_u128(number))
    }

    #[test]
    fn b10_members_are_found_with_what_they_share() {
        let nesting = Nesting {
            inner: id(101),
            outer: id(100),
        };
        let reach = Reach::of(&[id(100)], &[nesting]);
        let mut builder = Builder::new(&reach);
        for (member, group) in [(1, 101), (2, 100), (2, 101), (3, 999), (5, 101)] {
            builder.add(Edge {
                member: id(member),
                group: id(group),
            });
        }
        let memberships = builder.finish();
        let told = |direct| Membership {
            group: id(100),
            direct,
        };
        assert_eq!(memberships.of(id(1)), [told(false)]);
        assert_eq!(memberships.of(id(2)), [told(true)]);
        assert_eq!(memberships.of(id(3)), []);
        assert_eq!(memberships.of(id(4)), []);
        assert_eq!(memberships.of(id(5)), [told(false)]);
        assert_eq!((memberships.len(), memberships.distinct.len()), (3, 2));
    }
}
