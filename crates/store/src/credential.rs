//! `credential`: named app credentials in Entra (C10). Written by api.

use chrono::{DateTime, NaiveDate, Utc};
use domain::id::{CredentialId, OrganizationId, TenantId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Inconsistent, StoreError};

/// A named app credential. The secret is sealed; only the vault can open it (C12).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Its key; the sealed secret is bound to it.
    pub id: CredentialId,
    /// None: it is global, for all organizations.
    pub organization: Option<OrganizationId>,
    /// Unique in the organization.
    pub name: String,
    /// The tenant in which the app is registered.
    pub tenant: TenantId,
    /// The app's client id.
    pub client_id: Uuid,
    /// None after it was wiped (C9).
    pub secret: Option<SealedSecret>,
    /// What is known and told of the secret goes by this id.
    pub secret_id: Option<Uuid>,
    /// When the secret expires, as it was entered (B9).
    pub expires_on: Option<NaiveDate>,
    /// The secret that takes its place: tried first.
    pub next: Option<SealedSecret>,
    /// That one's id.
    pub next_id: Option<Uuid>,
    /// When that one expires, as it was entered.
    pub next_expires_on: Option<NaiveDate>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// A secret as the vault sealed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedSecret {
    /// The key that sealed it.
    pub key_id: String,
    /// Nonce and ciphertext.
    pub ciphertext: Vec<u8>,
}

/// The credential of this id.
pub async fn find(connection: &mut PgConnection, id: CredentialId) -> Result<Option<Credential>, StoreError> {
    let rows = select(
        connection,
        Selection {
            id: Some(id),
            ..Selection::default()
        },
    )
    .await?;
    Ok(rows.into_iter().next())
}

/// The credentials of these ids.
pub async fn of_ids(
    connection: &mut PgConnection,
    ids: &[CredentialId],
) -> Result<Vec<Credential>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows: Vec<Row> = sqlx::query_as(
        "-- credential.of_ids
         SELECT id, organization_id, name, tenant_id, client_id, secret_key_id, secret_ciphertext, created_at,
             updated_at, secret_id, expires_on, next_secret_key_id, next_secret_ciphertext, next_secret_id,
             next_expires_on
         FROM credential WHERE id = ANY($1)",
    )
    .bind(ids)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| Credential::try_from(row).map_err(StoreError::from))
        .collect()
}

/// The organization's credential of this name, else the global one.
pub async fn find_by_name(
    connection: &mut PgConnection,
    organization: OrganizationId,
    name: &str,
) -> Result<Option<Credential>, StoreError> {
    let selection = Selection {
        organization: Some(organization),
        name: Some(name),
        ..Selection::default()
    };
    let rows = select(connection, selection).await?;
    Ok(rows.into_iter().next())
}

/// Up to `limit` credentials that the organization can use, by name, those behind `after`.
pub async fn list(
    connection: &mut PgConnection,
    organization: OrganizationId,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<Credential>, StoreError> {
    select(
        connection,
        Selection {
            organization: Some(organization),
            after,
            limit,
            ..Selection::default()
        },
    )
    .await
}

/// Adds a credential.
pub async fn insert(connection: &mut PgConnection, credential: &Credential) -> Result<(), StoreError> {
    let (key_id, ciphertext) = parts(credential.secret.as_ref());
    let (next_key_id, next_ciphertext) = parts(credential.next.as_ref());
    sqlx::query(
        "-- credential.insert
         INSERT INTO credential (id, organization_id, name, tenant_id, client_id, secret_key_id, secret_ciphertext,
             created_at, updated_at, secret_id, expires_on, next_secret_key_id, next_secret_ciphertext, next_secret_id,
             next_expires_on)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
    )
    .bind(credential.id.0)
    .bind(credential.organization.map(|organization| organization.0))
    .bind(&credential.name)
    .bind(credential.tenant.0)
    .bind(credential.client_id)
    .bind(key_id)
    .bind(ciphertext)
    .bind(credential.created_at)
    .bind(credential.updated_at)
    .bind(credential.secret_id)
    .bind(credential.expires_on)
    .bind(next_key_id)
    .bind(next_ciphertext)
    .bind(credential.next_id)
    .bind(credential.next_expires_on)
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes everything but id, organization, name and time of creation.
pub async fn update(connection: &mut PgConnection, credential: &Credential) -> Result<(), StoreError> {
    let (key_id, ciphertext) = parts(credential.secret.as_ref());
    let (next_key_id, next_ciphertext) = parts(credential.next.as_ref());
    sqlx::query(
        "-- credential.update
         UPDATE credential
         SET tenant_id = $2, client_id = $3, secret_key_id = $4, secret_ciphertext = $5, updated_at = $6,
             secret_id = $7, expires_on = $8, next_secret_key_id = $9, next_secret_ciphertext = $10,
             next_secret_id = $11, next_expires_on = $12
         WHERE id = $1",
    )
    .bind(credential.id.0)
    .bind(credential.tenant.0)
    .bind(credential.client_id)
    .bind(key_id)
    .bind(ciphertext)
    .bind(credential.updated_at)
    .bind(credential.secret_id)
    .bind(credential.expires_on)
    .bind(next_key_id)
    .bind(next_ciphertext)
    .bind(credential.next_id)
    .bind(credential.next_expires_on)
    .execute(connection)
    .await?;
    Ok(())
}

/// Wipes the secret, unless a connection that is not disconnected uses the credential (C9). Says whether it did.
pub async fn wipe_unused_secret(
    connection: &mut PgConnection,
    id: CredentialId,
    at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "-- credential.wipe_unused_secret
         UPDATE credential
         SET secret_key_id = NULL, secret_ciphertext = NULL, secret_id = NULL, expires_on = NULL,
             next_secret_key_id = NULL, next_secret_ciphertext = NULL, next_secret_id = NULL, next_expires_on = NULL,
             updated_at = $2
         WHERE id = $1 AND (secret_ciphertext IS NOT NULL OR next_secret_ciphertext IS NOT NULL)
           AND NOT EXISTS (SELECT FROM connection WHERE credential_id = $1 AND disconnected_at IS NULL)",
    )
    .bind(id.0)
    .bind(at)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

struct Selection<'a> {
    id: Option<CredentialId>,
    organization: Option<OrganizationId>,
    name: Option<&'a str>,
    after: Option<&'a str>,
    limit: i64,
}

impl Default for Selection<'_> {
    fn default() -> Self {
        Self {
            id: None,
            organization: None,
            name: None,
            after: None,
            limit: 1,
        }
    }
}

/// An organization's own credential hides a global one of the same name.
async fn select(
    connection: &mut PgConnection,
    selection: Selection<'_>,
) -> Result<Vec<Credential>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "-- credential.select
         SELECT DISTINCT ON (name) id, organization_id, name, tenant_id, client_id, secret_key_id, secret_ciphertext,
             created_at, updated_at, secret_id, expires_on, next_secret_key_id, next_secret_ciphertext, next_secret_id,
             next_expires_on
         FROM credential
         WHERE ($1::uuid IS NULL OR id = $1)
           AND ($2::uuid IS NULL OR organization_id = $2 OR organization_id IS NULL)
           AND ($3::text IS NULL OR name = $3)
           AND ($4::text IS NULL OR name > $4)
         ORDER BY name, organization_id NULLS LAST
         LIMIT $5",
    )
    .bind(selection.id.map(|id| id.0))
    .bind(selection.organization.map(|organization| organization.0))
    .bind(selection.name)
    .bind(selection.after)
    .bind(selection.limit)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| Credential::try_from(row).map_err(StoreError::from))
        .collect()
}

fn parts(secret: Option<&SealedSecret>) -> (Option<&str>, Option<&[u8]>) {
    secret.map_or((None, None), |secret| {
        (Some(&*secret.key_id), Some(&*secret.ciphertext))
    })
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    organization_id: Option<Uuid>,
    name: String,
    tenant_id: Uuid,
    client_id: Uuid,
    secret_key_id: Option<String>,
    secret_ciphertext: Option<Vec<u8>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    secret_id: Option<Uuid>,
    expires_on: Option<NaiveDate>,
    next_secret_key_id: Option<String>,
    next_secret_ciphertext: Option<Vec<u8>>,
    next_secret_id: Option<Uuid>,
    next_expires_on: Option<NaiveDate>,
}

impl TryFrom<Row> for Credential {
    type Error = Inconsistent;

    fn try_from(row: Row) -> Result<Self, Inconsistent> {
        let sealed = |key_id: Option<String>, ciphertext: Option<Vec<u8>>, column| match (key_id, ciphertext)
        {
            (Some(key_id), Some(ciphertext)) => Ok(Some(SealedSecret { key_id, ciphertext })),
            (None, None) => Ok(None),
            _ => Err(Inconsistent::new("credential", column, row.id)),
        };
        let secret = sealed(row.secret_key_id, row.secret_ciphertext, "secret_ciphertext")?;
        let next = sealed(
            row.next_secret_key_id,
            row.next_secret_ciphertext,
            "next_secret_ciphertext",
        )?;
        Ok(Self {
            id: CredentialId(row.id),
            organization: row.organization_id.map(OrganizationId),
            name: row.name,
            tenant: TenantId(row.tenant_id),
            client_id: row.client_id,
            secret,
            secret_id: row.secret_id,
            expires_on: row.expires_on,
            next,
            next_id: row.next_secret_id,
            next_expires_on: row.next_expires_on,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}
