//! `never_touch`: whom no sync touches (B18). Written by api.

use chrono::{DateTime, Utc};
use domain::id::{ConnectionId, OrganizationId};
use domain::never_touch::{Entry, NeverTouch, Whom};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Inconsistent, StoreError};

/// An entry of the list, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its key.
    pub id: Uuid,
    /// Whose it is.
    pub organization: OrganizationId,
    /// The connection that it holds for; none: all of them.
    pub connection: Option<ConnectionId>,
    /// That connection's name.
    pub connection_name: Option<String>,
    /// Whom it keeps, and why.
    pub entry: Entry,
    /// Who added it.
    pub created_by: String,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// The entries that hold for a connection, oldest first.
pub async fn of_connection(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: ConnectionId,
) -> Result<NeverTouch, StoreError> {
    let rows: Vec<(Uuid, String, String, String)> = sqlx::query_as(
        "-- never_touch.of_connection
         SELECT id, kind, value, note FROM never_touch
         WHERE organization_id = $1 AND (connection_id IS NULL OR connection_id = $2) ORDER BY id",
    )
    .bind(organization.0)
    .bind(id.0)
    .fetch_all(connection)
    .await?;
    let entries = rows
        .into_iter()
        .map(|(id, kind, value, note)| entry(id, &kind, &value, note));
    Ok(NeverTouch {
        entries: entries.collect::<Result<_, _>>()?,
    })
}

/// Whether an entry that holds for a connection was added after a time.
pub async fn any_since(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: ConnectionId,
    since: DateTime<Utc>,
) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(
        "-- never_touch.any_since
         SELECT EXISTS (SELECT 1 FROM never_touch
             WHERE organization_id = $1 AND (connection_id IS NULL OR connection_id = $2) AND created_at > $3)",
    )
    .bind(organization.0)
    .bind(id.0)
    .bind(since)
    .fetch_one(connection)
    .await?)
}

/// How many entries an organization has.
pub async fn count(connection: &mut PgConnection, organization: OrganizationId) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(
        "-- never_touch.count\nSELECT count(*) FROM never_touch WHERE organization_id = $1",
    )
    .bind(organization.0)
    .fetch_one(connection)
    .await?)
}

/// Up to `limit` of the organization's entries as they were added, those behind `after`; with `of` only those that hold
/// for this connection.
pub async fn list(
    connection: &mut PgConnection,
    organization: OrganizationId,
    of: Option<ConnectionId>,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Row>, StoreError> {
    let rows: Vec<Stored> = sqlx::query_as(
        "-- never_touch.list
         SELECT n.id, n.organization_id, n.connection_id, c.name AS connection_name, n.kind, n.value, n.note,
             n.created_by, n.created_at
         FROM never_touch n LEFT JOIN connection c ON c.id = n.connection_id
         WHERE n.organization_id = $1 AND ($2::uuid IS NULL OR n.connection_id IS NULL OR n.connection_id = $2)
           AND ($3::uuid IS NULL OR n.id > $3)
         ORDER BY n.id LIMIT $4",
    )
    .bind(organization.0)
    .bind(of.map(|of| of.0))
    .bind(after)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(Row::try_from).collect()
}

/// Adds an entry. One that is there already is a duplicate by `never_touch_once`.
pub async fn insert(connection: &mut PgConnection, row: &Row) -> Result<(), StoreError> {
    sqlx::query(
        "-- never_touch.insert
         INSERT INTO never_touch (id, organization_id, connection_id, kind, value, note, created_by, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(row.id)
    .bind(row.organization.0)
    .bind(row.connection.map(|of| of.0))
    .bind(row.entry.whom.kind())
    .bind(row.entry.whom.value())
    .bind(&row.entry.note)
    .bind(&row.created_by)
    .bind(row.created_at)
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes the organization's entry of this id, and answers what it was.
pub async fn delete(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: Uuid,
) -> Result<Option<Row>, StoreError> {
    let row: Option<Stored> = sqlx::query_as(
        "-- never_touch.delete
         WITH gone AS (DELETE FROM never_touch WHERE organization_id = $1 AND id = $2 RETURNING *)
         SELECT n.id, n.organization_id, n.connection_id, c.name AS connection_name, n.kind, n.value, n.note,
             n.created_by, n.created_at
         FROM gone n LEFT JOIN connection c ON c.id = n.connection_id",
    )
    .bind(organization.0)
    .bind(id)
    .fetch_optional(connection)
    .await?;
    row.map(Row::try_from).transpose()
}

fn entry(id: Uuid, kind: &str, value: &str, note: String) -> Result<Entry, StoreError> {
    let whom = Whom::of(kind, value).map_err(|_| Inconsistent::new("never_touch", "value", id))?;
    Ok(Entry { whom, note })
}

#[derive(sqlx::FromRow)]
struct Stored {
    id: Uuid,
    organization_id: Uuid,
    connection_id: Option<Uuid>,
    connection_name: Option<String>,
    kind: String,
    value: String,
    note: String,
    created_by: String,
    created_at: DateTime<Utc>,
}

impl TryFrom<Stored> for Row {
    type Error = StoreError;

    fn try_from(row: Stored) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            organization: OrganizationId(row.organization_id),
            connection: row.connection_id.map(ConnectionId),
            connection_name: row.connection_name,
            entry: entry(row.id, &row.kind, &row.value, row.note)?,
            created_by: row.created_by,
            created_at: row.created_at,
        })
    }
}
