//! `schedule_slot`: times of schedules that have come, and what came of them. Written by fetcher.

use chrono::{DateTime, Utc};
use domain::id::{ConnectionId, OrganizationId, RunId, ScheduleId};
use domain::schedule::{Kind, Readiness};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Inconsistent, StoreError, quarantine};

/// A time of a schedule that has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The schedule.
    pub schedule: ScheduleId,
    /// What was due.
    pub kind: Kind,
    /// When, by the schedule.
    pub at: DateTime<Utc>,
    /// When it was seen to.
    pub claimed_at: DateTime<Utc>,
    /// How many times were missed until then.
    pub missed: u32,
    /// What came of it.
    pub came_to: CameTo,
}

/// What came of a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CameTo {
    /// A run.
    Run(RunId),
    /// None, for this reason.
    Skipped(String),
}

/// Writes a time down. `false`: it has been before.
pub async fn insert(
    connection: &mut PgConnection,
    organization: OrganizationId,
    slot: &Slot,
) -> Result<bool, StoreError> {
    let (run, skipped) = match &slot.came_to {
        CameTo::Run(run) => (Some(run.0), None),
        CameTo::Skipped(why) => (None, Some(why)),
    };
    let done = sqlx::query(
        "-- schedule_slot.insert
         INSERT INTO schedule_slot (schedule_id, kind, slot, organization_id, claimed_at, missed, run_id, skipped)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
    )
    .bind(slot.schedule.0)
    .bind(slot.kind.key())
    .bind(slot.at)
    .bind(organization.0)
    .bind(slot.claimed_at)
    .bind(i32::try_from(slot.missed).unwrap_or(i32::MAX))
    .bind(run)
    .bind(skipped)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Whether a time has come before.
pub async fn has_come(
    connection: &mut PgConnection,
    id: ScheduleId,
    kind: Kind,
    at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(
        "-- schedule_slot.has_come
         SELECT EXISTS (SELECT FROM schedule_slot WHERE schedule_id = $1 AND kind = $2 AND slot = $3)",
    )
    .bind(id.0)
    .bind(kind.key())
    .bind(at)
    .fetch_one(connection)
    .await?)
}

/// Deletes a schedule's times of this kind before `before`.
pub async fn delete_before(
    connection: &mut PgConnection,
    id: ScheduleId,
    kind: Kind,
    before: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query(
        "-- schedule_slot.delete_before
         DELETE FROM schedule_slot WHERE schedule_id = $1 AND kind = $2 AND slot < $3",
    )
    .bind(id.0)
    .bind(kind.key())
    .bind(before)
    .execute(connection)
    .await?;
    Ok(())
}

/// The last times of a schedule, the latest first.
pub async fn last(
    connection: &mut PgConnection,
    id: ScheduleId,
    limit: i64,
) -> Result<Vec<Slot>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "-- schedule_slot.last
         SELECT schedule_id, kind, slot, claimed_at, missed, run_id, skipped FROM schedule_slot
         WHERE schedule_id = $1 ORDER BY slot DESC, kind DESC LIMIT $2",
    )
    .bind(id.0)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| Slot::try_from(row).map_err(StoreError::from))
        .collect()
}

/// What may keep a connection's runs from coming; reads `connection`, `mapping`, `run_plan` and `connection_health`.
pub async fn readiness(
    connection: &mut PgConnection,
    of: ConnectionId,
    now: DateTime<Utc>,
) -> Result<Readiness, StoreError> {
    let quarantined = !quarantine::may_run(&mut *connection, of, now).await?;
    let (connected, mapped, plan_waits) = sqlx::query_as(
        "-- schedule_slot.readiness
         SELECT EXISTS (SELECT FROM connection WHERE id = $1 AND disconnected_at IS NULL),
             EXISTS (SELECT FROM mapping WHERE connection_id = $1 AND target <> 'groups'),
             EXISTS (SELECT FROM run_plan JOIN run ON run.id = run_plan.run_id
                     WHERE run_plan.state = 'planned' AND run_plan.connection_id = $1 AND run.kind <> 'preview')",
    )
    .bind(of.0)
    .fetch_one(connection)
    .await?;
    Ok(Readiness {
        connected,
        mapped,
        plan_waits,
        quarantined,
    })
}

/// Whether a run waits, or goes on; reads `run`, `run_fetch` and `run_plan`.
pub async fn goes_on(connection: &mut PgConnection, run: RunId) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(
        "-- schedule_slot.goes_on
         SELECT EXISTS (
             SELECT FROM run
             LEFT JOIN run_fetch AS fetched ON fetched.run_id = run.id
             LEFT JOIN run_plan AS plan ON plan.run_id = run.id
             WHERE run.id = $1
               AND CASE WHEN plan.run_id IS NOT NULL THEN plan.state IN ('planning', 'applying')
                        WHEN fetched.run_id IS NOT NULL THEN fetched.state IN ('fetching', 'fetched')
                        ELSE run.cancel_requested_at IS NULL END)",
    )
    .bind(run.0)
    .fetch_one(connection)
    .await?)
}

#[derive(sqlx::FromRow)]
struct Row {
    schedule_id: Uuid,
    kind: String,
    slot: DateTime<Utc>,
    claimed_at: DateTime<Utc>,
    missed: i32,
    run_id: Option<Uuid>,
    skipped: Option<String>,
}

impl TryFrom<Row> for Slot {
    type Error = Inconsistent;

    fn try_from(row: Row) -> Result<Self, Inconsistent> {
        let bad = |column| Inconsistent::new("schedule_slot", column, row.schedule_id);
        Ok(Self {
            schedule: ScheduleId(row.schedule_id),
            kind: Kind::of_key(&row.kind).ok_or_else(|| bad("kind"))?,
            at: row.slot,
            claimed_at: row.claimed_at,
            missed: u32::try_from(row.missed).map_err(|_| bad("missed"))?,
            came_to: match (row.run_id, row.skipped) {
                (Some(run), None) => CameTo::Run(RunId(run)),
                (None, Some(why)) => CameTo::Skipped(why),
                _ => return Err(bad("run_id")),
            },
        })
    }
}
