//! Links as people see them: connection + object id → account. Only reads.

use domain::decision::LinkStatus;
use domain::id::{AccountId, ConnectionId, ObjectId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Inconsistent, StoreError};

/// A link to an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The object in Entra.
    pub object: ObjectId,
    /// The account.
    pub account: AccountId,
    /// The account's name.
    pub account_name: Option<String>,
    /// What is known of the object (I6).
    pub status: LinkStatus,
}

/// Up to `limit` links of a connection by object id, those behind `after`.
pub async fn list(
    connection: &mut PgConnection,
    of: ConnectionId,
    after: Option<ObjectId>,
    limit: i64,
) -> Result<Vec<Link>, StoreError> {
    let rows: Vec<(Uuid, Uuid, Option<String>, i16)> = sqlx::query_as(
        "-- link_list.list
         SELECT link.object_id, link.account_id, account.name, link.status
         FROM link JOIN account ON account.id = link.account_id
         WHERE link.connection_id = $1 AND ($2::uuid IS NULL OR link.object_id > $2)
         ORDER BY link.object_id LIMIT $3",
    )
    .bind(of.0)
    .bind(after.map(|after| after.0))
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|(object, account, account_name, status)| {
            let status = LinkStatus::of_number(status)
                .ok_or_else(|| Inconsistent::new("link", "status", format!("{of} {object}")))?;
            Ok(Link {
                object: ObjectId(object),
                account: AccountId(account),
                account_name,
                status,
            })
        })
        .collect()
}
