//! What people see beside a connection's own row: counts, times, and how its last run went. Only reads.

use chrono::{DateTime, Utc};
use domain::id::ConnectionId;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;

/// What goes with a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The connection.
    pub connection: ConnectionId,
    /// The name of its credential.
    pub credential: Option<String>,
    /// How many accounts it feeds.
    pub linked: u32,
    /// When its last full run was applied.
    pub last_full: Option<DateTime<Utc>>,
    /// When its last delta was applied.
    pub last_delta: Option<DateTime<Utc>>,
    /// When its last run for leavers alone was.
    pub last_deprovision: Option<DateTime<Utc>>,
    /// Where its next delta would begin.
    pub cursor: Option<Cursor>,
    /// How its last ended run went.
    pub last_run: Option<LastRun>,
}

/// Where a connection's next delta would begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// When the directory gave the link.
    pub taken_at: DateTime<Utc>,
    /// When the full run before it was.
    pub full_at: DateTime<Utc>,
}

/// How an ended run went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastRun {
    /// Whether it failed.
    pub failed: bool,
    /// When it ended.
    pub at: DateTime<Utc>,
}

/// What goes with these connections.
pub async fn of_connections(
    connection: &mut PgConnection,
    ids: &[ConnectionId],
) -> Result<Vec<Facts>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows: Vec<Row> = sqlx::query_as(
        "-- connection_view.of_connections
         SELECT connection.id, credential.name AS credential,
             (SELECT count(*) FROM link
              WHERE link.connection_id = connection.id AND link.account_id IS NOT NULL) AS linked,
             applied.last_full, applied.last_delta, applied.last_deprovision, cursor.taken_at, cursor.full_at, last.state AS last_state,
             last.at AS last_at
         FROM connection
         LEFT JOIN credential ON credential.id = connection.credential_id
         LEFT JOIN delta_cursor AS cursor
             ON cursor.connection_id = connection.id AND cursor.resource = 'users'
         LEFT JOIN LATERAL (
             SELECT max(plan.ended_at) FILTER (WHERE NOT fetched.delta AND run.kind <> 'deprovision') AS last_full,
                 max(plan.ended_at) FILTER (WHERE run.kind = 'deprovision') AS last_deprovision,
                 max(plan.ended_at) FILTER (WHERE fetched.delta) AS last_delta
             FROM run_plan AS plan JOIN run_fetch AS fetched USING (run_id)
             JOIN run ON run.id = plan.run_id AND run.kind <> 'manual'
             WHERE plan.connection_id = connection.id AND plan.state = 'finished'
         ) AS applied ON true
         LEFT JOIN LATERAL (
             SELECT coalesce(plan.state, fetched.state) AS state,
                 coalesce(plan.ended_at, plan.planned_at, fetched.ended_at) AS at
             FROM run
             LEFT JOIN run_fetch AS fetched ON fetched.run_id = run.id
             LEFT JOIN run_plan AS plan ON plan.run_id = run.id
             WHERE run.connection_id = connection.id
               AND (plan.state IN ('planned', 'finished', 'failed') OR plan.run_id IS NULL AND fetched.state = 'failed')
             ORDER BY run.created_at DESC LIMIT 1
         ) AS last ON true
         WHERE connection.id = ANY($1)",
    )
    .bind(ids)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(Facts::from).collect())
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    credential: Option<String>,
    linked: i64,
    last_full: Option<DateTime<Utc>>,
    last_delta: Option<DateTime<Utc>>,
    last_deprovision: Option<DateTime<Utc>>,
    taken_at: Option<DateTime<Utc>>,
    full_at: Option<DateTime<Utc>>,
    last_state: Option<String>,
    last_at: Option<DateTime<Utc>>,
}

impl From<Row> for Facts {
    fn from(row: Row) -> Self {
        Self {
            connection: ConnectionId(row.id),
            credential: row.credential,
            linked: u32::try_from(row.linked).unwrap_or(u32::MAX),
            last_full: row.last_full,
            last_delta: row.last_delta,
            last_deprovision: row.last_deprovision,
            cursor: row
                .taken_at
                .zip(row.full_at)
                .map(|(taken_at, full_at)| Cursor { taken_at, full_at }),
            last_run: row.last_state.zip(row.last_at).map(|(state, at)| LastRun {
                failed: state == "failed",
                at,
            }),
        }
    }
}
