//! `connection_try`: which fetcher tries a connection in quarantine just now (B17). Written by fetcher.

use chrono::{DateTime, Utc};
use domain::id::ConnectionId;
use sqlx::PgConnection;

use crate::StoreError;

/// Takes the trying of a connection until `until`. Says whether nobody else had it.
pub async fn take(
    connection: &mut PgConnection,
    id: ConnectionId,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "-- connection_try.take
         INSERT INTO connection_try (connection_id, lease_until) VALUES ($1, $3)
         ON CONFLICT (connection_id) DO UPDATE SET lease_until = excluded.lease_until
         WHERE connection_try.lease_until <= $2",
    )
    .bind(id.0)
    .bind(now)
    .bind(until)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives the trying of a connection back.
pub async fn give_back(
    connection: &mut PgConnection,
    id: ConnectionId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query(
        "-- connection_try.give_back\nUPDATE connection_try SET lease_until = $2 WHERE connection_id = $1",
    )
    .bind(id.0)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}
