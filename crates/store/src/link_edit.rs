//! `link_edit`: links cut or moved by people (B7). Written by reconciler.

use chrono::{DateTime, Utc};
use domain::decide::Cut;
use domain::id::{AccountId, ConnectionId, ObjectId, OrganizationId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;

/// What a person did to an object's link.
#[derive(Clone, Debug)]
pub struct Edit {
    /// Its key.
    pub id: Uuid,
    /// Whose it is.
    pub organization: OrganizationId,
    /// The connection.
    pub connection: ConnectionId,
    /// The object.
    pub object: ObjectId,
    /// The account that it had.
    pub from: Option<AccountId>,
    /// The account that it has got; none: cut.
    pub to: Option<AccountId>,
    /// Why.
    pub reason: String,
    /// Who did it.
    pub edited_by: String,
    /// When.
    pub edited_at: DateTime<Utc>,
}

/// Adds an edit.
pub async fn insert(connection: &mut PgConnection, edit: &Edit) -> Result<(), StoreError> {
    sqlx::query(
        "-- link_edit.insert
         INSERT INTO link_edit (id, organization_id, connection_id, object_id, from_account_id, to_account_id, reason,
             edited_by, edited_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(edit.id)
    .bind(edit.organization.0)
    .bind(edit.connection.0)
    .bind(edit.object.0)
    .bind(edit.from.map(|account| account.0))
    .bind(edit.to.map(|account| account.0))
    .bind(&edit.reason)
    .bind(&edit.edited_by)
    .bind(edit.edited_at)
    .execute(connection)
    .await?;
    Ok(())
}

/// The accounts that people took these objects away from, and did not give back.
pub async fn cuts(
    connection: &mut PgConnection,
    of: ConnectionId,
    objects: &[Uuid],
) -> Result<Vec<Cut>, StoreError> {
    if objects.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "-- link_edit.cuts
         SELECT DISTINCT e.object_id, e.from_account_id FROM link_edit e
         WHERE e.connection_id = $1 AND e.object_id = ANY($2) AND e.from_account_id IS NOT NULL AND NOT EXISTS (
             SELECT 1 FROM link_edit b
             WHERE b.connection_id = e.connection_id AND b.object_id = e.object_id
               AND b.to_account_id = e.from_account_id AND b.edited_at > e.edited_at)",
    )
    .bind(of.0)
    .bind(objects)
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(object, account)| Cut {
            object: ObjectId(object),
            account: AccountId(account),
        })
        .collect())
}

/// Whether links of a connection were cut or moved after a time.
pub async fn any_since(
    connection: &mut PgConnection,
    of: ConnectionId,
    since: DateTime<Utc>,
) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(
        "-- link_edit.any_since
         SELECT EXISTS (SELECT 1 FROM link_edit WHERE connection_id = $1 AND edited_at > $2)",
    )
    .bind(of.0)
    .bind(since)
    .fetch_one(connection)
    .await?)
}

/// Forgets why links of these accounts were edited: they are purged. Who is cut off from an account that is no more may
/// come in again.
pub async fn forget_accounts(
    connection: &mut PgConnection,
    organization: OrganizationId,
    accounts: &[Uuid],
) -> Result<(), StoreError> {
    sqlx::query(
        "-- link_edit.forget_accounts
         UPDATE link_edit SET reason = 'purged'
         WHERE organization_id = $1 AND (from_account_id = ANY($2) OR to_account_id = ANY($2))",
    )
    .bind(organization.0)
    .bind(accounts)
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes that links of a connection were taken away by purging: plans that were made before are not applied any more.
pub async fn purged(
    connection: &mut PgConnection,
    organization: OrganizationId,
    edits: &[(Uuid, crate::link::Tie)],
    by: &str,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    if edits.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "-- link_edit.purged
         INSERT INTO link_edit (id, organization_id, connection_id, object_id, from_account_id, to_account_id, reason,
             edited_by, edited_at)
         SELECT u.id, $1, u.connection_id, u.object_id, u.account_id, NULL, 'purged', $2, $3
         FROM unnest($4::uuid[], $5::uuid[], $6::uuid[], $7::uuid[]) AS u (id, connection_id, object_id, account_id)",
    )
    .bind(organization.0)
    .bind(by)
    .bind(now)
    .bind(edits.iter().map(|(id, _)| *id).collect::<Vec<_>>())
    .bind(edits.iter().map(|(_, tie)| tie.connection.0).collect::<Vec<_>>())
    .bind(edits.iter().map(|(_, tie)| tie.object.0).collect::<Vec<_>>())
    .bind(edits.iter().map(|(_, tie)| tie.account.0).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
