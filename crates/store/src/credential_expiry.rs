//! `credential_expiry`: when the directory says that secrets expire (B9). Written by fetcher.

use chrono::{DateTime, NaiveTime, Utc};
use domain::expiry::{self, Expiry, Secret};
use domain::id::{ConnectionId, CredentialId, OrganizationId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;
use crate::credential::Credential;

/// What the directory says of a credential's secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The credential.
    pub credential: CredentialId,
    /// The secret, and when it expires.
    pub secret: Option<(Uuid, DateTime<Utc>)>,
    /// The same of the one that takes its place.
    pub next: Option<(Uuid, DateTime<Utc>)>,
    /// Why the directory does not say it; empty where it does.
    pub note: String,
}

/// A credential to look at in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The credential.
    pub credential: CredentialId,
    /// A connection that signs in with it.
    pub connection: ConnectionId,
}

/// Credentials at which nobody has looked since `before`, nor since they last changed, each with a connection that has been
/// tried with it and is not in quarantine.
pub async fn due(
    connection: &mut PgConnection,
    before: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Due>, StoreError> {
    let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "-- credential_expiry.due
         SELECT DISTINCT ON (credential.id) credential.id, connection.id
         FROM credential
         JOIN connection ON connection.credential_id = credential.id AND connection.disconnected_at IS NULL
         JOIN connection_status AS status
             ON status.connection_id = connection.id AND status.passed AND status.tested_at > credential.updated_at
         LEFT JOIN credential_expiry AS expiry ON expiry.credential_id = credential.id
         WHERE (expiry.looked_at IS NULL OR expiry.looked_at <= $1 OR expiry.looked_at < credential.updated_at)
           AND NOT EXISTS (
               SELECT FROM connection_health AS health
               WHERE health.connection_id = connection.id AND health.quarantined_since IS NOT NULL)
         ORDER BY credential.id, connection.id LIMIT $2",
    )
    .bind(before)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    let due = |(credential, connection)| Due {
        credential: CredentialId(credential),
        connection: ConnectionId(connection),
    };
    Ok(rows.into_iter().map(due).collect())
}

/// Begins to look at a credential. Says whether nobody else has since `before`, nor since it changed at `updated_at`.
pub async fn begin(
    connection: &mut PgConnection,
    id: CredentialId,
    (before, updated_at): (DateTime<Utc>, DateTime<Utc>),
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "-- credential_expiry.begin
         INSERT INTO credential_expiry (credential_id, looked_at) VALUES ($1, $4)
         ON CONFLICT (credential_id) DO UPDATE SET looked_at = excluded.looked_at
         WHERE credential_expiry.looked_at <= $2 OR credential_expiry.looked_at < $3",
    )
    .bind(id.0)
    .bind(before)
    .bind(updated_at)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Writes down what the directory says.
pub async fn put(connection: &mut PgConnection, read: &Read, now: DateTime<Utc>) -> Result<(), StoreError> {
    sqlx::query(
        "-- credential_expiry.put
         INSERT INTO credential_expiry (credential_id, looked_at, secret_id, expires_at, next_secret_id,
             next_expires_at, note)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (credential_id) DO UPDATE
         SET looked_at = excluded.looked_at, secret_id = excluded.secret_id, expires_at = excluded.expires_at,
             next_secret_id = excluded.next_secret_id, next_expires_at = excluded.next_expires_at,
             note = excluded.note",
    )
    .bind(read.credential.0)
    .bind(now)
    .bind(read.secret.map(|(id, _)| id))
    .bind(read.secret.map(|(_, at)| at))
    .bind(read.next.map(|(id, _)| id))
    .bind(read.next.map(|(_, at)| at))
    .bind(&read.note)
    .execute(connection)
    .await?;
    Ok(())
}

/// What the directory says of these credentials; those at which nobody has looked are left out.
pub async fn of_credentials(
    connection: &mut PgConnection,
    ids: &[CredentialId],
) -> Result<Vec<Read>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows: Vec<Row> = sqlx::query_as(
        "-- credential_expiry.of_credentials
         SELECT credential_id, secret_id, expires_at, next_secret_id, next_expires_at, note
         FROM credential_expiry WHERE credential_id = ANY($1)",
    )
    .bind(ids)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(Read::from).collect())
}

/// Up to `limit` pairs of a credential that expires before `until`, by what was entered or read, and an organization that
/// signs in with it, those behind `after`.
pub async fn near(
    connection: &mut PgConnection,
    until: DateTime<Utc>,
    after: (OrganizationId, CredentialId),
    limit: i64,
) -> Result<Vec<(OrganizationId, CredentialId)>, StoreError> {
    let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "-- credential_expiry.near
         SELECT DISTINCT connection.organization_id, credential.id
         FROM connection
         JOIN credential ON credential.id = connection.credential_id
         LEFT JOIN credential_expiry AS expiry ON expiry.credential_id = credential.id
         WHERE connection.disconnected_at IS NULL
           AND least(credential.expires_on::timestamp AT TIME ZONE 'UTC', expiry.expires_at,
               credential.next_expires_on::timestamp AT TIME ZONE 'UTC', expiry.next_expires_at) < $1
           AND (connection.organization_id, credential.id) > ($2, $3)
         ORDER BY 1, 2 LIMIT $4",
    )
    .bind(until)
    .bind(after.0.0)
    .bind(after.1.0)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    let pair = |(organization, credential)| (OrganizationId(organization), CredentialId(credential));
    Ok(rows.into_iter().map(pair).collect())
}

/// The secrets of a credential with what is known of their ends: of what the directory says only what is of these very
/// secrets.
#[must_use]
pub fn secrets(credential: &Credential, read: Option<&Read>) -> Vec<Secret> {
    let midnight = |date: chrono::NaiveDate| date.and_time(NaiveTime::MIN).and_utc();
    let end = |id: Uuid, read: Option<(Uuid, DateTime<Utc>)>, entered: Option<chrono::NaiveDate>| {
        let read = read.filter(|(of, _)| *of == id).map(|(_, at)| at);
        expiry::of_secret(read, entered.map(midnight))
    };
    let (of_secret, of_next) = read.map_or((None, None), |read| (read.secret, read.next));
    // What was read of the next secret stays true of it when it takes the other one's place.
    let of = |id: Uuid| {
        [of_secret, of_next]
            .into_iter()
            .flatten()
            .find(|(of, _)| *of == id)
    };
    let secret = credential.secret_id.filter(|_| credential.secret.is_some());
    let next = credential.next_id.filter(|_| credential.next.is_some());
    let known = |id: Uuid, next: bool, expiry: Option<Expiry>| Secret { id, next, expiry };
    let secret = secret.map(|id| known(id, false, end(id, of(id), credential.expires_on)));
    let next = next.map(|id| known(id, true, end(id, of(id), credential.next_expires_on)));
    secret.into_iter().chain(next).collect()
}

#[derive(sqlx::FromRow)]
struct Row {
    credential_id: Uuid,
    secret_id: Option<Uuid>,
    expires_at: Option<DateTime<Utc>>,
    next_secret_id: Option<Uuid>,
    next_expires_at: Option<DateTime<Utc>>,
    note: String,
}

impl From<Row> for Read {
    fn from(row: Row) -> Self {
        Self {
            credential: CredentialId(row.credential_id),
            secret: row.secret_id.zip(row.expires_at),
            next: row.next_secret_id.zip(row.next_expires_at),
            note: row.note,
        }
    }
}
