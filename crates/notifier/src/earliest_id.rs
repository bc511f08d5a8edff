//! Bounds for ids that sort by time.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// An id not after any that is made at the time `at` or later.
pub(crate) fn earliest_id(at: DateTime<Utc>) -> Uuid {
    let milliseconds = u64::try_from(at.timestamp_millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(milliseconds, &[0; 10]).into_uuid()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use service::clock::id_at;

    use super::*;

    #[test]
    fn it_divides_the_ids_made_before_from_those_made_later() {
        let at: DateTime<Utc> = "2026-11-21T12:00:00Z".parse().unwrap();
        let bound = earliest_id(at);
        assert!(id_at(at - TimeDelta::milliseconds(1)) < bound);
        assert!(bound <= id_at(at));
    }
}
