//! `review`: held and manual removals awaiting a person. Written by reconciler.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use domain::decision::LinkStatus;
use domain::id::{AccountId, ConnectionId, ObjectId, OrganizationId, ReviewId, RunId};
use domain::leaver::{Cause, Removal};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::link::Taken;
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
    /// Whether it is a deletion that is carried out when the last asset is returned.
    pub waits_for_assets: bool,
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
    /// Whether the object is still linked to the account.
    pub linked: bool,
}

/// A removal that a run has done, or that waits in another form: what is asked about it is settled.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    /// The object.
    pub object: ObjectId,
    /// The account.
    pub account: AccountId,
    /// What was done; none where the deletion waits for assets.
    pub removal: Option<Removal>,
}

/// Opens reviews; one that is open for the same object and cause stays as it is, but for when the object was last seen.
///
/// That is now, or for one that is deleted or gone, the last full reading before it was found so. Links still say what was
/// known until now.
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
             state, created_at, waits_for_assets, last_seen_at)
         SELECT u.id, $1, $2, $3, u.account_id, u.object_id, u.cause, u.proposed, u.reason, 'open', $4, u.waits,
             CASE
                 WHEN u.cause NOT IN (2, 3) THEN (SELECT coalesce(ended_at, $4) FROM run_fetch WHERE run_id = $3)
                 WHEN l.status NOT IN (3, 4) THEN (
                     SELECT max(f.ended_at) FROM run_plan p
                     JOIN run r ON r.id = p.run_id AND r.kind <> 'manual'
                     JOIN run_fetch f ON f.run_id = p.run_id AND f.proved AND NOT f.delta
                     WHERE p.connection_id = $2 AND p.run_id <> $3 AND p.state = 'finished')
             END
         FROM unnest($5::uuid[], $6::uuid[], $7::uuid[], $8::smallint[], $9::text[], $10::text[], $11::boolean[])
             AS u (id, account_id, object_id, cause, proposed, reason, waits)
         LEFT JOIN LATERAL (
             SELECT status FROM link
             WHERE connection_id = $2 AND object_id = u.object_id AND account_id = u.account_id LIMIT 1
         ) l ON true
         ON CONFLICT (connection_id, object_id, account_id, cause) WHERE state = 'open'
         DO UPDATE SET last_seen_at = coalesce(excluded.last_seen_at, review.last_seen_at)",
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
    .bind(reviews.iter().map(|review| review.waits_for_assets).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Closes open reviews that ask what has been done, or waits in another form.
pub async fn close_done(
    connection: &mut PgConnection,
    id: ConnectionId,
    done: &[Done],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    if done.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "-- review.close_done
         UPDATE review v SET state = 'obsolete', resolved_at = $2
         FROM unnest($3::uuid[], $4::uuid[], $5::text[]) AS u (object_id, account_id, removal)
         WHERE v.connection_id = $1 AND v.state = 'open' AND v.object_id = u.object_id AND v.account_id = u.account_id
           AND CASE WHEN u.removal IS NULL THEN NOT v.waits_for_assets
               ELSE u.removal = 'delete' OR v.proposed = u.removal END",
    )
    .bind(id.0)
    .bind(now)
    .bind(done.iter().map(|done| done.object.0).collect::<Vec<_>>())
    .bind(done.iter().map(|done| done.account.0).collect::<Vec<_>>())
    .bind(
        done.iter()
            .map(|done| done.removal.map(Removal::key))
            .collect::<Vec<_>>(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Closes open reviews of accounts that other objects have taken, those beside them: what was asked about them because of
/// the former object is settled.
pub async fn close_superseded(
    connection: &mut PgConnection,
    organization: OrganizationId,
    taken: &[Taken],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    if taken.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "-- review.close_superseded
         UPDATE review v SET state = 'obsolete', resolved_at = $2
         FROM unnest($3::uuid[], $4::uuid[]) AS u (account_id, object_id)
         WHERE v.organization_id = $1 AND v.state = 'open' AND v.account_id = u.account_id
           AND v.object_id <> u.object_id",
    )
    .bind(organization.0)
    .bind(now)
    .bind(taken.iter().map(|taken| taken.account.0).collect::<Vec<_>>())
    .bind(taken.iter().map(|taken| taken.object.0).collect::<Vec<_>>())
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

/// Closes open reviews of the deleted and the gone about which a run, which knows of everybody who is there, had nothing to decide: the
/// policy asks for nothing more, or it is done.
pub async fn close_unasked(
    connection: &mut PgConnection,
    id: ConnectionId,
    run: RunId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let asked: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "-- review.open_of_deleted
         SELECT v.id, v.account_id FROM review v
         WHERE v.connection_id = $1 AND v.state = 'open' AND v.cause IN (2, 3) AND EXISTS (
             SELECT 1 FROM link l
             WHERE l.connection_id = $1 AND l.object_id = v.object_id AND l.account_id = v.account_id
                 AND l.status = v.cause + 1)",
    )
    .bind(id.0)
    .fetch_all(&mut *connection)
    .await?;
    if asked.is_empty() {
        return Ok(());
    }
    let (reviews, accounts): (Vec<Uuid>, Vec<Uuid>) = asked.into_iter().unzip();
    sqlx::query(
        "-- review.close_unasked
         UPDATE review v SET state = 'obsolete', resolved_at = $4
         WHERE v.id = ANY($1) AND v.state = 'open' AND v.account_id <> ALL (ARRAY(
             SELECT account_id FROM decision WHERE run_id = $3 AND account_id = ANY($2) AND outcome IN (2, 5, 6)))",
    )
    .bind(reviews)
    .bind(accounts)
    .bind(run.0)
    .bind(now)
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

/// Closes the open reviews about these objects that their links bear out no more: their ground was taken back. Who failed
/// the last time is where they were.
pub async fn close_groundless(
    connection: &mut PgConnection,
    id: ConnectionId,
    objects: &[Uuid],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    if objects.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "-- review.close_groundless
         UPDATE review v SET state = 'obsolete', resolved_at = $3
         WHERE v.connection_id = $1 AND v.object_id = ANY($2) AND v.state = 'open' AND NOT EXISTS (
             SELECT FROM link l
             WHERE l.connection_id = v.connection_id AND l.object_id = v.object_id AND l.account_id = v.account_id
               AND (l.status = $4
                    OR v.cause = CASE l.status WHEN 2 THEN 1 WHEN 3 THEN 2 WHEN 4 THEN 3 WHEN 5 THEN 4 ELSE 0 END))",
    )
    .bind(id.0)
    .bind(objects)
    .bind(now)
    .bind(LinkStatus::Conflict as i16)
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

/// What a person said to keep of these objects: object, account and cause.
pub async fn kept(
    connection: &mut PgConnection,
    id: ConnectionId,
    objects: &[Uuid],
) -> Result<HashSet<(ObjectId, AccountId, Cause)>, StoreError> {
    if objects.is_empty() {
        return Ok(HashSet::new());
    }
    let rows: Vec<(Uuid, Uuid, i16)> = sqlx::query_as(
        "-- review.kept
         SELECT v.object_id, v.account_id, v.cause FROM unnest($2::uuid[]) AS u (object_id)
         CROSS JOIN LATERAL (
             -- Not as a join, for which the planner may read the whole table.
             SELECT * FROM review WHERE connection_id = $1 AND object_id = u.object_id AND state = 'kept' OFFSET 0
         ) v",
    )
    .bind(id.0)
    .bind(objects)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|(object, account, cause)| {
            let cause =
                Cause::of_number(cause).ok_or_else(|| Inconsistent::new("review", "cause", object))?;
            Ok((ObjectId(object), AccountId(account), cause))
        })
        .collect()
}

/// The accounts of those of these reviews that are open.
pub async fn accounts_of_open(
    connection: &mut PgConnection,
    organization: OrganizationId,
    ids: &[Uuid],
) -> Result<Vec<Uuid>, StoreError> {
    Ok(sqlx::query_scalar(
        "-- review.accounts_of_open
         SELECT DISTINCT account_id FROM review WHERE organization_id = $1 AND id = ANY($2) AND state = 'open'",
    )
    .bind(organization.0)
    .bind(ids)
    .fetch_all(connection)
    .await?)
}

/// Loads open reviews for this transaction alone. Whoever writes their accounts, too, has locked those before.
pub async fn lock_open(
    connection: &mut PgConnection,
    organization: OrganizationId,
    ids: &[Uuid],
) -> Result<Vec<Open>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "-- review.lock_open
         SELECT v.id, v.connection_id, v.account_id, v.object_id, v.cause, v.proposed, EXISTS (
             SELECT 1 FROM link l
             WHERE l.connection_id = v.connection_id AND l.object_id = v.object_id AND l.account_id = v.account_id
         ) AS linked
         FROM review v
         WHERE v.organization_id = $1 AND v.id = ANY($2) AND v.state = 'open' ORDER BY v.id FOR UPDATE",
    )
    .bind(organization.0)
    .bind(ids)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| Open::try_from(row).map_err(StoreError::from))
        .collect()
}

/// The open reviews of an account whose deletion waits for its assets, for this transaction alone.
pub async fn lock_waiting(
    connection: &mut PgConnection,
    organization: OrganizationId,
    account: AccountId,
) -> Result<Vec<Open>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "-- review.lock_waiting
         SELECT v.id, v.connection_id, v.account_id, v.object_id, v.cause, v.proposed, EXISTS (
             SELECT 1 FROM link l
             WHERE l.connection_id = v.connection_id AND l.object_id = v.object_id AND l.account_id = v.account_id
         ) AS linked
         FROM review v
         WHERE v.organization_id = $1 AND v.account_id = $2 AND v.state = 'open' AND v.waits_for_assets
         ORDER BY v.id FOR UPDATE",
    )
    .bind(organization.0)
    .bind(account.0)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| Open::try_from(row).map_err(StoreError::from))
        .collect()
}

/// A review that waited for assets waits for a person from now on, because of this.
pub async fn ask_instead(
    connection: &mut PgConnection,
    id: ReviewId,
    reason: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "-- review.ask_instead\nUPDATE review SET waits_for_assets = false, reason = $2 WHERE id = $1",
    )
    .bind(id.0)
    .bind(reason)
    .execute(connection)
    .await?;
    Ok(())
}

/// The states of those of these reviews that there are.
pub async fn states(
    connection: &mut PgConnection,
    organization: OrganizationId,
    ids: &[Uuid],
) -> Result<Vec<(Uuid, String)>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    Ok(sqlx::query_as(
        "-- review.states\nSELECT id, state FROM review WHERE organization_id = $1 AND id = ANY($2)",
    )
    .bind(organization.0)
    .bind(ids)
    .fetch_all(connection)
    .await?)
}

/// Closes reviews: `approved`, `rejected`, `kept` or `obsolete`.
pub async fn resolve(
    connection: &mut PgConnection,
    ids: &[Uuid],
    state: &str,
    (by, reason): (Option<&str>, Option<&str>),
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "-- review.resolve
         UPDATE review SET state = $2, resolved_by = $3, resolution_reason = $4, resolved_at = $5 WHERE id = ANY($1)",
    )
    .bind(ids)
    .bind(state)
    .bind(by)
    .bind(reason)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Those of these accounts of which a review is open.
pub async fn open_of_accounts(
    connection: &mut PgConnection,
    organization: OrganizationId,
    accounts: &[Uuid],
) -> Result<Vec<Uuid>, StoreError> {
    Ok(sqlx::query_scalar(
        "-- review.open_of_accounts
         SELECT DISTINCT account_id FROM review
         WHERE organization_id = $1 AND account_id = ANY($2) AND state = 'open'",
    )
    .bind(organization.0)
    .bind(accounts)
    .fetch_all(connection)
    .await?)
}

/// Takes out of the reviews of these accounts what they say in words; that they were, and what came of them, stays.
pub async fn forget_accounts(
    connection: &mut PgConnection,
    organization: OrganizationId,
    accounts: &[Uuid],
) -> Result<(), StoreError> {
    sqlx::query(
        "-- review.forget_accounts
         UPDATE review SET reason = 'purged', resolution_reason = CASE WHEN resolution_reason IS NOT NULL THEN 'purged' END
         WHERE organization_id = $1 AND account_id = ANY($2)",
    )
    .bind(organization.0)
    .bind(accounts)
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
    linked: bool,
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
            linked: row.linked,
        })
    }
}
