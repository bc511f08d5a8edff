//! `schedule_state`: what of each schedule comes next. Written by fetcher.

use chrono::{DateTime, Utc};
use domain::id::{ConnectionId, OrganizationId, RunId, ScheduleId};
use domain::schedule::Kind;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;

/// What of a schedule comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The schedule.
    pub schedule: ScheduleId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// The connection that it was planned for.
    pub connection: ConnectionId,
    /// The schedule's revision that it was planned by.
    pub revision: i64,
    /// When it was last written, by the clock of then.
    pub planned_at: DateTime<Utc>,
    /// What comes next of full runs.
    pub full: Next,
    /// Of deltas.
    pub delta: Next,
    /// Of deprovisions.
    pub deprovision: Next,
}

/// What comes next of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Next {
    /// The time by the schedule, and when its run begins; none when nothing comes.
    pub slot: Option<Slot>,
    /// What decides on the times.
    pub key: String,
    /// The last run that the schedule started.
    pub run: Option<RunId>,
}

/// A time of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// By the schedule.
    pub at: DateTime<Utc>,
    /// When its run begins.
    pub due: DateTime<Utc>,
}

/// What there is to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Whether schedules have changed since any was last planned.
    pub changed: bool,
    /// Schedules of which something is due, and those that were planned by a clock that was ahead.
    pub due: Vec<ScheduleId>,
}

impl State {
    /// What comes next of this kind.
    #[must_use]
    pub const fn of(&self, kind: Kind) -> &Next {
        match kind {
            Kind::Full => &self.full,
            Kind::Delta => &self.delta,
            Kind::Deprovision => &self.deprovision,
        }
    }

    /// The same, to write.
    pub const fn of_mut(&mut self, kind: Kind) -> &mut Next {
        match kind {
            Kind::Full => &mut self.full,
            Kind::Delta => &mut self.delta,
            Kind::Deprovision => &mut self.deprovision,
        }
    }
}

/// Looks for what there is to do: by three indexes, however many schedules there are. Schedules that were planned later than
/// `not_after` were planned by a clock that has been set back.
pub async fn look(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    not_after: DateTime<Utc>,
    limit: i64,
) -> Result<Look, StoreError> {
    let rows: Vec<Option<Uuid>> = sqlx::query_scalar(
        "-- schedule_state.look
         SELECT NULL::uuid WHERE coalesce((SELECT max(revision) FROM schedule), 0)
             > coalesce((SELECT max(revision) FROM schedule_state), 0)
         UNION ALL
         (SELECT schedule_id FROM schedule_state WHERE due_at <= $1 ORDER BY due_at LIMIT $3)
         UNION ALL
         (SELECT schedule_id FROM schedule_state WHERE planned_at > $2 ORDER BY planned_at LIMIT $3)",
    )
    .bind(now)
    .bind(not_after)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(Look {
        changed: rows.contains(&None),
        due: rows.into_iter().flatten().map(ScheduleId).collect(),
    })
}

/// Lets one at a time plan schedules that have changed, until the transaction ends: none is passed over.
pub async fn lock_planning(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query(
        "-- schedule_state.lock_planning\nSELECT pg_advisory_xact_lock(hashtextextended('schedule.plan', 0))",
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The state of a schedule, which nobody else changes until the transaction ends. `None`: it has none.
pub async fn lock(connection: &mut PgConnection, id: ScheduleId) -> Result<Option<State>, StoreError> {
    let sql = format!("-- schedule_state.lock\n{SELECT} WHERE schedule_id = $1 FOR UPDATE");
    let row: Option<Row> = sqlx::query_as(&sql).bind(id.0).fetch_optional(connection).await?;
    Ok(row.map(State::from))
}

/// The same, unless somebody else has it at the moment.
pub async fn claim(connection: &mut PgConnection, id: ScheduleId) -> Result<Option<State>, StoreError> {
    let sql = format!("-- schedule_state.claim\n{SELECT} WHERE schedule_id = $1 FOR UPDATE SKIP LOCKED");
    let row: Option<Row> = sqlx::query_as(&sql).bind(id.0).fetch_optional(connection).await?;
    Ok(row.map(State::from))
}

/// The states of these schedules.
pub async fn of_schedules(
    connection: &mut PgConnection,
    ids: &[ScheduleId],
) -> Result<Vec<State>, StoreError> {
    let sql = format!("-- schedule_state.of_schedules\n{SELECT} WHERE schedule_id = ANY($1)");
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows: Vec<Row> = sqlx::query_as(&sql).bind(ids).fetch_all(connection).await?;
    Ok(rows.into_iter().map(State::from).collect())
}

/// Writes what comes next.
pub async fn put(connection: &mut PgConnection, state: &State) -> Result<(), StoreError> {
    let at = |next: &Next| next.slot.map(|slot| slot.at);
    let due = |next: &Next| next.slot.map(|slot| slot.due);
    let run = |next: &Next| next.run.map(|run| run.0);
    sqlx::query(
        "-- schedule_state.put
         INSERT INTO schedule_state (schedule_id, organization_id, connection_id, revision, planned_at, full_slot,
             full_due, full_key, full_run_id, delta_slot, delta_due, delta_key, delta_run_id, deprovision_slot,
             deprovision_due, deprovision_key, deprovision_run_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
         ON CONFLICT (schedule_id) DO UPDATE
         SET connection_id = excluded.connection_id, revision = excluded.revision, planned_at = excluded.planned_at,
             full_slot = excluded.full_slot, full_due = excluded.full_due, full_key = excluded.full_key,
             full_run_id = excluded.full_run_id, delta_slot = excluded.delta_slot, delta_due = excluded.delta_due,
             delta_key = excluded.delta_key, delta_run_id = excluded.delta_run_id,
             deprovision_slot = excluded.deprovision_slot, deprovision_due = excluded.deprovision_due,
             deprovision_key = excluded.deprovision_key, deprovision_run_id = excluded.deprovision_run_id",
    )
    .bind(state.schedule.0)
    .bind(state.organization.0)
    .bind(state.connection.0)
    .bind(state.revision)
    .bind(state.planned_at)
    .bind(at(&state.full))
    .bind(due(&state.full))
    .bind(&state.full.key)
    .bind(run(&state.full))
    .bind(at(&state.delta))
    .bind(due(&state.delta))
    .bind(&state.delta.key)
    .bind(run(&state.delta))
    .bind(at(&state.deprovision))
    .bind(due(&state.deprovision))
    .bind(&state.deprovision.key)
    .bind(run(&state.deprovision))
    .execute(connection)
    .await?;
    Ok(())
}

const SELECT: &str = "
    SELECT schedule_id, organization_id, connection_id, revision, planned_at, full_slot, full_due, full_key, full_run_id,
        delta_slot, delta_due, delta_key, delta_run_id, deprovision_slot, deprovision_due, deprovision_key,
        deprovision_run_id
    FROM schedule_state";

#[derive(sqlx::FromRow)]
struct Row {
    schedule_id: Uuid,
    organization_id: Uuid,
    connection_id: Uuid,
    revision: i64,
    planned_at: DateTime<Utc>,
    full_slot: Option<DateTime<Utc>>,
    full_due: Option<DateTime<Utc>>,
    full_key: String,
    full_run_id: Option<Uuid>,
    delta_slot: Option<DateTime<Utc>>,
    delta_due: Option<DateTime<Utc>>,
    delta_key: String,
    delta_run_id: Option<Uuid>,
    deprovision_slot: Option<DateTime<Utc>>,
    deprovision_due: Option<DateTime<Utc>>,
    deprovision_key: String,
    deprovision_run_id: Option<Uuid>,
}

impl From<Row> for State {
    fn from(row: Row) -> Self {
        let next = |at: Option<_>, due: Option<_>, key, run: Option<Uuid>| Next {
            slot: at.zip(due).map(|(at, due)| Slot { at, due }),
            key,
            run: run.map(RunId),
        };
        Self {
            schedule: ScheduleId(row.schedule_id),
            organization: OrganizationId(row.organization_id),
            connection: ConnectionId(row.connection_id),
            revision: row.revision,
            planned_at: row.planned_at,
            full: next(row.full_slot, row.full_due, row.full_key, row.full_run_id),
            delta: next(row.delta_slot, row.delta_due, row.delta_key, row.delta_run_id),
            deprovision: next(
                row.deprovision_slot,
                row.deprovision_due,
                row.deprovision_key,
                row.deprovision_run_id,
            ),
        }
    }
}
