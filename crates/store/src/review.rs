//! `review`: held and manual removals awaiting a person. Written by reconciler.

use chrono::{DateTime, Utc};
use domain::decision::LinkStatus;
use domain::id::{AccountId, ConnectionId, ObjectId, OrganizationId, ReviewId, RunId};
use domain::leaver::{Cause, Removal};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::{Inconsistent, StoreError};

/// A review to open.
#[derive(Clone, Debug)]
pub struct New {
    /// Its key.
    pub id: ReviewId,
    /// The account.
    pub account: AccountId,
    /// The object.
    pub object: ObjectId,
    /// Why it leaves.
    pub cause: Cause,
    /// What is proposed.
    pub proposed: Removal,
    /// Why a person is asked.
    pub reason: String,
}

/// An open review.
#[derive(Clone, Debug)]
pub struct Open {
    /// Its key.
    pub id: ReviewId,
    /// The connection.
    pub connection: ConnectionId,
    /// The account.
    pub account: AccountId,
    /// The object.
    pub object: ObjectId,
    /// Why it leaves.
    pub cause: Cause,
    /// What is proposed.
    pub proposed: Removal,
}

/// Opens reviews; one that is open for the same object and cause stays as it is.
pub async fn open(
    connection: &mut PgConnection,
    (organization, of, run): (OrganizationId, ConnectionId, RunId),
    reviews: &[New],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    if reviews.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "-- review.open
         INSERT INTO review (id, organization_id, connection_id, run_id, account_id, object_id, cause, proposed, reason,
             state, created_at)
         SELECT u.id, $1, $2, $3, u.account_id, u.object_id, u.cause, u.proposed, u.reason, 'open', $4
         FROM unnest($5::uuid[], $6::uuid[], $7::uuid[], $8::smallint[], $9::text[], $10::text[])
             AS u (id, account_id, object_id, cause, proposed, reason)
         ON CONFLICT (connection_id, object_id, account_id, cause) WHERE state = 'open' DO NOTHING",
    )
    .bind(organization.0)
    .bind(of.0)
    .bind(run.0)
    .bind(now)
    .bind(reviews.iter().map(|review| review.id.0).collect::<Vec<_>>())
    .bind(reviews.iter().map(|review| review.account.0).collect::<Vec<_>>())
    .bind(reviews.iter().map(|review| review.object.0).collect::<Vec<_>>())
    .bind(reviews.iter().map(|review| review.cause as i16).collect::<Vec<_>>())
    .bind(reviews.iter().map(|review| review.proposed.key()).collect::<Vec<_>>())
    .bind(reviews.iter().map(|review| review.reason.as_str()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Closes open reviews of objects whose cause has ended: what their link now says is beside them.
pub async fn close_obsolete(
    connection: &mut PgConnection,
    id: ConnectionId,
    objects: &[(ObjectId, Option<AccountId>, LinkStatus)],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query(
        "-- review.close_obsolete
         UPDATE review v SET state = 'obsolete', resolved_at = $2
         FROM unnest($3::uuid[], $4::smallint[], $5::uuid[]) AS u (object_id, status, account_id)
         WHERE v.connection_id = $1 AND v.state = 'open' AND v.object_id = u.object_id
           AND v.account_id = coalesce(u.account_id, v.account_id)
           AND v.cause <> CASE u.status WHEN 2 THEN 1 WHEN 3 THEN 2 WHEN 4 THEN 3 WHEN 5 THEN 4 ELSE 0 END",
    )
    .bind(id.0)
    .bind(now)
    .bind(objects.iter().map(|(object, ..)| object.0).collect::<Vec<_>>())
    .bind(
        objects
            .iter()
            .map(|(.., status)| *status as i16)
            .collect::<Vec<_>>(),
    )
    .bind(
        objects
            .iter()
            .map(|(_, account, _)| account.map(|account| account.0))
            .collect::<Vec<_>>(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Closes the open reviews that a run opened about these records: it was reverted.
pub async fn close_of_run(
    connection: &mut PgConnection,
    run: RunId,
    accounts: &[Uuid],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    if accounts.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "-- review.close_of_run
         UPDATE review SET state = 'obsolete', resolved_at = $3, resolution_reason = 'the run was reverted'
         WHERE run_id = $1 AND account_id = ANY($2) AND state = 'open'",
    )
    .bind(run.0)
    .bind(accounts)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Closes the open reviews of these accounts: a person has said whose they are.
pub async fn close_of_accounts(
    connection: &mut PgConnection,
    organization: OrganizationId,
    accounts: &[Uuid],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query(
        "-- review.close_of_accounts
         UPDATE review SET state = 'obsolete', resolved_at = $3
         WHERE organization_id = $1 AND account_id = ANY($2) AND state = 'open'",
    )
    .bind(organization.0)
    .bind(accounts)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Loads open reviews for this transaction alone.
pub async fn lock_open(
    connection: &mut PgConnection,
    organization: OrganizationId,
    ids: &[Uuid],
) -> Result<Vec<Open>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "-- review.lock_open
         SELECT id, connection_id, account_id, object_id, cause, proposed FROM review
         WHERE organization_id = $1 AND id = ANY($2) AND state = 'open' ORDER BY id FOR UPDATE",
    )
    .bind(organization.0)
    .bind(ids)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| Open::try_from(row).map_err(StoreError::from))
        .collect()
}

/// The state of a review, if there is one.
pub async fn state(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: Uuid,
) -> Result<Option<String>, StoreError> {
    Ok(
        sqlx::query_scalar(
            "-- review.state\nSELECT state FROM review WHERE organization_id = $1 AND id = $2",
        )
        .bind(organization.0)
        .bind(id)
        .fetch_optional(connection)
        .await?,
    )
}

/// Closes a review: `approved`, `rejected` or `obsolete`.
pub async fn resolve(
    connection: &mut PgConnection,
    id: ReviewId,
    state: &str,
    (by, reason): (&str, &str),
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query(
        "-- review.resolve
         UPDATE review SET state = $2, resolved_by = $3, resolution_reason = $4, resolved_at = $5 WHERE id = $1",
    )
    .bind(id.0)
    .bind(state)
    .bind(by)
    .bind(reason)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    connection_id: Uuid,
    account_id: Uuid,
    object_id: Uuid,
    cause: i16,
    proposed: String,
}

impl TryFrom<Row> for Open {
    type Error = Inconsistent;

    fn try_from(row: Row) -> Result<Self, Inconsistent> {
        Ok(Self {
            id: ReviewId(row.id),
            connection: ConnectionId(row.connection_id),
            account: AccountId(row.account_id),
            object: ObjectId(row.object_id),
            cause: Cause::of_number(row.cause).ok_or_else(|| Inconsistent::new("review", "cause", row.id))?,
            proposed: Removal::of_key(&row.proposed)
                .ok_or_else(|| Inconsistent::new("review", "proposed", row.id))?,
        })
    }
}
