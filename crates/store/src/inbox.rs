//! `inbox`: events whose telling has been decided. Written by notifier.

use chrono::{DateTime, Utc};
use domain::id::{EventId, OrganizationId, RunId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;

/// An event of the outbox that is not in the inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untold {
    /// Its key, in both.
    pub event: EventId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// What it is about.
    pub run: RunId,
    /// The trace that it continues.
    pub traceparent: Option<String>,
}

/// Takes the event; whether it is new. Of two transactions with the same event the later one waits for the earlier.
pub async fn receive(
    connection: &mut PgConnection,
    event: EventId,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let taken = sqlx::query(
        "-- inbox.receive
         INSERT INTO inbox (event_id, received_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
    )
    .bind(event.0)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(taken.rows_affected() == 1)
}

/// Up to `limit` events of a run in the outbox whose subject begins with `subject`, between two ids (which sort by time), that are
/// not in the inbox; the earliest first. Published or not: what is committed is to be told.
pub async fn untold(
    connection: &mut PgConnection,
    subject: &str,
    from: EventId,
    to: EventId,
    limit: i64,
) -> Result<Vec<Untold>, StoreError> {
    let rows: Vec<(Uuid, Uuid, Uuid, Option<String>)> = sqlx::query_as(
        "-- inbox.untold
         SELECT id, organization_id, run_id, traceparent
         FROM outbox
         WHERE id >= $2 AND id < $3 AND starts_with(subject, $1) AND run_id IS NOT NULL
           AND NOT EXISTS (SELECT FROM inbox WHERE inbox.event_id = outbox.id)
         ORDER BY id LIMIT $4",
    )
    .bind(subject)
    .bind(from.0)
    .bind(to.0)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    let untold = |(event, organization, run, traceparent): (Uuid, Uuid, Uuid, _)| Untold {
        event: EventId(event),
        organization: OrganizationId(organization),
        run: RunId(run),
        traceparent,
    };
    Ok(rows.into_iter().map(untold).collect())
}

/// Whether a later event of the same run, its subject beginning with `subject`, is in the outbox.
pub async fn is_superseded(
    connection: &mut PgConnection,
    subject: &str,
    event: EventId,
    run: RunId,
) -> Result<bool, StoreError> {
    let superseded = sqlx::query_scalar(
        "-- inbox.is_superseded
         SELECT EXISTS (SELECT FROM outbox WHERE id > $2 AND run_id = $3 AND starts_with(subject, $1))",
    )
    .bind(subject)
    .bind(event.0)
    .bind(run.0)
    .fetch_one(connection)
    .await?;
    Ok(superseded)
}

/// Forgets up to `limit` events older than `before` that can't come again, the oldest first; how many. What is still in the
/// outbox may come again, however old: it may be published late, or twice.
pub async fn purge(connection: &mut PgConnection, before: EventId, limit: i64) -> Result<u64, StoreError> {
    let gone = sqlx::query(
        "-- inbox.purge
         DELETE FROM inbox WHERE event_id = ANY (ARRAY(
             SELECT event_id FROM inbox
             WHERE event_id < $1 AND NOT EXISTS (SELECT FROM outbox WHERE outbox.id = inbox.event_id)
             ORDER BY event_id LIMIT $2 FOR UPDATE SKIP LOCKED
         ))",
    )
    .bind(before.0)
    .bind(limit)
    .execute(connection)
    .await?;
    Ok(gone.rows_affected())
}
