//! `credential`: named app credentials in Entra (C10). Written by api.

use chrono::{DateTime, Utc};
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
    sqlx::query(
        "-- credential.insert
         INSERT INTO credential (id, organization_id, name, tenant_id, client_id, secret_key_id, secret_ciphertext,
             created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
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
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes everything but id, organization, name and time of creation.
pub async fn update(connection: &mut PgConnection, credential: &Credential) -> Result<(), StoreError> {
    let (key_id, ciphertext) = parts(credential.secret.as_ref());
    sqlx::query(
        "-- credential.update
         UPDATE credential
         SET tenant_id = $2, client_id = $3, secret_key_id = $4, secret_ciphertext = $5, updated_at = $6
         WHERE id = $1",
    )
    .bind(credential.id.0)
    .bind(credential.tenant.0)
    .bind(credential.client_id)
    .bind(key_id)
    .bind(ciphertext)
    .bind(credential.updated_at)
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
         UPDATE credential SET secret_key_id = NULL, secret_ciphertext = NULL, updated_at = $2
         WHERE id = $1 AND secret_ciphertext IS NOT NULL
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
             created_at, updated_at
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
}

impl TryFrom<Row> for Credential {
    type Error = Inconsistent;

    fn try_from(row: Row) -> Result<Self, Inconsistent> {
        let secret = match (row.secret_key_id, row.secret_ciphertext) {
            (Some(key_id), Some(ciphertext)) => Some(SealedSecret { key_id, ciphertext }),
            (None, None) => None,
            _ => return Err(Inconsistent::new("credential", "secret_ciphertext", row.id)),
        };
        Ok(Self {
            id: CredentialId(row.id),
            organization: row.organization_id.map(OrganizationId),
            name: row.name,
            tenant: TenantId(row.tenant_id),
            client_id: row.client_id,
            secret,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}
