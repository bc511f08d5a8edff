//! `connection_health`: connections that fail or are in quarantine, and `connection_health_change`: when that changed (B17).
//! Written by reconciler.

use chrono::{DateTime, Utc};
use domain::id::{ConnectionId, EventId, OrganizationId, RunId};
use domain::quarantine::{Change, Health, Quarantine, Why};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Inconsistent, StoreError};

/// How a connection fares, and since when that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The connection.
    pub connection: ConnectionId,
    /// How it fares.
    pub health: Health,
    /// When its last outcome came in.
    pub considered_at: DateTime<Utc>,
    /// Whether a person has ended its quarantine since.
    pub released: bool,
    /// Whether something about it has changed since, so that it may be tried at once.
    pub changed: bool,
}

impl Known {
    /// Until when its scheduled runs wait at least; none: they may come.
    #[must_use]
    pub fn held_until(&self) -> Option<DateTime<Utc>> {
        match &self.health {
            Health::Quarantined(quarantine) if !self.released && !self.changed => Some(quarantine.next_try),
            Health::Quarantined(_) | Health::Working | Health::Failing { .. } => None,
        }
    }
}

/// When the health of a connection changed, for people to be told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The event that tells of it.
    pub event: EventId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// The connection.
    pub connection: ConnectionId,
    /// The run that showed it; none: a test.
    pub run: Option<RunId>,
    /// What changed.
    pub change: Change,
    /// Why: of a recovery, what was wrong until then.
    pub reason: String,
    /// When a connection in quarantine is tried again.
    pub next_try: Option<DateTime<Utc>>,
    /// When it changed.
    pub at: DateTime<Utc>,
}

/// Lets one at a time decide about a connection's health, until the transaction ends.
pub async fn lock(connection: &mut PgConnection, of: ConnectionId) -> Result<(), StoreError> {
    sqlx::query("-- connection_health.lock\nSELECT pg_advisory_xact_lock(hashtextextended($1, 17))")
        .bind(of.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// How these connections fare; those that work are left out.
pub async fn of_connections(
    connection: &mut PgConnection,
    ids: &[ConnectionId],
) -> Result<Vec<Known>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows: Vec<Row> = sqlx::query_as(
        "-- connection_health.of_connections
         SELECT health.connection_id, health.failures, health.quarantined_since, health.cause, health.reason,
             health.tries, health.next_try_at, health.considered_at,
             coalesce(connection.released_at > health.considered_at, false) AS released,
             health.considered_at < greatest(connection.updated_at, credential.updated_at) AS changed
         FROM connection_health AS health JOIN connection ON connection.id = health.connection_id
         LEFT JOIN credential ON credential.id = connection.credential_id
         WHERE health.connection_id = ANY($1)",
    )
    .bind(ids)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| Known::try_from(row).map_err(StoreError::from))
        .collect()
}

/// How this connection fares; none: it works.
pub async fn find(connection: &mut PgConnection, id: ConnectionId) -> Result<Option<Known>, StoreError> {
    Ok(of_connections(connection, &[id]).await?.into_iter().next())
}

/// Writes down how a connection fares from `now` on. A release that has been heeded is over, also where the clock that it was
/// made by is ahead.
pub async fn put(
    connection: &mut PgConnection,
    id: ConnectionId,
    health: &Health,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let (why, quarantine) = match health {
        Health::Working => {
            sqlx::query(
                "-- connection_health.delete\nDELETE FROM connection_health WHERE connection_id = $1",
            )
            .bind(id.0)
            .execute(connection)
            .await?;
            return Ok(());
        }
        Health::Failing { why, .. } => (why, None),
        Health::Quarantined(quarantine) => (&quarantine.why, Some(quarantine)),
    };
    sqlx::query(
        "-- connection_health.put
         INSERT INTO connection_health (connection_id, failures, quarantined_since, cause, reason, tries, next_try_at,
             considered_at)
         SELECT $1, $2, $3, $4, $5, $6, $7, greatest($8, released_at) FROM connection WHERE id = $1
         ON CONFLICT (connection_id) DO UPDATE
         SET failures = excluded.failures, quarantined_since = excluded.quarantined_since, cause = excluded.cause,
             reason = excluded.reason, tries = excluded.tries, next_try_at = excluded.next_try_at,
             considered_at = excluded.considered_at",
    )
    .bind(id.0)
    .bind(signed(health.failures()))
    .bind(quarantine.map(|quarantine| quarantine.since))
    .bind(&why.cause)
    .bind(&why.text)
    .bind(quarantine.map_or(0, |quarantine| signed(quarantine.tries)))
    .bind(quarantine.map(|quarantine| quarantine.next_try))
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes down that the health of a connection changed.
pub async fn insert_change(connection: &mut PgConnection, changed: &Changed) -> Result<(), StoreError> {
    sqlx::query(
        "-- connection_health_change.insert
         INSERT INTO connection_health_change (id, organization_id, connection_id, run_id, change, reason, next_try_at, at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(changed.event.0)
    .bind(changed.organization.0)
    .bind(changed.connection.0)
    .bind(changed.run.map(|run| run.0))
    .bind(changed.change.key())
    .bind(&changed.reason)
    .bind(changed.next_try)
    .bind(changed.at)
    .execute(connection)
    .await?;
    Ok(())
}

/// What changed with this event of a run, or with the one before it, its plan's, if that was not told
/// because this one came so soon.
pub async fn change_of(
    connection: &mut PgConnection,
    event: EventId,
    run: RunId,
) -> Result<Option<Changed>, StoreError> {
    // Ids grow with time: those of a run's events are later than its own.
    let row: Option<ChangeRow> = sqlx::query_as(
        "-- connection_health_change.change_of
         SELECT id, organization_id, connection_id, run_id, change, reason, next_try_at, at
         FROM connection_health_change AS changed
         WHERE id = $1
            OR id > $2 AND id < $1 AND run_id = $2
               AND NOT EXISTS (SELECT FROM notice WHERE notice.event_id = changed.id)
         ORDER BY id DESC LIMIT 1",
    )
    .bind(event.0)
    .bind(run.0)
    .fetch_optional(connection)
    .await?;
    Ok(row.map(Changed::try_from).transpose()?)
}

/// Up to `limit` changes that no run showed, later than `after`, that are not in the inbox; the earliest first.
pub async fn untold(
    connection: &mut PgConnection,
    after: EventId,
    limit: i64,
) -> Result<Vec<Changed>, StoreError> {
    let rows: Vec<ChangeRow> = sqlx::query_as(
        "-- connection_health_change.untold
         SELECT id, organization_id, connection_id, run_id, change, reason, next_try_at, at
         FROM connection_health_change AS changed
         WHERE id >= $1 AND run_id IS NULL
           AND NOT EXISTS (SELECT FROM inbox WHERE inbox.event_id = changed.id)
         ORDER BY id LIMIT $2",
    )
    .bind(after.0)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| Changed::try_from(row).map_err(StoreError::from))
        .collect()
}

/// Deletes up to `limit` changes older than `before`; how many.
pub async fn purge_changes(
    connection: &mut PgConnection,
    before: EventId,
    limit: i64,
) -> Result<u64, StoreError> {
    let gone = sqlx::query(
        "-- connection_health_change.purge
         DELETE FROM connection_health_change WHERE id = ANY (ARRAY(
             SELECT id FROM connection_health_change WHERE id < $1 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED))",
    )
    .bind(before.0)
    .bind(limit)
    .execute(connection)
    .await?;
    Ok(gone.rows_affected())
}

fn signed(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

#[derive(sqlx::FromRow)]
struct Row {
    connection_id: Uuid,
    failures: i32,
    quarantined_since: Option<DateTime<Utc>>,
    cause: String,
    reason: String,
    tries: i32,
    next_try_at: Option<DateTime<Utc>>,
    considered_at: DateTime<Utc>,
    released: bool,
    changed: bool,
}

impl TryFrom<Row> for Known {
    type Error = Inconsistent;

    fn try_from(row: Row) -> Result<Self, Inconsistent> {
        let bad = |column| Inconsistent::new("connection_health", column, row.connection_id);
        let failures = u32::try_from(row.failures).map_err(|_| bad("failures"))?;
        let tries = u32::try_from(row.tries).map_err(|_| bad("tries"))?;
        let why = Why {
            cause: row.cause,
            text: row.reason,
        };
        let health = match row.quarantined_since.zip(row.next_try_at) {
            None => Health::Failing { failures, why },
            Some((since, next_try)) => Health::Quarantined(Quarantine {
                since,
                why,
                failures,
                tries,
                next_try,
            }),
        };
        Ok(Self {
            connection: ConnectionId(row.connection_id),
            health,
            considered_at: row.considered_at,
            released: row.released,
            changed: row.changed,
        })
    }
}

#[derive(sqlx::FromRow)]
struct ChangeRow {
    id: Uuid,
    organization_id: Uuid,
    connection_id: Uuid,
    run_id: Option<Uuid>,
    change: String,
    reason: String,
    next_try_at: Option<DateTime<Utc>>,
    at: DateTime<Utc>,
}

impl TryFrom<ChangeRow> for Changed {
    type Error = Inconsistent;

    fn try_from(row: ChangeRow) -> Result<Self, Inconsistent> {
        let change = Change::of_key(&row.change)
            .ok_or_else(|| Inconsistent::new("connection_health_change", "change", row.id))?;
        Ok(Self {
            event: EventId(row.id),
            organization: OrganizationId(row.organization_id),
            connection: ConnectionId(row.connection_id),
            run: row.run_id.map(RunId),
            change,
            reason: row.reason,
            next_try: row.next_try_at,
            at: row.at,
        })
    }
}
