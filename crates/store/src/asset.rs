//! `asset`: the register's assets, and who holds each (B6). Written by reconciler.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::asset::{Held, Status, label};
use domain::id::{AccountId, OrganizationId};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::account_list::pattern;
use crate::{Inconsistent, StoreError};

/// An asset as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset {
    /// Its key.
    pub id: Uuid,
    /// Where it is.
    pub status: Status,
    /// What it is called.
    pub name: String,
    /// What its label says.
    pub tag: Option<String>,
    /// Its maker's number.
    pub serial: Option<String>,
    /// What it is one of.
    pub model: Option<String>,
    /// Who holds it.
    pub holder: Option<Holder>,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// Who holds an asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The account or person.
    pub account: AccountId,
    /// Their name.
    pub name: Option<String>,
    /// Their UPN.
    pub upn: Option<String>,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// An asset to add.
#[derive(Clone, Copy, Debug)]
pub struct New<'a> {
    /// Its key.
    pub id: Uuid,
    /// Whose it is.
    pub organization: OrganizationId,
    /// What it is called.
    pub name: &'a str,
    /// What its label says.
    pub tag: Option<&'a str>,
    /// Its maker's number.
    pub serial: Option<&'a str>,
    /// What it is one of.
    pub model: Option<&'a str>,
}

/// Which assets are listed.
#[derive(Clone, Debug)]
pub struct Search {
    /// Words that must all occur in name, tag, serial number or model.
    pub words: Vec<String>,
    /// Only those that this account or person holds.
    pub holder: Option<AccountId>,
}

/// The unique index on tags.
pub const TAG: &str = "asset_tag";

/// As many assets of a holder are named.
const NAMED: i64 = 5;

/// Adds an asset that nobody holds. A tag that another one has is a duplicate by [`TAG`].
pub async fn insert(
    connection: &mut PgConnection,
    asset: New<'_>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query(
        "-- asset.insert
         INSERT INTO asset (id, organization_id, status, version, name, tag, serial, model, created_at, updated_at)
         VALUES ($1, $2, $3, 1, $4, $5, $6, $7, $8, $8)",
    )
    .bind(asset.id)
    .bind(asset.organization.0)
    .bind(Status::InStock as i16)
    .bind(asset.name)
    .bind(asset.tag)
    .bind(asset.serial)
    .bind(asset.model)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// The organization's asset of this id.
pub async fn find(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: Uuid,
) -> Result<Option<Asset>, StoreError> {
    let sql = format!("-- asset.find\n{SELECT} WHERE asset.organization_id = $1 AND asset.id = $2");
    let row: Option<Row> = sqlx::query_as(&sql)
        .bind(organization.0)
        .bind(id)
        .fetch_optional(connection)
        .await?;
    Ok(row.map(Asset::try_from).transpose()?)
}

/// The same, and nobody else writes it until the transaction ends. Whoever calls this has locked the accounts concerned.
pub async fn lock(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: Uuid,
) -> Result<Option<Asset>, StoreError> {
    let sql = format!(
        "-- asset.lock\n{SELECT} WHERE asset.organization_id = $1 AND asset.id = $2 FOR UPDATE OF asset"
    );
    let row: Option<Row> = sqlx::query_as(&sql)
        .bind(organization.0)
        .bind(id)
        .fetch_optional(connection)
        .await?;
    Ok(row.map(Asset::try_from).transpose()?)
}

/// Gives an asset to somebody, or takes it back.
pub async fn set_holder(
    connection: &mut PgConnection,
    id: Uuid,
    holder: Option<AccountId>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let status = if holder.is_some() {
        Status::InUse
    } else {
        Status::InStock
    };
    sqlx::query(
        "-- asset.set_holder
         UPDATE asset SET account_id = $2, assigned_at = CASE WHEN $2::uuid IS NOT NULL THEN $3 END, status = $4,
             version = version + 1, updated_at = $3
         WHERE id = $1",
    )
    .bind(id)
    .bind(holder.map(|holder| holder.0))
    .bind(now)
    .bind(status as i16)
    .execute(connection)
    .await?;
    Ok(())
}

/// Up to `limit` of the organization's assets as they were added, those behind `after`.
pub async fn list(
    connection: &mut PgConnection,
    organization: OrganizationId,
    search: &Search,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Asset>, StoreError> {
    let sql = format!(
        "-- asset.list
         {SELECT}
         WHERE asset.organization_id = $1 AND ($2::uuid IS NULL OR asset.id > $2)
           AND ($3::uuid IS NULL OR asset.account_id = $3)
           AND NOT EXISTS (
               SELECT FROM unnest($4::text[]) AS word
               WHERE concat_ws(' ', asset.name, asset.tag, asset.serial, asset.model) NOT ILIKE word)
         ORDER BY asset.id LIMIT $5"
    );
    let rows: Vec<Row> = sqlx::query_as(&sql)
        .bind(organization.0)
        .bind(after)
        .bind(search.holder.map(|holder| holder.0))
        .bind(search.words.iter().map(|word| pattern(word)).collect::<Vec<_>>())
        .bind(limit)
        .fetch_all(connection)
        .await?;
    rows.into_iter()
        .map(|row| Asset::try_from(row).map_err(StoreError::from))
        .collect()
}

/// What these accounts and people hold; those who hold nothing are not in it.
pub async fn held_by(
    connection: &mut PgConnection,
    accounts: &[Uuid],
) -> Result<HashMap<AccountId, Held>, StoreError> {
    if accounts.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(Uuid, i64, Vec<String>, Vec<Option<String>>)> = sqlx::query_as(
        "-- asset.held_by
         SELECT k.account_id, h.held,
             ARRAY(SELECT name FROM asset WHERE account_id = k.account_id ORDER BY id LIMIT $2),
             ARRAY(SELECT tag FROM asset WHERE account_id = k.account_id ORDER BY id LIMIT $2)
         FROM (SELECT DISTINCT unnest($1::uuid[]) AS account_id) k
         CROSS JOIN LATERAL (
             SELECT count(*) AS held FROM asset WHERE account_id = k.account_id
         ) h
         WHERE h.held > 0",
    )
    .bind(accounts)
    .bind(NAMED)
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(account, count, names, tags)| {
            let first = names
                .iter()
                .zip(&tags)
                .map(|(name, tag)| label(name, tag.as_deref()))
                .collect();
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            (AccountId(account), Held { count, first })
        })
        .collect())
}

const SELECT: &str = "
    SELECT asset.id, asset.status, asset.name, asset.tag, asset.serial, asset.model, asset.account_id, asset.assigned_at,
        asset.created_at, asset.updated_at, account.name AS account_name, account.upn AS account_upn
    FROM asset LEFT JOIN account ON account.id = asset.account_id";

#[derive(FromRow)]
struct Row {
    id: Uuid,
    status: i16,
    name: String,
    tag: Option<String>,
    serial: Option<String>,
    model: Option<String>,
    account_id: Option<Uuid>,
    assigned_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    account_name: Option<String>,
    account_upn: Option<String>,
}

impl TryFrom<Row> for Asset {
    type Error = Inconsistent;

    fn try_from(row: Row) -> Result<Self, Inconsistent> {
        let holder = row.account_id.zip(row.assigned_at);
        Ok(Self {
            id: row.id,
            status: Status::of_number(row.status)
                .ok_or_else(|| Inconsistent::new("asset", "status", row.id))?,
            name: row.name,
            tag: row.tag,
            serial: row.serial,
            model: row.model,
            holder: holder.map(|(account, since)| Holder {
                account: AccountId(account),
                name: row.account_name,
                upn: row.account_upn,
                since,
            }),
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}
