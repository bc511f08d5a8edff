//! `warning_told`: warnings that are told once (B9, R6). Written by notifier.

use chrono::{DateTime, Utc};
use domain::id::{ConnectionId, OrganizationId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;

/// Marks a warning as told, and others with it that are not told any more. Says whether the first of the marks is new. Of two
/// transactions with the same mark the later one waits for the earlier.
pub async fn mark(
    connection: &mut PgConnection,
    (organization, about): (OrganizationId, Uuid),
    marks: &[String],
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let new: Vec<String> = sqlx::query_scalar(
        "-- warning_told.mark
         INSERT INTO warning_told (organization_id, about, mark, told_at)
         SELECT $1, $2, mark, $4 FROM unnest($3::text[]) AS mark ORDER BY mark
         ON CONFLICT DO NOTHING
         RETURNING mark",
    )
    .bind(organization.0)
    .bind(about)
    .bind(marks)
    .bind(now)
    .fetch_all(connection)
    .await?;
    Ok(marks.first().is_some_and(|first| new.contains(first)))
}

/// A connection whose last full run is long ago.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overdue {
    /// Whose it is.
    pub organization: OrganizationId,
    /// The connection.
    pub connection: ConnectionId,
    /// Its name.
    pub name: String,
    /// When its last full run was.
    pub last_full: DateTime<Utc>,
}

/// Up to `limit` connections whose last full run was before `before`, and of which that is not told. Where a cursor says that
/// there was one since, no run is looked at.
pub async fn overdue(
    connection: &mut PgConnection,
    before: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Overdue>, StoreError> {
    let rows: Vec<(Uuid, Uuid, String, DateTime<Utc>)> = sqlx::query_as(
        "-- warning_told.overdue
         SELECT connection.organization_id, connection.id, connection.name, last.ended_at
         FROM connection
         CROSS JOIN LATERAL (
             SELECT plan.ended_at
             FROM run_plan AS plan
             JOIN run_fetch AS fetched ON fetched.run_id = plan.run_id AND NOT fetched.delta
             JOIN run ON run.id = plan.run_id AND run.kind NOT IN ('manual', 'deprovision')
             WHERE plan.connection_id = connection.id AND plan.state = 'finished'
             ORDER BY plan.ended_at DESC LIMIT 1
         ) AS last
         WHERE connection.disconnected_at IS NULL
           AND NOT EXISTS (
               SELECT FROM delta_cursor AS cursor
               WHERE cursor.connection_id = connection.id AND cursor.resource = 'users' AND cursor.full_at >= $1)
           AND last.ended_at < $1
           AND NOT EXISTS (
               SELECT FROM warning_told AS told
               WHERE told.organization_id = connection.organization_id AND told.about = connection.id
                 AND told.mark = 'full run ' || to_char(last.ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'))
         LIMIT $2",
    )
    .bind(before)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    let overdue = |(organization, connection, name, last_full)| Overdue {
        organization: OrganizationId(organization),
        connection: ConnectionId(connection),
        name,
        last_full,
    };
    Ok(rows.into_iter().map(overdue).collect())
}

/// The mark of such a connection.
#[must_use]
pub fn overdue_mark(last_full: DateTime<Utc>) -> String {
    format!("full run {}", last_full.format("%Y-%m-%d %H:%M:%S"))
}
