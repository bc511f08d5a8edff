//! The audit.

use contracts::v1;
use serde_json::Value;
use store::audit::Entry;

use super::time;

/// An entry.
pub fn entry(entry: Entry) -> v1::AuditEntry {
    let told = |value: Option<Value>| value.map(|value| value.to_string()).unwrap_or_default();
    v1::AuditEntry {
        id: entry.id.to_string(),
        create_time: Some(time(entry.at)),
        actor: entry.actor,
        action: entry.action,
        subject: entry.subject,
        before: told(entry.before),
        after: told(entry.after),
    }
}
