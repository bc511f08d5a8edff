//! `password_task`: accounts that wait for a password (M6). Written by reconciler.

use chrono::{DateTime, Utc};
use domain::id::{AccountId, OrganizationId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;

/// An account that waits for a password.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Task {
    account_id: Uuid,
    organization_id: Uuid,
    /// Whether a person asked for a new one.
    pub reset: bool,
    /// The account's login.
    pub login: String,
    /// Whether there is somebody to mail it to: the account is in use and has an e-mail address.
    pub reachable: bool,
}

impl Task {
    /// The account.
    #[must_use]
    pub const fn account(&self) -> AccountId {
        AccountId(self.account_id)
    }

    /// Whose it is.
    #[must_use]
    pub const fn organization(&self) -> OrganizationId {
        OrganizationId(self.organization_id)
    }
}

/// Lets new accounts wait for a password.
pub async fn request(
    connection: &mut PgConnection,
    organization: OrganizationId,
    accounts: &[Uuid],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    insert(connection, organization, accounts, false, now).await
}

/// Lets an account wait for a new password.
pub async fn reset(
    connection: &mut PgConnection,
    organization: OrganizationId,
    account: AccountId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    insert(connection, organization, &[account.0], true, now).await
}

async fn insert(
    connection: &mut PgConnection,
    organization: OrganizationId,
    accounts: &[Uuid],
    reset: bool,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query(
        "-- password_task.insert
         INSERT INTO password_task (account_id, organization_id, reset, requested_at)
         SELECT account_id, $2, $3, $4 FROM unnest($1::uuid[]) AS u (account_id)
         ON CONFLICT (account_id) DO UPDATE SET reset = password_task.reset OR excluded.reset",
    )
    .bind(accounts)
    .bind(organization.0)
    .bind(reset)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes up to `limit` accounts that wait, until the transaction ends; each goes to one taker.
pub async fn take(connection: &mut PgConnection, limit: i64) -> Result<Vec<Task>, StoreError> {
    Ok(sqlx::query_as(
        "-- password_task.take
         WITH taken AS (
             SELECT account_id, organization_id, reset FROM password_task
             ORDER BY requested_at LIMIT $1 FOR UPDATE SKIP LOCKED
         )
         SELECT t.account_id, t.organization_id, t.reset, coalesce(a.login, '') AS login,
             a.status = 1 AND a.email IS NOT NULL AS reachable
         FROM taken t CROSS JOIN LATERAL (
             SELECT login, status, email FROM account WHERE id = t.account_id LIMIT 1
         ) a",
    )
    .bind(limit)
    .fetch_all(connection)
    .await?)
}

/// Lets these wait behind all others.
pub async fn put_behind(
    connection: &mut PgConnection,
    accounts: &[Uuid],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    if accounts.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "-- password_task.put_behind\nUPDATE password_task SET requested_at = $2 WHERE account_id = ANY($1)",
    )
    .bind(accounts)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// These wait no more.
pub async fn done(connection: &mut PgConnection, accounts: &[Uuid]) -> Result<(), StoreError> {
    sqlx::query("-- password_task.done\nDELETE FROM password_task WHERE account_id = ANY($1)")
        .bind(accounts)
        .execute(connection)
        .await?;
    Ok(())
}
