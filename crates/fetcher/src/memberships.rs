//! Which of the groups asked for each user belongs to, for a whole tenant or for a few users.
//!
//! Most members share their memberships with many others, so that one is kept as an id and the number of a set: a group
//! of half a million takes ten megabytes.

use std::collections::HashMap;

use domain::id::ObjectId;
use domain::membership::{Membership, Reach};
use store::group_mirror::Edge;

/// Members in a bucket, about: object ids are random, so that their first bits lead to the few that are alike.
const BUCKET: usize = 4;
/// Bits that divide them at most.
const MOST_BITS: u32 = 18;

/// Everyone with a membership that is asked for; the others have none.
#[derive(Debug)]
pub struct Memberships {
    /// In order.
    members: Vec<ObjectId>,
    /// How many of an id's first bits choose its bucket.
    bits: u32,
    /// Where in `members` each bucket begins, and where the last one ends: everyone is looked up once in a run, and halving
    /// half a million ids again and again would miss the cache each time.
    begins: Vec<u32>,
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
        let bucket = bucket(user, self.bits);
        let (from, to) = (self.begins[bucket] as usize, self.begins[bucket + 1] as usize);
        match self.members[from..to].binary_search(&user) {
            Ok(place) => &self.distinct[self.sets[from + place] as usize],
            Err(_) => &[],
        }
    }

    fn divide(&mut self) {
        self.bits = (self.members.len() / BUCKET).max(1).ilog2().min(MOST_BITS);
        self.begins = Vec::with_capacity((1 << self.bits) + 1);
        for (place, member) in (0..).zip(&self.members) {
            let bucket = bucket(*member, self.bits);
            while self.begins.len() <= bucket {
                self.begins.push(place);
            }
        }
        let end = u32::try_from(self.members.len()).unwrap_or(u32::MAX);
        self.begins.resize((1 << self.bits) + 1, end);
    }

    /// How many users belong to something.
    pub fn len(&self) -> usize {
        self.members.len()
    }
}

/// The first bits of an id as a number.
fn bucket(id: ObjectId, bits: u32) -> usize {
    let first = id.0.as_u128() >> (128 - MOST_BITS);
    usize::try_from(first >> (MOST_BITS - bits)).unwrap_or(usize::MAX)
}

impl<'r> Builder<'r> {
    /// Nobody yet.
    pub fn new(reach: &'r Reach) -> Self {
        Self {
            reach,
            built: Memberships {
                members: Vec::new(),
                bits: 0,
                begins: Vec::new(),
                sets: Vec::new(),
                distinct: Vec::new(),
            },
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
        self.built.divide();
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

    #[test]
    fn b10_everyone_of_many_is_found_and_nobody_else() {
        // Spread over all first bits, and some that share theirs.
        let spread = |number: u128| id(number << 115 | number);
        let reach = Reach::of(&[id(7)], &[]);
        let mut builder = Builder::new(&reach);
        let mut members: Vec<ObjectId> = (0..5_000).map(spread).chain((1..300).map(id)).collect();
        members.sort_unstable();
        members.dedup();
        for member in &members {
            builder.add(Edge {
                member: *member,
                group: id(7),
            });
        }
        let memberships = builder.finish();
        assert_eq!(memberships.len(), members.len());
        assert!(members.iter().all(|member| memberships.of(*member).len() == 1));
        for other in [id(0x1000), id(u128::MAX), spread(5_001), id(1 << 127)] {
            assert_eq!(memberships.of(other), []);
        }
    }

    #[test]
    fn b10_nobody_belongs_to_nothing() {
        let reach = Reach::default();
        let nobody = Builder::new(&reach).finish();
        assert_eq!((nobody.len(), nobody.of(id(1)).len()), (0, 0));
    }
}
