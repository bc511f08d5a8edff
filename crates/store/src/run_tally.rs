//! `run_plan`: what a run comes to. Written by reconciler.

use domain::id::RunId;
use sqlx::PgConnection;

use crate::StoreError;

/// Derives the tallies from the stored outcomes (design §6, Counting). Held, failed and the rest stand as they are
/// planned; a run that has been applied calls this again. Answers how many failed.
pub async fn tally(connection: &mut PgConnection, id: RunId) -> Result<i32, StoreError> {
    let (failed, of_both_kinds) = add_up(&mut *connection, id).await?;
    if !of_both_kinds {
        return Ok(failed);
    }
    count_once(&mut *connection, id).await?;
    Ok(add_up(connection, id).await?.0)
}

/// Answers how many failed, and whether there are decisions of both kinds.
async fn add_up(connection: &mut PgConnection, id: RunId) -> Result<(i32, bool), StoreError> {
    let found: Option<(i32, bool)> = sqlx::query_as(
        "-- run_tally.add_up
         WITH decided AS (
             SELECT count(*) FILTER (WHERE outcome = 1) AS added, count(*) FILTER (WHERE outcome = 2) AS updated,
                 count(*) FILTER (WHERE outcome = 2 AND rule > 1) AS overwritten,
                 count(*) FILTER (WHERE outcome = 2 AND action = 5) AS reactivated,
                 count(*) FILTER (WHERE outcome = 4) AS skipped, count(*) FILTER (WHERE outcome = 5) AS removed,
                 count(*) FILTER (WHERE outcome = 6) AS held, count(*) FILTER (WHERE outcome = 7) AS failed,
                 count(*) FILTER (WHERE page <= 0) AS gone,
                 count(*) FILTER (WHERE kind = 2) AS people, count(*) FILTER (WHERE kind = 1) AS accounts
             FROM decision WHERE run_id = $1 AND counts
         ),
         read AS (
             SELECT coalesce(sum(cardinality(seen) + unusable) FILTER (WHERE number > 0), 0) AS seen,
                 coalesce(sum(cardinality(skipped)), 0) AS skipped
             FROM run_page WHERE run_id = $1
         )
         UPDATE run_plan SET seen = read.seen, gone = decided.gone, added = decided.added, updated = decided.updated,
             overwritten = decided.overwritten, reactivated = decided.reactivated,
             skipped = decided.skipped + read.skipped, removed = decided.removed, held = decided.held,
             failed = decided.failed,
             unchanged = read.seen + decided.gone - decided.added - decided.updated - decided.skipped - read.skipped
                 - decided.removed - decided.held - decided.failed
         FROM decided, read WHERE run_id = $1
         RETURNING run_plan.failed, decided.people > 0 AND decided.accounts > 0",
    )
    .bind(id.0)
    .fetch_optional(&mut *connection)
    .await?;
    Ok(found.unwrap_or_default())
}

/// Of someone who is decided on as an account and as a person one decision counts: the first of failed, held, removed,
/// added and updated (design §6, Counting).
async fn count_once(connection: &mut PgConnection, id: RunId) -> Result<(), StoreError> {
    sqlx::query(
        "-- run_tally.count_once
         WITH twice AS (
             SELECT object_id FROM decision WHERE run_id = $1 AND object_id IS NOT NULL
             GROUP BY object_id HAVING count(*) > 1
         ),
         ranked AS (
             SELECT page, position, 1 = row_number() OVER (PARTITION BY object_id ORDER BY
                 CASE outcome WHEN 7 THEN 1 WHEN 6 THEN 2 WHEN 5 THEN 3 WHEN 1 THEN 4 WHEN 2 THEN 5 WHEN 3 THEN 6
                     ELSE 7 END, page, position) AS first
             FROM decision WHERE run_id = $1 AND object_id IN (SELECT object_id FROM twice)
         )
         UPDATE decision d SET counts = r.first
         FROM ranked r WHERE d.run_id = $1 AND d.page = r.page AND d.position = r.position AND d.counts <> r.first",
    )
    .bind(id.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// How many records the run removes by itself, as it was tallied last.
pub async fn removed(connection: &mut PgConnection, id: RunId) -> Result<i32, StoreError> {
    Ok(
        sqlx::query_scalar("-- run_tally.removed\nSELECT removed FROM run_plan WHERE run_id = $1")
            .bind(id.0)
            .fetch_one(connection)
            .await?,
    )
}
