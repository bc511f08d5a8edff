//! Failed records.

use contracts::v1;
use store::failed_record::FailedRecord;

use super::time;

/// A failed record.
pub fn failed_record(record: FailedRecord) -> v1::FailedRecord {
    let ignored = record.ignored.as_ref();
    v1::FailedRecord {
        object_id: record.object.to_string(),
        account_id: record.account.map(|id| id.to_string()).unwrap_or_default(),
        first_fail_time: Some(time(record.first_failed_at)),
        last_fail_time: Some(time(record.last_failed_at)),
        last_run_id: record.last_run.to_string(),
        attempts: record.attempts,
        ignore_time: ignored.map(|ignored| time(ignored.at)),
        ignored_by: ignored.map(|ignored| ignored.by.clone()).unwrap_or_default(),
        ignore_reason: ignored.map(|ignored| ignored.reason.clone()).unwrap_or_default(),
        connection: record.connection_name,
        name: record.name.unwrap_or_default(),
        upn: record.upn.unwrap_or_default(),
        reason: record.reason,
    }
}
