//! `run_fetch`: the reading of a run, under a lease. Written by fetcher.

use chrono::{DateTime, Utc};
use domain::id::{ObjectId, RunId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Inconsistent, StoreError};

/// How a run's reading goes, or how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// The run.
    pub run: RunId,
    /// From 1; counts beginnings. Pages of an earlier attempt are void.
    pub attempt: u32,
    /// How far it is.
    pub state: State,
    /// Whether it reads changes only.
    pub delta: bool,
    /// Why it reads everything although a delta was asked for.
    pub reason: Option<String>,
    /// Which process reads, or did.
    pub holder: String,
    /// Until when nobody else may take it.
    pub lease_until: DateTime<Utc>,
    /// When it was first taken.
    pub started_at: DateTime<Utc>,
    /// When it last told how far it is.
    pub progress_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// How much has been read.
    pub progress: Progress,
    /// How many records there should be.
    pub expected: Option<u32>,
    /// Whether the end was proved (B3); without that nobody is gone.
    pub proved: bool,
    /// Why not.
    pub unproved_reason: Option<String>,
    /// Where the next delta begins.
    pub cursor: Option<Cursor>,
    /// The attributes that were selected.
    pub selection: Option<String>,
    /// A closed word for why it failed, such as `expired_secret`.
    pub cause: Option<String>,
    /// Why it failed and what to do next.
    pub error: Option<String>,
}

/// How far a reading is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// It goes on.
    Fetching,
    /// Everything is read and published.
    Fetched,
    /// It could not be done.
    Failed,
    /// Someone ended it.
    Cancelled,
}

/// How much has been read, and what it cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Page messages published.
    pub pages: u32,
    /// Records in them, those without a usable id included.
    pub records: u32,
    /// Calls to Graph and to the token endpoint.
    pub calls: u32,
    /// Graph's resource units (B16).
    pub resource_units: u32,
    /// Waits for Graph, for whatever reason.
    pub waits: u32,
    /// Their length in all, in milliseconds.
    pub wait_ms: u64,
}

/// A delta link as the vault sealed it, for the connection's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The key that sealed it.
    pub key_id: String,
    /// Nonce and ciphertext.
    pub ciphertext: Vec<u8>,
    /// When Graph gave it out, or shortly before.
    pub taken_at: DateTime<Utc>,
}

/// Who reads: every write of a reader names it, so that one whose lease was taken over writes nothing more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The run.
    pub run: RunId,
    /// The attempt.
    pub attempt: u32,
    /// The process.
    pub holder: String,
}

/// The end of a reading that got everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// All that was read, and what it cost.
    pub progress: Progress,
    /// Why the end is not proved; none when it is.
    pub unproved_reason: Option<String>,
    /// Whether an object came more than once, or may have.
    pub repeats: bool,
    /// Where the next delta begins; none where the tenant offers no delta.
    pub cursor: Option<Cursor>,
    /// The attributes that were selected.
    pub selection: String,
    /// What was read of groups, where they are asked for.
    pub groups: Option<GroupsRead>,
}

/// How groups were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupsRead {
    /// How many, or how many of them had changed.
    pub groups: u32,
    /// Where their next delta begins.
    pub cursor: Cursor,
    /// The attributes that were selected.
    pub selection: String,
    /// The version of the mirror that it goes on from.
    pub version: i64,
    /// Whether all of them were read.
    pub whole: bool,
}

/// What a reader learns when it renews its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewed {
    /// Whether someone has asked for the run's end.
    pub cancel_requested: bool,
}

/// The last full reading of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastFull {
    /// Records in it.
    pub records: u32,
    /// Whether it brought a delta link.
    pub offered_delta: bool,
    /// Whether its run was applied to the end.
    pub finished: bool,
}

impl State {
    /// The name in the table.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Fetching => "fetching",
            Self::Fetched => "fetched",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    fn of_key(key: &str) -> Option<Self> {
        [Self::Fetching, Self::Fetched, Self::Failed, Self::Cancelled]
            .into_iter()
            .find(|state| state.key() == key)
    }
}

/// The reading of this run, if anyone has taken it.
pub async fn find(connection: &mut PgConnection, run: RunId) -> Result<Option<Fetch>, StoreError> {
    let row: Option<Row> = sqlx::query_as(
        "-- run_fetch.find
         SELECT run_id, attempt, state, delta, reason, holder, lease_until, started_at, progress_at, ended_at, pages,
             records, expected, proved, unproved_reason, cursor_key_id, cursor_ciphertext, cursor_taken_at, selection,
             calls, resource_units, waits, wait_ms, cause, error
         FROM run_fetch WHERE run_id = $1",
    )
    .bind(run.0)
    .fetch_optional(connection)
    .await?;
    Ok(row.map(Fetch::try_from).transpose()?)
}

/// Its holder begins it anew, as the next attempt, because what it has read is void. Says whether it still held it.
pub async fn restart(
    connection: &mut PgConnection,
    hold: &Hold,
    now: DateTime<Utc>,
    lease_until: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "-- run_fetch.restart
         UPDATE run_fetch SET attempt = attempt + 1, pages = 0, records = 0, progress_at = $4, lease_until = $5
         WHERE run_id = $1 AND attempt = $2 AND holder = $3 AND state = 'fetching'",
    )
    .bind(hold.run.0)
    .bind(signed(hold.attempt))
    .bind(&hold.holder)
    .bind(now)
    .bind(lease_until)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Writes down what the reading is: of changes or of everything, and why. Says whether its holder still held it.
pub async fn describe(
    connection: &mut PgConnection,
    hold: &Hold,
    delta: bool,
    reason: Option<&str>,
    expected: Option<u32>,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "-- run_fetch.describe
         UPDATE run_fetch SET delta = $4, reason = $5, expected = $6
         WHERE run_id = $1 AND attempt = $2 AND holder = $3 AND state = 'fetching'",
    )
    .bind(hold.run.0)
    .bind(signed(hold.attempt))
    .bind(&hold.holder)
    .bind(delta)
    .bind(reason)
    .bind(expected.map(signed))
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Renews the lease and writes down how far the reading is. `None`: it is no longer its holder's.
pub async fn renew(
    connection: &mut PgConnection,
    hold: &Hold,
    progress: Progress,
    now: DateTime<Utc>,
    lease_until: DateTime<Utc>,
) -> Result<Option<Renewed>, StoreError> {
    let cancel_requested: Option<bool> = sqlx::query_scalar(
        "-- run_fetch.renew
         UPDATE run_fetch
         SET lease_until = $5, progress_at = $4, pages = $6, records = $7, calls = $8, resource_units = $9, waits = $10,
             wait_ms = $11
         FROM run
         WHERE run_id = $1 AND attempt = $2 AND holder = $3 AND state = 'fetching' AND run.id = run_id
         RETURNING run.cancel_requested_at IS NOT NULL",
    )
    .bind(hold.run.0)
    .bind(signed(hold.attempt))
    .bind(&hold.holder)
    .bind(now)
    .bind(lease_until)
    .bind(signed(progress.pages))
    .bind(signed(progress.records))
    .bind(signed(progress.calls))
    .bind(signed(progress.resource_units))
    .bind(signed(progress.waits))
    .bind(i64::try_from(progress.wait_ms).unwrap_or(i64::MAX))
    .fetch_optional(connection)
    .await?;
    Ok(cancel_requested.map(|cancel_requested| Renewed { cancel_requested }))
}

/// Everything is read and published. Says whether its holder still held it; if not, nothing is written.
pub async fn succeed(
    connection: &mut PgConnection,
    hold: &Hold,
    outcome: &Outcome,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let (progress, cursor) = (outcome.progress, outcome.cursor.as_ref());
    let groups = outcome.groups.as_ref();
    let groups_cursor = groups.map(|groups| &groups.cursor);
    let done = sqlx::query(
        "-- run_fetch.succeed
         UPDATE run_fetch
         SET state = 'fetched', lease_until = $4, progress_at = $4, ended_at = $4, pages = $5, records = $6, calls = $7,
             resource_units = $8, waits = $9, wait_ms = $10, proved = $11 IS NULL, unproved_reason = $11,
             cursor_key_id = $12, cursor_ciphertext = $13, cursor_taken_at = $14, selection = $15, groups = $16,
             groups_cursor_key_id = $17, groups_cursor_ciphertext = $18, groups_cursor_taken_at = $19,
             groups_selection = $20, groups_version = $21, groups_whole = $22, repeats = $23
         WHERE run_id = $1 AND attempt = $2 AND holder = $3 AND state = 'fetching'",
    )
    .bind(hold.run.0)
    .bind(signed(hold.attempt))
    .bind(&hold.holder)
    .bind(now)
    .bind(signed(progress.pages))
    .bind(signed(progress.records))
    .bind(signed(progress.calls))
    .bind(signed(progress.resource_units))
    .bind(signed(progress.waits))
    .bind(i64::try_from(progress.wait_ms).unwrap_or(i64::MAX))
    .bind(&outcome.unproved_reason)
    .bind(cursor.map(|cursor| &cursor.key_id))
    .bind(cursor.map(|cursor| &cursor.ciphertext))
    .bind(cursor.map(|cursor| cursor.taken_at))
    .bind(&outcome.selection)
    .bind(groups.map(|groups| signed(groups.groups)))
    .bind(groups_cursor.map(|cursor| &cursor.key_id))
    .bind(groups_cursor.map(|cursor| &cursor.ciphertext))
    .bind(groups_cursor.map(|cursor| cursor.taken_at))
    .bind(groups.map(|groups| &groups.selection))
    .bind(groups.map(|groups| groups.version))
    .bind(groups.map(|groups| groups.whole))
    .bind(outcome.repeats)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Which object each key of a manual run is, in the order of the keys; none for one that nobody has. Says whether its holder
/// still held it.
pub async fn note_found(
    connection: &mut PgConnection,
    hold: &Hold,
    found: &[Option<ObjectId>],
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "-- run_fetch.note_found
         UPDATE run_fetch SET found = $4
         WHERE run_id = $1 AND attempt = $2 AND holder = $3 AND state = 'fetching'",
    )
    .bind(hold.run.0)
    .bind(signed(hold.attempt))
    .bind(&hold.holder)
    .bind(found.iter().map(|id| id.map(|id| id.0)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// What [`note_found`] wrote; nothing before that.
pub async fn found(connection: &mut PgConnection, run: RunId) -> Result<Vec<Option<ObjectId>>, StoreError> {
    let found: Option<Vec<Option<Uuid>>> =
        sqlx::query_scalar("-- run_fetch.found\nSELECT found FROM run_fetch WHERE run_id = $1")
            .bind(run.0)
            .fetch_optional(connection)
            .await?;
    let found = found.unwrap_or_default();
    Ok(found.into_iter().map(|id| id.map(ObjectId)).collect())
}

/// It could not be done. Says whether its holder still held it.
pub async fn fail(
    connection: &mut PgConnection,
    hold: &Hold,
    cause: &str,
    error: &str,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "-- run_fetch.fail
         UPDATE run_fetch
         SET state = 'failed', lease_until = $4, progress_at = $4, ended_at = $4, cause = $5, error = $6
         WHERE run_id = $1 AND attempt = $2 AND holder = $3 AND state = 'fetching'",
    )
    .bind(hold.run.0)
    .bind(signed(hold.attempt))
    .bind(&hold.holder)
    .bind(now)
    .bind(cause)
    .bind(error)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Its holder ends it because someone asked for that. Says whether it still held it.
pub async fn cancel(
    connection: &mut PgConnection,
    hold: &Hold,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "-- run_fetch.cancel
         UPDATE run_fetch SET state = 'cancelled', lease_until = $4, progress_at = $4, ended_at = $4
         WHERE run_id = $1 AND attempt = $2 AND holder = $3 AND state = 'fetching'",
    )
    .bind(hold.run.0)
    .bind(signed(hold.attempt))
    .bind(&hold.holder)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Its holder stops reading and lets others take it at once. Says whether it still held it.
pub async fn release(
    connection: &mut PgConnection,
    hold: &Hold,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "-- run_fetch.release
         UPDATE run_fetch SET lease_until = $4, progress_at = $4
         WHERE run_id = $1 AND attempt = $2 AND holder = $3 AND state = 'fetching'",
    )
    .bind(hold.run.0)
    .bind(signed(hold.attempt))
    .bind(&hold.holder)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The last reading of everything, of the connection whose run this is.
pub async fn last_full(connection: &mut PgConnection, run: RunId) -> Result<Option<LastFull>, StoreError> {
    let row: Option<(i32, bool, bool)> = sqlx::query_as(
        "-- run_fetch.last_full
         SELECT fetched.records, fetched.cursor_ciphertext IS NOT NULL, coalesce(plan.state = 'finished', false)
         FROM run AS this
         JOIN run ON run.connection_id = this.connection_id AND run.id <> this.id
             AND run.kind NOT IN ('manual', 'deprovision')
         JOIN run_fetch AS fetched ON fetched.run_id = run.id AND fetched.state = 'fetched' AND NOT fetched.delta
         LEFT JOIN run_plan AS plan ON plan.run_id = run.id
         WHERE this.id = $1
         ORDER BY run.created_at DESC LIMIT 1",
    )
    .bind(run.0)
    .fetch_optional(connection)
    .await?;
    let read = |(records, offered_delta, finished)| {
        let records = u32::try_from(records).map_err(|_| Inconsistent::new("run_fetch", "records", run))?;
        Ok(LastFull {
            records,
            offered_delta,
            finished,
        })
    };
    row.map(read).transpose()
}

#[derive(sqlx::FromRow)]
struct Row {
    run_id: Uuid,
    attempt: i32,
    state: String,
    delta: bool,
    reason: Option<String>,
    holder: String,
    lease_until: DateTime<Utc>,
    started_at: DateTime<Utc>,
    progress_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    pages: i32,
    records: i32,
    expected: Option<i32>,
    proved: bool,
    unproved_reason: Option<String>,
    cursor_key_id: Option<String>,
    cursor_ciphertext: Option<Vec<u8>>,
    cursor_taken_at: Option<DateTime<Utc>>,
    selection: Option<String>,
    calls: i32,
    resource_units: i32,
    waits: i32,
    wait_ms: i64,
    cause: Option<String>,
    error: Option<String>,
}

impl TryFrom<Row> for Fetch {
    type Error = Inconsistent;

    fn try_from(row: Row) -> Result<Self, Inconsistent> {
        let bad = |column| Inconsistent::new("run_fetch", column, row.run_id);
        let count = |column, number: i32| u32::try_from(number).map_err(|_| bad(column));
        let cursor = match (row.cursor_key_id, row.cursor_ciphertext, row.cursor_taken_at) {
            (Some(key_id), Some(ciphertext), Some(taken_at)) => Some(Cursor {
                key_id,
                ciphertext,
                taken_at,
            }),
            (None, None, None) => None,
            _ => return Err(bad("cursor_ciphertext")),
        };
        Ok(Self {
            run: RunId(row.run_id),
            attempt: count("attempt", row.attempt)?,
            state: State::of_key(&row.state).ok_or_else(|| bad("state"))?,
            delta: row.delta,
            progress: Progress {
                pages: count("pages", row.pages)?,
                records: count("records", row.records)?,
                calls: count("calls", row.calls)?,
                resource_units: count("resource_units", row.resource_units)?,
                waits: count("waits", row.waits)?,
                wait_ms: u64::try_from(row.wait_ms).map_err(|_| bad("wait_ms"))?,
            },
            expected: row
                .expected
                .map(|expected| count("expected", expected))
                .transpose()?,
            reason: row.reason,
            holder: row.holder,
            lease_until: row.lease_until,
            started_at: row.started_at,
            progress_at: row.progress_at,
            ended_at: row.ended_at,
            proved: row.proved,
            unproved_reason: row.unproved_reason,
            cursor,
            selection: row.selection,
            cause: row.cause,
            error: row.error,
        })
    }
}

/// Counts end where the column's type does.
pub(crate) fn signed(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
