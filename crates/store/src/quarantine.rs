//! What quarantine is decided by, and what it comes to: `connection_health`, `connection`, `connection_status` and the
//! tables of runs together (B17). Only reads.

use chrono::{DateTime, Utc};
use domain::id::{ConnectionId, OrganizationId, RunId};
use domain::quarantine::{Happened, LASTING, RECORDS_FAILED, Records, Scope, Why};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::connection_status::MadeBy;
use crate::run::Kind;
use crate::{Inconsistent, StoreError};

/// Whether runs of `health.connection_id` come by themselves.
const RUNS_COME: &str = "EXISTS (
    SELECT FROM schedule JOIN schedule_state AS state ON state.schedule_id = schedule.id
    WHERE schedule.connection_id = health.connection_id AND (state.full_due IS NOT NULL OR state.delta_due IS NOT NULL))";

/// Connections in quarantine whose next try is due, those that have waited longest first; only where a test can end it (see
/// `domain::quarantine::test_shows`). One that was tried waits for the reconciler's word on that.
pub async fn due(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<ConnectionId>, StoreError> {
    let sql = format!(
        "-- quarantine.due
         SELECT health.connection_id
         FROM connection_health AS health
         JOIN connection ON connection.id = health.connection_id
         LEFT JOIN credential ON credential.id = connection.credential_id
         WHERE health.quarantined_since IS NOT NULL AND connection.disconnected_at IS NULL
           AND (health.cause = ANY($5) OR health.cause <> $2 AND NOT {RUNS_COME})
           AND (health.next_try_at <= $1
                OR health.considered_at < greatest(connection.updated_at, credential.updated_at))
           AND NOT EXISTS (
               SELECT FROM connection_status AS status
               WHERE status.connection_id = health.connection_id AND status.made_by = $4
                 AND status.tested_at > health.considered_at)
         ORDER BY health.next_try_at LIMIT $3"
    );
    let ids: Vec<Uuid> = sqlx::query_scalar(&sql)
        .bind(now)
        .bind(RECORDS_FAILED)
        .bind(limit)
        .bind(MadeBy::Quarantine.key())
        .bind(&LASTING[..])
        .fetch_all(connection)
        .await?;
    Ok(ids.into_iter().map(ConnectionId).collect())
}

/// What the end of a run, or of its planning, says of its connection; none: nothing.
pub async fn of_run(connection: &mut PgConnection, id: RunId) -> Result<Option<Happened>, StoreError> {
    let row: Option<Row> = sqlx::query_as(
        "-- quarantine.of_run
         SELECT run.kind, plan.state, plan.apply_requested_at IS NOT NULL AS was_preview, plan.seen + plan.gone AS seen,
             greatest(plan.failed - plan.failed_ignored, 0) AS failed, plan.error, fetched.delta, fetched.cause
         FROM run
         JOIN run_plan AS plan ON plan.run_id = run.id
         JOIN run_fetch AS fetched ON fetched.run_id = run.id
         WHERE run.id = $1",
    )
    .bind(id.0)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let kind = Kind::of_key(&row.kind).ok_or_else(|| Inconsistent::new("run", "kind", id))?;
    let scope = match kind {
        // It reads nothing.
        Kind::Revert => return Ok(None),
        Kind::Manual => Scope::Named,
        Kind::Deprovision => Scope::Leavers,
        _ if row.delta => Scope::Changes,
        Kind::Full | Kind::Delta | Kind::Preview => Scope::Whole,
    };
    Ok(match &*row.state {
        "failed" => Some(Happened::Failed(Why {
            cause: row.cause.unwrap_or_else(|| "internal".to_owned()),
            text: row.error.unwrap_or_default(),
        })),
        // Applying a plan reads nothing: what its reading showed was told when it was planned.
        "finished" if row.was_preview => None,
        "planned" | "finished" => Some(Happened::Ran(Records {
            seen: u32::try_from(row.seen).unwrap_or(0),
            failed: u32::try_from(row.failed).unwrap_or(0),
            scope,
        })),
        _ => None,
    })
}

/// News of a connection that fails: a test, or a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// The connection.
    pub connection: ConnectionId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// What happened.
    pub happened: Happened,
}

/// Up to `limit` connections of which something is known that no run told: a person released it, a test passed, or a try by
/// itself failed.
pub async fn news(
    connection: &mut PgConnection,
    only: Option<ConnectionId>,
    limit: i64,
) -> Result<Vec<News>, StoreError> {
    let sql = format!(
        "-- quarantine.news
         SELECT health.connection_id, connection.organization_id,
             coalesce(connection.released_at > health.considered_at, false) AS released,
             coalesce(status.passed, false) AS passed, {RUNS_COME} AS runs_come, coalesce(failed.cause, '') AS cause,
             coalesce(failed.message, '') AS message, coalesce(failed.next_step, '') AS next_step
         FROM connection_health AS health
         JOIN connection ON connection.id = health.connection_id
         LEFT JOIN connection_status AS status
             ON status.connection_id = health.connection_id AND status.tested_at > health.considered_at
             AND (status.made_by = $2 OR status.made_by = $3 AND status.passed)
         LEFT JOIN LATERAL (
             SELECT checked ->> 'cause' AS cause, checked ->> 'message' AS message, checked ->> 'next_step' AS next_step
             FROM jsonb_array_elements(status.checks) AS checked
             WHERE NOT (checked ->> 'passed')::boolean LIMIT 1
         ) AS failed ON true
         WHERE ($1::uuid IS NULL OR health.connection_id = $1)
           AND (connection.released_at > health.considered_at
                OR status.connection_id IS NOT NULL
                   AND (NOT status.passed OR health.cause = ANY($6) OR health.cause <> $4 AND NOT {RUNS_COME}))
         LIMIT $5"
    );
    let rows: Vec<NewsRow> = sqlx::query_as(&sql)
        .bind(only.map(|id| id.0))
        .bind(MadeBy::Quarantine.key())
        .bind(MadeBy::Person.key())
        .bind(RECORDS_FAILED)
        .bind(limit)
        .bind(&LASTING[..])
        .fetch_all(connection)
        .await?;
    Ok(rows.into_iter().map(News::from).collect())
}

#[derive(sqlx::FromRow)]
struct Row {
    kind: String,
    state: String,
    was_preview: bool,
    seen: i32,
    failed: i32,
    error: Option<String>,
    delta: bool,
    cause: Option<String>,
}

#[derive(sqlx::FromRow)]
struct NewsRow {
    connection_id: Uuid,
    organization_id: Uuid,
    released: bool,
    passed: bool,
    runs_come: bool,
    cause: String,
    message: String,
    next_step: String,
}

impl From<NewsRow> for News {
    fn from(row: NewsRow) -> Self {
        let happened = if row.released {
            Happened::Released
        } else if row.passed {
            Happened::TestPassed {
                runs_come: row.runs_come,
            }
        } else {
            Happened::Failed(Why {
                cause: row.cause,
                text: format!("{} {}", row.message, row.next_step).trim().to_owned(),
            })
        };
        Self {
            connection: ConnectionId(row.connection_id),
            organization: OrganizationId(row.organization_id),
            happened,
        }
    }
}
