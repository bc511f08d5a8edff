//! `notice_read`: who has read what; the reader is a token. Written by api.

use chrono::{DateTime, Utc};
use domain::id::NoticeId;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;
use crate::notice_list::Reader;

/// Marks these notices as read, or all of the organization's when none is named. Those of others are left alone.
pub async fn mark(
    connection: &mut PgConnection,
    reader: Reader,
    notices: &[NoticeId],
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = notices.iter().map(|notice| notice.0).collect();
    sqlx::query(
        "-- notice_read.mark
         INSERT INTO notice_read (notice_id, reader, read_at)
         SELECT id, $2, $4 FROM notice
         WHERE organization_id = $1 AND (cardinality($3::uuid[]) = 0 OR id = ANY($3))
         ON CONFLICT DO NOTHING",
    )
    .bind(reader.organization.0)
    .bind(reader.token.0)
    .bind(ids)
    .bind(at)
    .execute(connection)
    .await?;
    Ok(())
}
