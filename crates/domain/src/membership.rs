//! Who belongs to which group, nested groups flattened (B10): from the edges as Graph gives them to the memberships that
//! criteria ask for.
//!
//! Groups may hold groups, in circles too. Only a few groups are asked for, so the way goes down from those: each group
//! below one of them has *reach*, and whoever is directly in a group with reach belongs to what it reaches.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::id::ObjectId;

/// That someone belongs to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Membership {
    /// The group.
    pub group: ObjectId,
    /// Whether the group itself names them; else they belong to it through nested groups.
    pub direct: bool,
}

/// A group that is a member of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Nesting {
    /// The group.
    pub inner: ObjectId,
    /// The one that it is a member of.
    pub outer: ObjectId,
}

/// For each group at or below those asked for: which of those its direct members belong to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// By group, in order; each list in order, without repeats.
    asked_above: HashMap<ObjectId, Vec<ObjectId>>,
}

impl Reach {
    /// Follows the nestings down from each group asked for. Takes one step per nesting and group asked for; circles end.
    #[must_use]
    pub fn of(asked: &[ObjectId], nestings: &[Nesting]) -> Self {
        let mut inside: HashMap<ObjectId, Vec<ObjectId>> = HashMap::new();
        for nesting in nestings {
            inside.entry(nesting.outer).or_default().push(nesting.inner);
        }
        let mut asked = asked.to_vec();
        asked.sort_unstable();
        asked.dedup();
        let mut asked_above: HashMap<ObjectId, Vec<ObjectId>> = HashMap::new();
        for top in asked {
            let mut met = HashSet::from([top]);
            let mut waiting = vec![top];
            while let Some(group) = waiting.pop() {
                asked_above.entry(group).or_default().push(top);
                let below = inside.get(&group).into_iter().flatten();
                waiting.extend(below.filter(|below| met.insert(**below)));
            }
        }
        Self { asked_above }
    }

    /// Whether no group has any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.asked_above.is_empty()
    }

    /// The groups that have some.
    pub fn groups(&self) -> impl Iterator<Item = ObjectId> {
        self.asked_above.keys().copied()
    }

    /// Whether this group has some.
    #[must_use]
    pub fn has(&self, group: ObjectId) -> bool {
        self.asked_above.contains_key(&group)
    }

    /// What someone who is directly in these groups belongs to, in the order of the groups.
    #[must_use]
    pub fn memberships(&self, groups: impl IntoIterator<Item = ObjectId>) -> Vec<Membership> {
        let mut found: BTreeMap<ObjectId, bool> = BTreeMap::new();
        for group in groups {
            for above in self.asked_above.get(&group).into_iter().flatten() {
                *found.entry(*above).or_default() |= *above == group;
            }
        }
        let found = found.into_iter();
        found
            .map(|(group, direct)| Membership { group, direct })
            .collect()
    }

    /// The groups whose members belong to something else now than `before`: nested or taken out, deleted or restored.
    #[must_use]
    pub fn changed_since(&self, before: &Self) -> Vec<ObjectId> {
        let both = self
            .groups()
            .chain(before.groups().filter(|group| !self.has(*group)));
        both.filter(|group| self.asked_above.get(group) != before.asked_above.get(group))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn group(number: u8) -> ObjectId {
        ObjectId(Uuid::from_u128(u128::from(number)))
    }

    fn nested(pairs: &[(u8, u8)]) -> Vec<Nesting> {
        let nesting = |&(inner, outer)| Nesting {
            inner: group(inner),
            outer: group(outer),
        };
        pairs.iter().map(nesting).collect()
    }

    fn belongs(asked: &[u8], pairs: &[(u8, u8)], direct: &[u8]) -> Vec<(u8, bool)> {
        let asked: Vec<ObjectId> = asked.iter().copied().map(group).collect();
        let reach = Reach::of(&asked, &nested(pairs));
        let found = reach.memberships(direct.iter().copied().map(group));
        let number = |id: ObjectId| u8::try_from(id.0.as_u128()).unwrap();
        found.iter().map(|one| (number(one.group), one.direct)).collect()
    }

    #[test]
    fn b10_nested_groups_are_flattened() {
        let nestings = [(3, 2), (2, 1), (4, 9)];
        assert_eq!(belongs(&[1], &nestings, &[3]), [(1, false)]);
        assert_eq!(belongs(&[1, 2], &nestings, &[2]), [(1, false), (2, true)]);
        assert_eq!(
            belongs(&[1], &nestings, &[4]),
            [],
            "nobody asks for what it is in"
        );
        assert_eq!(
            belongs(&[1], &nestings, &[1, 3]),
            [(1, true)],
            "directly, and not only so"
        );
    }

    #[test]
    fn b10_circles_end() {
        let circle = [(1, 2), (2, 3), (3, 1), (3, 3)];
        assert_eq!(belongs(&[1, 3], &circle, &[2]), [(1, false), (3, false)]);
        assert_eq!(belongs(&[2], &circle, &[2]), [(2, true)]);
    }

    #[test]
    fn b10_what_is_nested_anew_changes_the_reach_of_all_below() {
        let asked = [group(1)];
        let before = Reach::of(&asked, &nested(&[(2, 1), (4, 3)]));
        let after = Reach::of(&asked, &nested(&[(2, 1), (4, 3), (3, 2)]));
        let mut changed = after.changed_since(&before);
        changed.sort_unstable();
        assert_eq!(changed, [group(3), group(4)]);
        let mut back = before.changed_since(&after);
        back.sort_unstable();
        assert_eq!(back, changed);
        assert_eq!(after.changed_since(&after), []);
    }

    /// The slow way: what is nested in what, until nothing new turns up.
    fn closed(pairs: &[(u8, u8)]) -> HashSet<(u8, u8)> {
        let mut all: HashSet<(u8, u8)> = pairs.iter().copied().collect();
        loop {
            let more: Vec<(u8, u8)> = all
                .iter()
                .flat_map(|&(inner, middle)| {
                    let steps = pairs.iter().filter(move |(from, _)| *from == middle);
                    steps.map(move |&(_, outer)| (inner, outer))
                })
                .filter(|pair| !all.contains(pair))
                .collect();
            if more.is_empty() {
                return all;
            }
            all.extend(more);
        }
    }

    proptest! {
        #[test]
        fn b10_it_is_the_transitive_closure(
            pairs in prop::collection::vec((0_u8..12, 0_u8..12), 0..30),
            asked in prop::collection::vec(0_u8..12, 0..5),
            direct in prop::collection::vec(0_u8..12, 0..4),
        ) {
            let closure = closed(&pairs);
            let mut expected: Vec<(u8, bool)> = asked
                .iter()
                .filter(|asked| direct.iter().any(|in_it| in_it == *asked || closure.contains(&(*in_it, **asked))))
                .map(|asked| (*asked, direct.contains(asked)))
                .collect();
            expected.sort_unstable();
            expected.dedup();
            prop_assert_eq!(belongs(&asked, &pairs, &direct), expected);
        }
    }
}
