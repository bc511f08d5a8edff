//! `failed_record`: records whose last outcome in an applied run is failed (B8). Written by reconciler.

use chrono::{DateTime, Utc};
use domain::id::{AccountId, ConnectionId, ObjectId, OrganizationId, RunId};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::{Inconsistent, StoreError};

/// Records that one run can bring onto the list.
const MOST: i64 = 10_000;

/// A record that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedRecord {
    /// The connection.
    pub connection: ConnectionId,
    /// Its name.
    pub connection_name: String,
    /// The object.
    pub object: ObjectId,
    /// The account that the object feeds.
    pub account: Option<AccountId>,
    /// How people tell it from others.
    pub name: Option<String>,
    /// Its UPN.
    pub upn: Option<String>,
    /// Why it failed the last time.
    pub reason: String,
    /// When it first failed since it last did not.
    pub first_failed_at: DateTime<Utc>,
    /// When it last failed.
    pub last_failed_at: DateTime<Utc>,
    /// In which run.
    pub last_run: RunId,
    /// In how many runs it has failed.
    pub attempts: u32,
    /// Whether a person said to ignore it.
    pub ignored: Option<Ignored>,
}

/// A person's word to ignore a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// Which records of an organization.
#[derive(Clone, Copy, Debug)]
pub struct Filter<'a> {
    /// Whose.
    pub organization: OrganizationId,
    /// Of one connection, or of all.
    pub connection: Option<ConnectionId>,
    /// Only these objects.
    pub objects: Option<&'a [Uuid]>,
    /// Not those that a person said to ignore.
    pub without_ignored: bool,
}

/// Where a record stands in the list.
pub type Place = (ConnectionId, ObjectId);

/// Up to `limit` records, those behind `after`.
pub async fn list(
    connection: &mut PgConnection,
    filter: Filter<'_>,
    after: Option<Place>,
    limit: i64,
) -> Result<Vec<FailedRecord>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "-- failed_record.list
         SELECT f.connection_id, c.name AS connection_name, f.object_id, l.account_id, f.name, f.upn, f.reason,
             f.first_failed_at, f.last_failed_at, f.last_run_id, f.attempts, f.ignored_at, f.ignored_by, f.ignore_reason
         FROM failed_record f
         JOIN connection c ON c.id = f.connection_id
         LEFT JOIN LATERAL (
             SELECT account_id FROM link
             WHERE connection_id = f.connection_id AND object_id = f.object_id
             ORDER BY account_id IS NULL, target LIMIT 1
         ) l ON true
         WHERE f.organization_id = $1 AND ($2::uuid IS NULL OR f.connection_id = $2)
           AND ($3::uuid[] IS NULL OR f.object_id = ANY($3)) AND NOT ($4 AND f.ignored_at IS NOT NULL)
           AND ($5::uuid IS NULL OR (f.connection_id, f.object_id) > ($5, $6))
         ORDER BY f.connection_id, f.object_id LIMIT $7",
    )
    .bind(filter.organization.0)
    .bind(filter.connection.map(|of| of.0))
    .bind(filter.objects)
    .bind(filter.without_ignored)
    .bind(after.map(|(of, _)| of.0))
    .bind(after.map(|(_, object)| object.0))
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| FailedRecord::try_from(row).map_err(StoreError::from))
        .collect()
}

/// Of whom a run says that they do not fail any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settles {
    /// Of nobody: it decided on some only.
    Nobody,
    /// Of whoever it has seen.
    WhoWasSeen,
    /// Of everybody: who was not seen is not there.
    Everybody,
}

/// Writes down what a run that has been applied says of the list: who failed is on it, who does not any more is not. Counts the ignored ones into the run's plan.
pub async fn record(
    connection: &mut PgConnection,
    run: RunId,
    of: ConnectionId,
    settles: Settles,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query(
        "-- failed_record.add
         INSERT INTO failed_record AS f (connection_id, object_id, organization_id, name, upn, reason, first_failed_at,
             last_failed_at, last_run_id, attempts)
         SELECT DISTINCT ON (d.object_id) r.connection_id, d.object_id, r.organization_id, coalesce(d.name, a.name),
             coalesce(d.upn, a.upn), coalesce(d.reason, ''), $2, $2, $1, 1
         FROM run r
         JOIN decision d ON d.run_id = r.id AND d.outcome = 7 AND d.object_id IS NOT NULL
         LEFT JOIN account a ON a.id = d.account_id
         -- Without a failure nothing is looked through.
         WHERE r.id = $1 AND (SELECT failed FROM run_plan WHERE run_id = $1) > 0
         ORDER BY d.object_id LIMIT $3
         ON CONFLICT (connection_id, object_id) DO UPDATE
         SET name = coalesce(excluded.name, f.name), upn = coalesce(excluded.upn, f.upn), reason = excluded.reason,
             last_failed_at = excluded.last_failed_at, last_run_id = excluded.last_run_id, attempts = f.attempts + 1",
    )
    .bind(run.0)
    .bind(now)
    .bind(MOST)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "-- failed_record.clear
         DELETE FROM failed_record
         WHERE connection_id = $2 AND last_run_id <> $1 AND NOT $4
           AND ($3 OR object_id IN (SELECT unnest(seen) FROM run_page WHERE run_id = $1 AND number > 0))",
    )
    .bind(run.0)
    .bind(of.0)
    .bind(settles == Settles::Everybody)
    .bind(settles == Settles::Nobody)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "-- failed_record.count_ignored
         UPDATE run_plan SET failed_ignored = (
             SELECT count(*) FROM failed_record
             WHERE connection_id = $2 AND last_run_id = $1 AND ignored_at IS NOT NULL)
         WHERE run_id = $1 AND failed > 0",
    )
    .bind(run.0)
    .bind(of.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes down that a person said to ignore these. Answers which of them have failed.
pub async fn ignore(
    connection: &mut PgConnection,
    filter: Filter<'_>,
    (by, reason): (&str, &str),
    now: DateTime<Utc>,
) -> Result<Vec<Uuid>, StoreError> {
    Ok(sqlx::query_scalar(
        "-- failed_record.ignore
         UPDATE failed_record SET ignored_at = $4, ignored_by = $5, ignore_reason = $6
         WHERE organization_id = $1 AND ($2::uuid IS NULL OR connection_id = $2) AND object_id = ANY($3)
         RETURNING object_id",
    )
    .bind(filter.organization.0)
    .bind(filter.connection.map(|of| of.0))
    .bind(filter.objects.unwrap_or_default())
    .bind(now)
    .bind(by)
    .bind(reason)
    .fetch_all(connection)
    .await?)
}

#[derive(FromRow)]
struct Row {
    connection_id: Uuid,
    connection_name: String,
    object_id: Uuid,
    account_id: Option<Uuid>,
    name: Option<String>,
    upn: Option<String>,
    reason: String,
    first_failed_at: DateTime<Utc>,
    last_failed_at: DateTime<Utc>,
    last_run_id: Uuid,
    attempts: i32,
    ignored_at: Option<DateTime<Utc>>,
    ignored_by: Option<String>,
    ignore_reason: Option<String>,
}

impl TryFrom<Row> for FailedRecord {
    type Error = Inconsistent;

    fn try_from(row: Row) -> Result<Self, Inconsistent> {
        let bad = |column| Inconsistent::new("failed_record", column, row.object_id);
        let ignored = match (row.ignored_at, row.ignored_by, row.ignore_reason) {
            (Some(at), Some(by), Some(reason)) => Some(Ignored { at, by, reason }),
            (None, None, None) => None,
            _ => return Err(bad("ignored_at")),
        };
        Ok(Self {
            connection: ConnectionId(row.connection_id),
            connection_name: row.connection_name,
            object: ObjectId(row.object_id),
            account: row.account_id.map(AccountId),
            name: row.name,
            upn: row.upn,
            reason: row.reason,
            first_failed_at: row.first_failed_at,
            last_failed_at: row.last_failed_at,
            last_run: RunId(row.last_run_id),
            attempts: u32::try_from(row.attempts).map_err(|_| bad("attempts"))?,
            ignored,
        })
    }
}
