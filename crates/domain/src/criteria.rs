//! Whom a mapping takes in: filters of clauses over what the directory says of a user and of the groups that they belong
//! to (F1, F2).
//!
//! A filter takes in whoever all its clauses hold for; criteria take in whoever one of their filters does, and everyone
//! when there is none. A clause can be true, false, or unknown: a delta's row may be silent about what it asks for, and
//! silence is no answer. So a user is in, out, or undecided, and neither `in` nor `out` could be overturned by what a
//! row left out.

mod clause;
mod explain;
mod folded;
mod operator;
mod pattern;
mod value;

pub use clause::{AttributeClause, Clause, MembershipClause, Misfit, Part};
pub use explain::{ClauseAnswer, FilterAnswer, Verdict};
pub use operator::{Arity, Operator};

use std::fmt;

use crate::attribute::Attribute;
use crate::id::ObjectId;
use crate::observed::ObservedUser;

/// Filters of a mapping at most.
pub const MOST_FILTERS: usize = 50;
/// Clauses of a filter at most.
pub const MOST_CLAUSES: usize = 50;

/// Whom a mapping takes in. Without filters: everyone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Criteria {
    /// Any of them takes a user in.
    pub filters: Vec<Filter>,
}

/// Clauses that must all hold. Without any it takes everyone in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The clauses.
    pub clauses: Vec<Clause>,
}

/// Whether something holds for a user, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// What was said does not tell.
    Unknown,
}

/// Whether criteria take a user in, and what decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope<'a> {
    /// They do: all clauses of this filter hold. No filter: there are none, and everyone is taken in.
    In(Option<&'a Filter>),
    /// They don't: of each filter, the first clause that does not hold.
    Out(Vec<&'a Clause>),
    /// What was said does not decide.
    Unknown,
}

impl Criteria {
    /// Whether they take this user in.
    #[must_use]
    pub fn scope(&self, user: &ObservedUser<'_>) -> Scope<'_> {
        if self.filters.is_empty() {
            return Scope::In(None);
        }
        let mut failed = Vec::with_capacity(self.filters.len());
        let mut unknown = false;
        for filter in &self.filters {
            match filter.decide(user) {
                Decided::Yes => return Scope::In(Some(filter)),
                Decided::No(clause) => failed.push(clause),
                Decided::Unknown => unknown = true,
            }
        }
        if unknown {
            Scope::Unknown
        } else {
            Scope::Out(failed)
        }
    }

    /// Whether everyone is taken in, whatever is said of them.
    #[must_use]
    pub fn take_everyone(&self) -> bool {
        self.filters.is_empty()
    }

    /// Whether some clause looks at this attribute.
    #[must_use]
    pub fn look_at(&self, attribute: Attribute) -> bool {
        self.filters
            .iter()
            .flat_map(|filter| &filter.clauses)
            .any(|clause| clause.attribute() == Some(attribute))
    }

    /// The groups that its clauses ask for.
    pub fn groups(&self) -> impl Iterator<Item = ObjectId> {
        self.filters
            .iter()
            .flat_map(|filter| &filter.clauses)
            .filter_map(Clause::group)
    }
}

/// What a filter comes to, with the clause that made it so.
enum Decided<'a> {
    Yes,
    No(&'a Clause),
    Unknown,
}

impl Filter {
    fn decide(&self, user: &ObservedUser<'_>) -> Decided<'_> {
        let mut unknown = false;
        for clause in &self.clauses {
            match clause.holds(user) {
                Truth::Yes => (),
                Truth::No => return Decided::No(clause),
                Truth::Unknown => unknown = true,
            }
        }
        if unknown { Decided::Unknown } else { Decided::Yes }
    }
}

impl Scope<'_> {
    /// What decided, in words, for the decision's reason; nothing where there are no criteria.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::In(None) => None,
            Self::In(Some(filter)) => Some(format!("in scope: {filter}")),
            Self::Out(clauses) => Some(format!("out of scope: {}", not_so(clauses))),
            Self::Unknown => {
                Some("as before: what was told does not decide whether it is in scope".to_owned())
            }
        }
    }
}

/// How many clauses a reason names.
const TOLD: usize = 3;

fn not_so(clauses: &[&Clause]) -> String {
    let told: Vec<String> = clauses
        .iter()
        .take(TOLD)
        .map(|clause| format!("not {clause}"))
        .collect();
    let told = told.join(", and ");
    match clauses.len().saturating_sub(TOLD) {
        0 => told,
        more => format!("{told}, and {more} more"),
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, clause) in self.clauses.iter().enumerate() {
            if place > 0 {
                f.write_str(" and ")?;
            }
            clause.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Criteria {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, filter) in self.filters.iter().enumerate() {
            if place > 0 {
                f.write_str(" or ")?;
            }
            write!(f, "({filter})")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
