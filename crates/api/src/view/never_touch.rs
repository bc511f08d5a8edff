//! The never-touch list.

use contracts::v1;
use domain::never_touch::Whom;
use store::never_touch::Row;

use super::time;

/// An entry of the list.
pub fn entry(row: &Row) -> v1::NeverTouchEntry {
    v1::NeverTouchEntry {
        id: row.id.to_string(),
        connection: row.connection_name.clone().unwrap_or_default(),
        kind: match row.entry.whom {
            Whom::Object(_) => v1::NeverTouchKind::Object,
            Whom::Upn(_) => v1::NeverTouchKind::Upn,
            Whom::Group(_) => v1::NeverTouchKind::Group,
            Whom::Role(_) => v1::NeverTouchKind::Role,
        }
        .into(),
        value: row.entry.whom.value(),
        note: row.entry.note.clone(),
        created_by: row.created_by.clone(),
        create_time: Some(time(row.created_at)),
    }
}
