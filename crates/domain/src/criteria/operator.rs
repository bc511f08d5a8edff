//! How a clause compares, and what it can be asked of.

use std::fmt;

use crate::attribute::Kind;

/// How a clause compares.
///
/// An empty attribute satisfies [`Operator::IsNull`] and nothing else, not even [`Operator::NotEquals`]. Texts are
/// compared without regard to letter case, as Graph's own `$filter` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// It is the value. Of a list: one of its items is.
    Equals,
    /// It has a value, and another one. Of a list: none of its items is the value.
    NotEquals,
    /// It is one of the values.
    In,
    /// It begins with the value.
    StartsWith,
    /// It ends with the value.
    EndsWith,
    /// The value is a part of it.
    Contains,
    /// The regular expression matches somewhere in it.
    Regex,
    /// It is empty.
    IsNull,
    /// It is not empty.
    IsNotNull,
    /// It is true.
    IsTrue,
    /// It is false.
    IsFalse,
    /// It is a larger number, or a later date.
    Greater,
    /// It is a smaller number, or an earlier date.
    Less,
}

/// How many values an operator takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    /// None.
    None,
    /// Exactly one.
    One,
    /// One or more.
    Many,
}

impl Operator {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Equals,
        Self::NotEquals,
        Self::In,
        Self::StartsWith,
        Self::EndsWith,
        Self::Contains,
        Self::Regex,
        Self::IsNull,
        Self::IsNotNull,
        Self::IsTrue,
        Self::IsFalse,
        Self::Greater,
        Self::Less,
    ];

    /// The name in YAML and in the table.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Equals => "equals",
            Self::NotEquals => "notEquals",
            Self::In => "in",
            Self::StartsWith => "startsWith",
            Self::EndsWith => "endsWith",
            Self::Contains => "contains",
            Self::Regex => "regex",
            Self::IsNull => "isNull",
            Self::IsNotNull => "isNotNull",
            Self::IsTrue => "isTrue",
            Self::IsFalse => "isFalse",
            Self::Greater => "greater",
            Self::Less => "less",
        }
    }

    /// The operator of this name.
    #[must_use]
    pub fn of_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operator| operator.key() == key)
    }

    /// How many values it takes.
    #[must_use]
    pub const fn arity(self) -> Arity {
        match self {
            Self::IsNull | Self::IsNotNull | Self::IsTrue | Self::IsFalse => Arity::None,
            Self::In => Arity::Many,
            _ => Arity::One,
        }
    }

    /// Whether it can be asked of such an attribute.
    #[must_use]
    pub const fn fits(self, kind: Kind) -> bool {
        match self {
            Self::Equals | Self::NotEquals | Self::IsNull | Self::IsNotNull => true,
            Self::In => !matches!(kind, Kind::Boolean),
            Self::StartsWith | Self::EndsWith | Self::Contains | Self::Regex => {
                matches!(kind, Kind::Text | Kind::List)
            }
            Self::IsTrue | Self::IsFalse => matches!(kind, Kind::Boolean),
            Self::Greater | Self::Less => matches!(kind, Kind::Text | Kind::Date),
        }
    }

    /// The operators that can be asked of such an attribute.
    pub fn of_kind(kind: Kind) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |operator| operator.fits(kind))
    }

    /// As it is read in a sentence.
    const fn words(self) -> &'static str {
        match self {
            Self::Equals => "equals",
            Self::NotEquals => "does not equal",
            Self::In => "is one of",
            Self::StartsWith => "starts with",
            Self::EndsWith => "ends with",
            Self::Contains => "contains",
            Self::Regex => "matches",
            Self::IsNull => "is empty",
            Self::IsNotNull => "is not empty",
            Self::IsTrue => "is true",
            Self::IsFalse => "is false",
            Self::Greater => "is greater than",
            Self::Less => "is less than",
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}
