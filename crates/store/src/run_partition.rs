//! `run_partition`: `decision` and `run_page` by the week of their runs. Written by reconciler.
//!
//! A part is made beside its table and attached to it, which keeps nobody from reading or writing the others; and it is
//! detached, again without stopping anyone, before it is dropped.

use std::fmt;

use chrono::{DateTime, Datelike as _, Days, NaiveDate, NaiveTime, Utc};
use domain::id::RunId;
use sqlx::{Executor as _, PgConnection};
use uuid::Uuid;

use crate::StoreError;

/// The tables that are divided.
const TABLES: [&str; 2] = ["decision", "run_page"];

/// A week in UTC, from Monday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Week(NaiveDate);

impl Week {
    /// The week of this time.
    #[must_use]
    pub fn of(at: DateTime<Utc>) -> Self {
        let day = at.date_naive();
        let monday = day.checked_sub_days(Days::new(day.weekday().num_days_from_monday().into()));
        Self(monday.unwrap_or(day))
    }

    /// The week of the run, as its id tells.
    #[must_use]
    pub fn of_run(run: RunId) -> Self {
        let milliseconds = run.0.as_u128() >> 80;
        let at = i64::try_from(milliseconds)
            .ok()
            .and_then(DateTime::from_timestamp_millis)
            .unwrap_or(DateTime::UNIX_EPOCH);
        Self::of(at)
    }

    /// The week after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.checked_add_days(Days::new(7)).unwrap_or(self.0))
    }

    /// Not after any id of a run of this week, and behind those of the week before.
    fn first_id(self) -> Uuid {
        let begins = self.0.and_time(NaiveTime::MIN).and_utc().timestamp_millis();
        let milliseconds = u64::try_from(begins).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(milliseconds, &[0; 10]).into_uuid()
    }
}

/// What the names of its tables end with.
impl fmt::Display for Week {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%Y%m%d"))
    }
}

/// A table whose rows were given up, and that is to be dropped.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Pruned {
    /// The table that it is or was a part of.
    parent: String,
    /// Its name.
    table: String,
    /// Whether it is still a part.
    attached: bool,
    /// Whether detaching it was begun and broken off.
    broken_off: bool,
}

/// Makes sure, in a transaction, that a week's runs can be written down. Says whether they could not before.
///
/// It waits for nobody who reads or writes, and nobody who does waits for it.
pub async fn ensure(connection: &mut PgConnection, week: Week) -> Result<bool, StoreError> {
    let (from, to) = (week.first_id(), week.next().first_id());
    if covers(&mut *connection, from).await? {
        return Ok(false);
    }
    sqlx::query("-- run_partition.lock\nSELECT pg_advisory_xact_lock(hashtextextended('run_partition', 0))")
        .execute(&mut *connection)
        .await?;
    if covers(&mut *connection, from).await? {
        return Ok(false);
    }
    let name = week.to_string();
    for table in TABLES {
        let statement = format!(
            "-- run_partition.attach
             CREATE TABLE {table}_{name} (LIKE {table} INCLUDING ALL EXCLUDING COMMENTS);
             ALTER TABLE {table} ATTACH PARTITION {table}_{name} FOR VALUES FROM ('{from}') TO ('{to}')"
        );
        connection.execute(statement.as_str()).await?;
    }
    sqlx::query(
        "-- run_partition.insert
         INSERT INTO run_partition (name, from_id, to_id) VALUES ($1, $2, $3)
         -- The clock stood in a week that was given up already: it begins anew.
         ON CONFLICT (name) DO UPDATE SET pruned_at = NULL",
    )
    .bind(&name)
    .bind(from)
    .bind(to)
    .execute(connection)
    .await?;
    Ok(true)
}

async fn covers(connection: &mut PgConnection, run: Uuid) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(
        "-- run_partition.covers
         SELECT EXISTS (SELECT FROM run_partition WHERE from_id <= $1 AND $1 < to_id AND pruned_at IS NULL)",
    )
    .bind(run)
    .fetch_one(connection)
    .await?)
}

/// Gives up the rows of weeks that ended before an id, unless a run among them is not done yet. Answers their names.
pub async fn give_up(
    connection: &mut PgConnection,
    before: RunId,
    now: DateTime<Utc>,
) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar(
        "-- run_partition.give_up
         UPDATE run_partition w SET pruned_at = $2
         WHERE w.to_id <= $1 AND w.pruned_at IS NULL AND NOT EXISTS (
             SELECT FROM run_plan p
             WHERE p.state IN ('planning', 'planned', 'applying') AND p.run_id >= w.from_id AND p.run_id < w.to_id)
         RETURNING w.name",
    )
    .bind(before.0)
    .bind(now)
    .fetch_all(connection)
    .await?)
}

/// The tables whose rows were given up and that are still there: since just now, or since a crash.
pub async fn pruned(connection: &mut PgConnection) -> Result<Vec<Pruned>, StoreError> {
    Ok(sqlx::query_as(
        "-- run_partition.pruned
         SELECT of.parent, c.relname::text AS table, i.inhrelid IS NOT NULL AS attached,
             coalesce(i.inhdetachpending, false) AS broken_off
         FROM run_partition w
         CROSS JOIN unnest($1::text[]) AS of (parent)
         JOIN pg_class c ON c.oid = to_regclass(quote_ident(of.parent || '_' || w.name))
         LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
         WHERE w.pruned_at IS NOT NULL
         ORDER BY w.from_id, of.parent",
    )
    .bind(TABLES.as_slice())
    .fetch_all(connection)
    .await?)
}

/// Drops a table whose rows were given up. Outside any transaction: it waits for those who were reading before, while
/// nobody waits for it, and may be broken off at any moment and repeated.
pub async fn drop(connection: &mut PgConnection, pruned: &Pruned) -> Result<(), StoreError> {
    let Pruned { parent, table, .. } = pruned;
    if pruned.attached {
        let how = if pruned.broken_off {
            "FINALIZE"
        } else {
            "CONCURRENTLY"
        };
        let statement = format!("ALTER TABLE {parent} DETACH PARTITION {table} {how}");
        connection.execute(statement.as_str()).await?;
    }
    connection.execute(format!("DROP TABLE {table}").as_str()).await?;
    Ok(())
}

/// Lets one at a time drop tables; the connection must be given back with [`unlock_dropping`]. Says whether it is ours.
pub async fn lock_dropping(connection: &mut PgConnection) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(
        "-- run_partition.lock_dropping
         SELECT pg_try_advisory_lock(hashtextextended('run_partition.drop', 0))",
    )
    .fetch_one(connection)
    .await?)
}

/// Gives back what [`lock_dropping`] took.
pub async fn unlock_dropping(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query(
        "-- run_partition.unlock_dropping
         SELECT pg_advisory_unlock(hashtextextended('run_partition.drop', 0))",
    )
    .execute(connection)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str) -> DateTime<Utc> {
        time.parse().unwrap()
    }

    fn run_at(time: &str) -> RunId {
        let milliseconds = u64::try_from(at(time).timestamp_millis()).unwrap();
        RunId(uuid::Builder::from_unix_timestamp_millis(milliseconds, &[0xff; 10]).into_uuid())
    }

    #[test]
    fn weeks_begin_on_monday_at_midnight() {
        let week = Week::of(at("2026-11-21T14:00:00Z"));
        assert_eq!(week.to_string(), "20261116");
        assert_eq!(week, Week::of(at("2026-11-16T00:00:00Z")));
        assert_eq!(week, Week::of(at("2026-11-22T23:59:59.999Z")));
        assert_eq!(week.next(), Week::of(at("2026-11-23T00:00:00Z")));
        assert_eq!(
            Week::of(at("2027-01-01T00:00:00Z")).to_string(),
            "20261228",
            "across the year"
        );
    }

    #[test]
    fn a_run_is_of_the_week_in_which_its_id_was_made() {
        for time in ["2026-11-16T00:00:00Z", "2026-11-22T23:59:59.999Z"] {
            let (run, week) = (run_at(time), Week::of(at(time)));
            assert_eq!(Week::of_run(run), week);
            assert!(
                week.first_id() <= run.0 && run.0 < week.next().first_id(),
                "{time}"
            );
        }
        assert_eq!(Week::of_run(RunId(Uuid::nil())).first_id().as_u128() >> 80, 0);
        // No clock makes it; it must not panic.
        assert_ne!(Week::of_run(RunId(Uuid::max())), Week::of_run(RunId(Uuid::nil())));
    }
}
