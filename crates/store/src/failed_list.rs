//! The failed records of a run, for the CSV that goes with a mail (N5): `decision`, read for the notifier.

use domain::decision::Outcome;
use domain::id::{ObjectId, RunId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;

/// One record that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedRecord {
    /// Its UPN, where it has one.
    pub upn: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Its object id; none for a record without a usable one.
    pub object: Option<ObjectId>,
    /// Why it failed.
    pub reason: Option<String>,
}

/// The first `limit` records of the run that failed, in the order in which they were read.
pub async fn first(
    connection: &mut PgConnection,
    run: RunId,
    limit: i64,
) -> Result<Vec<FailedRecord>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "-- failed_list.first
         SELECT upn, name, object_id, reason FROM decision
         WHERE run_id = $1 AND outcome = $2
         ORDER BY page, position LIMIT $3",
    )
    .bind(run.0)
    .bind(Outcome::Failed as i16)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(FailedRecord::from).collect())
}

#[derive(sqlx::FromRow)]
struct Row {
    upn: Option<String>,
    name: Option<String>,
    object_id: Option<Uuid>,
    reason: Option<String>,
}

impl From<Row> for FailedRecord {
    fn from(row: Row) -> Self {
        Self {
            upn: row.upn,
            name: row.name,
            object: row.object_id.map(ObjectId),
            reason: row.reason,
        }
    }
}
