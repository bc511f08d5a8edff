//! `system_log`: what was done to many records at once, and to which (N7, D9). Written by reconciler.

use chrono::{DateTime, Utc};
use domain::id::{AccountId, ConnectionId, OrganizationId, RunId};
use domain::system_log::{Csv, Kind, LARGEST, forget};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::{Inconsistent, StoreError};

/// Lines of names are repetitive: a little effort is enough.
const LEVEL: i32 = 3;

/// An entry to add.
#[derive(Clone, Debug)]
pub struct New<'a> {
    /// Its key.
    pub id: Uuid,
    /// Whose it is.
    pub organization: OrganizationId,
    /// When.
    pub at: DateTime<Utc>,
    /// What was done.
    pub kind: Kind,
    /// Who did it.
    pub actor: &'a str,
    /// One line.
    pub title: &'a str,
    /// The connection, where it is about one.
    pub connection: Option<ConnectionId>,
    /// The run that did it.
    pub run: Option<RunId>,
    /// How many records it is about.
    pub records: u32,
    /// Those that the CSV names.
    pub accounts: Vec<AccountId>,
    /// Exactly which.
    pub csv: &'a Csv,
}

/// An entry, its CSV aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub id: Uuid,
    /// When.
    pub at: DateTime<Utc>,
    /// What was done.
    pub kind: Kind,
    /// Who did it.
    pub actor: String,
    /// One line.
    pub title: String,
    /// The connection's name, as it was then.
    pub connection: Option<String>,
    /// The run that did it.
    pub run: Option<RunId>,
    /// How many records it is about.
    pub records: u32,
    /// How many of them the CSV names.
    pub listed: u32,
}

/// Which entries are listed.
#[derive(Clone, Copy, Debug)]
pub struct Filter {
    /// Whose.
    pub organization: OrganizationId,
    /// About one connection, or any.
    pub connection: Option<ConnectionId>,
    /// Of one run, or any.
    pub run: Option<RunId>,
    /// Of one kind, or any.
    pub kind: Option<Kind>,
}

/// Adds an entry.
pub async fn insert(connection: &mut PgConnection, entry: &New<'_>) -> Result<(), StoreError> {
    let packed =
        zstd::bulk::compress(entry.csv.text().as_bytes(), LEVEL).expect("there is memory for a copy");
    sqlx::query(
        "-- system_log.insert
         INSERT INTO system_log (id, organization_id, at, kind, actor, title, connection_id, connection_name, run_id,
             records, listed, accounts, csv)
         VALUES ($1, $2, $3, $4, $5, $6, $7, (SELECT name FROM connection WHERE id = $7), $8, $9, $10, $11, $12)",
    )
    .bind(entry.id)
    .bind(entry.organization.0)
    .bind(entry.at)
    .bind(entry.kind as i16)
    .bind(entry.actor)
    .bind(entry.title)
    .bind(entry.connection.map(|of| of.0))
    .bind(entry.run.map(|run| run.0))
    .bind(i32::try_from(entry.records).unwrap_or(i32::MAX))
    .bind(i32::try_from(entry.csv.lines()).unwrap_or(i32::MAX))
    .bind(entry.accounts.iter().map(|account| account.0).collect::<Vec<_>>())
    .bind(packed)
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes up to `limit` entries that are older than `before`, the first id of its time, the oldest first; how many.
pub async fn purge(connection: &mut PgConnection, before: Uuid, limit: i64) -> Result<u64, StoreError> {
    let gone = sqlx::query(
        "-- system_log.purge
         DELETE FROM system_log WHERE id = ANY (ARRAY(
             SELECT id FROM system_log WHERE id < $1 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
         ))",
    )
    .bind(before)
    .bind(limit)
    .execute(connection)
    .await?;
    Ok(gone.rows_affected())
}

/// Up to `limit` entries, the latest first, those before `before`.
pub async fn list(
    connection: &mut PgConnection,
    filter: Filter,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Entry>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "-- system_log.list
         SELECT id, at, kind, actor, title, connection_name, run_id, records, listed FROM system_log
         WHERE organization_id = $1 AND ($2::uuid IS NULL OR connection_id = $2) AND ($3::smallint IS NULL OR kind = $3)
           AND ($4::uuid IS NULL OR id < $4) AND ($6::uuid IS NULL OR run_id = $6)
         ORDER BY id DESC LIMIT $5",
    )
    .bind(filter.organization.0)
    .bind(filter.connection.map(|of| of.0))
    .bind(filter.kind.map(|kind| kind as i16))
    .bind(before)
    .bind(limit)
    .bind(filter.run.map(|run| run.0))
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| Entry::try_from(row).map_err(StoreError::from))
        .collect()
}

/// An entry with its CSV.
pub async fn find(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: Uuid,
) -> Result<Option<(Entry, String)>, StoreError> {
    let row: Option<WithCsv> = sqlx::query_as(
        "-- system_log.find
         SELECT id, at, kind, actor, title, connection_name, run_id, records, listed, csv FROM system_log
         WHERE organization_id = $1 AND id = $2",
    )
    .bind(organization.0)
    .bind(id)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let csv = unpack(&row.csv).ok_or_else(|| Inconsistent::new("system_log", "csv", id))?;
    Ok(Some((Entry::try_from(row.entry)?, csv)))
}

/// What a run removed by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removals {
    /// The first entry about it.
    pub entry: Uuid,
    /// How many entries there are.
    pub entries: u32,
    /// How many records they are about.
    pub records: u32,
}

/// What a run removed by itself; none when it removed nobody.
pub async fn removals_of(connection: &mut PgConnection, run: RunId) -> Result<Option<Removals>, StoreError> {
    let rows: Vec<(Uuid, i32)> = sqlx::query_as(
        "-- system_log.removals_of
         SELECT id, records FROM system_log WHERE run_id = $1 AND kind = $2 ORDER BY id",
    )
    .bind(run.0)
    .bind(Kind::Removals as i16)
    .fetch_all(connection)
    .await?;
    Ok(rows.first().map(|(entry, _)| Removals {
        entry: *entry,
        entries: u32::try_from(rows.len()).unwrap_or(u32::MAX),
        records: rows
            .iter()
            .map(|(_, records)| u32::try_from(*records).unwrap_or_default())
            .fold(0, u32::saturating_add),
    }))
}

/// Takes out of every entry what it says of these accounts; their ids stay.
pub async fn forget_accounts(
    connection: &mut PgConnection,
    organization: OrganizationId,
    accounts: &[Uuid],
) -> Result<(), StoreError> {
    let names: Vec<String> = accounts.iter().map(Uuid::to_string).collect();
    let entries: Vec<Uuid> = sqlx::query_scalar(
        "-- system_log.of_accounts
         SELECT id FROM system_log WHERE organization_id = $1 AND accounts && $2 ORDER BY id",
    )
    .bind(organization.0)
    .bind(accounts)
    .fetch_all(&mut *connection)
    .await?;
    // One at a time: each may be large.
    for id in entries {
        let packed: Vec<u8> =
            sqlx::query_scalar("-- system_log.lock_csv\nSELECT csv FROM system_log WHERE id = $1 FOR UPDATE")
                .bind(id)
                .fetch_one(&mut *connection)
                .await?;
        let csv = unpack(&packed).ok_or_else(|| Inconsistent::new("system_log", "csv", id))?;
        let csv = forget(&csv, &names);
        let packed = zstd::bulk::compress(csv.as_bytes(), LEVEL).expect("there is memory for a copy");
        sqlx::query("-- system_log.set_csv\nUPDATE system_log SET csv = $2 WHERE id = $1")
            .bind(id)
            .bind(packed)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

fn unpack(packed: &[u8]) -> Option<String> {
    let bytes = zstd::bulk::decompress(packed, LARGEST).ok()?;
    String::from_utf8(bytes).ok()
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    at: DateTime<Utc>,
    kind: i16,
    actor: String,
    title: String,
    connection_name: Option<String>,
    run_id: Option<Uuid>,
    records: i32,
    listed: i32,
}

#[derive(FromRow)]
struct WithCsv {
    #[sqlx(flatten)]
    entry: Row,
    csv: Vec<u8>,
}

impl TryFrom<Row> for Entry {
    type Error = Inconsistent;

    fn try_from(row: Row) -> Result<Self, Inconsistent> {
        Ok(Self {
            id: row.id,
            at: row.at,
            kind: Kind::of_number(row.kind).ok_or_else(|| Inconsistent::new("system_log", "kind", row.id))?,
            actor: row.actor,
            title: row.title,
            connection: row.connection_name,
            run: row.run_id.map(RunId),
            records: u32::try_from(row.records).unwrap_or_default(),
            listed: u32::try_from(row.listed).unwrap_or_default(),
        })
    }
}
