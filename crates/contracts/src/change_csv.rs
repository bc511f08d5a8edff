//! Decisions of a run as a CSV file: the console's and the command line's are the same.

use domain::csv_cell;

use crate::v1;

/// The file's first line.
#[must_use]
pub fn header() -> String {
    csv_cell::row([
        "upn",
        "name",
        "object_id",
        "target",
        "outcome",
        "action",
        "cause",
        "rule",
        "reason",
        "applied",
        "field",
        "old",
        "new",
    ])
}

/// A decision's lines, one for each field that changes and one at least; safe to open in a spreadsheet.
#[must_use]
pub fn rows(change: &v1::Change) -> String {
    let rule = change.rule.to_string();
    let head = [
        change.upn.as_str(),
        &change.name,
        &change.object_id,
        &change.target,
        outcome_word(change.outcome()),
        &change.action,
        &change.cause,
        if change.rule == 0 { "" } else { &rule },
        &change.reason,
        if change.applied { "yes" } else { "no" },
    ];
    let row = |field: [&str; 3]| csv_cell::row(head.into_iter().chain(field));
    if change.fields.is_empty() {
        return row(["", "", ""]);
    }
    let rows = change.fields.iter().map(|field| {
        let text = |text: &'_ Option<String>| text.clone().unwrap_or_default();
        row([&field.field, &text(&field.old), &text(&field.new)])
    });
    rows.collect()
}

const fn outcome_word(outcome: v1::Outcome) -> &'static str {
    match outcome {
        v1::Outcome::Unspecified => "",
        v1::Outcome::Added => "added",
        v1::Outcome::Updated => "updated",
        v1::Outcome::Unchanged => "unchanged",
        v1::Outcome::Skipped => "skipped",
        v1::Outcome::Removed => "removed",
        v1::Outcome::Held => "held",
        v1::Outcome::Failed => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_line_for_each_field_and_no_formula() {
        let field = |name: &str, new: &str| v1::FieldChange {
            field: name.to_owned(),
            old: None,
            new: Some(new.to_owned()),
        };
        let change = v1::Change {
            upn: "a@contoso.com".to_owned(),
            outcome: v1::Outcome::Updated.into(),
            rule: 4,
            fields: vec![field("name", "=1+1"), field("city", "Bern, CH")],
            applied: true,
            ..v1::Change::default()
        };
        let text = rows(&change) + &rows(&v1::Change::default());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "a@contoso.com,,,,updated,,,4,,yes,name,,'=1+1");
        assert_eq!(lines[1], "a@contoso.com,,,,updated,,,4,,yes,city,,\"Bern, CH\"");
        assert_eq!(lines.len(), 3);
    }
}
