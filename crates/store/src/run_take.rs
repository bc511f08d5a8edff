//! `run_fetch`: taking a run that nobody reads, or ending it. Written by fetcher.

use chrono::{DateTime, Utc};
use domain::id::RunId;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;
use crate::run_fetch::{Hold, State, signed};

/// Takes a run that nobody has taken, as attempt 1. Says whether it was still free.
pub async fn begin(
    connection: &mut PgConnection,
    run: RunId,
    holder: &str,
    now: DateTime<Utc>,
    lease_until: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "-- run_fetch.begin
         INSERT INTO run_fetch (run_id, attempt, state, delta, holder, lease_until, started_at, progress_at)
         VALUES ($1, 1, 'fetching', false, $2, $4, $3, $3)
         ON CONFLICT (run_id) DO NOTHING",
    )
    .bind(run.0)
    .bind(holder)
    .bind(now)
    .bind(lease_until)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Begins a run anew, as the next attempt: one that another process held until its lease ran out, or one that was
/// `fetched` but whose pages got lost. Says whether it still was as `attempt` and `state` say.
pub async fn begin_anew(
    connection: &mut PgConnection,
    hold: &Hold,
    state: State,
    now: DateTime<Utc>,
    lease_until: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "-- run_fetch.begin_anew
         UPDATE run_fetch
         SET attempt = attempt + 1, state = 'fetching', holder = $3, lease_until = $6, progress_at = $5,
             ended_at = NULL, pages = 0, records = 0, expected = NULL, proved = false, unproved_reason = NULL,
             cursor_key_id = NULL, cursor_ciphertext = NULL, cursor_taken_at = NULL, groups = NULL,
             groups_cursor_key_id = NULL, groups_cursor_ciphertext = NULL, groups_cursor_taken_at = NULL,
             groups_selection = NULL, groups_version = NULL, cause = NULL, error = NULL
         WHERE run_id = $1 AND attempt = $2 AND state = $4 AND (state <> 'fetching' OR lease_until < $5)",
    )
    .bind(hold.run.0)
    .bind(signed(hold.attempt))
    .bind(&hold.holder)
    .bind(state.key())
    .bind(now)
    .bind(lease_until)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives up a run that was begun too often: nobody holds it. Says whether it still was as `attempt` and `state` say.
pub async fn give_up(
    connection: &mut PgConnection,
    run: RunId,
    attempt: u32,
    state: State,
    (cause, error): (&str, &str),
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "-- run_fetch.give_up
         UPDATE run_fetch SET state = 'failed', progress_at = $6, ended_at = $6, cause = $4, error = $5
         WHERE run_id = $1 AND attempt = $2 AND state = $3 AND (state <> 'fetching' OR lease_until < $6)",
    )
    .bind(run.0)
    .bind(signed(attempt))
    .bind(state.key())
    .bind(cause)
    .bind(error)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends the runs that someone wants ended and nobody reads: never taken, or left behind by their reader. Returns them.
pub async fn cancel_unheld(
    connection: &mut PgConnection,
    holder: &str,
    now: DateTime<Utc>,
) -> Result<Vec<RunId>, StoreError> {
    let mut ids: Vec<Uuid> = sqlx::query_scalar(
        "-- run_fetch.cancel_untaken
         INSERT INTO run_fetch (run_id, attempt, state, delta, holder, lease_until, started_at, progress_at, ended_at)
         SELECT id, 1, 'cancelled', false, $1, $2, $2, $2, $2 FROM run
         WHERE cancel_requested_at IS NOT NULL AND reverts IS NULL
           AND NOT EXISTS (SELECT FROM run_fetch AS fetched WHERE fetched.run_id = run.id)
         ON CONFLICT (run_id) DO NOTHING
         RETURNING run_id",
    )
    .bind(holder)
    .bind(now)
    .fetch_all(&mut *connection)
    .await?;
    let left_behind: Vec<Uuid> = sqlx::query_scalar(
        "-- run_fetch.cancel_left_behind
         UPDATE run_fetch SET state = 'cancelled', progress_at = $1, ended_at = $1
         FROM run
         WHERE run.id = run_id AND run.cancel_requested_at IS NOT NULL AND state = 'fetching' AND lease_until < $1
         RETURNING run_id",
    )
    .bind(now)
    .fetch_all(connection)
    .await?;
    ids.extend(left_behind);
    Ok(ids.into_iter().map(RunId).collect())
}
