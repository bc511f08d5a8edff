//! What a connection's earlier runs came to, read for the notifier: it tells a change from more of the same.

use chrono::{DateTime, Utc};
use domain::id::{ConnectionId, RunId};
use sqlx::PgConnection;

use crate::StoreError;

/// Whether another run of the connection that ended between `since` and `until` had failed records, beside ignored ones.
/// Manual runs and reverts aside: who asked for one has the answer, and nobody else was told.
pub async fn had_failed_records(
    connection: &mut PgConnection,
    of: ConnectionId,
    run: RunId,
    since: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let had = sqlx::query_scalar(
        "-- earlier_runs.had_failed_records
         SELECT EXISTS (
             SELECT FROM run_plan AS plan JOIN run ON run.id = plan.run_id AND run.kind NOT IN ('manual', 'revert')
             WHERE plan.connection_id = $1 AND plan.run_id <> $2 AND plan.ended_at BETWEEN $3 AND $4
               AND plan.state = 'finished' AND plan.failed > plan.failed_ignored)",
    )
    .bind(of.0)
    .bind(run.0)
    .bind(since)
    .bind(until)
    .fetch_one(connection)
    .await?;
    Ok(had)
}
