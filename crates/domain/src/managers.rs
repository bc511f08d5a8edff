//! Managers of people in scope, whom the criteria leave out: they are brought in, and so are their own managers (I5).
//! Chains and cycles end, for everybody is wanted once.

use std::collections::HashSet;

use uuid::Uuid;

use crate::attribute::Attribute;
use crate::criteria::{Criteria, Scope};
use crate::field::{Field, Reading};
use crate::id::ObjectId;
use crate::mapping::{Mapping, Source};
use crate::observed::{Completeness, ObservedUser, Presence};

/// Who is in scope, who is somebody's manager, and who of these is still to be brought in.
#[derive(Clone, Debug)]
pub struct Managers {
    criteria: Vec<Criteria>,
    /// Who is in scope; sorted when it is asked.
    inside: Vec<ObjectId>,
    /// Who is not, or may not be, and has a manager; sorted when it is asked.
    outside: Vec<Outside>,
    sorted: bool,
    /// Of a delta: who is certainly left out, with a manager or without.
    left_out: HashSet<ObjectId>,
    /// Managers to be looked into.
    wanted: Vec<ObjectId>,
    /// Managers that were looked into.
    known: HashSet<ObjectId>,
}

/// Somebody whom the criteria leave out, or may leave out, and their manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Outside {
    /// Who.
    pub object: ObjectId,
    /// The manager.
    pub manager: ObjectId,
    /// Whether it is certain that they are left out.
    pub certainly: bool,
}

impl Managers {
    /// Nobody yet. `None` where nobody is to be brought in: no mapping has a row for the manager, or one takes everyone in.
    #[must_use]
    pub fn of(mappings: &[Mapping]) -> Option<Self> {
        let everyone = mappings.iter().any(|mapping| mapping.criteria.take_everyone());
        let mapped = mappings.iter().any(maps_the_manager);
        (mapped && !everyone).then(|| Self {
            criteria: mappings.iter().map(|mapping| mapping.criteria.clone()).collect(),
            inside: Vec::new(),
            outside: Vec::new(),
            sorted: true,
            left_out: HashSet::new(),
            wanted: Vec::new(),
            known: HashSet::new(),
        })
    }

    /// Takes somebody's place in the order of things over.
    pub fn see(&mut self, user: &ObservedUser<'_>) {
        if user.presence != Presence::Present || user.problem.is_some() {
            return;
        }
        let manager = manager_of(user);
        let certainly = match self.scope(user) {
            Scope::In(_) => {
                self.inside.push(user.id);
                self.sorted = false;
                self.wanted.extend(manager);
                return;
            }
            Scope::Out(_) => true,
            Scope::Unknown => false,
        };
        if certainly && user.completeness == Completeness::Partial {
            self.left_out.insert(user.id);
        }
        if let Some(manager) = manager {
            self.sorted = false;
            self.outside.push(Outside {
                object: user.id,
                manager,
                certainly,
            });
        }
    }

    /// Those who were seen out of scope, or perhaps, and have a manager.
    #[must_use]
    pub fn outside(&self) -> &[Outside] {
        &self.outside
    }

    /// Whether a delta told that somebody is left out.
    #[must_use]
    pub fn is_left_out(&self, object: ObjectId) -> bool {
        self.left_out.contains(&object)
    }

    /// Somebody's manager is wanted, whatever was seen of their scope.
    pub fn want(&mut self, manager: ObjectId) {
        self.wanted.push(manager);
    }

    /// Takes over a manager who was looked up, whose own manager is wanted then. Says whether they are to be brought in: not
    /// if the criteria take them in.
    pub fn bring_in(&mut self, user: &ObservedUser<'_>) -> bool {
        if matches!(self.scope(user), Scope::In(_)) {
            return false;
        }
        self.wanted.extend(manager_of(user));
        true
    }

    /// The managers who are not in scope and were not given out before, with the managers above them as far as these were
    /// seen.
    pub fn missing(&mut self) -> Vec<ObjectId> {
        if !self.sorted {
            self.inside.sort_unstable();
            self.outside.sort_unstable();
            self.sorted = true;
        }
        let mut missing = Vec::new();
        while let Some(manager) = self.wanted.pop() {
            if self.inside.binary_search(&manager).is_ok() || !self.known.insert(manager) {
                continue;
            }
            missing.push(manager);
            let from = self.outside.partition_point(|one| one.object < manager);
            let above = self.outside[from..]
                .iter()
                .take_while(|one| one.object == manager);
            self.wanted.extend(above.map(|one| one.manager));
        }
        missing
    }

    fn scope(&self, user: &ObservedUser<'_>) -> Scope<'_> {
        let scopes = self.criteria.iter().map(|criteria| criteria.scope(user));
        let mut scopes = scopes.filter(|scope| !matches!(scope, Scope::Out(_)));
        scopes.next().unwrap_or(Scope::Out(Vec::new()))
    }
}

fn maps_the_manager(mapping: &Mapping) -> bool {
    mapping.rows.iter().any(|row| {
        row.field == Field::ReportingTo
            && matches!(
                &row.source,
                Source::Attribute {
                    reading: Reading::Whole(Attribute::Manager),
                    ..
                }
            )
    })
}

fn manager_of(user: &ObservedUser<'_>) -> Option<ObjectId> {
    let manager = user.value(Attribute::Manager)?;
    Uuid::try_parse(manager).ok().map(ObjectId)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Role;
    use crate::criteria::{AttributeClause, Clause, Filter, Operator};
    use crate::id::MappingId;
    use crate::mapping::Row;
    use crate::observed::Mention;

    fn mapping(rows: Vec<Row>, filters: usize) -> Mapping {
        let mut mapping = Mapping::new(MappingId(Uuid::nil()), "m".to_owned(), Role::User, rows);
        let clause = AttributeClause::new(Attribute::Department, Operator::Equals, vec!["Legal".to_owned()]);
        let filter = Filter {
            clauses: vec![Clause::Attribute(clause.unwrap())],
        };
        mapping.criteria.filters = vec![filter; filters];
        mapping
    }

    fn user(number: u128, department: Option<&'static str>, manager: u128) -> ObservedUser<'static> {
        let id = ObjectId(Uuid::from_u128(number));
        let mut user = ObservedUser::new(id, Presence::Present, Completeness::Partial);
        if let Some(department) = department {
            user.attributes[Attribute::Department as usize] = Mention::Value(department.into());
        }
        if manager != 0 {
            let manager = Uuid::from_u128(manager).to_string();
            user.attributes[Attribute::Manager as usize] = Mention::Value(manager.into());
        }
        user
    }

    fn numbers(mut ids: Vec<ObjectId>) -> Vec<u128> {
        ids.sort_unstable();
        ids.into_iter().map(|id| id.0.as_u128()).collect()
    }

    fn seen(users: &[ObservedUser<'_>]) -> Managers {
        let mut managers = Managers::of(&[mapping(Vec::new(), 1)]).unwrap();
        for user in users {
            managers.see(user);
        }
        managers
    }

    #[test]
    fn i5_only_where_a_manager_is_mapped_and_somebody_may_be_left_out() {
        let name = Row::default_of(Field::Name).unwrap();
        assert!(Managers::of(&[mapping(vec![name.clone()], 1)]).is_none());
        assert!(Managers::of(&[mapping(Vec::new(), 0)]).is_none());
        assert!(Managers::of(&[mapping(Vec::new(), 1), mapping(Vec::new(), 0)]).is_none());
        let reporting = Row::default_of(Field::ReportingTo).unwrap();
        assert!(Managers::of(&[mapping(vec![name], 1), mapping(vec![reporting], 1)]).is_some());
    }

    #[test]
    fn i5_a_chain_ends_and_so_does_a_cycle() {
        let mut managers = seen(&[
            user(1, Some("Legal"), 2),
            user(2, Some("Sales"), 3),
            user(3, Some("Sales"), 4),
            user(4, Some("Sales"), 2),
            user(5, Some("Legal"), 1),
            // Nobody in scope reports to them.
            user(6, Some("Sales"), 7),
        ]);
        assert_eq!(numbers(managers.missing()), [2, 3, 4]);
        assert_eq!(managers.missing(), [], "each once");
    }

    #[test]
    fn i5_who_is_looked_up_wants_their_own_manager_unless_in_scope() {
        let mut managers = seen(&[user(1, Some("Legal"), 2)]);
        assert_eq!(numbers(managers.missing()), [2]);
        assert!(managers.bring_in(&user(2, Some("Sales"), 3)));
        assert_eq!(numbers(managers.missing()), [3]);
        assert!(!managers.bring_in(&user(3, Some("Legal"), 4)));
        assert_eq!(managers.missing(), []);
    }

    #[test]
    fn i5_rows_that_do_not_tell_wait_for_who_knows() {
        let mut managers = seen(&[user(1, None, 2), user(3, Some("Sales"), 4)]);
        assert_eq!(managers.missing(), []);
        let told: Vec<(u128, bool)> = managers
            .outside()
            .iter()
            .map(|one| (one.object.0.as_u128(), one.certainly))
            .collect();
        assert_eq!(told, [(1, false), (3, true)]);
        let left_out = |number| managers.is_left_out(ObjectId(Uuid::from_u128(number)));
        assert_eq!([1, 3].map(left_out), [false, true]);
        managers.want(ObjectId(Uuid::from_u128(2)));
        assert_eq!(numbers(managers.missing()), [2]);
    }
}
