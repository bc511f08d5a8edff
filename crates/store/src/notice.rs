//! `notice`: bell entries (N4). Written by notifier; how people see them is in `notice_list`.

use chrono::{DateTime, Utc};
use domain::id::{ConnectionId, EventId, NoticeId, OrganizationId, RunId};
use domain::notice::{Kind, Notice};
use sqlx::PgConnection;

use crate::StoreError;

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// Whose bell it is.
    pub organization: OrganizationId,
    /// The event that it tells of.
    pub event: EventId,
    /// The event's run.
    pub run: Option<RunId>,
    /// The run's connection.
    pub connection: Option<ConnectionId>,
}

/// Adds a notice; whether it is new. An event has one notice of each kind.
pub async fn insert(
    connection: &mut PgConnection,
    id: NoticeId,
    about: About,
    notice: &Notice,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let added = sqlx::query(
        "-- notice.insert
         INSERT INTO notice (id, organization_id, event_id, kind, title, body, run_id, connection_id, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (event_id, kind) DO NOTHING",
    )
    .bind(id.0)
    .bind(about.organization.0)
    .bind(about.event.0)
    .bind(notice.kind.key())
    .bind(&notice.title)
    .bind(&notice.body)
    .bind(about.run.map(|run| run.0))
    .bind(about.connection.map(|connection| connection.0))
    .bind(now)
    .execute(connection)
    .await?;
    Ok(added.rows_affected() == 1)
}

/// Whether the organization has a notice of this kind that is not older than `since` (ids sort by time).
pub async fn is_told_since(
    connection: &mut PgConnection,
    organization: OrganizationId,
    kind: Kind,
    since: NoticeId,
) -> Result<bool, StoreError> {
    let told = sqlx::query_scalar(
        "-- notice.is_told_since
         SELECT EXISTS (SELECT FROM notice WHERE organization_id = $1 AND id >= $2 AND kind = $3)",
    )
    .bind(organization.0)
    .bind(since.0)
    .bind(kind.key())
    .fetch_one(connection)
    .await?;
    Ok(told)
}

/// Deletes up to `limit` notices older than `before`, the oldest first, and who has read them; how many.
pub async fn purge(connection: &mut PgConnection, before: NoticeId, limit: i64) -> Result<u64, StoreError> {
    let gone = sqlx::query(
        "-- notice.purge
         DELETE FROM notice WHERE id = ANY (ARRAY(
             SELECT id FROM notice WHERE id < $1 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
         ))",
    )
    .bind(before.0)
    .bind(limit)
    .execute(connection)
    .await?;
    Ok(gone.rows_affected())
}
