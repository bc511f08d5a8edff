//! What the values of a register field are, and whether a text is one (M2).

use chrono::{DateTime, NaiveDate};

use crate::attribute::Kind;

/// The type of a register field's values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ValueKind {
    /// Any text.
    #[default]
    Text,
    /// A decimal number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// `2026-01-31`, or a moment such as `2026-01-31T08:00:00Z`.
    Date,
}

impl ValueKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Text, Self::Number, Self::Boolean, Self::Date];

    /// The name in YAML.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Date => "date",
        }
    }

    /// The type of this name.
    #[must_use]
    pub fn of_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.key() == key)
    }

    /// What is wrong with a value of this type; nothing: it is one.
    #[must_use]
    pub fn objection(self, text: &str) -> Option<&'static str> {
        let good = match self {
            Self::Text => true,
            Self::Number => {
                let digits = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'));
                digits && text.parse::<f64>().is_ok_and(f64::is_finite)
            }
            Self::Boolean => matches!(text, "true" | "false"),
            Self::Date => {
                NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok()
                    || DateTime::parse_from_rfc3339(text).is_ok()
            }
        };
        (!good).then_some(match self {
            Self::Text => "is no text",
            Self::Number => "is no number, such as 42 or 3.5",
            Self::Boolean => "is neither true nor false",
            Self::Date => "is no date, such as 2026-01-31 or 2026-01-31T08:00:00Z",
        })
    }

    /// Whether values of an attribute may go into fields of this type: as they are, or after a look at each.
    #[must_use]
    pub const fn takes(self, kind: Kind) -> bool {
        matches!(
            (self, kind),
            (Self::Text, _) | (_, Kind::Text) | (Self::Boolean, Kind::Boolean) | (Self::Date, Kind::Date)
        )
    }

    /// Whether every value of such an attribute is of this type.
    #[must_use]
    pub const fn trusts(self, kind: Kind) -> bool {
        matches!(
            (self, kind),
            (Self::Text, _) | (Self::Boolean, Kind::Boolean) | (Self::Date, Kind::Date)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m2_values_are_told_from_what_is_none() {
        for (kind, good, bad) in [
            (ValueKind::Number, ["42", "-3.5"], ["4 2", "inf"]),
            (ValueKind::Boolean, ["true", "false"], ["yes", "True"]),
            (
                ValueKind::Date,
                ["2026-01-31", "2026-01-31T08:00:00Z"],
                ["31.1.2026", "2026-02-30"],
            ),
        ] {
            assert!(good.iter().all(|text| kind.objection(text).is_none()), "{kind:?}");
            assert!(bad.iter().all(|text| kind.objection(text).is_some()), "{kind:?}");
            assert_eq!(ValueKind::of_key(kind.key()), Some(kind));
        }
        assert_eq!(ValueKind::Text.objection("anything"), None);
    }
}
