//! Changes: the decisions of a run.

use contracts::v1;
use domain::csv_cell;
use domain::custom_field::CustomFields;
use store::change_list::Change;
use store::history::Entry;

use super::run::{kind, outcome};
use super::time;

/// A decision on an account, with its run.
pub fn entry(entry: Entry, custom: &CustomFields) -> v1::HistoryEntry {
    v1::HistoryEntry {
        time: Some(time(entry.at)),
        run_id: entry.run.to_string(),
        connection: entry.connection,
        run_kind: kind(entry.kind).into(),
        change: Some(change(entry.change, custom)),
    }
}

/// What [`csv_rows`] writes.
pub const CSV_COLUMNS: [&str; 13] = [
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
];

/// A decision as lines of a CSV file, one for each field that changes; safe to open in a spreadsheet.
pub fn csv_rows(decided: Change, custom: &CustomFields) -> String {
    let change = change(decided, custom);
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

/// A decision of a run.
pub fn change(change: Change, custom: &CustomFields) -> v1::Change {
    v1::Change {
        object_id: change.object.map(|id| id.to_string()).unwrap_or_default(),
        account_id: change.account.map(|id| id.to_string()).unwrap_or_default(),
        name: change.name.unwrap_or_default(),
        upn: change.upn.unwrap_or_default(),
        outcome: outcome(change.outcome).into(),
        rule: change.rule.into(),
        reason: change.reason.unwrap_or_default(),
        cause: change
            .cause
            .map(|cause| cause.key().to_owned())
            .unwrap_or_default(),
        action: change.action.key().to_owned(),
        fields: change
            .fields
            .into_iter()
            .map(|field| v1::FieldChange {
                field: custom.key_of(field.field).into_owned(),
                old: field.old,
                new: field.new,
            })
            .collect(),
        applied: change.applied,
        target: change.kind.key().to_owned(),
    }
}
