//! `run_plan`: what a run means for the register, and how far that is done. Written by reconciler.

use chrono::{DateTime, Utc};
use domain::id::{ConnectionId, OrganizationId, RunId};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::{Inconsistent, StoreError, run};

/// How far a plan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Pages are being decided.
    Planning,
    /// A preview that waits.
    Planned,
    /// It is being applied.
    Applying,
    /// It is done.
    Finished,
    /// It could not be done.
    Failed,
    /// Someone ended it.
    Cancelled,
    /// Nobody applied it within a day.
    Expired,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Planning,
        Self::Planned,
        Self::Applying,
        Self::Finished,
        Self::Failed,
        Self::Cancelled,
        Self::Expired,
    ];

    /// The name in the table.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Planning => "planning",
            Self::Planned => "planned",
            Self::Applying => "applying",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }
}

/// What a page needs to know of its plan.
#[derive(Clone, Copy, Debug)]
pub struct Open {
    /// The attempt at the fetch that the plan is made of.
    pub attempt: i32,
    /// How far it is.
    pub state: State,
    /// What its decisions are made by.
    pub rules_fingerprint: u64,
}

/// A plan to begin.
#[derive(Clone, Debug)]
pub struct New {
    /// The run.
    pub run: RunId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// The connection.
    pub connection: ConnectionId,
    /// The attempt at the fetch.
    pub attempt: i32,
    /// Whether it stops with its plan.
    pub preview: bool,
    /// What its decisions are made by.
    pub rules_fingerprint: u64,
    /// The trace that it continues.
    pub traceparent: Option<String>,
}

/// Everything that finishing needs to know of a run.
#[derive(Clone, Debug)]
pub struct Work {
    /// The run.
    pub run: RunId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// The connection.
    pub connection: ConnectionId,
    /// What was asked for.
    pub kind: run::Kind,
    /// Apply even though it is the connection's first run.
    pub apply_first: bool,
    /// The trace that it continues.
    pub traceparent: Option<String>,
    /// Whether someone asked for its end.
    pub cancel_requested: bool,
    /// The fetch.
    pub fetch: Fetch,
}

/// How the fetch of a run went.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// The attempt.
    pub attempt: i32,
    /// fetching, fetched, failed or cancelled.
    pub state: String,
    /// Whether it read changes.
    pub delta: bool,
    /// How many pages it published.
    pub pages: i32,
    /// Whether its end was proved.
    pub proved: bool,
    /// Whether an object came more than once, or may have.
    pub repeats: bool,
    /// Why not.
    pub unproved_reason: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
}

/// Loads a plan's state and keeps it from changing until the transaction ends; many may do so at once.
pub async fn share(connection: &mut PgConnection, id: RunId) -> Result<Option<Open>, StoreError> {
    let row: Option<(i32, String, i64)> = sqlx::query_as(
        "-- run_plan.share
         SELECT attempt, state, rules_fingerprint FROM run_plan WHERE run_id = $1 FOR SHARE",
    )
    .bind(id.0)
    .fetch_optional(connection)
    .await?;
    open(id, row)
}

/// What deciding a page begins with.
#[derive(Clone, Debug)]
pub struct ForPage {
    /// The plan.
    pub open: Open,
    /// Its run.
    pub work: Work,
    /// Whether the page is decided already.
    pub decided: bool,
}

/// Loads a run and its plan's state, which does not change until the transaction ends, and whether a page of it is decided.
pub async fn share_for_page(
    connection: &mut PgConnection,
    id: RunId,
    page: i32,
) -> Result<Option<ForPage>, StoreError> {
    let row: Option<ForPageRow> = sqlx::query_as(
        "-- run_plan.share_for_page
         SELECT r.id, r.organization_id, r.connection_id, r.kind, r.apply_first, r.traceparent,
             r.cancel_requested_at IS NOT NULL AS cancel_requested,
             f.attempt, f.state, f.delta, f.pages, f.proved, coalesce(f.repeats, true) AS repeats,
             f.unproved_reason, f.error,
             p.attempt AS plan_attempt, p.state AS plan_state, p.rules_fingerprint,
             EXISTS (SELECT FROM run_page g WHERE g.run_id = $1 AND g.attempt = p.attempt AND g.number = $2)
                 AS decided
         FROM run_plan p JOIN run r ON r.id = p.run_id JOIN run_fetch f ON f.run_id = p.run_id
         WHERE p.run_id = $1 FOR SHARE OF p",
    )
    .bind(id.0)
    .bind(page)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let plan = (row.plan_attempt, row.plan_state, row.rules_fingerprint);
    let work = Work::try_from(row.work)?;
    Ok(open(id, Some(plan))?.map(|open| ForPage {
        open,
        work,
        decided: row.decided,
    }))
}

/// Loads a plan's state for this transaction alone.
pub async fn lock(connection: &mut PgConnection, id: RunId) -> Result<Option<Open>, StoreError> {
    let row: Option<(i32, String, i64)> = sqlx::query_as(
        "-- run_plan.lock
         SELECT attempt, state, rules_fingerprint FROM run_plan WHERE run_id = $1 FOR UPDATE",
    )
    .bind(id.0)
    .fetch_optional(connection)
    .await?;
    open(id, row)
}

fn open(id: RunId, row: Option<(i32, String, i64)>) -> Result<Option<Open>, StoreError> {
    row.map(|(attempt, state, fingerprint)| {
        let state = State::ALL
            .into_iter()
            .find(|known| known.key() == state)
            .ok_or_else(|| Inconsistent::new("run_plan", "state", id))?;
        Ok(Open {
            attempt,
            state,
            rules_fingerprint: fingerprint.cast_unsigned(),
        })
    })
    .transpose()
}

/// Begins a plan, unless another copy was quicker.
pub async fn insert(connection: &mut PgConnection, plan: &New, now: DateTime<Utc>) -> Result<(), StoreError> {
    sqlx::query(
        "-- run_plan.insert
         INSERT INTO run_plan (run_id, organization_id, connection_id, attempt, state, preview, rules_fingerprint,
             traceparent, created_at, keeps_former)
         VALUES ($1, $2, $3, $4, 'planning', $5, $6, $7, $8, true)
         ON CONFLICT (run_id) DO NOTHING",
    )
    .bind(plan.run.0)
    .bind(plan.organization.0)
    .bind(plan.connection.0)
    .bind(plan.attempt)
    .bind(plan.preview)
    .bind(plan.rules_fingerprint.cast_signed())
    .bind(&plan.traceparent)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Begins a plan anew for a later attempt at the fetch.
pub async fn begin_anew(
    connection: &mut PgConnection,
    id: RunId,
    attempt: i32,
    rules_fingerprint: u64,
) -> Result<(), StoreError> {
    sqlx::query(
        "-- run_plan.begin_anew
         UPDATE run_plan SET attempt = $2, rules_fingerprint = $3 WHERE run_id = $1",
    )
    .bind(id.0)
    .bind(attempt)
    .bind(rules_fingerprint.cast_signed())
    .execute(connection)
    .await?;
    Ok(())
}

/// Loads a run with its fetch; none before a fetcher took it. A revert has nothing to read: that is done.
pub async fn work(connection: &mut PgConnection, id: RunId) -> Result<Option<Work>, StoreError> {
    let row: Option<WorkRow> = sqlx::query_as(
        "-- run_plan.work
         SELECT r.id, r.organization_id, r.connection_id, r.kind, r.apply_first, r.traceparent,
             r.cancel_requested_at IS NOT NULL AS cancel_requested,
             coalesce(f.attempt, 1) AS attempt, coalesce(f.state, 'fetched') AS state, coalesce(f.delta, true) AS delta,
             coalesce(f.pages, 0) AS pages, coalesce(f.proved, true) AS proved,
             coalesce(f.repeats, true) AS repeats, f.unproved_reason, f.error
         FROM run r LEFT JOIN run_fetch f ON f.run_id = r.id
         WHERE r.id = $1 AND (f.run_id IS NOT NULL OR r.reverts IS NOT NULL)",
    )
    .bind(id.0)
    .fetch_optional(connection)
    .await?;
    row.map(|row| Work::try_from(row).map_err(StoreError::from))
        .transpose()
}

/// A run that waits for a reconciler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The run.
    pub run: RunId,
    /// Whether it is a manual one, which waits for no other.
    pub manual: bool,
}

/// Runs that wait for a reconciler: fetched or broken off, or with nothing to fetch, and not ended. Manual ones come first.
pub async fn due(connection: &mut PgConnection, limit: i64) -> Result<Vec<Due>, StoreError> {
    let rows: Vec<(Uuid, bool)> = sqlx::query_as(
        "-- run_plan.due
         SELECT d.run_id, r.kind = 'manual' FROM (
             SELECT f.run_id FROM run_fetch f LEFT JOIN run_plan p ON p.run_id = f.run_id
             WHERE f.state <> 'fetching' AND p.run_id IS NULL
             UNION ALL
             SELECT n.id FROM run n LEFT JOIN run_plan p ON p.run_id = n.id
             WHERE n.reverts IS NOT NULL AND p.run_id IS NULL
             UNION ALL
             SELECT p.run_id FROM run_plan p LEFT JOIN run_fetch f ON f.run_id = p.run_id
             WHERE p.state = 'planning' AND f.state IS DISTINCT FROM 'fetching'
             UNION ALL
             SELECT p.run_id FROM run_plan p WHERE p.state = 'applying'
             UNION ALL
             SELECT p.run_id FROM run_plan p JOIN run r ON r.id = p.run_id
             WHERE p.state = 'planned' AND r.cancel_requested_at IS NOT NULL
         ) d JOIN run r ON r.id = d.run_id
         ORDER BY r.kind <> 'manual', r.created_at LIMIT $1",
    )
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(run, manual)| Due {
            run: RunId(run),
            manual,
        })
        .collect())
}

/// Whether a connection has had a run that was applied to its end, those aside that bring nobody in, were by hand or took
/// back what another did.
pub async fn any_finished(connection: &mut PgConnection, id: ConnectionId) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(
        "-- run_plan.any_finished
         SELECT EXISTS (
             SELECT 1 FROM run_plan p JOIN run r ON r.id = p.run_id
             WHERE p.connection_id = $1 AND p.state = 'finished' AND r.kind NOT IN ('manual', 'deprovision', 'revert'))",
    )
    .bind(id.0)
    .fetch_one(connection)
    .await?)
}

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
        "-- run_plan.tally
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
        "-- run_plan.count_once
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

/// Ends the planning: the plan waits as a preview, or is applied.
pub async fn set_planned(
    connection: &mut PgConnection,
    id: RunId,
    removals_note: Option<&str>,
    now: DateTime<Utc>,
) -> Result<State, StoreError> {
    let preview: bool = sqlx::query_scalar(
        "-- run_plan.set_planned
         UPDATE run_plan SET state = CASE WHEN preview THEN 'planned' ELSE 'applying' END, planned_at = $2,
             removals_note = $3
         WHERE run_id = $1 RETURNING preview",
    )
    .bind(id.0)
    .bind(now)
    .bind(removals_note)
    .fetch_one(connection)
    .await?;
    Ok(if preview { State::Planned } else { State::Applying })
}

/// Begins the applying of a preview.
pub async fn set_applying(
    connection: &mut PgConnection,
    id: RunId,
    by: &str,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query(
        "-- run_plan.set_applying
         UPDATE run_plan SET state = 'applying', apply_requested_at = $2, apply_requested_by = $3 WHERE run_id = $1",
    )
    .bind(id.0)
    .bind(now)
    .bind(by)
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends a plan.
pub async fn set_ended(
    connection: &mut PgConnection,
    id: RunId,
    state: State,
    error: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query(
        "-- run_plan.set_ended
         UPDATE run_plan SET state = $2, error = $3, ended_at = $4 WHERE run_id = $1",
    )
    .bind(id.0)
    .bind(state.key())
    .bind(error)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Previews that nobody applied in time become expired. Answers which.
pub async fn expire(
    connection: &mut PgConnection,
    older_than: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Vec<RunId>, StoreError> {
    let rows: Vec<Uuid> = sqlx::query_scalar(
        "-- run_plan.expire
         UPDATE run_plan SET state = 'expired', ended_at = $2
         WHERE state = 'planned' AND planned_at < $1 RETURNING run_id",
    )
    .bind(older_than)
    .bind(now)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(RunId).collect())
}

/// When a plan was made.
pub async fn planned_at(
    connection: &mut PgConnection,
    id: RunId,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    Ok(
        sqlx::query_scalar("-- run_plan.planned_at\nSELECT planned_at FROM run_plan WHERE run_id = $1")
            .bind(id.0)
            .fetch_optional(connection)
            .await?
            .flatten(),
    )
}

/// Another run of the connection that is being fetched, planned or applied. Manual runs are in nobody's way.
pub async fn other_active(
    connection: &mut PgConnection,
    id: ConnectionId,
    but: RunId,
) -> Result<Option<RunId>, StoreError> {
    let row: Option<Uuid> = sqlx::query_scalar(
        "-- run_plan.other_active
         SELECT r.id FROM run r
         LEFT JOIN run_fetch f ON f.run_id = r.id LEFT JOIN run_plan p ON p.run_id = r.id
         WHERE r.connection_id = $1 AND r.id <> $2 AND r.kind <> 'manual'
           AND (f.run_id IS NOT NULL OR r.reverts IS NOT NULL)
           AND (p.run_id IS NULL OR p.state IN ('planning', 'applying')) LIMIT 1",
    )
    .bind(id.0)
    .bind(but.0)
    .fetch_optional(connection)
    .await?;
    Ok(row.map(RunId))
}

/// Keeps runs of a connection from being taken or applied by others until the transaction ends.
pub async fn lock_connection(connection: &mut PgConnection, id: ConnectionId) -> Result<(), StoreError> {
    sqlx::query("-- run_plan.lock_connection\nSELECT pg_advisory_xact_lock(hashtextextended($1::text, 0))")
        .bind(id.0.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// The next delta begins where the run's fetch said; a full run also counts as the last one. One that dealt with leavers
/// alone took over nothing else, so that nothing moves on.
pub async fn advance_cursor(connection: &mut PgConnection, id: RunId) -> Result<(), StoreError> {
    sqlx::query(
        "-- run_plan.advance_cursor
         INSERT INTO delta_cursor (connection_id, resource, key_id, ciphertext, taken_at, selection, run_id, full_at,
             groups_version)
         SELECT r.connection_id, of.resource, of.key_id, of.ciphertext, of.taken_at, of.selection, r.id, f.started_at,
             of.groups_version
         FROM run_fetch f JOIN run r ON r.id = f.run_id
         CROSS JOIN LATERAL (VALUES
             ('users', f.cursor_key_id, f.cursor_ciphertext, f.cursor_taken_at, f.selection, NULL::bigint),
             ('groups', f.groups_cursor_key_id, f.groups_cursor_ciphertext, f.groups_cursor_taken_at,
                 f.groups_selection, f.groups_version)
         ) AS of (resource, key_id, ciphertext, taken_at, selection, groups_version)
         WHERE f.run_id = $1 AND r.kind <> 'deprovision' AND f.proved AND of.ciphertext IS NOT NULL
         ON CONFLICT (connection_id, resource) DO UPDATE
         SET key_id = excluded.key_id, ciphertext = excluded.ciphertext, taken_at = excluded.taken_at,
             selection = excluded.selection, run_id = excluded.run_id, groups_version = excluded.groups_version,
             full_at = CASE WHEN (
                     SELECT f.delta OR (delta_cursor.resource = 'groups' AND NOT f.groups_whole)
                     FROM run_fetch AS f WHERE f.run_id = $1
                 ) THEN delta_cursor.full_at ELSE excluded.full_at END",
    )
    .bind(id.0)
    .execute(connection)
    .await?;
    Ok(())
}

#[derive(FromRow)]
struct ForPageRow {
    #[sqlx(flatten)]
    work: WorkRow,
    plan_attempt: i32,
    plan_state: String,
    rules_fingerprint: i64,
    decided: bool,
}

#[derive(FromRow)]
#[expect(clippy::struct_excessive_bools, reason = "it is a row")]
struct WorkRow {
    id: Uuid,
    organization_id: Uuid,
    connection_id: Uuid,
    kind: String,
    apply_first: bool,
    traceparent: Option<String>,
    cancel_requested: bool,
    attempt: i32,
    state: String,
    delta: bool,
    pages: i32,
    proved: bool,
    repeats: bool,
    unproved_reason: Option<String>,
    error: Option<String>,
}

impl TryFrom<WorkRow> for Work {
    type Error = Inconsistent;

    fn try_from(row: WorkRow) -> Result<Self, Inconsistent> {
        Ok(Self {
            run: RunId(row.id),
            organization: OrganizationId(row.organization_id),
            connection: ConnectionId(row.connection_id),
            kind: run::Kind::of_key(&row.kind).ok_or_else(|| Inconsistent::new("run", "kind", row.id))?,
            apply_first: row.apply_first,
            traceparent: row.traceparent,
            cancel_requested: row.cancel_requested,
            fetch: Fetch {
                attempt: row.attempt,
                state: row.state,
                delta: row.delta,
                pages: row.pages,
                proved: row.proved,
                repeats: row.repeats,
                unproved_reason: row.unproved_reason,
                error: row.error,
            },
        })
    }
}
