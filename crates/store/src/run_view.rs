//! What people see of a run: `run`, `run_fetch` and `run_plan` together. Only reads.

use chrono::{DateTime, Utc};
use domain::id::{ConnectionId, OrganizationId, RunId};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::run::Kind;
use crate::run_filter::Filter;
use crate::run_wait::{Waiting, Waits};
use crate::{Inconsistent, StoreError};

/// A run as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunView {
    /// Its key.
    pub id: RunId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// What it reads.
    pub connection: ConnectionId,
    /// That connection's name.
    pub connection_name: String,
    /// What was asked for.
    pub kind: Kind,
    /// How far it has come.
    pub state: State,
    /// What set it off.
    pub trigger: String,
    /// Who asked for it.
    pub requested_by: String,
    /// Why it comes when it does, where that has to be said.
    pub comes_because: Option<String>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When someone asked for its end, and who.
    pub cancel_requested: Option<(DateTime<Utc>, String)>,
    /// When its reading began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Whether it stops with its plan, or did.
    pub preview: bool,
    /// Whether it reads changes only.
    pub delta: Option<bool>,
    /// Why it reads everything although a delta was asked for.
    pub reason: Option<String>,
    /// When its plan was complete.
    pub planned_at: Option<DateTime<Utc>>,
    /// When someone asked to apply its plan.
    pub apply_requested_at: Option<DateTime<Utc>>,
    /// Why removals are held, or why none was considered.
    pub removals_note: Option<String>,
    /// A closed word for why the fetch failed, such as `expired_secret`.
    pub cause: Option<String>,
    /// Why it failed and what to do next.
    pub error: Option<String>,
    /// The trace that it belongs to.
    pub traceparent: Option<String>,
    /// The tallies; all zero until it is planned.
    pub counts: Counts,
    /// Of the failed ones, those that a person said to ignore.
    pub failed_ignored: u32,
    /// The run that it takes back.
    pub reverts: Option<RunId>,
    /// Why, as the person said.
    pub revert_reason: Option<String>,
    /// The runs that take it back, or have: neither plans nor broken-off ones.
    pub reverted_by: Vec<RunId>,
    /// How far it has come, in numbers.
    pub progress: Progress,
    /// What its reading waited for, by cause.
    pub waits: Vec<Waits>,
    /// What its reading waits for just now.
    pub waiting: Option<Waiting>,
    /// The run of the same connection that goes before it.
    pub behind: Option<RunId>,
    /// Whether its decisions and pages were given up because they are old; its tallies stay.
    pub details_pruned: bool,
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// It waits for a fetcher, or for the connection's active run.
    Requested,
    /// It reads.
    Fetching,
    /// It has read everything and decides.
    Planning,
    /// It has stopped with a plan that can be applied.
    Planned,
    /// It writes the register.
    Applying,
    /// It is done.
    Finished,
    /// It could not be done.
    Failed,
    /// Someone ended it.
    Cancelled,
    /// Its plan was not applied in time.
    Expired,
}

/// The tallies of a run (design §6, Counting).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Distinct objects that were read.
    pub seen: u32,
    /// Linked objects that were not there any more.
    pub gone: u32,
    /// New accounts.
    pub added: u32,
    /// Changed accounts.
    pub updated: u32,
    /// Of updated: taken by rules 2–6.
    pub overwritten: u32,
    /// Of updated: active again.
    pub reactivated: u32,
    /// Nothing to do.
    pub unchanged: u32,
    /// Left out.
    pub skipped: u32,
    /// Deactivated or deleted.
    pub removed: u32,
    /// Removals that await a person.
    pub held: u32,
    /// Could not be done.
    pub failed: u32,
}

/// How far a run has come, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Pages that were read.
    pub pages_fetched: u32,
    /// Of them, those that are decided.
    pub pages_decided: u32,
    /// Records that were read.
    pub records_read: u32,
    /// What the directory said it holds.
    pub records_expected: Option<u32>,
    /// Groups read, or how many of them had changed; 0 where none are asked for.
    pub groups_read: u32,
    /// Pages whose decisions are in the register.
    pub pages_applied: u32,
    /// Pages with decisions.
    pub pages_to_apply: u32,
    /// How often the directory asked to wait.
    pub waits: u32,
    /// For how long in all, in milliseconds.
    pub wait_ms: u64,
    /// Graph's resource units that were spent (B16).
    pub resource_units: u32,
    /// Calls to Graph.
    pub calls: u32,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Requested,
        Self::Fetching,
        Self::Planning,
        Self::Planned,
        Self::Applying,
        Self::Finished,
        Self::Failed,
        Self::Cancelled,
        Self::Expired,
    ];

    /// The word for it.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Fetching => "fetching",
            Self::Planning => "planning",
            Self::Planned => "planned",
            Self::Applying => "applying",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// Whether nothing more happens by itself.
    #[must_use]
    pub const fn has_ended(self) -> bool {
        matches!(
            self,
            Self::Planned | Self::Finished | Self::Failed | Self::Cancelled | Self::Expired
        )
    }
}

/// The organization's run of this id.
pub async fn find(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: RunId,
) -> Result<Option<RunView>, StoreError> {
    let sql = format!("-- run_view.find\n{SELECT} WHERE run.organization_id = $1 AND run.id = $2");
    let row: Option<Row> = sqlx::query_as(&sql)
        .bind(organization.0)
        .bind(id.0)
        .fetch_optional(connection)
        .await?;
    Ok(row.map(RunView::try_from).transpose()?)
}

/// Up to `limit` of the organization's runs, the latest first, those before `before`.
pub async fn list(
    connection: &mut PgConnection,
    organization: OrganizationId,
    which: &Filter,
    before: Option<(DateTime<Utc>, RunId)>,
    limit: i64,
) -> Result<Vec<RunView>, StoreError> {
    // First which, then all about them: else it is looked up for every run that the condition lets through.
    let sql = format!(
        "-- run_view.list\n{SELECT}
         WHERE run.id = ANY (ARRAY(
             SELECT run.id FROM run
             WHERE run.organization_id = $1 AND ($2::uuid IS NULL OR run.connection_id = $2)
               AND ($3::timestamptz IS NULL OR (run.created_at, run.id) < ($3, $4)){}
             ORDER BY run.created_at DESC, run.id DESC
             LIMIT $5))
         ORDER BY run.created_at DESC, run.id DESC",
        which.condition()
    );
    let keys = |keys: Vec<&'static str>| (!keys.is_empty()).then_some(keys);
    let rows: Vec<Row> = sqlx::query_as(&sql)
        .bind(organization.0)
        .bind(which.connection.map(|of| of.0))
        .bind(before.map(|before| before.0))
        .bind(before.map(|before| before.1.0))
        .bind(limit)
        .bind(keys(which.kinds.iter().map(|kind| kind.key()).collect()))
        .bind(keys(which.states.iter().map(|state| state.key()).collect()))
        .bind(&which.trigger)
        .bind(which.from)
        .bind(which.to)
        .bind(&which.runs)
        .fetch_all(connection)
        .await?;
    rows.into_iter()
        .map(|row| RunView::try_from(row).map_err(StoreError::from))
        .collect()
}

/// Pages of an attempt that was begun anew are void.
const SELECT: &str = "
    SELECT run.id, run.organization_id, run.connection_id, connection.name AS connection_name, run.kind,
        run.trigger, run.requested_by, run.created_at, run.cancel_requested_at, run.cancel_requested_by,
        run.traceparent, run.reason AS comes_because,
        run.reverts, run.revert_reason, run.dry_run, revert.ids AS reverted_by,
        fetched.state AS fetch_state, fetched.delta, fetched.reason,
        coalesce(fetched.started_at, CASE WHEN run.reverts IS NOT NULL THEN plan.created_at END) AS started_at,
        fetched.ended_at AS fetch_ended_at,
        fetched.pages, fetched.records, fetched.expected, fetched.groups, fetched.calls, fetched.resource_units, fetched.waits, fetched.wait_ms,
        fetched.cause, fetched.error AS fetch_error, fetched.wait_causes, fetched.waiting_for, fetched.waiting_until,
        ahead.id AS behind,
        plan.state AS plan_state, plan.preview, plan.planned_at, plan.apply_requested_at,
        plan.ended_at AS plan_ended_at, plan.removals_note, plan.error AS plan_error,
        plan.seen, plan.gone, plan.added, plan.updated, plan.overwritten, plan.reactivated, plan.unchanged,
        plan.skipped, plan.removed, plan.held, plan.failed, plan.failed_ignored,
        page.decided, page.applied, page.to_apply,
        plan.run_id IS NOT NULL AND NOT EXISTS (
            SELECT FROM run_partition AS part
            WHERE part.from_id <= run.id AND run.id < part.to_id AND part.pruned_at IS NULL
        ) AS details_pruned
    FROM run
    JOIN connection ON connection.id = run.connection_id
    LEFT JOIN run_fetch AS fetched ON fetched.run_id = run.id
    LEFT JOIN run_plan AS plan ON plan.run_id = run.id
    LEFT JOIN LATERAL (
        SELECT count(*) FILTER (WHERE number > 0) AS decided, count(applied_at) FILTER (WHERE decisions > 0) AS applied,
            count(*) FILTER (WHERE decisions > 0) AS to_apply
        FROM run_page WHERE run_page.run_id = run.id AND run_page.attempt = plan.attempt
    ) AS page ON true
    LEFT JOIN LATERAL (
        SELECT array_agg(back.id ORDER BY back.created_at) AS ids
        FROM run AS back LEFT JOIN run_plan ON run_plan.run_id = back.id
        WHERE back.reverts = run.id AND coalesce(run_plan.state IN ('applying', 'finished'), false)
    ) AS revert ON true
     LEFT JOIN LATERAL (
        -- Of a run that nobody has taken: the active one, or one that was asked for before it.
        SELECT other.id FROM run AS other
        LEFT JOIN run_fetch AS f ON f.run_id = other.id
        LEFT JOIN run_plan AS p ON p.run_id = other.id
        WHERE fetched.run_id IS NULL AND plan.run_id IS NULL AND run.kind <> 'manual' AND run.cancel_requested_at IS NULL
          AND other.connection_id = run.connection_id AND other.kind <> 'manual' AND other.id <> run.id
          AND other.created_at > run.created_at - interval '7 days'
          AND (f.state = 'fetching' OR p.state IN ('planning', 'applying') OR f.state = 'fetched' AND p.run_id IS NULL
               OR f.run_id IS NULL AND p.run_id IS NULL AND other.cancel_requested_at IS NULL
                  AND (other.created_at, other.id) < (run.created_at, run.id))
        ORDER BY f.run_id IS NULL AND p.run_id IS NULL, other.created_at LIMIT 1
    ) AS ahead ON true";

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    organization_id: Uuid,
    connection_id: Uuid,
    connection_name: String,
    kind: String,
    trigger: String,
    requested_by: String,
    comes_because: Option<String>,
    created_at: DateTime<Utc>,
    cancel_requested_at: Option<DateTime<Utc>>,
    cancel_requested_by: Option<String>,
    traceparent: Option<String>,
    fetch_state: Option<String>,
    delta: Option<bool>,
    reason: Option<String>,
    started_at: Option<DateTime<Utc>>,
    fetch_ended_at: Option<DateTime<Utc>>,
    cause: Option<String>,
    fetch_error: Option<String>,
    reverts: Option<Uuid>,
    revert_reason: Option<String>,
    dry_run: bool,
    reverted_by: Option<Vec<Uuid>>,
    wait_causes: Option<Json<Vec<Waits>>>,
    waiting_for: Option<String>,
    waiting_until: Option<DateTime<Utc>>,
    behind: Option<Uuid>,
    plan_state: Option<String>,
    preview: Option<bool>,
    planned_at: Option<DateTime<Utc>>,
    apply_requested_at: Option<DateTime<Utc>>,
    plan_ended_at: Option<DateTime<Utc>>,
    removals_note: Option<String>,
    plan_error: Option<String>,
    details_pruned: bool,
    #[sqlx(flatten)]
    tallies: Tallies,
    #[sqlx(flatten)]
    work: Work,
}

#[derive(sqlx::FromRow)]
struct Tallies {
    seen: Option<i32>,
    gone: Option<i32>,
    added: Option<i32>,
    updated: Option<i32>,
    overwritten: Option<i32>,
    reactivated: Option<i32>,
    unchanged: Option<i32>,
    skipped: Option<i32>,
    removed: Option<i32>,
    held: Option<i32>,
    failed: Option<i32>,
    failed_ignored: Option<i32>,
}

#[derive(sqlx::FromRow)]
struct Work {
    pages: Option<i32>,
    records: Option<i32>,
    expected: Option<i32>,
    groups: Option<i32>,
    calls: Option<i32>,
    resource_units: Option<i32>,
    waits: Option<i32>,
    wait_ms: Option<i64>,
    decided: i64,
    applied: i64,
    to_apply: i64,
}

impl TryFrom<Row> for RunView {
    type Error = Inconsistent;

    fn try_from(row: Row) -> Result<Self, Inconsistent> {
        let state = state_of(&row)?;
        let kind = Kind::of_key(&row.kind).ok_or_else(|| Inconsistent::new("run", "kind", row.id))?;
        let ended_at = match state {
            State::Planned => row.planned_at,
            State::Cancelled => row
                .plan_ended_at
                .or(row.fetch_ended_at)
                .or(row.cancel_requested_at),
            _ if state.has_ended() => row.plan_ended_at.or(row.fetch_ended_at),
            _ => None,
        };
        Ok(Self {
            counts: row.tallies.read(row.id)?,
            failed_ignored: unsigned(
                "run_plan",
                "failed_ignored",
                row.id,
                row.tallies.failed_ignored.map(i64::from),
            )?,
            progress: row.work.read(row.id)?,
            id: RunId(row.id),
            organization: OrganizationId(row.organization_id),
            connection: ConnectionId(row.connection_id),
            connection_name: row.connection_name,
            kind,
            state,
            trigger: row.trigger,
            requested_by: row.requested_by,
            comes_because: row.comes_because,
            created_at: row.created_at,
            cancel_requested: row.cancel_requested_at.zip(row.cancel_requested_by),
            started_at: row.started_at,
            ended_at,
            preview: row.preview.unwrap_or(kind == Kind::Preview || row.dry_run),
            reverts: row.reverts.map(RunId),
            revert_reason: row.revert_reason,
            reverted_by: row
                .reverted_by
                .unwrap_or_default()
                .into_iter()
                .map(RunId)
                .collect(),
            delta: row.delta,
            reason: row.reason,
            planned_at: row.planned_at,
            apply_requested_at: row.apply_requested_at,
            removals_note: row.removals_note,
            cause: row.cause,
            error: row.plan_error.or(row.fetch_error),
            traceparent: row.traceparent,
            waits: row.wait_causes.map(|waits| waits.0).unwrap_or_default(),
            waiting: row
                .waiting_for
                .filter(|_| state == State::Fetching)
                .map(|what| Waiting {
                    what,
                    until: row.waiting_until,
                }),
            behind: row.behind.map(RunId),
            details_pruned: row.details_pruned,
        })
    }
}

/// A fetch that failed ends the run, unless a plan has been begun: that ends it then.
fn state_of(row: &Row) -> Result<State, Inconsistent> {
    let fetch = match row.fetch_state.as_deref() {
        None => None,
        Some("fetching") => Some(State::Fetching),
        Some("fetched") => Some(State::Planning),
        Some("failed") => Some(State::Failed),
        Some("cancelled") => Some(State::Cancelled),
        Some(_) => return Err(Inconsistent::new("run_fetch", "state", row.id)),
    };
    let plan = match row.plan_state.as_deref() {
        None | Some("planning") => None,
        Some("planned") => Some(State::Planned),
        Some("applying") => Some(State::Applying),
        Some("finished") => Some(State::Finished),
        Some("failed") => Some(State::Failed),
        Some("cancelled") => Some(State::Cancelled),
        Some("expired") => Some(State::Expired),
        Some(_) => return Err(Inconsistent::new("run_plan", "state", row.id)),
    };
    Ok(match (plan, fetch) {
        // The decisions made so far are still to be dropped and counted; or it is a revert, which reads nothing.
        (None, None | Some(State::Failed | State::Cancelled)) if row.plan_state.is_some() => State::Planning,
        (Some(state), _) | (None, Some(state)) => state,
        (None, None) if row.cancel_requested_at.is_some() => State::Cancelled,
        (None, None) => State::Requested,
    })
}

impl Tallies {
    fn read(&self, run: Uuid) -> Result<Counts, Inconsistent> {
        let count = |column, number: Option<i32>| unsigned("run_plan", column, run, number.map(i64::from));
        Ok(Counts {
            seen: count("seen", self.seen)?,
            gone: count("gone", self.gone)?,
            added: count("added", self.added)?,
            updated: count("updated", self.updated)?,
            overwritten: count("overwritten", self.overwritten)?,
            reactivated: count("reactivated", self.reactivated)?,
            unchanged: count("unchanged", self.unchanged)?,
            skipped: count("skipped", self.skipped)?,
            removed: count("removed", self.removed)?,
            held: count("held", self.held)?,
            failed: count("failed", self.failed)?,
        })
    }
}

impl Work {
    fn read(&self, run: Uuid) -> Result<Progress, Inconsistent> {
        let count = |column, number: Option<i32>| unsigned("run_fetch", column, run, number.map(i64::from));
        let pages = |number| unsigned("run_page", "number", run, Some(number));
        Ok(Progress {
            pages_fetched: count("pages", self.pages)?,
            pages_decided: pages(self.decided)?,
            records_read: count("records", self.records)?,
            records_expected: self
                .expected
                .map(|expected| count("expected", Some(expected)))
                .transpose()?,
            groups_read: count("groups", self.groups)?,
            pages_applied: pages(self.applied)?,
            pages_to_apply: pages(self.to_apply)?,
            waits: count("waits", self.waits)?,
            wait_ms: u64::try_from(self.wait_ms.unwrap_or(0))
                .map_err(|_| Inconsistent::new("run_fetch", "wait_ms", run))?,
            resource_units: count("resource_units", self.resource_units)?,
            calls: count("calls", self.calls)?,
        })
    }
}

fn unsigned(
    table: &'static str,
    column: &'static str,
    run: Uuid,
    number: Option<i64>,
) -> Result<u32, Inconsistent> {
    u32::try_from(number.unwrap_or(0)).map_err(|_| Inconsistent::new(table, column, run))
}
