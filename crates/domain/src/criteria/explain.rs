//! Why criteria take someone in or leave them out, clause by clause (B5).

use super::{Clause, Criteria, Filter, Truth};
use crate::observed::ObservedUser;

/// What became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Holds,
    /// No.
    DoesNotHold,
    /// What was said of the user does not tell.
    Unknown,
    /// Another answer had decided before.
    NotAsked,
}

/// What a filter says of someone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterAnswer<'a> {
    /// Whether all its clauses hold.
    pub verdict: Verdict,
    /// Whether it is the one that takes them in.
    pub decides: bool,
    /// Its clauses.
    pub clauses: Vec<ClauseAnswer<'a>>,
}

/// What a clause says of someone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClauseAnswer<'a> {
    /// The clause.
    pub clause: &'a Clause,
    /// Whether it holds.
    pub verdict: Verdict,
    /// Whether it is the one for which its filter does not hold.
    pub decides: bool,
}

impl Criteria {
    /// Each filter's answer, in the order in which they are asked; the verdict on the whole is [`Criteria::scope`]'s.
    #[must_use]
    pub fn explain(&self, user: &ObservedUser<'_>) -> Vec<FilterAnswer<'_>> {
        let mut taken_in = false;
        let mut answers = Vec::with_capacity(self.filters.len());
        for filter in &self.filters {
            let answer = if taken_in {
                filter.not_asked()
            } else {
                filter.explain(user)
            };
            taken_in |= answer.decides;
            answers.push(answer);
        }
        answers
    }

    /// The same of criteria that are not asked.
    #[must_use]
    pub fn not_asked(&self) -> Vec<FilterAnswer<'_>> {
        self.filters.iter().map(Filter::not_asked).collect()
    }
}

impl Filter {
    fn explain(&self, user: &ObservedUser<'_>) -> FilterAnswer<'_> {
        let mut verdict = Verdict::Holds;
        let mut clauses = Vec::with_capacity(self.clauses.len());
        for clause in &self.clauses {
            let answer = if verdict == Verdict::DoesNotHold {
                Verdict::NotAsked
            } else {
                Verdict::from(clause.holds(user))
            };
            match answer {
                Verdict::DoesNotHold | Verdict::Unknown => verdict = answer,
                Verdict::Holds | Verdict::NotAsked => (),
            }
            clauses.push(ClauseAnswer {
                clause,
                verdict: answer,
                decides: answer == Verdict::DoesNotHold,
            });
        }
        FilterAnswer {
            verdict,
            decides: verdict == Verdict::Holds,
            clauses,
        }
    }

    fn not_asked(&self) -> FilterAnswer<'_> {
        let clauses = self.clauses.iter().map(|clause| ClauseAnswer {
            clause,
            verdict: Verdict::NotAsked,
            decides: false,
        });
        FilterAnswer {
            verdict: Verdict::NotAsked,
            decides: false,
            clauses: clauses.collect(),
        }
    }
}

impl From<Truth> for Verdict {
    fn from(truth: Truth) -> Self {
        match truth {
            Truth::Yes => Self::Holds,
            Truth::No => Self::DoesNotHold,
            Truth::Unknown => Self::Unknown,
        }
    }
}
