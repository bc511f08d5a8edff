//! Links as people see them: connection + object id → account, and how they came to be. Only reads.

use chrono::{DateTime, Utc};
use domain::decision::LinkStatus;
use domain::id::{AccountId, ConnectionId, ObjectId, OrganizationId, RunId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Inconsistent, StoreError, account_list};

/// A link to an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The connection.
    pub connection: ConnectionId,
    /// Its name.
    pub connection_name: String,
    /// The object in Entra.
    pub object: ObjectId,
    /// The account.
    pub account: AccountId,
    /// The account's name.
    pub account_name: Option<String>,
    /// What is known of the object (I6).
    pub status: LinkStatus,
    /// How it came to be: a rule's number, [`crate::link::CREATED`] or [`crate::link::BY_HAND`]; none: from before
    /// that was kept.
    pub rule: Option<i16>,
    /// The run that linked it.
    pub run: Option<RunId>,
    /// The page of the decision that linked it.
    pub page: Option<i32>,
    /// When.
    pub linked_at: Option<DateTime<Utc>>,
    /// Who linked it by hand, and why.
    pub by_hand: Option<(String, String)>,
}

/// Which links are listed.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Those of this connection.
    pub connection: Option<ConnectionId>,
    /// Those to this account.
    pub account: Option<AccountId>,
    /// Those of this object.
    pub object: Option<ObjectId>,
    /// Those to accounts with all these words in name, login, e-mail or UPN.
    pub words: Vec<String>,
}

/// Up to `limit` links of an organization by connection and object id, those behind `after`.
pub async fn list(
    connection: &mut PgConnection,
    organization: OrganizationId,
    filter: &Filter,
    after: Option<(ConnectionId, ObjectId)>,
    limit: i64,
) -> Result<Vec<Link>, StoreError> {
    let patterns: Vec<String> = filter
        .words
        .iter()
        .map(|word| account_list::pattern(word))
        .collect();
    let rows: Vec<Row> = sqlx::query_as(
        "-- link_list.list
         SELECT link.connection_id, connection.name AS connection_name, link.object_id, link.account_id,
             account.name AS account_name, link.status, link.linked_rule, link.linked_run, link.linked_page,
             coalesce(run.created_at, hand.edited_at) AS linked_at, hand.edited_by, hand.reason
         FROM link
         JOIN connection ON connection.id = link.connection_id
         JOIN account ON account.id = link.account_id
         LEFT JOIN run ON run.id = link.linked_run
         LEFT JOIN LATERAL (
             SELECT edited_at, edited_by, reason FROM link_edit
             WHERE link.linked_rule = 7 AND link_edit.connection_id = link.connection_id
               AND link_edit.object_id = link.object_id AND link_edit.to_account_id = link.account_id
             ORDER BY edited_at DESC LIMIT 1
         ) AS hand ON true
         WHERE connection.organization_id = $1 AND ($2::uuid IS NULL OR link.connection_id = $2)
           AND ($3::uuid IS NULL OR link.account_id = $3) AND ($4::uuid IS NULL OR link.object_id = $4)
           AND NOT EXISTS (
               SELECT FROM unnest($5::text[]) AS word
               WHERE concat_ws(' ', account.name, account.login, account.email, account.upn) NOT ILIKE word)
           AND ($6::uuid IS NULL OR (link.connection_id, link.object_id) > ($6, $7))
         ORDER BY link.connection_id, link.object_id LIMIT $8",
    )
    .bind(organization.0)
    .bind(filter.connection.map(|of| of.0))
    .bind(filter.account.map(|account| account.0))
    .bind(filter.object.map(|object| object.0))
    .bind(patterns)
    .bind(after.map(|(of, _)| of.0))
    .bind(after.map(|(_, object)| object.0))
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| Link::try_from(row).map_err(StoreError::from))
        .collect()
}

#[derive(sqlx::FromRow)]
struct Row {
    connection_id: Uuid,
    connection_name: String,
    object_id: Uuid,
    account_id: Uuid,
    account_name: Option<String>,
    status: i16,
    linked_rule: Option<i16>,
    linked_run: Option<Uuid>,
    linked_page: Option<i32>,
    linked_at: Option<DateTime<Utc>>,
    edited_by: Option<String>,
    reason: Option<String>,
}

impl TryFrom<Row> for Link {
    type Error = Inconsistent;

    fn try_from(row: Row) -> Result<Self, Inconsistent> {
        let status = LinkStatus::of_number(row.status).ok_or_else(|| {
            Inconsistent::new(
                "link",
                "status",
                format!("{} {}", row.connection_id, row.object_id),
            )
        })?;
        Ok(Self {
            connection: ConnectionId(row.connection_id),
            connection_name: row.connection_name,
            object: ObjectId(row.object_id),
            account: AccountId(row.account_id),
            account_name: row.account_name,
            status,
            rule: row.linked_rule,
            run: row.linked_run.map(RunId),
            page: row.linked_page,
            linked_at: row.linked_at,
            by_hand: row.edited_by.zip(row.reason),
        })
    }
}
