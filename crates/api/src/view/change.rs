//! Changes: the decisions of a run.

use contracts::v1;
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
