//! The changes of one delta round, one row per object: later rows win, attribute by attribute (graph-facts §3.3).
//!
//! Kept encoded: fifty thousand objects as Rust structs would take more memory than the process should have.

use std::collections::{HashMap, HashSet};

use contracts::observed::{self, DecodeError};
use domain::attribute::Attribute;
use domain::criteria::{Criteria, Scope};
use domain::id::ObjectId;
use domain::observed::{Completeness, Mention, ObservedUser, Presence};
use graph::PageBody;
use uuid::Uuid;

use crate::failure::FetchError;
use crate::memberships::Memberships;
use crate::page;
use crate::pipeline::unusable_reason;

/// What a round has brought so far.
#[derive(Debug, Default)]
pub struct Changes {
    /// Of each kind of record, those of its mappings.
    criteria: Vec<Vec<Criteria>>,
    rows: Vec<Row>,
    places: HashMap<ObjectId, usize>,
    unusable: Vec<String>,
    /// What users belong to; none where no group is asked for, or the round is still being read.
    memberships: Option<Memberships>,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Row {
    id: ObjectId,
    user: Box<[u8]>,
    /// Whether it is in the directory.
    present: bool,
    /// Whether the object may be brought in: it is in the directory, can be read, and is not certainly out of scope.
    may_come: bool,
    /// Whether it tells too little of its object to decide on it, whoever that is.
    part: bool,
}

impl Changes {
    /// Nothing yet; `criteria` will decide on what comes, those of each kind of record for themselves.
    pub fn decided_by(criteria: Vec<Vec<Criteria>>) -> Self {
        Self {
            criteria,
            ..Self::default()
        }
    }

    /// How many objects have changed.
    pub fn len(&self) -> usize {
        self.rows.len() + self.unusable.len()
    }

    /// Takes the rows of a page over.
    pub fn take(&mut self, page: &PageBody) -> Result<(), FetchError> {
        let records = page.users()?;
        for user in records.users {
            self.merge(user)?;
        }
        let reasons = records
            .unusable
            .iter()
            .map(|unusable| unusable_reason(page.number(), unusable));
        self.unusable.extend(reasons);
        Ok(())
    }

    /// Takes one row over.
    pub fn merge(&mut self, later: ObservedUser<'_>) -> Result<(), DecodeError> {
        let Some(&place) = self.places.get(&later.id) else {
            self.add(later);
            return Ok(());
        };
        let before = std::mem::take(&mut self.rows[place].user);
        let mut user = observed::decode(later.id, Completeness::Partial, &before)?;
        user.merge(later);
        self.rows[place] = self.row(user);
        Ok(())
    }

    /// All objects.
    pub fn objects(&self) -> impl Iterator<Item = ObjectId> {
        self.rows.iter().map(|row| row.id)
    }

    /// Whether the round says that this object is no longer in the directory.
    pub fn has_left(&self, object: ObjectId) -> bool {
        let place = self.places.get(&object);
        place.is_some_and(|place| !self.rows[*place].present)
    }

    /// Gives every row what its user belongs to, and judges it by that. For all rows, when the round has been read.
    pub fn attach(&mut self, memberships: Memberships) -> Result<(), DecodeError> {
        self.memberships = Some(memberships);
        for place in 0..self.rows.len() {
            let wire = std::mem::take(&mut self.rows[place].user);
            let user = observed::decode(self.rows[place].id, Completeness::Partial, &wire)?;
            self.rows[place] = self.row(user);
        }
        Ok(())
    }

    fn add(&mut self, user: ObservedUser<'_>) -> &mut Row {
        let place = self.rows.len();
        self.places.insert(user.id, place);
        let row = self.row(user);
        self.rows.push(row);
        &mut self.rows[place]
    }

    /// The objects that may be brought in.
    pub fn may_come(&self) -> Vec<Uuid> {
        let may_come = self.rows.iter().filter(|row| row.may_come);
        may_come.map(|row| row.id.0).collect()
    }

    /// The objects of which too little is told: those of which a row tells a part only (an attribute, but not the name by
    /// which an account could be found or made, or not what the criteria ask for), and newcomers, whose row tells what was
    /// ever set, but of the manager only a change.
    pub fn lacking(&self, newcomers: &HashSet<Uuid>) -> Vec<ObjectId> {
        self.rows
            .iter()
            .filter(|row| row.part || (row.may_come && newcomers.contains(&row.id.0)))
            .map(|row| row.id)
            .collect()
    }

    /// Puts the whole object in place of what its row told, if it has one.
    pub fn complete(&mut self, whole: ObservedUser<'_>) {
        let whole = as_partial(whole);
        let row = match self.places.get(&whole.id).copied() {
            Some(place) => {
                self.rows[place] = self.row(whole);
                &mut self.rows[place]
            }
            None => self.add(whole),
        };
        row.part = false;
    }

    /// Everything, in the order in which the objects first came.
    pub fn into_rows(self) -> (Vec<(ObjectId, Box<[u8]>)>, Vec<String>) {
        (
            self.rows.into_iter().map(|row| (row.id, row.user)).collect(),
            self.unusable,
        )
    }

    fn row(&mut self, user: ObservedUser<'_>) -> Row {
        let mut user = user;
        if let Some(memberships) = &self.memberships {
            user.groups = Some(memberships.of(user.id).into());
        }
        let user = &user;
        page::encode(user, &mut self.buffer);
        let readable = user.presence == Presence::Present && user.problem.is_none();
        // As they are asked when it is decided: the first one that does not say no.
        let scope_of = |mappings: &[Criteria]| {
            mappings
                .iter()
                .map(|criteria| criteria.scope(user))
                .find(|scope| !matches!(scope, Scope::Out(_)))
                .map(|scope| matches!(scope, Scope::Unknown))
        };
        let in_scope = |mappings: &Vec<Criteria>| scope_of(mappings).is_some();
        let undecided = |mappings: &Vec<Criteria>| is_undecided(user, scope_of(mappings), mappings);
        Row {
            id: user.id,
            user: self.buffer.as_slice().into(),
            present: user.presence == Presence::Present,
            may_come: readable && (self.criteria.is_empty() || self.criteria.iter().any(in_scope)),
            part: readable && (is_part(user) || self.criteria.iter().any(undecided)),
        }
    }
}

/// An attribute, but not the name by which an account could be found or made. A row that only tells of the manager is no
/// part: that link is kept by id and needs no account.
fn is_part(user: &ObservedUser<'_>) -> bool {
    let mentions = |attribute: Attribute| user.attributes[attribute as usize] != Mention::Unmentioned;
    !mentions(Attribute::UserPrincipalName)
        && Attribute::ALL
            .into_iter()
            .any(|attribute| attribute != Attribute::Manager && mentions(attribute))
}

/// A row that may change whether its object is in scope, or of which mapping, but does not tell that, or, of someone in
/// scope, whether they are enabled: they may have been out of it until now. Nobody kept what they were told before.
/// `unknown`: whether that is what the row leaves open; nothing of someone who is out of scope.
fn is_undecided(user: &ObservedUser<'_>, unknown: Option<bool>, mappings: &[Criteria]) -> bool {
    if mappings.iter().all(Criteria::take_everyone) {
        return false;
    }
    let asked = |attribute: Attribute| {
        attribute == Attribute::UserPrincipalName
            || mappings.len() > 1
            || mappings.iter().any(|criteria| criteria.look_at(attribute))
    };
    let may_change = Attribute::ALL
        .into_iter()
        .any(|attribute| user.attributes[attribute as usize] != Mention::Unmentioned && asked(attribute));
    let tells_too_little = match unknown {
        None => false,
        Some(unknown) => unknown || user.enabled().is_none(),
    };
    may_change && tells_too_little
}

/// The same, for readers to whom silence means "as it was": what is empty is said to be.
fn as_partial(mut user: ObservedUser<'_>) -> ObservedUser<'_> {
    if user.completeness == Completeness::Whole {
        for mention in &mut user.attributes {
            if *mention == Mention::Unmentioned {
                *mention = Mention::Cleared;
            }
        }
        user.completeness = Completeness::Partial;
    }
    user
}

#[cfg(test)]
mod tests {
    use domain::criteria::{AttributeClause, Clause, Filter, Operator};

    use super::*;

    fn row(number: u128, mentions: &[(Attribute, Mention<'static>)]) -> ObservedUser<'static> {
        let id = ObjectId(Uuid::from_u128(number));
        let mut user = ObservedUser::new(id, Presence::Present, Completeness::Partial);
        for (attribute, mention) in mentions {
            user.attributes[*attribute as usize] = mention.clone();
        }
        user
    }

    fn value(text: &'static str) -> Mention<'static> {
        Mention::Value(text.into())
    }

    fn merged(rows: Vec<ObservedUser<'static>>) -> Vec<ObservedUser<'static>> {
        let mut changes = Changes::default();
        for row in rows {
            changes.merge(row).unwrap();
        }
        let (rows, _) = changes.into_rows();
        rows.into_iter()
            .map(|(id, wire)| {
                let wire: &'static [u8] = Box::leak(wire);
                observed::decode(id, Completeness::Partial, wire).unwrap()
            })
            .collect()
    }

    #[test]
    fn later_rows_win_attribute_by_attribute() {
        let users = merged(vec![
            row(
                1,
                &[
                    (Attribute::UserPrincipalName, value("a@b")),
                    (Attribute::City, value("Oslo")),
                ],
            ),
            row(2, &[(Attribute::UserPrincipalName, value("c@d"))]),
            row(
                1,
                &[
                    (Attribute::City, Mention::Cleared),
                    (Attribute::Country, value("NO")),
                ],
            ),
            row(1, &[(Attribute::Manager, value("m"))]),
        ]);
        assert_eq!(users.len(), 2);
        assert_eq!(users[0].value(Attribute::UserPrincipalName), Some("a@b"));
        assert_eq!(*users[0].mention(Attribute::City), Mention::Cleared);
        assert_eq!(users[0].value(Attribute::Country), Some("NO"));
        assert_eq!(users[0].value(Attribute::Manager), Some("m"));
        assert_eq!(*users[0].mention(Attribute::Mail), Mention::Unmentioned);
    }

    #[test]
    fn a_removed_and_restored_user_is_there() {
        let mut removed = row(1, &[]);
        removed.presence = Presence::SoftDeleted;
        let restored = row(1, &[(Attribute::UserPrincipalName, value("a@b"))]);
        assert_eq!(
            merged(vec![removed.clone(), restored.clone()])[0].presence,
            Presence::Present
        );
        assert_eq!(merged(vec![restored, removed])[0].presence, Presence::SoftDeleted);
    }

    #[test]
    fn only_rows_that_tell_too_little_are_lacking() {
        let mut removed = row(4, &[(Attribute::City, value("Oslo"))]);
        removed.presence = Presence::Gone;
        let mut unreadable = row(7, &[(Attribute::UserPrincipalName, value("c@d"))]);
        unreadable.problem = Some("the city is a number".into());
        let mut changes = Changes::default();
        for row in [
            row(1, &[(Attribute::City, value("Oslo"))]),
            row(
                2,
                &[
                    (Attribute::City, value("Oslo")),
                    (Attribute::UserPrincipalName, value("a@b")),
                ],
            ),
            row(3, &[(Attribute::Manager, value("m"))]),
            removed,
            row(5, &[]),
            row(6, &[(Attribute::City, Mention::Cleared)]),
            unreadable,
        ] {
            changes.merge(row).unwrap();
        }
        let may_come: Vec<u128> = changes.may_come().iter().map(Uuid::as_u128).collect();
        assert_eq!(
            may_come,
            [1, 2, 3, 5, 6],
            "who is gone or can't be read is not looked up"
        );
        let lacking = |newcomers: &[u128]| -> Vec<u128> {
            let newcomers = newcomers.iter().copied().map(Uuid::from_u128).collect();
            let lacking = changes.lacking(&newcomers);
            lacking.iter().map(|id| id.0.as_u128()).collect()
        };
        assert_eq!(lacking(&[]), [1, 6], "parts");
        assert_eq!(lacking(&[2, 3, 4, 7]), [1, 2, 3, 6], "and newcomers");
    }

    #[test]
    fn f1_rows_that_do_not_decide_the_criteria_are_parts() {
        let in_oslo = AttributeClause::new(Attribute::City, Operator::Equals, vec!["Oslo".into()]);
        let criteria = Criteria {
            filters: vec![Filter {
                clauses: vec![Clause::Attribute(in_oslo.unwrap())],
            }],
        };
        let upn = (Attribute::UserPrincipalName, value("a@b"));
        let enabled = (Attribute::AccountEnabled, value("true"));
        let oslo = (Attribute::City, value("Oslo"));
        let mut changes = Changes::decided_by(vec![vec![criteria]]);
        for row in [
            row(1, &[upn.clone(), enabled.clone()]),
            row(2, &[upn.clone(), enabled.clone(), oslo.clone()]),
            row(3, &[upn.clone(), oslo]),
            row(4, &[upn.clone(), (Attribute::City, value("Bergen"))]),
            row(5, &[upn, (Attribute::City, Mention::Cleared)]),
            row(6, &[(Attribute::Manager, value("m"))]),
        ] {
            changes.merge(row).unwrap();
        }
        let parts = changes.lacking(&HashSet::new());
        let parts: Vec<u128> = parts.iter().map(|id| id.0.as_u128()).collect();
        assert_eq!(parts, [1, 3]);
        let may_come: Vec<u128> = changes.may_come().iter().map(Uuid::as_u128).collect();
        assert_eq!(may_come, [1, 2, 3, 6], "those of Bergen and of nowhere are out");
    }

    #[test]
    fn a_completed_row_says_what_is_empty() {
        let mut changes = Changes::default();
        changes
            .merge(row(1, &[(Attribute::City, value("Oslo"))]))
            .unwrap();
        let mut whole = row(1, &[(Attribute::UserPrincipalName, value("a@b"))]);
        whole.completeness = Completeness::Whole;
        changes.complete(whole);
        assert!(changes.lacking(&HashSet::new()).is_empty());
        let (rows, _) = changes.into_rows();
        let user = observed::decode(rows[0].0, Completeness::Partial, &rows[0].1).unwrap();
        assert_eq!(user.value(Attribute::UserPrincipalName), Some("a@b"));
        assert_eq!(*user.mention(Attribute::City), Mention::Cleared);
        assert_eq!(*user.mention(Attribute::Manager), Mention::Cleared);
    }
}
