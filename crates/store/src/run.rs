//! `run`: requests for an execution. Written by api, and by fetcher for a schedule, both by [`insert`]; what became of one is
//! in `run_fetch` and `run_plan`.

use chrono::{DateTime, Utc};
use domain::id::{ConnectionId, OrganizationId, RunId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Inconsistent, StoreError};

/// How the triggers of scheduled runs begin; the schedule's name follows.
pub const OF_SCHEDULE: &str = "schedule ";

/// A request for an execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its key.
    pub id: RunId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// What it reads.
    pub connection: ConnectionId,
    /// What was asked for.
    pub kind: Kind,
    /// What set it off: api, cli, console, or `schedule` and its name.
    pub trigger: String,
    /// Who asked for it.
    pub requested_by: String,
    /// Why it comes when it does, where that has to be said.
    pub reason: Option<String>,
    /// Apply even though it is the connection's first run.
    pub apply_first: bool,
    /// Of a manual run: whom it reads.
    pub manual: Option<Manual>,
    /// Of a revert: what it takes back.
    pub revert: Option<Revert>,
    /// The trace that it continues.
    pub traceparent: Option<String>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When someone asked for its end.
    pub cancel_requested_at: Option<DateTime<Utc>>,
    /// Who that was.
    pub cancel_requested_by: Option<String>,
}

/// Whom a manual run reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manual {
    /// The users, by UPN or object id.
    pub keys: Vec<String>,
    /// Whether it brings them in whatever the criteria say.
    pub by_hand: bool,
}

/// What a revert takes back (B4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revert {
    /// What this run did.
    pub run: RunId,
    /// The objects whose records it takes back; empty for all.
    pub objects: Vec<Uuid>,
    /// Whether it stops with its plan.
    pub dry_run: bool,
    /// Why, as the person said.
    pub reason: Option<String>,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Read everything.
    Full,
    /// Read what changed since the last run.
    Delta,
    /// Read everything and stop with the plan (B1).
    Preview,
    /// Read certain users, at once, beside the connection's other runs (R1).
    Manual,
    /// Read everything, and deal with leavers alone (D7).
    Deprovision,
    /// Take back what another run did; nothing is read (B4).
    Revert,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Full,
        Self::Delta,
        Self::Preview,
        Self::Manual,
        Self::Deprovision,
        Self::Revert,
    ];

    /// The name in the table and in the CLI.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Delta => "delta",
            Self::Preview => "preview",
            Self::Manual => "manual",
            Self::Deprovision => "deprovision",
            Self::Revert => "revert",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn of_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.key() == key)
    }
}

/// Adds a run.
pub async fn insert(connection: &mut PgConnection, run: &Run) -> Result<(), StoreError> {
    sqlx::query(
        "-- run.insert
         INSERT INTO run (id, organization_id, connection_id, kind, trigger, requested_by, apply_first, traceparent,
             created_at, keys, by_hand, reason, reverts, revert_objects, dry_run, revert_reason)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
    )
    .bind(run.id.0)
    .bind(run.organization.0)
    .bind(run.connection.0)
    .bind(run.kind.key())
    .bind(&run.trigger)
    .bind(&run.requested_by)
    .bind(run.apply_first)
    .bind(&run.traceparent)
    .bind(run.created_at)
    .bind(run.manual.as_ref().map_or(&[][..], |manual| &manual.keys))
    .bind(run.manual.as_ref().is_some_and(|manual| manual.by_hand))
    .bind(&run.reason)
    .bind(run.revert.as_ref().map(|revert| revert.run.0))
    .bind(run.revert.as_ref().map_or(&[][..], |revert| &revert.objects))
    .bind(run.revert.as_ref().is_some_and(|revert| revert.dry_run))
    .bind(run.revert.as_ref().and_then(|revert| revert.reason.as_deref()))
    .execute(connection)
    .await?;
    Ok(())
}

/// The run of this id, whoever's it is.
pub async fn find(connection: &mut PgConnection, id: RunId) -> Result<Option<Run>, StoreError> {
    let row: Option<Row> = sqlx::query_as(
        "-- run.find
         SELECT id, organization_id, connection_id, kind, trigger, requested_by, apply_first, traceparent, created_at,
             cancel_requested_at, cancel_requested_by, keys, by_hand, reason, reverts, revert_objects, dry_run,
             revert_reason
         FROM run WHERE id = $1",
    )
    .bind(id.0)
    .fetch_optional(connection)
    .await?;
    Ok(row.map(Run::try_from).transpose()?)
}

/// Writes down that someone asked for the run's end. Says whether nobody had before.
pub async fn request_cancel(
    connection: &mut PgConnection,
    id: RunId,
    at: DateTime<Utc>,
    by: &str,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "-- run.request_cancel
         UPDATE run SET cancel_requested_at = $2, cancel_requested_by = $3
         WHERE id = $1 AND cancel_requested_at IS NULL",
    )
    .bind(id.0)
    .bind(at)
    .bind(by)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Asks for the end of every run of a connection that has not ended, and returns them (C9).
pub async fn request_cancel_of_connection(
    connection: &mut PgConnection,
    of: ConnectionId,
    at: DateTime<Utc>,
    by: &str,
) -> Result<Vec<RunId>, StoreError> {
    let ids: Vec<Uuid> = sqlx::query_scalar(
        "-- run.request_cancel_of_connection
         UPDATE run SET cancel_requested_at = $2, cancel_requested_by = $3
         FROM run AS open
         LEFT JOIN run_fetch AS fetched ON fetched.run_id = open.id
         LEFT JOIN run_plan AS plan ON plan.run_id = open.id
         WHERE run.id = open.id AND open.connection_id = $1 AND open.cancel_requested_at IS NULL
           AND plan.ended_at IS NULL
           AND (fetched.run_id IS NULL OR fetched.state IN ('fetching', 'fetched'))
         RETURNING run.id",
    )
    .bind(of.0)
    .bind(at)
    .bind(by)
    .fetch_all(connection)
    .await?;
    Ok(ids.into_iter().map(RunId).collect())
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    organization_id: Uuid,
    connection_id: Uuid,
    kind: String,
    trigger: String,
    requested_by: String,
    apply_first: bool,
    traceparent: Option<String>,
    created_at: DateTime<Utc>,
    cancel_requested_at: Option<DateTime<Utc>>,
    cancel_requested_by: Option<String>,
    keys: Vec<String>,
    by_hand: bool,
    reason: Option<String>,
    reverts: Option<Uuid>,
    revert_objects: Vec<Uuid>,
    dry_run: bool,
    revert_reason: Option<String>,
}

impl TryFrom<Row> for Run {
    type Error = Inconsistent;

    fn try_from(row: Row) -> Result<Self, Inconsistent> {
        let kind = Kind::of_key(&row.kind).ok_or_else(|| Inconsistent::new("run", "kind", row.id))?;
        let manual = Manual {
            keys: row.keys,
            by_hand: row.by_hand,
        };
        Ok(Self {
            id: RunId(row.id),
            organization: OrganizationId(row.organization_id),
            connection: ConnectionId(row.connection_id),
            kind,
            manual: (kind == Kind::Manual).then_some(manual),
            revert: row.reverts.map(|run| Revert {
                run: RunId(run),
                objects: row.revert_objects,
                dry_run: row.dry_run,
                reason: row.revert_reason,
            }),
            trigger: row.trigger,
            requested_by: row.requested_by,
            reason: row.reason,
            apply_first: row.apply_first,
            traceparent: row.traceparent,
            created_at: row.created_at,
            cancel_requested_at: row.cancel_requested_at,
            cancel_requested_by: row.cancel_requested_by,
        })
    }
}
