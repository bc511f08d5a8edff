//! The few filters that are understood: by id, by principal name, by accountEnabled (graph-facts §2.4, §3.2).

use super::error::GraphError;
use uuid::Uuid;

/// Clauses that may be joined in a list.
const LIST_CLAUSES: usize = 15;
/// Ids that a delta may be limited to.
const DELTA_IDS: usize = 50;

/// A filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// These objects.
    Ids(Vec<Uuid>),
    /// The user of this principal name.
    PrincipalName(String),
    /// Those who may, or may not, sign in.
    Enabled(bool),
}

/// The filter of a list.
pub fn of_list(text: &str) -> Result<Filter, GraphError> {
    let filter = parse(text)?;
    match &filter {
        Filter::Ids(ids) if ids.len() > LIST_CLAUSES => Err(GraphError::unsupported(format!(
            "Too many child clauses specified in search filter expression containing 'OR' operators: {}. Max \
             allowed: {LIST_CLAUSES}.",
            ids.len()
        ))),
        _ => Ok(filter),
    }
}

/// The filter of a delta: ids only.
pub fn of_delta(text: &str) -> Result<Vec<Uuid>, GraphError> {
    match parse(text)? {
        Filter::Ids(ids) if ids.len() <= DELTA_IDS => Ok(ids),
        Filter::Ids(ids) => Err(GraphError::unsupported(format!(
            "Too many object identifiers specified: {}. Max allowed: {DELTA_IDS}.",
            ids.len()
        ))),
        _ => Err(GraphError::unsupported(
            "Change tracking only supports filters of the form id eq '{value}'.",
        )),
    }
}

fn parse(text: &str) -> Result<Filter, GraphError> {
    let unsupported = || {
        let property = text.split_whitespace().next().unwrap_or_default();
        GraphError::unsupported(format!(
            "Unsupported or invalid query filter clause specified for property '{property}' of resource 'User'."
        ))
    };
    let clauses = split_or(text);
    let mut ids = Vec::new();
    for clause in &clauses {
        let clause = clause.trim().trim_start_matches('(').trim();
        let (property, rest) = clause.split_once(' ').ok_or_else(unsupported)?;
        let (operator, value) = rest.trim_start().split_once([' ', '(']).ok_or_else(unsupported)?;
        match (property, operator.to_ascii_lowercase().as_str()) {
            ("id", "eq") => ids.push(guid(
                &quoted(value.trim_end_matches(')')).ok_or_else(unsupported)?,
            )?),
            ("id", "in") => {
                let list = value.trim().trim_start_matches('(').trim_end_matches(')');
                for item in list.split(',') {
                    ids.push(guid(&quoted(item).ok_or_else(unsupported)?)?);
                }
            }
            ("userPrincipalName", "eq") if clauses.len() == 1 => {
                return quoted(value).map(Filter::PrincipalName).ok_or_else(unsupported);
            }
            ("accountEnabled", "eq") if clauses.len() == 1 => {
                return value
                    .trim()
                    .parse()
                    .map(Filter::Enabled)
                    .map_err(|_| unsupported());
            }
            _ => return Err(unsupported()),
        }
    }
    Ok(Filter::Ids(ids))
}

/// The clauses between `or`s; a quoted ` or ` doesn't count.
fn split_or(text: &str) -> Vec<String> {
    let mut clauses = vec![String::new()];
    let mut inside = false;
    for word in text.split_inclusive(' ') {
        if !inside && word.trim().eq_ignore_ascii_case("or") {
            clauses.push(String::new());
            continue;
        }
        inside ^= word.matches('\'').count() % 2 == 1;
        clauses.last_mut().expect("there is one at least").push_str(word);
    }
    clauses
}

/// The text within single quotes, doubled ones undone.
fn quoted(text: &str) -> Option<String> {
    let inner = text.trim().strip_prefix('\'')?.strip_suffix('\'')?;
    Some(inner.replace("''", "'"))
}

fn guid(text: &str) -> Result<Uuid, GraphError> {
    Uuid::try_parse(text).map_err(|_| GraphError::bad(format!("Invalid object identifier '{text}'.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "00000000-0000-4000-8000-00000000000a";
    const B: &str = "00000000-0000-4000-8000-00000000000b";

    #[test]
    fn ids_come_in_three_forms() {
        let ids = |text: &str| match parse(text) {
            Ok(Filter::Ids(ids)) => ids.len(),
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(ids(&format!("id eq '{A}'")), 1);
        assert_eq!(ids(&format!("id in ('{A}', '{B}')")), 2);
        assert_eq!(ids(&format!("id eq '{A}' or id eq '{B}'")), 2);
    }

    #[test]
    fn names_may_hold_quotes() {
        let filter = parse("userPrincipalName eq 'sean.o''brien@contoso.com'").unwrap();
        assert_eq!(filter, Filter::PrincipalName("sean.o'brien@contoso.com".into()));
    }

    #[test]
    fn the_rest_is_refused() {
        assert_eq!(parse("accountEnabled eq false").unwrap(), Filter::Enabled(false));
        for text in [
            "startswith(displayName,'a')",
            "department eq 'x'",
            "id ne 'x'",
            "id eq 'x",
            "accountEnabled eq maybe",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        let many = vec![format!("id eq '{A}'"); 51].join(" or ");
        assert!(of_delta(&many).is_err() && of_list(&many).is_err());
    }
}
