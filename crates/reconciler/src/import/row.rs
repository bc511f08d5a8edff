//! One row as it was sent, checked.

use contracts::v1::AccountRow;
use domain::account::{Role, Values};
use domain::field::Field;
use domain::import::{Row, Terms};

/// Characters in one value.
const LONGEST: usize = 4_096;

/// The row, or what is wrong with it.
pub fn check(row: &AccountRow, terms: &Terms) -> Result<Row, String> {
    let mut values: Values = [const { None }; Field::COUNT];
    let mut role = None;
    for (column, value) in &row.values {
        let value = value.trim();
        if value.is_empty() {
            continue;
        }
        check_text(column, value)?;
        if column.eq_ignore_ascii_case("role") {
            role =
                Some(Role::of_key(value).ok_or_else(|| {
                    format!("role: {value:?} is none; use user, technician, admin or owner")
                })?);
            continue;
        }
        let field = terms
            .custom
            .field_of(column)
            .filter(|field| !matches!(field, Field::Entity | Field::Collection | Field::Identifier))
            .ok_or_else(|| format!("{column}: the register has no such field; rename or drop the column"))?;
        if let Some(objection) = terms.custom.kind_of(field).objection(value) {
            return Err(format!("{column}: {value:?} {objection}; correct it"));
        }
        if values[field as usize].replace(value.to_owned()).is_some() {
            return Err(format!("{column}: the row gives the field {field} twice"));
        }
    }
    let row = terms.complete(role, values);
    match terms.create(&row) {
        Ok(_) => Ok(row),
        Err(field) => Err(format!("{}: it is empty; every account needs one", field.key())),
    }
}

fn check_text(column: &str, value: &str) -> Result<(), String> {
    let length = value.chars().count();
    if length > LONGEST {
        return Err(format!(
            "{column}: the value has {length} characters, at most {LONGEST} are taken; shorten it"
        ));
    }
    if value
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r'))
    {
        return Err(format!("{column}: the value has control characters; remove them"));
    }
    if value.contains(char::REPLACEMENT_CHARACTER) {
        return Err(format!(
            "{column}: the value has a character that could not be read (\u{fffd}); correct it, or the file's encoding"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(values: &[(&str, &str)]) -> AccountRow {
        AccountRow {
            line: 2,
            values: values
                .iter()
                .map(|(column, value)| ((*column).to_owned(), (*value).to_owned()))
                .collect(),
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_the_column() {
        let terms = Terms::default();
        for (values, problem) in [
            (&[("name", "Ann")][..], "login: it is empty"),
            (&[("login", "ann")], "name: it is empty"),
            (
                &[("name", "Ann"), ("login", "ann"), ("role", "boss")],
                "role: \"boss\" is none",
            ),
            (
                &[("name", "A\u{7}nn"), ("login", "ann")],
                "name: the value has control",
            ),
            (
                &[("name", "J\u{fffd}rg"), ("login", "ann")],
                "name: the value has a character that could not be read",
            ),
            (
                &[
                    ("jobTitle", "x"),
                    ("job_title", "y"),
                    ("name", "Ann"),
                    ("login", "ann"),
                ],
                "gives the field jobTitle twice",
            ),
            (&[("shoe", "x")], "shoe: the register has no such field"),
        ] {
            let error = check(&row(values), &terms).unwrap_err();
            assert!(error.contains(problem), "{values:?}: {error}");
        }
        let long = "x".repeat(LONGEST + 1);
        assert!(check(&row(&[("name", &long), ("login", "ann")]), &terms).is_err());
        assert!(check(&row(&[("name", "Ann"), ("upn", "ann@contoso.com")]), &terms).is_ok());
    }
}
