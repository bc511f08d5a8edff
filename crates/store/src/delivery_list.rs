//! Mails and how their delivery went, as people see them. Only reads.

use chrono::{DateTime, Utc};
use domain::id::{DeliveryId, OrganizationId, RunId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Inconsistent, StoreError};

/// One mail to one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Its key.
    pub id: DeliveryId,
    /// To whom.
    pub recipient: String,
    /// Its subject line.
    pub subject: String,
    /// How far it is.
    pub state: State,
    /// How often it was tried.
    pub attempts: u32,
    /// Why the last try failed.
    pub last_error: Option<String>,
    /// The same for every try.
    pub message_id: String,
    /// The run that it is about.
    pub run: Option<RunId>,
    /// When it was decided upon.
    pub created_at: DateTime<Utc>,
    /// When a server accepted it.
    pub sent_at: Option<DateTime<Utc>>,
}

/// How far a mail is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It waits for its next try.
    Due,
    /// A server has accepted it.
    Sent,
    /// It was given up.
    Failed,
}

/// Up to `limit` of the organization's mails, the latest first, those before `before`.
pub async fn list(
    connection: &mut PgConnection,
    organization: OrganizationId,
    before: Option<DeliveryId>,
    limit: i64,
) -> Result<Vec<Mail>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "-- delivery_list.list
         SELECT id, recipient, subject, state, attempts, last_error, message_id, run_id, created_at, sent_at
         FROM delivery
         WHERE organization_id = $1 AND ($2::uuid IS NULL OR id < $2)
         ORDER BY id DESC LIMIT $3",
    )
    .bind(organization.0)
    .bind(before.map(|before| before.0))
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| Mail::try_from(row).map_err(StoreError::from))
        .collect()
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    recipient: String,
    subject: String,
    state: String,
    attempts: i32,
    last_error: Option<String>,
    message_id: String,
    run_id: Option<Uuid>,
    created_at: DateTime<Utc>,
    sent_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Mail {
    type Error = Inconsistent;

    fn try_from(row: Row) -> Result<Self, Inconsistent> {
        let bad = |column| Inconsistent::new("delivery", column, row.id);
        Ok(Self {
            id: DeliveryId(row.id),
            recipient: row.recipient,
            subject: row.subject,
            state: match row.state.as_str() {
                "due" => State::Due,
                "sent" => State::Sent,
                "failed" => State::Failed,
                _ => return Err(bad("state")),
            },
            attempts: u32::try_from(row.attempts).map_err(|_| bad("attempts"))?,
            last_error: row.last_error,
            message_id: row.message_id,
            run: row.run_id.map(RunId),
            created_at: row.created_at,
            sent_at: row.sent_at,
        })
    }
}
