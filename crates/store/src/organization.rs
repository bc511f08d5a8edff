//! `organization`: one customer. Written by api.

use domain::id::OrganizationId;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;

/// The organization that the first migration makes; tokens made at the start belong to it.
pub const DEFAULT: OrganizationId =
    OrganizationId(Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0001));

/// The name of an organization, if there is such a one.
pub async fn find_name(
    connection: &mut PgConnection,
    organization: OrganizationId,
) -> Result<Option<String>, StoreError> {
    let name = sqlx::query_scalar("-- organization.find_name\nSELECT name FROM organization WHERE id = $1")
        .bind(organization.0)
        .fetch_optional(connection)
        .await?;
    Ok(name)
}

/// Keeps other configuration changes of the organization waiting until the transaction ends.
pub async fn lock(connection: &mut PgConnection, organization: OrganizationId) -> Result<(), StoreError> {
    sqlx::query("-- organization.lock\nSELECT id FROM organization WHERE id = $1 FOR UPDATE")
        .bind(organization.0)
        .execute(connection)
        .await?;
    Ok(())
}
