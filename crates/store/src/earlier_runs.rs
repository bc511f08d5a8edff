//! What a connection's earlier runs came to, read for the notifier: it tells a change from more of the same.

use chrono::{DateTime, Utc};
use domain::id::{ConnectionId, RunId};
use sqlx::PgConnection;

use crate::StoreError;

/// Whether the last run that was asked for before this one failed; cancelled ones, those still on their way, and reverts,
/// which read nothing, say nothing.
pub async fn last_failed(
    connection: &mut PgConnection,
    of: ConnectionId,
    run: RunId,
    created_at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let failed: Option<bool> = sqlx::query_scalar(
        "-- earlier_runs.last_failed
         SELECT came_to.state = 'failed'
         FROM run
         LEFT JOIN run_fetch ON run_fetch.run_id = run.id
         LEFT JOIN run_plan ON run_plan.run_id = run.id
         CROSS JOIN LATERAL (SELECT coalesce(nullif(run_plan.state, 'planning'), run_fetch.state) AS state) AS came_to
         WHERE run.connection_id = $1 AND run.reverts IS NULL AND (run.created_at, run.id) < ($2, $3)
           AND came_to.state IN ('planned', 'applying', 'finished', 'failed', 'expired')
         ORDER BY run.created_at DESC, run.id DESC LIMIT 1",
    )
    .bind(of.0)
    .bind(created_at)
    .bind(run.0)
    .fetch_optional(connection)
    .await?;
    Ok(failed.unwrap_or(false))
}

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
