//! One clause: what it asks, and of what.

use std::fmt;

use super::Truth;
use super::folded;
use super::operator::{Arity, Operator};
use super::pattern::Pattern;
use super::value::{Measure, Term};
use crate::attribute::{Attribute, Kind};
use crate::id::ObjectId;
use crate::observed::{Mention, ObservedUser};

/// Values of a clause at most.
pub const MOST_VALUES: usize = 1_000;
/// Bytes in a value at most.
pub const LONGEST_VALUE: usize = 1_024;

/// One question about a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clause {
    /// About an attribute.
    Attribute(AttributeClause),
    /// About belonging to a group.
    Membership(MembershipClause),
}

/// Whether someone belongs to a group (B10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MembershipClause {
    /// The group.
    pub group: ObjectId,
    /// Whether members of the groups in it belong to it as well.
    pub transitive: bool,
}

/// A question about an attribute. Made by [`AttributeClause::new`] only, so that every one there is can be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeClause {
    attribute: Attribute,
    operator: Operator,
    values: Vec<String>,
    test: Test,
}

/// What is wrong with a clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// Where.
    pub part: Part,
    /// What, and what to do; to be read after the part's name.
    pub problem: String,
}

/// A part of a written clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The operator.
    Operator,
    /// The value or values.
    Value,
}

/// A clause, made ready to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Empty,
    NotEmpty,
    Is(Vec<Term>),
    IsNot(Term),
    Begins(String),
    Ends(String),
    Holds(String),
    Matches(Pattern),
    Above(Measure),
    Below(Measure),
}

impl Clause {
    /// Whether it holds for this user.
    #[must_use]
    pub fn holds(&self, user: &ObservedUser<'_>) -> Truth {
        match self {
            Self::Attribute(clause) => clause.holds(user),
            Self::Membership(clause) => clause.holds(user),
        }
    }

    /// The attribute that it looks at, if it looks at one.
    #[must_use]
    pub const fn attribute(&self) -> Option<Attribute> {
        match self {
            Self::Attribute(clause) => Some(clause.attribute),
            Self::Membership(_) => None,
        }
    }

    /// The group that it asks for, if it asks for one.
    #[must_use]
    pub const fn group(&self) -> Option<ObjectId> {
        match self {
            Self::Attribute(_) => None,
            Self::Membership(clause) => Some(clause.group),
        }
    }
}

impl MembershipClause {
    /// The operator of those who are named by the group itself.
    pub const MEMBER_OF: &'static str = "memberOf";
    /// The operator of those who belong to it through nested groups as well.
    pub const TRANSITIVE_MEMBER_OF: &'static str = "transitiveMemberOf";

    /// Checks what is written as the operator's values: one group's object id.
    pub fn new(transitive: bool, values: &[String]) -> Result<Self, Misfit> {
        let key = Self::key_of(transitive);
        let problem = match values {
            [one] => match one.trim().parse() {
                Ok(group) => return Ok(Self { group, transitive }),
                Err(_) => format!(
                    "\"{one}\" is no object id; {key} takes the one of a group, such as \
                     01234567-89ab-cdef-0123-456789abcdef, which Entra shows with the group"
                ),
            },
            [] => format!("is missing; {key} needs the object id of a group"),
            _ => format!("is a list; {key} takes one group: use one filter for each of them"),
        };
        Err(Misfit {
            part: Part::Value,
            problem,
        })
    }

    /// Whether an operator of this name makes such a clause, and if so whether it is the transitive one.
    #[must_use]
    pub fn transitive_of_key(key: &str) -> Option<bool> {
        [false, true]
            .into_iter()
            .find(|transitive| Self::key_of(*transitive) == key)
    }

    /// The operator's name in YAML and in the table.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        Self::key_of(self.transitive)
    }

    const fn key_of(transitive: bool) -> &'static str {
        if transitive {
            Self::TRANSITIVE_MEMBER_OF
        } else {
            Self::MEMBER_OF
        }
    }

    fn holds(&self, user: &ObservedUser<'_>) -> Truth {
        let Some(groups) = &user.groups else {
            return Truth::Unknown;
        };
        let found = groups.iter().find(|membership| membership.group == self.group);
        if found.is_some_and(|membership| membership.direct || self.transitive) {
            Truth::Yes
        } else {
            Truth::No
        }
    }
}

impl AttributeClause {
    /// Checks a clause and makes it ready.
    pub fn new(attribute: Attribute, operator: Operator, values: Vec<String>) -> Result<Self, Misfit> {
        let kind = attribute.kind();
        if !operator.fits(kind) {
            let fitting: Vec<&str> = Operator::of_kind(kind).map(Operator::key).collect();
            return Err(Misfit {
                part: Part::Operator,
                problem: format!(
                    "\"{}\" can't be asked of {attribute}, which is {}; use one of {}",
                    operator.key(),
                    named(kind),
                    fitting.join(", ")
                ),
            });
        }
        let test = counted(operator, &values)
            .and_then(|()| test(kind, operator, &values))
            .map_err(|problem| Misfit {
                part: Part::Value,
                problem,
            })?;
        Ok(Self {
            attribute,
            operator,
            values,
            test,
        })
    }

    /// What it looks at.
    #[must_use]
    pub const fn attribute(&self) -> Attribute {
        self.attribute
    }

    /// How it compares.
    #[must_use]
    pub const fn operator(&self) -> Operator {
        self.operator
    }

    /// The values, as they were written.
    #[must_use]
    pub fn values(&self) -> &[String] {
        &self.values
    }

    fn holds(&self, user: &ObservedUser<'_>) -> Truth {
        let holds = match user.mention(self.attribute) {
            Mention::Unmentioned => return Truth::Unknown,
            Mention::Cleared => self.test == Test::Empty,
            Mention::Value(value) => self.holds_for(value),
        };
        if holds { Truth::Yes } else { Truth::No }
    }

    /// For a value that is not empty.
    fn holds_for(&self, value: &str) -> bool {
        let kind = self.attribute.kind();
        let any = |test: &dyn Fn(&str) -> bool| match kind {
            Kind::List => value.split('\n').any(test),
            _ => test(value),
        };
        match &self.test {
            Test::Empty => false,
            Test::NotEmpty => true,
            Test::Is(terms) => any(&|item| terms.iter().any(|term| term.is(item))),
            Test::IsNot(term) => !any(&|item| term.is(item)),
            Test::Begins(part) => any(&|item| folded::begins(item, part)),
            Test::Ends(part) => any(&|item| folded::ends(item, part)),
            Test::Holds(part) => any(&|item| folded::holds(item, part)),
            Test::Matches(pattern) => any(&|item| pattern.matches(item)),
            Test::Above(bound) => bound
                .alike(value)
                .is_some_and(|measure| measure.is_beyond(*bound)),
            Test::Below(bound) => bound.alike(value).is_some_and(|measure| bound.is_beyond(measure)),
        }
    }
}

/// As many values as the operator takes, none of them empty or too long.
fn counted(operator: Operator, values: &[String]) -> Result<(), String> {
    let key = operator.key();
    match (operator.arity(), values.len()) {
        (Arity::None, 0) | (Arity::One, 1) | (Arity::Many, 1..=MOST_VALUES) => (),
        (Arity::None, _) => {
            return Err(format!(
                "can't go with {key}, which asks of nothing else; remove it"
            ));
        }
        (Arity::One | Arity::Many, 0) => return Err(format!("is missing; {key} needs one to compare with")),
        (Arity::One, _) => {
            return Err(format!(
                "is a list; {key} takes one value: use in, or one filter for each of them"
            ));
        }
        (Arity::Many, count) => {
            return Err(format!(
                "has {count} items; at most {MOST_VALUES} can be told apart"
            ));
        }
    }
    for value in values {
        if value.trim().is_empty() {
            return Err("is empty; use isNull to ask for the empty".to_owned());
        }
        if value.len() > LONGEST_VALUE || value.contains(char::is_control) {
            return Err(format!(
                "holds control characters, or is longer than {LONGEST_VALUE} bytes; shorten it"
            ));
        }
    }
    Ok(())
}

fn test(kind: Kind, operator: Operator, values: &[String]) -> Result<Test, String> {
    let first = values.first().map(String::as_str).unwrap_or_default();
    let folded = || crate::account::fold(first);
    Ok(match operator {
        Operator::IsNull => Test::Empty,
        Operator::IsNotNull => Test::NotEmpty,
        Operator::IsTrue => Test::Is(vec![Term::written(kind, "true")?]),
        Operator::IsFalse => Test::Is(vec![Term::written(kind, "false")?]),
        Operator::Equals | Operator::In => {
            let terms = values.iter().map(|value| Term::written(kind, value));
            Test::Is(terms.collect::<Result<_, _>>()?)
        }
        Operator::NotEquals => Test::IsNot(Term::written(kind, first)?),
        Operator::StartsWith => Test::Begins(folded()),
        Operator::EndsWith => Test::Ends(folded()),
        Operator::Contains => Test::Holds(folded()),
        Operator::Regex => Test::Matches(Pattern::new(first)?),
        Operator::Greater => Test::Above(Measure::written(kind, first)?),
        Operator::Less => Test::Below(Measure::written(kind, first)?),
    })
}

const fn named(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "text",
        Kind::Boolean => "true or false",
        Kind::Date => "a date",
        Kind::List => "a list of texts",
        Kind::Reference => "another object's id",
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attribute(clause) => clause.fmt(f),
            Self::Membership(clause) => clause.fmt(f),
        }
    }
}

impl fmt::Display for MembershipClause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let through_others = if self.transitive { "transitive " } else { "" };
        write!(f, "{through_others}member of {}", self.group)
    }
}

/// Values that a reason names.
const TOLD: usize = 5;

impl fmt::Display for AttributeClause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.attribute, self.operator)?;
        for (place, value) in self.values.iter().take(TOLD).enumerate() {
            let comma = if place > 0 { "," } else { "" };
            write!(f, "{comma} {value:?}")?;
        }
        match self.values.len().saturating_sub(TOLD) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
