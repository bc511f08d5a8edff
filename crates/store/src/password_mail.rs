//! `password_mail`: sealed passwords that are still to be mailed (M6). Written by reconciler; notifier takes a row out with
//! the end of its mail, in the same transaction.

use chrono::{DateTime, Utc};
use domain::id::{AccountId, EventId, OrganizationId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;
use crate::credential::SealedSecret;

/// A password that nobody has been written to of yet.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Unwritten {
    id: Uuid,
    organization_id: Uuid,
    /// The account's name.
    pub name: String,
    /// What the person signs in with.
    pub login: String,
    /// Where the mail goes.
    pub email: String,
    /// Whether the password has to be changed at the first sign-in.
    pub must_change: bool,
}

impl Unwritten {
    /// What its delivery tells of.
    #[must_use]
    pub const fn event(&self) -> EventId {
        EventId(self.id)
    }

    /// Whose it is.
    #[must_use]
    pub const fn organization(&self) -> OrganizationId {
        OrganizationId(self.organization_id)
    }
}

/// Lets an account's password be mailed, in place of an earlier one that was not mailed yet.
pub async fn put(
    connection: &mut PgConnection,
    id: Uuid,
    (organization, account): (OrganizationId, AccountId),
    sealed: &SealedSecret,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query(
        "-- password_mail.put
         INSERT INTO password_mail (id, account_id, organization_id, key_id, ciphertext, created_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (account_id) DO UPDATE
         SET id = excluded.id, key_id = excluded.key_id, ciphertext = excluded.ciphertext,
             created_at = excluded.created_at",
    )
    .bind(id)
    .bind(account.0)
    .bind(organization.0)
    .bind(&sealed.key_id)
    .bind(&sealed.ciphertext)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Up to `limit` passwords that have no delivery yet, the earliest first.
pub async fn unwritten(connection: &mut PgConnection, limit: i64) -> Result<Vec<Unwritten>, StoreError> {
    Ok(sqlx::query_as(
        "-- password_mail.unwritten
         SELECT m.id, m.organization_id, coalesce(a.name, '') AS name,
             coalesce(a.upn, concat_ws('@', a.login, a.domain)) AS login, coalesce(a.email, '') AS email,
             coalesce(p.must_change, false) AS must_change
         FROM password_mail m
         LEFT JOIN LATERAL (
             SELECT name, upn, login, domain, email FROM account WHERE id = m.account_id LIMIT 1
         ) a ON true
         LEFT JOIN LATERAL (
             SELECT must_change FROM account_password WHERE account_id = m.account_id LIMIT 1
         ) p ON true
         WHERE NOT EXISTS (SELECT FROM delivery d WHERE d.event_id = m.id)
         ORDER BY m.id LIMIT $1",
    )
    .bind(limit)
    .fetch_all(connection)
    .await?)
}

/// The sealed passwords of these deliveries' events, in no order; none where it was replaced by a newer one.
pub async fn find(
    connection: &mut PgConnection,
    events: &[Uuid],
) -> Result<Vec<(EventId, SealedSecret)>, StoreError> {
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(Uuid, String, Vec<u8>)> = sqlx::query_as(
        "-- password_mail.find
         SELECT id, key_id, ciphertext FROM password_mail WHERE id = ANY($1)",
    )
    .bind(events)
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(id, key_id, ciphertext)| (EventId(id), SealedSecret { key_id, ciphertext }))
        .collect())
}

/// Forgets the passwords of these accounts that are not mailed yet: nobody can use them.
pub async fn forget_of(connection: &mut PgConnection, accounts: &[Uuid]) -> Result<(), StoreError> {
    sqlx::query("-- password_mail.forget_of\nDELETE FROM password_mail WHERE account_id = ANY($1)")
        .bind(accounts)
        .execute(connection)
        .await?;
    Ok(())
}

/// Forgets a password whose mail has come to its end.
pub async fn forget(connection: &mut PgConnection, event: EventId) -> Result<(), StoreError> {
    sqlx::query("-- password_mail.forget\nDELETE FROM password_mail WHERE id = $1")
        .bind(event.0)
        .execute(connection)
        .await?;
    Ok(())
}
