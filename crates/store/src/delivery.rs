//! `delivery` and `delivery_attempt`: one mail to one recipient, and each try at it (N6). Written by notifier; how people
//! see them is in `delivery_list`.

use chrono::{DateTime, Utc};
use domain::id::{DeliveryId, EventId, OrganizationId, RunId};
use domain::notice::Letter;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Inconsistent, StoreError};

/// A mail to be sent to several recipients, each on its own.
#[derive(Clone, Debug)]
pub struct Mailing<'a> {
    /// Whose it is.
    pub organization: OrganizationId,
    /// The event that it tells of.
    pub event: EventId,
    /// The event's run, if it has one.
    pub run: Option<RunId>,
    /// What it says.
    pub letter: &'a Letter,
    /// The trace that sending it continues.
    pub traceparent: Option<&'a str>,
    /// To whom.
    pub addressees: &'a [Addressee],
}

/// One recipient of a mailing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addressee {
    /// The delivery's key.
    pub id: DeliveryId,
    /// The address as it was entered.
    pub recipient: String,
    /// The Message-ID header, angle brackets included; the same for every try.
    pub message_id: String,
}

/// A delivery that the holder of its lease may try, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leased {
    /// Its key.
    pub id: DeliveryId,
    /// The lease. Whoever takes the delivery later has another one.
    pub lease: Uuid,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// Whose it is.
    pub organization: OrganizationId,
    /// The event that it tells of.
    pub event: EventId,
    /// The event's run.
    pub run: Option<RunId>,
    /// To whom.
    pub recipient: String,
    /// Subject line.
    pub subject: String,
    /// Plain text.
    pub body: String,
    /// Whether the failed users' CSV goes with it.
    pub attach_failed: bool,
    /// Whether the body has a gap for the event's password.
    pub holds_password: bool,
    /// The Message-ID header, angle brackets included.
    pub message_id: String,
    /// The trace that sending it continues.
    pub traceparent: Option<String>,
}

/// What stands for the result of a try whose holder never recorded one.
pub const UNRECORDED: &str =
    "the sender ended before it recorded a result; the server may have accepted the mail";

/// Adds the deliveries of a mailing, due at once; how many are new. An event has one per recipient.
pub async fn insert(
    connection: &mut PgConnection,
    mailing: &Mailing<'_>,
    now: DateTime<Utc>,
) -> Result<u64, StoreError> {
    let column = |of: fn(&Addressee) -> &str| mailing.addressees.iter().map(of).collect::<Vec<_>>();
    let added = sqlx::query(
        "-- delivery.insert
         INSERT INTO delivery (id, organization_id, event_id, run_id, recipient, subject, body, attach_failed,
             message_id, state, next_attempt_at, traceparent, created_at)
         SELECT new.id, $4, $5, $6, new.recipient, $7, $8, $9, new.message_id, 'due', $11, $10, $11
         FROM unnest($1::uuid[], $2::text[], $3::text[]) AS new (id, recipient, message_id)
         ON CONFLICT (event_id, recipient) DO NOTHING",
    )
    .bind(
        mailing
            .addressees
            .iter()
            .map(|addressee| addressee.id.0)
            .collect::<Vec<_>>(),
    )
    .bind(column(|addressee| &addressee.recipient))
    .bind(column(|addressee| &addressee.message_id))
    .bind(mailing.organization.0)
    .bind(mailing.event.0)
    .bind(mailing.run.map(|run| run.0))
    .bind(&mailing.letter.subject)
    .bind(&mailing.letter.body)
    .bind(mailing.letter.attach_failed)
    .bind(mailing.traceparent)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(added.rows_affected())
}

/// A mail that brings a password, to one person.
#[derive(Clone, Debug)]
pub struct PasswordMail {
    /// Whose it is.
    pub organization: OrganizationId,
    /// The password's.
    pub event: EventId,
    /// What it says, with a gap.
    pub letter: Letter,
    /// To whom.
    pub addressee: Addressee,
}

/// Adds the deliveries of passwords, due at once; how many are new.
pub async fn insert_passwords(
    connection: &mut PgConnection,
    mails: &[PasswordMail],
    now: DateTime<Utc>,
) -> Result<u64, StoreError> {
    let ids = |of: fn(&PasswordMail) -> Uuid| mails.iter().map(of).collect::<Vec<_>>();
    let texts = |of: fn(&PasswordMail) -> &str| mails.iter().map(of).collect::<Vec<_>>();
    let added = sqlx::query(
        "-- delivery.insert_passwords
         INSERT INTO delivery (id, organization_id, event_id, recipient, subject, body, attach_failed, holds_password,
             message_id, state, next_attempt_at, created_at)
         SELECT new.id, new.organization_id, new.event_id, new.recipient, new.subject, new.body, false, true,
             new.message_id, 'due', $8, $8
         FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[])
             AS new (id, organization_id, event_id, recipient, subject, body, message_id)
         ON CONFLICT (event_id, recipient) DO NOTHING",
    )
    .bind(ids(|mail| mail.addressee.id.0))
    .bind(ids(|mail| mail.organization.0))
    .bind(ids(|mail| mail.event.0))
    .bind(texts(|mail| &mail.addressee.recipient))
    .bind(texts(|mail| &mail.letter.subject))
    .bind(texts(|mail| &mail.letter.body))
    .bind(texts(|mail| &mail.addressee.message_id))
    .bind(now)
    .execute(connection)
    .await?;
    Ok(added.rows_affected())
}

/// Takes up to `limit` due deliveries under the lease `lease`, which ends at `until`: those that nobody holds, and those
/// whose holder let its lease run out. Every delivery goes to one taker.
pub async fn lease(
    connection: &mut PgConnection,
    lease: Uuid,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Leased>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "-- delivery.lease
         WITH taken AS (
             SELECT id, attempts, lease_token IS NOT NULL AS unrecorded
             FROM delivery
             WHERE state = 'due' AND next_attempt_at <= $2 AND (lease_until IS NULL OR lease_until <= $2)
             ORDER BY next_attempt_at
             LIMIT $4
             FOR UPDATE SKIP LOCKED
         ), unrecorded AS (
             INSERT INTO delivery_attempt (delivery_id, number, attempted_at, error)
             SELECT id, attempts, $2, $5 FROM taken WHERE unrecorded
             ON CONFLICT DO NOTHING
         )
         UPDATE delivery
         SET lease_token = $1, lease_until = $3, attempts = delivery.attempts + 1
         FROM taken
         WHERE delivery.id = taken.id
         RETURNING delivery.id, delivery.attempts, delivery.organization_id, delivery.event_id, delivery.run_id,
             delivery.recipient, delivery.subject, delivery.body, delivery.attach_failed, delivery.holds_password,
             delivery.message_id, delivery.traceparent",
    )
    .bind(lease)
    .bind(now)
    .bind(until)
    .bind(limit)
    .bind(UNRECORDED)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| row.leased(lease).map_err(StoreError::from))
        .collect()
}

/// Records that a server accepted the mail; whether that was news. It holds even when the lease has run out: an accepted
/// mail must not be tried again.
pub async fn record_sent(
    connection: &mut PgConnection,
    delivery: &Leased,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let sent = sqlx::query(
        "-- delivery.record_sent
         WITH sent AS (
             UPDATE delivery
             SET state = 'sent', sent_at = $2, last_error = NULL, lease_token = NULL, lease_until = NULL
             WHERE id = $1 AND state <> 'sent'
             RETURNING id
         )
         INSERT INTO delivery_attempt (delivery_id, number, attempted_at)
         SELECT id, $3, $2 FROM sent
         ON CONFLICT (delivery_id, number) DO UPDATE SET error = NULL",
    )
    .bind(delivery.id.0)
    .bind(now)
    .bind(i32::try_from(delivery.attempt).unwrap_or(i32::MAX))
    .execute(connection)
    .await?;
    Ok(sent.rows_affected() == 1)
}

/// Records why a try failed, and when the next one is due; without one the delivery has failed for good. Whether that was
/// news: it is not when the lease has gone to someone else meanwhile.
pub async fn record_failure(
    connection: &mut PgConnection,
    delivery: &Leased,
    error: &str,
    next: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let failed = sqlx::query(
        "-- delivery.record_failure
         WITH failed AS (
             UPDATE delivery
             SET state = CASE WHEN $5::timestamptz IS NULL THEN 'failed' ELSE 'due' END,
                 next_attempt_at = coalesce($5, next_attempt_at),
                 last_error = $4, lease_token = NULL, lease_until = NULL
             WHERE id = $1 AND state = 'due' AND lease_token = $6
             RETURNING id
         )
         INSERT INTO delivery_attempt (delivery_id, number, attempted_at, error)
         SELECT id, $3, $2, $4 FROM failed
         ON CONFLICT DO NOTHING",
    )
    .bind(delivery.id.0)
    .bind(now)
    .bind(i32::try_from(delivery.attempt).unwrap_or(i32::MAX))
    .bind(error)
    .bind(next)
    .bind(delivery.lease)
    .execute(connection)
    .await?;
    Ok(failed.rows_affected() == 1)
}

/// Deletes up to `limit` deliveries older than `before`, the oldest first, with their attempts; how many. What waits to be
/// sent stays, however old.
pub async fn purge(connection: &mut PgConnection, before: DeliveryId, limit: i64) -> Result<u64, StoreError> {
    let gone = sqlx::query(
        "-- delivery.purge
         DELETE FROM delivery WHERE id = ANY (ARRAY(
             SELECT id FROM delivery WHERE id < $1 AND state <> 'due'
             ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
         ))",
    )
    .bind(before.0)
    .bind(limit)
    .execute(connection)
    .await?;
    Ok(gone.rows_affected())
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    attempts: i32,
    organization_id: Uuid,
    event_id: Uuid,
    run_id: Option<Uuid>,
    recipient: String,
    subject: String,
    body: String,
    attach_failed: bool,
    holds_password: bool,
    message_id: String,
    traceparent: Option<String>,
}

impl Row {
    fn leased(self, lease: Uuid) -> Result<Leased, Inconsistent> {
        Ok(Leased {
            attempt: u32::try_from(self.attempts)
                .map_err(|_| Inconsistent::new("delivery", "attempts", self.id))?,
            id: DeliveryId(self.id),
            lease,
            organization: OrganizationId(self.organization_id),
            event: EventId(self.event_id),
            run: self.run_id.map(RunId),
            recipient: self.recipient,
            subject: self.subject,
            body: self.body,
            attach_failed: self.attach_failed,
            holds_password: self.holds_password,
            message_id: self.message_id,
            traceparent: self.traceparent,
        })
    }
}
