//! `run_page`: decided pages. Written by reconciler.

use chrono::{DateTime, Utc};
use domain::decision::Skip;
use domain::id::RunId;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;

/// Where a page's objects came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i16)]
pub enum Source {
    /// The list of users.
    Listing = 1,
    /// The deleted items.
    DeletedItems = 2,
    /// A delta.
    Delta = 3,
    /// Made by us when the fetch had ended: linked objects that were not seen.
    NotSeen = 4,
    /// Users whom a person asked for, whatever the criteria say.
    Manual = 5,
    /// Users looked up one by one; the criteria count.
    LookedUp = 6,
    /// Managers of people in scope, whatever the criteria say.
    Managers = 7,
    /// Made by us: what a revert takes back of one page of a run.
    TakenBack = 8,
}

/// A decided page.
#[derive(Clone, Debug)]
pub struct Page {
    /// The run.
    pub run: RunId,
    /// From 1 as fetched; 0 and below: made by us.
    pub number: i32,
    /// The attempt at the fetch.
    pub attempt: i32,
    /// Where its objects came from.
    pub source: Source,
    /// Every object of the page.
    pub seen: Vec<Uuid>,
    /// Those left out as they were the last time, with the reason.
    pub skipped: Vec<(Uuid, Skip)>,
    /// Records without a usable id.
    pub unusable: i32,
    /// How many decisions it has.
    pub decisions: i32,
    /// What they change ([`Insert::fields`](crate::decision::Insert::fields)).
    pub fields: Vec<u8>,
}

/// Adds a page. A page that is there already is a [`StoreError::Duplicate`]: another copy was quicker.
pub async fn insert(
    connection: &mut PgConnection,
    page: &Page,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query(
        "-- run_page.insert
         INSERT INTO run_page (run_id, number, attempt, source, seen, skipped, skip_reasons, unusable, decisions,
             fields, decided_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(page.run.0)
    .bind(page.number)
    .bind(page.attempt)
    .bind(page.source as i16)
    .bind(&page.seen)
    .bind(page.skipped.iter().map(|(object, _)| *object).collect::<Vec<_>>())
    .bind(page.skipped.iter().map(|(_, skip)| *skip as i16).collect::<Vec<_>>())
    .bind(page.unusable)
    .bind(page.decisions)
    .bind(&page.fields)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether any page has a decision.
pub async fn any_decision(connection: &mut PgConnection, run: RunId) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(
        "-- run_page.any_decision
         SELECT EXISTS (SELECT 1 FROM run_page WHERE run_id = $1 AND decisions > 0)",
    )
    .bind(run.0)
    .fetch_one(connection)
    .await?)
}

/// How many fetched pages of this attempt are decided.
pub async fn count(connection: &mut PgConnection, run: RunId, attempt: i32) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(
        "-- run_page.count
         SELECT count(*) FROM run_page WHERE run_id = $1 AND attempt = $2 AND number > 0",
    )
    .bind(run.0)
    .bind(attempt)
    .fetch_one(connection)
    .await?)
}

/// What waits to be applied.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    pages: i64,
    decisions: i64,
}

impl Waiting {
    /// Pages in one transaction, however few decisions each of them has.
    const MOST: i64 = 16;

    /// How many pages hold about so many decisions.
    #[must_use]
    pub fn per_transaction(self, decisions: i64) -> i64 {
        let pages = decisions.saturating_mul(self.pages) / self.decisions.max(1);
        pages.clamp(1, Self::MOST)
    }
}

/// Counts what waits to be applied.
pub async fn waiting(connection: &mut PgConnection, run: RunId) -> Result<Waiting, StoreError> {
    let (pages, decisions) = sqlx::query_as(
        "-- run_page.waiting
         SELECT count(*), coalesce(sum(decisions), 0)::bigint FROM run_page
         WHERE run_id = $1 AND applied_at IS NULL AND decisions > 0",
    )
    .bind(run.0)
    .fetch_one(connection)
    .await?;
    Ok(Waiting { pages, decisions })
}

/// Takes up to `limit` pages that wait to be applied and that nobody else is applying, until the transaction ends.
pub async fn take_to_apply(
    connection: &mut PgConnection,
    run: RunId,
    limit: i64,
) -> Result<Vec<i32>, StoreError> {
    Ok(sqlx::query_scalar(
        "-- run_page.take_to_apply
         SELECT number FROM run_page
         WHERE run_id = $1 AND applied_at IS NULL AND decisions > 0
         ORDER BY number LIMIT $2 FOR UPDATE SKIP LOCKED",
    )
    .bind(run.0)
    .bind(limit)
    .fetch_all(connection)
    .await?)
}

/// Marks pages as applied.
pub async fn set_applied(
    connection: &mut PgConnection,
    run: RunId,
    pages: &[i32],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query(
        "-- run_page.set_applied
         UPDATE run_page SET applied_at = $3 WHERE run_id = $1 AND number = ANY($2)",
    )
    .bind(run.0)
    .bind(pages)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether any page still waits to be applied.
pub async fn any_to_apply(connection: &mut PgConnection, run: RunId) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(
        "-- run_page.any_to_apply
         SELECT EXISTS (SELECT 1 FROM run_page WHERE run_id = $1 AND applied_at IS NULL AND decisions > 0)",
    )
    .bind(run.0)
    .fetch_one(connection)
    .await?)
}

/// Removes every page of a run; they are void.
pub async fn delete_of_run(connection: &mut PgConnection, run: RunId) -> Result<(), StoreError> {
    sqlx::query("-- run_page.delete_of_run\nDELETE FROM run_page WHERE run_id = $1")
        .bind(run.0)
        .execute(connection)
        .await?;
    Ok(())
}

/// The objects that came more than once, each with the last of its pages.
pub async fn repeats(connection: &mut PgConnection, run: RunId) -> Result<Vec<(Uuid, i32)>, StoreError> {
    Ok(sqlx::query_as(
        "-- run_page.repeats
         SELECT object_id, max(number) FROM run_page, unnest(seen) AS object_id
         WHERE run_id = $1 GROUP BY object_id HAVING count(*) > 1",
    )
    .bind(run.0)
    .fetch_all(connection)
    .await?)
}

/// Leaves every object on the last of the pages that it came on, and only there: a listing may drift under its reader
/// and a later page tells more.
pub async fn drop_repeats(
    connection: &mut PgConnection,
    run: RunId,
    repeats: Vec<(Uuid, i32)>,
) -> Result<(), StoreError> {
    if repeats.is_empty() {
        return Ok(());
    }
    let (objects, last): (Vec<Uuid>, Vec<i32>) = repeats.into_iter().unzip();
    sqlx::query(
        "-- run_page.drop_repeats
         WITH repeat AS (SELECT * FROM unnest($2::uuid[], $3::int[]) AS r (object_id, last)),
         dropped AS (
             DELETE FROM decision d USING repeat r
             WHERE d.run_id = $1 AND d.object_id = r.object_id AND d.page < r.last
             RETURNING d.page
         ),
         per_page AS (SELECT page, count(*)::int AS decisions FROM dropped GROUP BY page)
         UPDATE run_page p SET
             seen = ARRAY(SELECT s FROM unnest(p.seen) AS s
                 WHERE NOT EXISTS (SELECT 1 FROM repeat r WHERE r.object_id = s AND p.number < r.last)),
             skipped = ARRAY(SELECT s FROM unnest(p.skipped, p.skip_reasons) WITH ORDINALITY AS k (s, why, place)
                 WHERE NOT EXISTS (SELECT 1 FROM repeat r WHERE r.object_id = s AND p.number < r.last) ORDER BY place),
             skip_reasons = ARRAY(SELECT why FROM unnest(p.skipped, p.skip_reasons) WITH ORDINALITY AS k (s, why, place)
                 WHERE NOT EXISTS (SELECT 1 FROM repeat r WHERE r.object_id = s AND p.number < r.last) ORDER BY place),
             decisions = p.decisions - coalesce((SELECT decisions FROM per_page WHERE page = p.number), 0)
         WHERE p.run_id = $1 AND p.number > 0
             AND EXISTS (SELECT 1 FROM repeat r WHERE r.object_id = ANY (p.seen) AND p.number < r.last)",
    )
    .bind(run.0)
    .bind(&objects)
    .bind(&last)
    .execute(connection)
    .await?;
    Ok(())
}
