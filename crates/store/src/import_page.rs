//! `import_page`: rows of a file on their way into the register (I11). Written by reconciler.

use chrono::{DateTime, Utc};
use domain::id::OrganizationId;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;

/// Adds a page of an import.
pub async fn insert(
    connection: &mut PgConnection,
    (import, number): (Uuid, i32),
    organization: OrganizationId,
    content: &[u8],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query(
        "-- import_page.insert
         INSERT INTO import_page (import_id, number, organization_id, content, created_at)
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(import)
    .bind(number)
    .bind(organization.0)
    .bind(content)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes a page out: it is gone when the transaction commits.
pub async fn take(
    connection: &mut PgConnection,
    import: Uuid,
    number: i32,
) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(sqlx::query_scalar(
        "-- import_page.take
         DELETE FROM import_page WHERE import_id = $1 AND number = $2 RETURNING content",
    )
    .bind(import)
    .bind(number)
    .fetch_optional(connection)
    .await?)
}

/// Deletes what is left of an import.
pub async fn delete(connection: &mut PgConnection, import: Uuid) -> Result<(), StoreError> {
    sqlx::query("-- import_page.delete\nDELETE FROM import_page WHERE import_id = $1")
        .bind(import)
        .execute(connection)
        .await?;
    Ok(())
}

/// Deletes up to `limit` pages from before `before`, of imports that were broken off; how many.
pub async fn purge(
    connection: &mut PgConnection,
    before: DateTime<Utc>,
    limit: i64,
) -> Result<u64, StoreError> {
    let gone = sqlx::query(
        "-- import_page.purge
         DELETE FROM import_page WHERE (import_id, number) IN (
             SELECT import_id, number FROM import_page WHERE created_at < $1
             ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED
         )",
    )
    .bind(before)
    .bind(limit)
    .execute(connection)
    .await?;
    Ok(gone.rows_affected())
}
