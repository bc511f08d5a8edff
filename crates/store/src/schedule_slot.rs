//! `schedule_slot`: times of schedules that have come, and what came of them. Written by fetcher.

use chrono::{DateTime, Utc};
use domain::id::{ConnectionId, OrganizationId, RunId, ScheduleId};
use domain::schedule::{Kind, Objection, Readiness};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Inconsistent, StoreError};

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

/// Writes a time down. `false`: it has been before, and did not wait for the end of a quarantine.
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
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (schedule_id, kind, slot) DO UPDATE
         SET claimed_at = excluded.claimed_at, missed = excluded.missed, run_id = excluded.run_id,
             skipped = excluded.skipped
         WHERE schedule_slot.skipped = $9",
    )
    .bind(slot.schedule.0)
    .bind(slot.kind.key())
    .bind(slot.at)
    .bind(organization.0)
    .bind(slot.claimed_at)
    .bind(i32::try_from(slot.missed).unwrap_or(i32::MAX))
    .bind(run)
    .bind(skipped)
    .bind(Objection::Quarantined.to_string())
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

/// Deletes a schedule's times behind `after`: a clock showed them that was far ahead.
pub async fn delete_after(
    connection: &mut PgConnection,
    id: ScheduleId,
    after: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query(
        "-- schedule_slot.delete_after
         DELETE FROM schedule_slot WHERE schedule_id = $1 AND slot > $2",
    )
    .bind(id.0)
    .bind(after)
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

/// What may keep a connection's runs from coming.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct InTheWay {
    #[sqlx(rename = "id")]
    connection: Uuid,
    connected: bool,
    mapped: bool,
    plan_waits: bool,
    /// When it is tried again, where it is in quarantine.
    pub next_try: Option<DateTime<Utc>>,
}

impl InTheWay {
    /// The connection.
    #[must_use]
    pub const fn connection(&self) -> ConnectionId {
        ConnectionId(self.connection)
    }

    /// Of one that is not there any more.
    #[must_use]
    pub const fn gone(connection: ConnectionId) -> Self {
        Self {
            connection: connection.0,
            connected: false,
            mapped: false,
            plan_waits: false,
            next_try: None,
        }
    }

    /// What has to be known of it before it runs, at `now`.
    #[must_use]
    pub fn readiness(&self, now: DateTime<Utc>) -> Readiness {
        Readiness {
            connected: self.connected,
            mapped: self.mapped,
            plan_waits: self.plan_waits,
            quarantined: self.next_try.is_some_and(|next_try| next_try > now),
        }
    }
}

/// What may keep the runs of these connections from coming; reads `connection`, `credential`, `mapping`, `run`, `run_plan` and
/// `connection_health`. Where something about a connection in quarantine has changed since it was tried last, it may be tried
/// at once.
pub async fn in_the_way(
    connection: &mut PgConnection,
    of: &[ConnectionId],
) -> Result<Vec<InTheWay>, StoreError> {
    let of: Vec<Uuid> = of.iter().map(|of| of.0).collect();
    Ok(sqlx::query_as(
        "-- schedule_slot.in_the_way
         SELECT connection.id, connection.disconnected_at IS NULL AS connected,
             EXISTS (SELECT FROM mapping WHERE mapping.connection_id = connection.id AND target <> 'groups') AS mapped,
             EXISTS (SELECT FROM run_plan JOIN run ON run.id = run_plan.run_id
                     WHERE run_plan.state = 'planned' AND run_plan.connection_id = connection.id
                       AND run.kind <> 'preview' AND NOT run.dry_run) AS plan_waits,
             (SELECT health.next_try_at FROM connection_health AS health
              WHERE health.connection_id = connection.id
                AND health.considered_at >= greatest(connection.updated_at, connection.released_at, credential.updated_at)
             ) AS next_try
         FROM connection LEFT JOIN credential ON credential.id = connection.credential_id
         WHERE connection.id = ANY($1)",
    )
    .bind(of)
    .fetch_all(connection)
    .await?)
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
