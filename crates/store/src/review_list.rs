//! Removals that await a person, as people see them. Only reads.

use chrono::{DateTime, Utc};
use domain::account::Role;
use domain::id::{AccountId, ConnectionId, ObjectId, OrganizationId, ReviewId, RunId};
use domain::leaver::{Cause, Removal};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Inconsistent, StoreError};

/// A held or manual removal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// Its key.
    pub id: ReviewId,
    /// The connection's name.
    pub connection: String,
    /// The run that held it.
    pub run: RunId,
    /// The account that would be removed.
    pub account: AccountId,
    /// The object that feeds it.
    pub object: ObjectId,
    /// The account's name.
    pub name: Option<String>,
    /// The account's UPN.
    pub upn: Option<String>,
    /// The account's role; none once it was purged.
    pub role: Option<Role>,
    /// Why it would be removed.
    pub cause: Cause,
    /// What is proposed.
    pub proposed: Removal,
    /// Why a person is asked.
    pub reason: String,
    /// Whether it still waits.
    pub state: State,
    /// When it was held.
    pub created_at: DateTime<Utc>,
    /// When it was resolved, and by whom.
    pub resolved_at: Option<DateTime<Utc>>,
    /// Who resolved it.
    pub resolved_by: Option<String>,
    /// The reason that they gave.
    pub resolution_reason: Option<String>,
    /// Whether it is a deletion that is carried out when the last asset is returned.
    pub waits_for_assets: bool,
    /// When a run last saw the object in the directory.
    pub last_seen_at: Option<DateTime<Utc>>,
    /// What the record holds, the first of them.
    pub held: Vec<HeldAsset>,
    /// How many assets it holds in all.
    pub held_count: u32,
}

/// An asset that someone holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldAsset {
    /// Its key.
    pub id: Uuid,
    /// What it is called.
    pub name: String,
    /// What its label says.
    pub tag: Option<String>,
}

/// As many assets are named with each review.
const NAMED: i64 = 10;

/// Whether a review still waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It does.
    Open,
    /// The removal was done.
    Approved,
    /// The record was left; a later full run may ask again.
    Rejected,
    /// The record was left for good.
    Kept,
    /// Its cause has ended.
    Obsolete,
}

impl State {
    /// The name in the table.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Kept => "kept",
            Self::Obsolete => "obsolete",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn of_key(key: &str) -> Option<Self> {
        [
            Self::Open,
            Self::Approved,
            Self::Rejected,
            Self::Kept,
            Self::Obsolete,
        ]
        .into_iter()
        .find(|state| state.key() == key)
    }
}

/// Which reviews are listed.
#[derive(Clone, Copy, Debug)]
pub struct Filter {
    /// Whose.
    pub organization: OrganizationId,
    /// Of one connection, or of all.
    pub connection: Option<ConnectionId>,
    /// Held by one run, or by any.
    pub run: Option<RunId>,
    /// In which state.
    pub state: State,
    /// For one cause, or for all.
    pub cause: Option<Cause>,
}

/// Up to `limit` reviews as they were held, those behind `after`.
pub async fn list(
    connection: &mut PgConnection,
    filter: Filter,
    after: Option<(DateTime<Utc>, ReviewId)>,
    limit: i64,
) -> Result<Vec<Review>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "-- review_list.list
         SELECT review.id, connection.name AS connection, review.run_id, review.account_id, review.object_id,
             account.name, account.upn, account.role, review.cause, review.proposed, review.reason, review.state,
             review.created_at, review.resolved_at, review.resolved_by, review.resolution_reason,
             review.waits_for_assets, review.last_seen_at, held.ids, held.names, held.tags,
             (SELECT count(*) FROM asset WHERE asset.account_id = review.account_id) AS held_count
         FROM review
         JOIN connection ON connection.id = review.connection_id
         LEFT JOIN account ON account.id = review.account_id
         CROSS JOIN LATERAL (
             SELECT array_agg(a.id) AS ids, array_agg(a.name) AS names, array_agg(a.tag) AS tags
             FROM (SELECT id, name, tag FROM asset WHERE account_id = review.account_id ORDER BY id LIMIT $9) a
         ) held
         WHERE review.organization_id = $1 AND review.state = $2
           AND ($3::uuid IS NULL OR review.connection_id = $3)
           AND ($4::uuid IS NULL OR review.run_id = $4)
           AND ($5::timestamptz IS NULL OR (review.created_at, review.id) > ($5, $6))
           AND ($8::smallint IS NULL OR review.cause = $8)
         ORDER BY review.created_at, review.id LIMIT $7",
    )
    .bind(filter.organization.0)
    .bind(filter.state.key())
    .bind(filter.connection.map(|of| of.0))
    .bind(filter.run.map(|run| run.0))
    .bind(after.map(|after| after.0))
    .bind(after.map(|after| after.1.0))
    .bind(limit)
    .bind(filter.cause.map(|cause| cause as i16))
    .bind(NAMED)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| Review::try_from(row).map_err(StoreError::from))
        .collect()
}

/// Whom these reviews are about, as people call them.
pub async fn names(
    connection: &mut PgConnection,
    organization: OrganizationId,
    ids: &[Uuid],
) -> Result<Vec<(Uuid, String)>, StoreError> {
    Ok(sqlx::query_as(
        "-- review_list.names
         SELECT review.id, coalesce(account.upn, account.name, review.object_id::text)
         FROM review LEFT JOIN account ON account.id = review.account_id
         WHERE review.organization_id = $1 AND review.id = ANY($2)",
    )
    .bind(organization.0)
    .bind(ids)
    .fetch_all(connection)
    .await?)
}

/// How many reviews of the organization are open, of one connection or of all.
pub async fn open(
    connection: &mut PgConnection,
    organization: OrganizationId,
    of: Option<ConnectionId>,
) -> Result<u32, StoreError> {
    let open: i64 = sqlx::query_scalar(
        "-- review_list.open
         SELECT count(*) FROM review
         WHERE organization_id = $1 AND state = 'open' AND ($2::uuid IS NULL OR connection_id = $2)",
    )
    .bind(organization.0)
    .bind(of.map(|of| of.0))
    .fetch_one(connection)
    .await?;
    Ok(u32::try_from(open).unwrap_or(u32::MAX))
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    connection: String,
    run_id: Uuid,
    account_id: Uuid,
    object_id: Uuid,
    name: Option<String>,
    upn: Option<String>,
    role: Option<i16>,
    cause: i16,
    proposed: String,
    reason: String,
    state: String,
    created_at: DateTime<Utc>,
    resolved_at: Option<DateTime<Utc>>,
    resolved_by: Option<String>,
    resolution_reason: Option<String>,
    waits_for_assets: bool,
    last_seen_at: Option<DateTime<Utc>>,
    ids: Option<Vec<Uuid>>,
    names: Option<Vec<String>>,
    tags: Option<Vec<Option<String>>>,
    held_count: i64,
}

impl TryFrom<Row> for Review {
    type Error = Inconsistent;

    fn try_from(row: Row) -> Result<Self, Inconsistent> {
        let bad = |column| Inconsistent::new("review", column, row.id);
        Ok(Self {
            id: ReviewId(row.id),
            run: RunId(row.run_id),
            account: AccountId(row.account_id),
            object: ObjectId(row.object_id),
            role: row
                .role
                .map(|role| {
                    Role::of_number(role).ok_or_else(|| Inconsistent::new("account", "role", row.account_id))
                })
                .transpose()?,
            cause: Cause::of_number(row.cause).ok_or_else(|| bad("cause"))?,
            proposed: Removal::of_key(&row.proposed).ok_or_else(|| bad("proposed"))?,
            state: State::of_key(&row.state).ok_or_else(|| bad("state"))?,
            connection: row.connection,
            name: row.name,
            upn: row.upn,
            reason: row.reason,
            created_at: row.created_at,
            resolved_at: row.resolved_at,
            resolved_by: row.resolved_by,
            resolution_reason: row.resolution_reason,
            waits_for_assets: row.waits_for_assets,
            last_seen_at: row.last_seen_at,
            held: (row.ids.into_iter().flatten())
                .zip(row.names.into_iter().flatten())
                .zip(row.tags.into_iter().flatten())
                .map(|((id, name), tag)| HeldAsset { id, name, tag })
                .collect(),
            held_count: u32::try_from(row.held_count).unwrap_or(u32::MAX),
        })
    }
}

/// The first of those whose removals a run held, as people call them.
pub async fn first_held(
    connection: &mut PgConnection,
    run: RunId,
    limit: i64,
) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar(
        "-- review_list.first_held
         SELECT coalesce(upn, name, object_id::text) FROM decision
         WHERE run_id = $1 AND outcome = 6 AND object_id IS NOT NULL ORDER BY page, position LIMIT $2",
    )
    .bind(run.0)
    .bind(limit)
    .fetch_all(connection)
    .await?)
}
