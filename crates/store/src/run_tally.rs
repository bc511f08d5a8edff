//! What a run comes to, as `run_plan` keeps it. Only reads.

use domain::id::RunId;
use sqlx::PgConnection;

use crate::StoreError;

/// How many records the run removes by itself, as it was tallied last.
pub async fn removed(connection: &mut PgConnection, id: RunId) -> Result<i32, StoreError> {
    Ok(
        sqlx::query_scalar("-- run_plan.removed\nSELECT removed FROM run_plan WHERE run_id = $1")
            .bind(id.0)
            .fetch_one(connection)
            .await?,
    )
}
