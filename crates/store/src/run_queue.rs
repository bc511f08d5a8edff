//! Which runs wait for a fetcher: `run`, `run_fetch`, `run_plan` and `run_page` together. Only reads.

use chrono::{DateTime, Utc};
use domain::id::{ConnectionId, RunId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Inconsistent, StoreError};

/// A run whose reading has to begin anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Again {
    /// The run.
    pub run: RunId,
    /// Its connection.
    pub connection: ConnectionId,
    /// The attempt that came to nothing.
    pub attempt: u32,
}

/// Lets one at a time decide about a connection's runs, until the transaction ends.
pub async fn lock(connection: &mut PgConnection, of: ConnectionId) -> Result<(), StoreError> {
    sqlx::query("-- run_queue.lock\nSELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
        .bind(of.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// Connections with a run to take, those that have waited longest first.
pub async fn connections(connection: &mut PgConnection, limit: i64) -> Result<Vec<ConnectionId>, StoreError> {
    let ids: Vec<Uuid> = sqlx::query_scalar(
        "-- run_queue.connections
         SELECT run.connection_id
         FROM run
         WHERE run.cancel_requested_at IS NULL AND run.kind NOT IN ('manual', 'revert')
           AND NOT EXISTS (SELECT FROM run_fetch WHERE run_fetch.run_id = run.id)
           AND NOT EXISTS (
               SELECT FROM run AS other
               LEFT JOIN run_fetch AS fetched ON fetched.run_id = other.id
               LEFT JOIN run_plan AS plan ON plan.run_id = other.id
               WHERE other.connection_id = run.connection_id AND other.kind <> 'manual'
                 AND (fetched.state = 'fetching' OR plan.state IN ('planning', 'applying')
                      OR (fetched.state = 'fetched' OR other.reverts IS NOT NULL) AND plan.run_id IS NULL))
         GROUP BY run.connection_id
         ORDER BY min(run.created_at)
         LIMIT $1",
    )
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(ids.into_iter().map(ConnectionId).collect())
}

/// Manual runs that nobody has taken, those that have waited longest first. They wait for no other run, and none waits for
/// them.
pub async fn manual(connection: &mut PgConnection, limit: i64) -> Result<Vec<RunId>, StoreError> {
    let ids: Vec<Uuid> = sqlx::query_scalar(
        "-- run_queue.manual
         SELECT run.id
         FROM run
         WHERE run.kind = 'manual' AND run.cancel_requested_at IS NULL
           AND NOT EXISTS (SELECT FROM run_fetch WHERE run_fetch.run_id = run.id)
         ORDER BY run.created_at, run.id
         LIMIT $1",
    )
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(ids.into_iter().map(RunId).collect())
}

/// The connection's oldest run that nobody has taken, unless another of its runs is active: being read, or read and not
/// planned or applied to its end.
pub async fn next(connection: &mut PgConnection, of: ConnectionId) -> Result<Option<RunId>, StoreError> {
    let id: Option<Uuid> = sqlx::query_scalar(
        "-- run_queue.next
         SELECT run.id
         FROM run
         WHERE run.connection_id = $1 AND run.cancel_requested_at IS NULL AND run.kind NOT IN ('manual', 'revert')
           AND NOT EXISTS (SELECT FROM run_fetch WHERE run_fetch.run_id = run.id)
           AND NOT EXISTS (
               SELECT FROM run AS other
               LEFT JOIN run_fetch AS fetched ON fetched.run_id = other.id
               LEFT JOIN run_plan AS plan ON plan.run_id = other.id
               WHERE other.connection_id = $1 AND other.kind <> 'manual'
                 AND (fetched.state = 'fetching' OR plan.state IN ('planning', 'applying')
                      OR (fetched.state = 'fetched' OR other.reverts IS NOT NULL) AND plan.run_id IS NULL))
         ORDER BY run.created_at, run.id
         LIMIT 1",
    )
    .bind(of.0)
    .fetch_optional(connection)
    .await?;
    Ok(id.map(RunId))
}

/// Runs whose reader has died: their lease has run out. Those that someone wants ended are left out.
pub async fn left_behind(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Again>, StoreError> {
    let rows: Vec<(Uuid, Uuid, i32)> = sqlx::query_as(
        "-- run_queue.left_behind
         SELECT run.id, run.connection_id, fetched.attempt
         FROM run_fetch AS fetched JOIN run ON run.id = fetched.run_id
         WHERE fetched.state = 'fetching' AND fetched.lease_until < $1 AND run.cancel_requested_at IS NULL
         ORDER BY fetched.lease_until
         LIMIT $2",
    )
    .bind(now)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(again).collect()
}

/// Runs that are read, but of whose pages some are not decided and none was since `quiet_since`: pages may be lost. `only`
/// asks about one run.
pub async fn stalled(
    connection: &mut PgConnection,
    only: Option<RunId>,
    quiet_since: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Again>, StoreError> {
    let rows: Vec<(Uuid, Uuid, i32)> = sqlx::query_as(
        "-- run_queue.stalled
         SELECT run.id, run.connection_id, fetched.attempt
         FROM run_fetch AS fetched
         JOIN run ON run.id = fetched.run_id
         LEFT JOIN run_plan AS plan ON plan.run_id = run.id
         CROSS JOIN LATERAL (
             SELECT count(*) AS decided, max(decided_at) AS last FROM run_page
             WHERE run_page.run_id = run.id AND run_page.attempt = fetched.attempt AND run_page.number > 0
         ) AS page
         WHERE fetched.state = 'fetched' AND fetched.ended_at < $2 AND run.cancel_requested_at IS NULL
           AND (plan.run_id IS NULL OR plan.state = 'planning')
           AND page.decided < fetched.pages AND (page.last IS NULL OR page.last < $2)
           AND ($1::uuid IS NULL OR run.id = $1)
         ORDER BY fetched.ended_at
         LIMIT $3",
    )
    .bind(only.map(|run| run.0))
    .bind(quiet_since)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(again).collect()
}

fn again((run, connection, attempt): (Uuid, Uuid, i32)) -> Result<Again, StoreError> {
    let attempt = u32::try_from(attempt).map_err(|_| Inconsistent::new("run_fetch", "attempt", run))?;
    Ok(Again {
        run: RunId(run),
        connection: ConnectionId(connection),
        attempt,
    })
}
