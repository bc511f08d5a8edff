//! `idempotency`: answers to mutations by the caller's key, for a day. Written by api.

use chrono::{DateTime, TimeDelta, Utc};
use domain::id::OrganizationId;
use sqlx::PgConnection;

use crate::StoreError;

/// How long an answer is kept.
pub const KEPT: TimeDelta = TimeDelta::days(1);
/// How long a mutation without an answer may still be at work; after that it counts as interrupted.
pub const AT_WORK: TimeDelta = TimeDelta::seconds(90);

/// A mutation that carries a key.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Whose key it is.
    pub organization: OrganizationId,
    /// The key.
    pub key: &'a str,
    /// The method's name.
    pub method: &'a str,
    /// SHA-256 of the request.
    pub hash: &'a [u8; 32],
}

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nothing, or its request was interrupted: go on. The key is ours.
    Ours,
    /// It was answered: give the same answer.
    Answered(Vec<u8>),
    /// The same request is at work.
    AtWork,
    /// It was another request.
    Other,
}

/// Claims a key, in the caller's transaction. A claim by a transaction that is still open is waited for.
pub async fn claim(
    connection: &mut PgConnection,
    request: Request<'_>,
    now: DateTime<Utc>,
) -> Result<Claim, StoreError> {
    let done = sqlx::query(
        "-- idempotency.claim
         INSERT INTO idempotency (organization_id, key, method, request_hash, created_at)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (organization_id, key) DO UPDATE
         SET method = excluded.method, request_hash = excluded.request_hash, created_at = excluded.created_at,
             response = NULL
         WHERE idempotency.created_at < $6
            OR idempotency.response IS NULL AND idempotency.created_at < $7
               AND idempotency.method = excluded.method AND idempotency.request_hash = excluded.request_hash",
    )
    .bind(request.organization.0)
    .bind(request.key)
    .bind(request.method)
    .bind(request.hash.as_slice())
    .bind(now)
    .bind(now - KEPT)
    .bind(now - AT_WORK)
    .execute(&mut *connection)
    .await?;
    if done.rows_affected() == 1 {
        return Ok(Claim::Ours);
    }
    let (method, hash, response): (String, Vec<u8>, Option<Vec<u8>>) = sqlx::query_as(
        "-- idempotency.find
         SELECT method, request_hash, response FROM idempotency WHERE organization_id = $1 AND key = $2",
    )
    .bind(request.organization.0)
    .bind(request.key)
    .fetch_one(connection)
    .await?;
    Ok(match response {
        _ if method != request.method || hash != request.hash => Claim::Other,
        Some(response) => Claim::Answered(response),
        None => Claim::AtWork,
    })
}

/// Writes down the answer to a claimed key.
pub async fn answer(
    connection: &mut PgConnection,
    request: Request<'_>,
    response: &[u8],
) -> Result<(), StoreError> {
    sqlx::query(
        "-- idempotency.answer
         UPDATE idempotency SET response = $4
         WHERE organization_id = $1 AND key = $2 AND request_hash = $3",
    )
    .bind(request.organization.0)
    .bind(request.key)
    .bind(request.hash.as_slice())
    .bind(response)
    .execute(connection)
    .await?;
    Ok(())
}

/// Gives up a claimed key whose mutation was refused, so that it may be tried again.
pub async fn release(connection: &mut PgConnection, request: Request<'_>) -> Result<(), StoreError> {
    sqlx::query(
        "-- idempotency.release
         DELETE FROM idempotency
         WHERE organization_id = $1 AND key = $2 AND request_hash = $3 AND response IS NULL",
    )
    .bind(request.organization.0)
    .bind(request.key)
    .bind(request.hash.as_slice())
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes up to `limit` answers that are older than a day; how many.
pub async fn delete_expired(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<u64, StoreError> {
    let gone = sqlx::query(
        "-- idempotency.delete_expired
         WITH expired AS (
             SELECT organization_id, key FROM idempotency WHERE created_at < $1
             LIMIT $2 FOR UPDATE SKIP LOCKED
         )
         DELETE FROM idempotency USING expired
         WHERE idempotency.organization_id = expired.organization_id AND idempotency.key = expired.key",
    )
    .bind(now - KEPT)
    .bind(limit)
    .execute(connection)
    .await?;
    Ok(gone.rows_affected())
}
