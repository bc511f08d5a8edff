//! The bell as people see it: `notice` with what its reader has read. Only reads.

use chrono::{DateTime, Utc};
use domain::id::{NoticeId, OrganizationId, RunId, TokenId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;

/// A bell entry, for one reader.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Entry {
    #[sqlx(rename = "id")]
    notice: Uuid,
    run_id: Option<Uuid>,
    /// Its kind, as the notice policy names it.
    pub kind: String,
    /// One line.
    pub title: String,
    /// What happened and what to do next.
    pub body: String,
    /// The name of the connection that it is about.
    pub connection: Option<String>,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// Whether the reader has read it.
    pub read: bool,
}

impl Entry {
    /// Its key.
    #[must_use]
    pub const fn id(&self) -> NoticeId {
        NoticeId(self.notice)
    }

    /// The run that it is about.
    #[must_use]
    pub fn run(&self) -> Option<RunId> {
        self.run_id.map(RunId)
    }
}

/// Whose bell it is.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    /// Whose notices.
    pub organization: OrganizationId,
    /// Who reads.
    pub token: TokenId,
}

/// Up to `limit` notices, the latest first, those before `before`.
pub async fn list(
    connection: &mut PgConnection,
    reader: Reader,
    unread_only: bool,
    before: Option<NoticeId>,
    limit: i64,
) -> Result<Vec<Entry>, StoreError> {
    let entries = sqlx::query_as(
        "-- notice_list.list
         SELECT notice.id, notice.run_id, notice.kind, notice.title, notice.body, connection.name AS connection,
             notice.created_at, notice_read.notice_id IS NOT NULL AS read
         FROM notice
         LEFT JOIN connection ON connection.id = notice.connection_id
         LEFT JOIN notice_read ON notice_read.notice_id = notice.id AND notice_read.reader = $2
         WHERE notice.organization_id = $1 AND (NOT $3 OR notice_read.notice_id IS NULL)
           AND ($4::uuid IS NULL OR notice.id < $4)
         ORDER BY notice.id DESC LIMIT $5",
    )
    .bind(reader.organization.0)
    .bind(reader.token.0)
    .bind(unread_only)
    .bind(before.map(|before| before.0))
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(entries)
}

/// Up to `limit` notices written since, the earliest first. Notices by several writers may not come in the order of
/// their ids; ask from a little earlier and leave out what is known.
pub async fn since(
    connection: &mut PgConnection,
    reader: Reader,
    since: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Entry>, StoreError> {
    let entries = sqlx::query_as(
        "-- notice_list.since
         SELECT notice.id, notice.run_id, notice.kind, notice.title, notice.body, connection.name AS connection,
             notice.created_at, notice_read.notice_id IS NOT NULL AS read
         FROM notice
         LEFT JOIN connection ON connection.id = notice.connection_id
         LEFT JOIN notice_read ON notice_read.notice_id = notice.id AND notice_read.reader = $2
         WHERE notice.organization_id = $1 AND notice.created_at >= $3
         ORDER BY notice.id LIMIT $4",
    )
    .bind(reader.organization.0)
    .bind(reader.token.0)
    .bind(since)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(entries)
}

/// How many the reader has not read.
pub async fn unread(connection: &mut PgConnection, reader: Reader) -> Result<u32, StoreError> {
    let unread: i64 = sqlx::query_scalar(
        "-- notice_list.unread
         SELECT count(*) FROM notice
         WHERE organization_id = $1
           AND NOT EXISTS (SELECT FROM notice_read WHERE notice_id = notice.id AND reader = $2)",
    )
    .bind(reader.organization.0)
    .bind(reader.token.0)
    .fetch_one(connection)
    .await?;
    Ok(u32::try_from(unread).unwrap_or(u32::MAX))
}
