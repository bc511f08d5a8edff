//! `schedule`: when a connection's runs come by themselves (R3, D7). Written by api.

use chrono::{DateTime, NaiveDateTime, NaiveTime, Utc};
use domain::id::{ConnectionId, OrganizationId, ScheduleId};
use domain::schedule::{Delta, Deprovision, Frequency, Schedule, Timing, Zone};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Inconsistent, StoreError};

/// A schedule as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its key.
    pub id: ScheduleId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// Whose runs it starts; no other schedule does.
    pub connection: ConnectionId,
    /// Unique in the organization.
    pub name: String,
    /// What it says.
    pub schedule: Schedule,
    /// Grows with every change of any schedule.
    pub revision: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// The schedule of this id, whoever's it is.
pub async fn find(connection: &mut PgConnection, id: ScheduleId) -> Result<Option<Stored>, StoreError> {
    let sql = format!("-- schedule.find\n{SELECT} WHERE id = $1");
    let row: Option<Row> = sqlx::query_as(&sql).bind(id.0).fetch_optional(connection).await?;
    Ok(row.map(Stored::try_from).transpose()?)
}

/// The organization's schedule of this name, or of this id when the text is one.
pub async fn find_by_name(
    connection: &mut PgConnection,
    organization: OrganizationId,
    name_or_id: &str,
) -> Result<Option<Stored>, StoreError> {
    let sql = format!(
        "-- schedule.find_by_name\n{SELECT} WHERE organization_id = $1 AND (name = $2 OR id = $3)
         ORDER BY name <> $2 LIMIT 1"
    );
    let row: Option<Row> = sqlx::query_as(&sql)
        .bind(organization.0)
        .bind(name_or_id)
        .bind(name_or_id.parse::<Uuid>().ok())
        .fetch_optional(connection)
        .await?;
    Ok(row.map(Stored::try_from).transpose()?)
}

/// Up to `limit` of the organization's schedules by name, those behind `after`; of one connection or of all.
pub async fn list(
    connection: &mut PgConnection,
    organization: OrganizationId,
    of: Option<ConnectionId>,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<Stored>, StoreError> {
    let sql = format!(
        "-- schedule.list\n{SELECT}
         WHERE organization_id = $1 AND ($2::uuid IS NULL OR connection_id = $2) AND ($3::text IS NULL OR name > $3)
         ORDER BY name LIMIT $4"
    );
    let rows: Vec<Row> = sqlx::query_as(&sql)
        .bind(organization.0)
        .bind(of.map(|of| of.0))
        .bind(after)
        .bind(limit)
        .fetch_all(connection)
        .await?;
    read(rows)
}

/// The schedules of these connections.
pub async fn of_connections(
    connection: &mut PgConnection,
    of: &[ConnectionId],
) -> Result<Vec<Stored>, StoreError> {
    let sql = format!("-- schedule.of_connections\n{SELECT} WHERE connection_id = ANY($1)");
    let of: Vec<Uuid> = of.iter().map(|of| of.0).collect();
    let rows: Vec<Row> = sqlx::query_as(&sql).bind(of).fetch_all(connection).await?;
    read(rows)
}

/// A schedule that has changed since any was last planned.
#[derive(Debug)]
pub struct Changed {
    /// Its key.
    pub id: ScheduleId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// Whose runs it starts.
    pub connection: ConnectionId,
    /// Its revision.
    pub revision: i64,
    /// What it says, where that can be read: a time zone may be unknown to this version.
    pub stored: Result<Stored, Inconsistent>,
}

/// Schedules that have changed since any was last planned, in the order of the changes.
pub async fn changed(connection: &mut PgConnection, limit: i64) -> Result<Vec<Changed>, StoreError> {
    let sql = format!(
        "-- schedule.changed\n{SELECT}
         WHERE revision > (SELECT coalesce(max(revision), 0) FROM schedule_state) ORDER BY revision LIMIT $1"
    );
    let rows: Vec<Row> = sqlx::query_as(&sql).bind(limit).fetch_all(connection).await?;
    let changed = rows.into_iter().map(|row| Changed {
        id: ScheduleId(row.id),
        organization: OrganizationId(row.organization_id),
        connection: ConnectionId(row.connection_id),
        revision: row.revision,
        stored: Stored::try_from(row),
    });
    Ok(changed.collect())
}

/// Adds a schedule, with a revision of its own.
pub async fn insert(connection: &mut PgConnection, row: &Stored) -> Result<(), StoreError> {
    let revision = next_revision(&mut *connection).await?;
    let full = row.schedule.full.as_ref();
    sqlx::query(
        "-- schedule.insert
         INSERT INTO schedule (id, organization_id, connection_id, name, is_on, frequency, frequency_detail,
             start_local, time_zone, delta_on, delta_hours, deprovision_on, deprovision_at, revision, created_at,
             updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
    )
    .bind(row.id.0)
    .bind(row.organization.0)
    .bind(row.connection.0)
    .bind(&row.name)
    .bind(row.schedule.on)
    .bind(full.map(|full| full.frequency().key()))
    .bind(full.map(|full| full.frequency().detail()).unwrap_or_default())
    .bind(full.map(Timing::start))
    .bind(row.schedule.zone.name())
    .bind(row.schedule.delta.on)
    .bind(i32::try_from(row.schedule.delta.hours).unwrap_or(i32::MAX))
    .bind(row.schedule.deprovision.on)
    .bind(row.schedule.deprovision.at)
    .bind(revision)
    .bind(row.created_at)
    .bind(row.updated_at)
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes everything but id, organization, name and time of creation, with a new revision.
pub async fn update(connection: &mut PgConnection, row: &Stored) -> Result<(), StoreError> {
    let revision = next_revision(&mut *connection).await?;
    let full = row.schedule.full.as_ref();
    sqlx::query(
        "-- schedule.update
         UPDATE schedule
         SET connection_id = $2, is_on = $3, frequency = $4, frequency_detail = $5, start_local = $6, time_zone = $7,
             delta_on = $8, delta_hours = $9, deprovision_on = $10, deprovision_at = $11, revision = $12,
             updated_at = $13
         WHERE id = $1",
    )
    .bind(row.id.0)
    .bind(row.connection.0)
    .bind(row.schedule.on)
    .bind(full.map(|full| full.frequency().key()))
    .bind(full.map(|full| full.frequency().detail()).unwrap_or_default())
    .bind(full.map(Timing::start))
    .bind(row.schedule.zone.name())
    .bind(row.schedule.delta.on)
    .bind(i32::try_from(row.schedule.delta.hours).unwrap_or(i32::MAX))
    .bind(row.schedule.deprovision.on)
    .bind(row.schedule.deprovision.at)
    .bind(revision)
    .bind(row.updated_at)
    .execute(connection)
    .await?;
    Ok(())
}

/// One change at a time, until its transaction ends: whoever sees a revision sees all that are lower.
async fn next_revision(connection: &mut PgConnection) -> Result<i64, StoreError> {
    sqlx::query(
        "-- schedule.lock_revision\nSELECT pg_advisory_xact_lock(hashtextextended('schedule.revision', 0))",
    )
    .execute(&mut *connection)
    .await?;
    let revision = sqlx::query_scalar(
        "-- schedule.next_revision
         SELECT coalesce(max(revision), 0) + 1 FROM schedule",
    )
    .fetch_one(connection)
    .await?;
    Ok(revision)
}

const SELECT: &str = "
    SELECT id, organization_id, connection_id, name, is_on, frequency, frequency_detail, start_local, time_zone, delta_on,
        delta_hours, deprovision_on, deprovision_at, revision, created_at, updated_at
    FROM schedule";

fn read(rows: Vec<Row>) -> Result<Vec<Stored>, StoreError> {
    rows.into_iter()
        .map(|row| Stored::try_from(row).map_err(StoreError::from))
        .collect()
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    organization_id: Uuid,
    connection_id: Uuid,
    name: String,
    is_on: bool,
    frequency: Option<String>,
    frequency_detail: String,
    start_local: Option<NaiveDateTime>,
    time_zone: String,
    delta_on: bool,
    delta_hours: i32,
    deprovision_on: bool,
    deprovision_at: NaiveTime,
    revision: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<Row> for Stored {
    type Error = Inconsistent;

    fn try_from(row: Row) -> Result<Self, Inconsistent> {
        let bad = |column| Inconsistent::new("schedule", column, row.id);
        let zone = Zone::named(&row.time_zone).ok_or_else(|| bad("time_zone"))?;
        let full = match row.frequency.zip(row.start_local) {
            Some((key, start)) => {
                let frequency = Frequency::of(&key, &row.frequency_detail);
                let frequency = frequency.ok_or_else(|| bad("frequency"))?;
                Some(Timing::new(frequency, start, zone))
            }
            None => None,
        };
        let hours = u32::try_from(row.delta_hours).map_err(|_| bad("delta_hours"))?;
        Ok(Self {
            schedule: Schedule {
                on: row.is_on,
                full,
                delta: Delta {
                    on: row.delta_on,
                    hours,
                },
                deprovision: Deprovision {
                    on: row.deprovision_on,
                    at: row.deprovision_at,
                },
                zone,
            },
            id: ScheduleId(row.id),
            organization: OrganizationId(row.organization_id),
            connection: ConnectionId(row.connection_id),
            name: row.name,
            revision: row.revision,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}
