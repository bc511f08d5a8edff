//! The CSV of the failed users (N5).

use std::collections::HashMap;
use std::sync::Arc;

use domain::csv_cell;
use domain::id::RunId;
use domain::notice::MAX_ATTACHED;
use store::delivery::Leased;
use store::failed_list::{self, FailedRecord};
use store::{Store, StoreError};

/// The file's name.
pub(super) const NAME: &str = "failed-users.csv";

/// The files that a batch of deliveries needs, one for each run.
pub(super) async fn load(store: &Store, batch: &[Leased]) -> Result<HashMap<RunId, Arc<str>>, StoreError> {
    let mut files = HashMap::new();
    for delivery in batch {
        let Some(run) = delivery
            .run
            .filter(|run| delivery.attach_failed && !files.contains_key(run))
        else {
            continue;
        };
        let failed =
            failed_list::first(&mut *store.connection().await?, run, i64::from(MAX_ATTACHED)).await?;
        files.insert(run, Arc::from(csv(&failed)));
    }
    Ok(files)
}

fn csv(failed: &[FailedRecord]) -> String {
    let mut csv = csv_cell::row(["upn", "name", "object_id", "reason"]);
    for record in failed {
        let object = record.object.map(|object| object.to_string());
        let cells = [&record.upn, &record.name, &object, &record.reason];
        csv.push_str(&csv_cell::row(
            cells.map(|cell| cell.as_deref().unwrap_or_default()),
        ));
    }
    csv
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n5_formulas_are_defused_and_missing_cells_are_empty() {
        let failed = [
            FailedRecord {
                upn: Some("ada@contoso.com".to_owned()),
                name: Some("=cmd|' /C calc'!A0".to_owned()),
                object: Some("0d9f8a10-0000-4000-8000-000000000001".parse().unwrap()),
                reason: Some("login \"ada\" is taken, by ada.old".to_owned()),
            },
            FailedRecord {
                upn: None,
                name: None,
                object: None,
                reason: Some("it has no id".to_owned()),
            },
        ];
        assert_eq!(
            csv(&failed),
            "upn,name,object_id,reason\r\n\
             ada@contoso.com,'=cmd|' /C calc'!A0,0d9f8a10-0000-4000-8000-000000000001,\
             \"login \"\"ada\"\" is taken, by ada.old\"\r\n\
             ,,,it has no id\r\n"
        );
    }
}
