//! `delta_cursor`: where the next delta of a connection begins. Written by reconciler, in the transaction that ends a run.

use chrono::{DateTime, Utc};
use domain::id::{ConnectionId, RunId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;

/// The resource of users' changes.
pub const USERS: &str = "users";
/// The resource of changes of groups and of their members.
pub const GROUPS: &str = "groups";

/// Where the next delta begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeltaCursor {
    /// The key that sealed the link.
    pub key_id: String,
    /// The link, sealed for the connection's id: nonce and ciphertext.
    pub ciphertext: Vec<u8>,
    /// When Graph gave it out, or shortly before; it lives for seven days (graph-facts §3.4).
    pub taken_at: DateTime<Utc>,
    /// The attributes that it tracks; others need another cursor.
    pub selection: String,
    /// The run that brought it.
    pub run: RunId,
    /// When the last full run that it stands on was read.
    pub full_at: DateTime<Utc>,
    /// Of groups: the version of the mirror that it goes on from.
    pub groups_version: Option<i64>,
}

/// The connection's cursor for a resource, if a full run has brought one.
pub async fn find(
    connection: &mut PgConnection,
    of: ConnectionId,
    resource: &str,
) -> Result<Option<DeltaCursor>, StoreError> {
    let row: Option<Row> = sqlx::query_as(
        "-- delta_cursor.find
         SELECT key_id, ciphertext, taken_at, selection, run_id, full_at, groups_version
         FROM delta_cursor WHERE connection_id = $1 AND resource = $2",
    )
    .bind(of.0)
    .bind(resource)
    .fetch_optional(connection)
    .await?;
    Ok(row.map(DeltaCursor::from))
}

#[derive(sqlx::FromRow)]
struct Row {
    key_id: String,
    ciphertext: Vec<u8>,
    taken_at: DateTime<Utc>,
    selection: String,
    run_id: Uuid,
    full_at: DateTime<Utc>,
    groups_version: Option<i64>,
}

impl From<Row> for DeltaCursor {
    fn from(row: Row) -> Self {
        Self {
            key_id: row.key_id,
            ciphertext: row.ciphertext,
            taken_at: row.taken_at,
            selection: row.selection,
            run: RunId(row.run_id),
            full_at: row.full_at,
            groups_version: row.groups_version,
        }
    }
}
