//! The system log.

use contracts::v1;
use domain::system_log::Kind;
use store::system_log::Entry;

use super::time;

/// An entry, its CSV aside.
pub fn entry(entry: Entry) -> v1::LogEntry {
    v1::LogEntry {
        id: entry.id.to_string(),
        kind: kind(entry.kind).into(),
        create_time: Some(time(entry.at)),
        title: entry.title,
        actor: entry.actor,
        connection: entry.connection.unwrap_or_default(),
        run_id: entry.run.map(|run| run.to_string()).unwrap_or_default(),
        records: entry.records,
        listed: entry.listed,
    }
}

const fn kind(kind: Kind) -> v1::LogEntryKind {
    match kind {
        Kind::Removals => v1::LogEntryKind::Removals,
        Kind::Reviews => v1::LogEntryKind::Reviews,
        Kind::Returned => v1::LogEntryKind::Returned,
        Kind::Purge => v1::LogEntryKind::Purge,
    }
}
