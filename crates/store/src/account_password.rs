//! `account_password`: the local passwords of accounts, as hashes (M6). Written by reconciler.

use chrono::{DateTime, Utc};
use domain::id::{AccountId, OrganizationId};
use sqlx::PgConnection;

use crate::StoreError;

/// A password as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hashed {
    /// Whose it is.
    pub account: AccountId,
    /// In the PHC string format.
    pub hash: String,
    /// Whether it has to be changed at the first sign-in.
    pub must_change: bool,
}

/// Puts an account's password in place of the one before.
pub async fn put(
    connection: &mut PgConnection,
    organization: OrganizationId,
    password: &Hashed,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query(
        "-- account_password.put
         INSERT INTO account_password (account_id, organization_id, hash, must_change, set_at)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (account_id) DO UPDATE
         SET hash = excluded.hash, must_change = excluded.must_change, set_at = excluded.set_at",
    )
    .bind(password.account.0)
    .bind(organization.0)
    .bind(&password.hash)
    .bind(password.must_change)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}
