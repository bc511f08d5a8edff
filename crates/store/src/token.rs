//! `token`: API tokens, by the hash of their secret. Written by api.

use chrono::{DateTime, Utc};
use domain::id::{OrganizationId, TokenId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Inconsistent, StoreError};

/// An API token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its key.
    pub id: TokenId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// Unique among the organization's tokens that are not revoked.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// What a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Read.
    Viewer,
    /// Read, configure and start.
    Admin,
}

impl Role {
    /// The name in the table and in the CLI.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Admin => "admin",
        }
    }

    fn of_key(key: &str) -> Option<Self> {
        [Self::Viewer, Self::Admin]
            .into_iter()
            .find(|role| role.key() == key)
    }
}

/// Adds a token, whose secret has this SHA-256.
pub async fn insert(connection: &mut PgConnection, token: &Token, hash: &[u8; 32]) -> Result<(), StoreError> {
    sqlx::query(
        "-- token.insert
         INSERT INTO token (id, organization_id, name, hash, role, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(token.id.0)
    .bind(token.organization.0)
    .bind(&token.name)
    .bind(hash.as_slice())
    .bind(token.role.key())
    .bind(token.created_at)
    .execute(connection)
    .await?;
    Ok(())
}

/// Adds a token unless one with this hash, or an unrevoked one with this name, is there. Says whether it did.
///
/// A name that is there with another hash keeps its old hash no longer: that token is revoked, so that a changed
/// bootstrap secret takes effect.
pub async fn bootstrap(
    connection: &mut PgConnection,
    token: &Token,
    hash: &[u8; 32],
) -> Result<bool, StoreError> {
    sqlx::query(
        "-- token.bootstrap_revoke
         UPDATE token SET revoked_at = $4
         WHERE organization_id = $1 AND name = $2 AND hash <> $3 AND revoked_at IS NULL",
    )
    .bind(token.organization.0)
    .bind(&token.name)
    .bind(hash.as_slice())
    .bind(token.created_at)
    .execute(&mut *connection)
    .await?;
    let done = sqlx::query(
        "-- token.bootstrap
         INSERT INTO token (id, organization_id, name, hash, role, created_at) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT DO NOTHING",
    )
    .bind(token.id.0)
    .bind(token.organization.0)
    .bind(&token.name)
    .bind(hash.as_slice())
    .bind(token.role.key())
    .bind(token.created_at)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The unrevoked token whose secret has this SHA-256.
pub async fn find_by_hash(
    connection: &mut PgConnection,
    hash: &[u8; 32],
) -> Result<Option<Token>, StoreError> {
    let row: Option<Row> = sqlx::query_as(
        "-- token.find_by_hash
         SELECT id, organization_id, name, role, created_at, revoked_at FROM token
         WHERE hash = $1 AND revoked_at IS NULL",
    )
    .bind(hash.as_slice())
    .fetch_optional(connection)
    .await?;
    Ok(row.map(Token::try_from).transpose()?)
}

/// The token of this id, unless it is revoked.
pub async fn find(connection: &mut PgConnection, id: TokenId) -> Result<Option<Token>, StoreError> {
    let row: Option<Row> = sqlx::query_as(
        "-- token.find
         SELECT id, organization_id, name, role, created_at, revoked_at FROM token
         WHERE id = $1 AND revoked_at IS NULL",
    )
    .bind(id.0)
    .fetch_optional(connection)
    .await?;
    Ok(row.map(Token::try_from).transpose()?)
}

/// The organization's token of this name or id; an unrevoked one first.
pub async fn find_by_name(
    connection: &mut PgConnection,
    organization: OrganizationId,
    name_or_id: &str,
) -> Result<Option<Token>, StoreError> {
    let row: Option<Row> = sqlx::query_as(
        "-- token.find_by_name
         SELECT id, organization_id, name, role, created_at, revoked_at FROM token
         WHERE organization_id = $1 AND (name = $2 OR id::text = lower($2))
         ORDER BY revoked_at DESC NULLS FIRST LIMIT 1",
    )
    .bind(organization.0)
    .bind(name_or_id)
    .fetch_optional(connection)
    .await?;
    Ok(row.map(Token::try_from).transpose()?)
}

/// Up to `limit` of the organization's tokens, revoked ones too, those behind `after`, as they were made.
pub async fn list(
    connection: &mut PgConnection,
    organization: OrganizationId,
    after: Option<TokenId>,
    limit: i64,
) -> Result<Vec<Token>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "-- token.list
         SELECT id, organization_id, name, role, created_at, revoked_at FROM token
         WHERE organization_id = $1 AND ($2::uuid IS NULL OR id > $2)
         ORDER BY id LIMIT $3",
    )
    .bind(organization.0)
    .bind(after.map(|after| after.0))
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| Token::try_from(row).map_err(StoreError::from))
        .collect()
}

/// Revokes a token and signs its browsers out. Says whether it was valid until now.
pub async fn revoke(
    connection: &mut PgConnection,
    id: TokenId,
    at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let done =
        sqlx::query("-- token.revoke\nUPDATE token SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL")
            .bind(id.0)
            .bind(at)
            .execute(&mut *connection)
            .await?;
    sqlx::query("-- token.revoke_sessions\nDELETE FROM console_session WHERE token_id = $1")
        .bind(id.0)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    organization_id: Uuid,
    name: String,
    role: String,
    created_at: DateTime<Utc>,
    revoked_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Token {
    type Error = Inconsistent;

    fn try_from(row: Row) -> Result<Self, Inconsistent> {
        Ok(Self {
            id: TokenId(row.id),
            organization: OrganizationId(row.organization_id),
            role: Role::of_key(&row.role).ok_or_else(|| Inconsistent::new("token", "role", row.id))?,
            name: row.name,
            created_at: row.created_at,
            revoked_at: row.revoked_at,
        })
    }
}
