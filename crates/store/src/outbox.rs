//! `outbox`: events, committed with what they tell of, until they are published. Written by reconciler.

use chrono::{DateTime, Utc};
use domain::id::{EventId, OrganizationId, RunId};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::StoreError;

/// An event to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its key, and its message id on the bus.
    pub id: EventId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// What it is: `run.finished` or `register.changed`.
    pub subject: String,
    /// The encoded message.
    pub payload: Vec<u8>,
    /// The run that it tells of.
    pub run: Option<RunId>,
    /// The trace that it continues.
    pub traceparent: Option<String>,
}

/// Adds an event.
pub async fn insert(
    connection: &mut PgConnection,
    event: &Event,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query(
        "-- outbox.insert
         INSERT INTO outbox (id, organization_id, subject, payload, run_id, traceparent, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(event.id.0)
    .bind(event.organization.0)
    .bind(&event.subject)
    .bind(&event.payload)
    .bind(event.run.map(|run| run.0))
    .bind(&event.traceparent)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes up to `limit` unpublished events, oldest first, until the transaction ends.
pub async fn take_due(connection: &mut PgConnection, limit: i64) -> Result<Vec<Event>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "-- outbox.take_due
         SELECT id, organization_id, subject, payload, run_id, traceparent FROM outbox
         WHERE published_at IS NULL ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED",
    )
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(Event::from).collect())
}

/// Marks events as published.
pub async fn set_published(
    connection: &mut PgConnection,
    events: &[Uuid],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query(
        "-- outbox.set_published
         UPDATE outbox SET published_at = $2 WHERE id = ANY($1)",
    )
    .bind(events)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes up to `limit` events that were published before `before`, the oldest first; how many. `earliest` is the first id
/// of that time: an event is not published before it is made. What is not published stays, however old.
pub async fn purge(
    connection: &mut PgConnection,
    earliest: EventId,
    before: DateTime<Utc>,
    limit: i64,
) -> Result<u64, StoreError> {
    let gone = sqlx::query(
        "-- outbox.purge
         DELETE FROM outbox WHERE id = ANY (ARRAY(
             SELECT id FROM outbox WHERE id < $1 AND published_at < $2
             ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED
         ))",
    )
    .bind(earliest.0)
    .bind(before)
    .bind(limit)
    .execute(connection)
    .await?;
    Ok(gone.rows_affected())
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    organization_id: Uuid,
    subject: String,
    payload: Vec<u8>,
    run_id: Option<Uuid>,
    traceparent: Option<String>,
}

impl From<Row> for Event {
    fn from(row: Row) -> Self {
        Self {
            id: EventId(row.id),
            organization: OrganizationId(row.organization_id),
            subject: row.subject,
            payload: row.payload,
            run: row.run_id.map(RunId),
            traceparent: row.traceparent,
        }
    }
}
