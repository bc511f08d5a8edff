//! `console_session`: signed-in browsers, by the hash of their cookie. Written by api.

use chrono::{DateTime, Utc};
use domain::id::TokenId;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;
use crate::token::{self, Token};

/// Adds a session until `expires_at`.
pub async fn insert(
    connection: &mut PgConnection,
    hash: &[u8; 32],
    token: TokenId,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query(
        "-- console_session.insert
         INSERT INTO console_session (hash, token_id, created_at, expires_at) VALUES ($1, $2, $3, $4)",
    )
    .bind(hash.as_slice())
    .bind(token.0)
    .bind(created_at)
    .bind(expires_at)
    .execute(connection)
    .await?;
    Ok(())
}

/// The token behind a session that has not expired, unless that is revoked.
pub async fn find_token(
    connection: &mut PgConnection,
    hash: &[u8; 32],
    now: DateTime<Utc>,
) -> Result<Option<Token>, StoreError> {
    let id: Option<Uuid> = sqlx::query_scalar(
        "-- console_session.find_token
         SELECT token_id FROM console_session WHERE hash = $1 AND expires_at > $2",
    )
    .bind(hash.as_slice())
    .bind(now)
    .fetch_optional(&mut *connection)
    .await?;
    match id {
        Some(id) => token::find(connection, TokenId(id)).await,
        None => Ok(None),
    }
}

/// Ends a session.
pub async fn delete(connection: &mut PgConnection, hash: &[u8; 32]) -> Result<(), StoreError> {
    sqlx::query("-- console_session.delete\nDELETE FROM console_session WHERE hash = $1")
        .bind(hash.as_slice())
        .execute(connection)
        .await?;
    Ok(())
}

/// Deletes up to `limit` sessions that have expired; how many.
pub async fn delete_expired(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<u64, StoreError> {
    let gone = sqlx::query(
        "-- console_session.delete_expired
         DELETE FROM console_session WHERE hash = ANY (ARRAY(
             SELECT hash FROM console_session WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED
         ))",
    )
    .bind(now)
    .bind(limit)
    .execute(connection)
    .await?;
    Ok(gone.rows_affected())
}
