//! `connection_status`: what the last test of a connection found (C5, C7, C8). Written by fetcher.

use chrono::{DateTime, Utc};
use domain::id::ConnectionId;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::{Inconsistent, StoreError};

/// What the last test found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Whether every check passed.
    pub passed: bool,
    /// The tenant's name, as the directory tells it.
    pub display_name: Option<String>,
    /// The tenant's verified domains.
    pub verified_domains: Vec<String>,
    /// One by one, in the order in which they were made.
    pub checks: Vec<Check>,
    /// When it was tested.
    pub tested_at: DateTime<Utc>,
    /// What made the test.
    pub made_by: MadeBy,
    /// What is wrong although it works; empty: nothing.
    pub warning: String,
}

/// What made a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MadeBy {
    /// A run, on its way.
    Run,
    /// A person asked for it.
    Person,
    /// A connection in quarantine was tried by itself (B17).
    Quarantine,
}

impl MadeBy {
    /// The name in the table.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Person => "person",
            Self::Quarantine => "quarantine",
        }
    }

    fn of_key(key: &str) -> Option<Self> {
        [Self::Run, Self::Person, Self::Quarantine]
            .into_iter()
            .find(|made_by| made_by.key() == key)
    }
}

/// One step of a test: token, organization, or one permission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What was tried.
    pub name: String,
    /// Whether it went well.
    pub passed: bool,
    /// A closed word for programs, such as `wrong_secret`; empty when it passed.
    #[serde(default)]
    pub cause: String,
    /// The cause in a sentence.
    #[serde(default)]
    pub message: String,
    /// What to do about it.
    #[serde(default)]
    pub next_step: String,
}

/// Puts what a test found in place of the test before.
pub async fn put(connection: &mut PgConnection, id: ConnectionId, status: &Status) -> Result<(), StoreError> {
    sqlx::query(
        "-- connection_status.put
         INSERT INTO connection_status (connection_id, passed, display_name, verified_domains, checks, tested_at,
             made_by, warning)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (connection_id) DO UPDATE
         SET passed = excluded.passed,
             display_name = coalesce(excluded.display_name, connection_status.display_name),
             verified_domains = CASE WHEN excluded.display_name IS NULL THEN connection_status.verified_domains
                                     ELSE excluded.verified_domains END,
             checks = excluded.checks, tested_at = excluded.tested_at, made_by = excluded.made_by,
             warning = excluded.warning",
    )
    .bind(id.0)
    .bind(status.passed)
    .bind(&status.display_name)
    .bind(&status.verified_domains)
    .bind(Json(&status.checks))
    .bind(status.tested_at)
    .bind(status.made_by.key())
    .bind(&status.warning)
    .execute(connection)
    .await?;
    Ok(())
}

/// What the last tests of these connections found; those never tested are left out.
pub async fn of_connections(
    connection: &mut PgConnection,
    ids: &[ConnectionId],
) -> Result<Vec<(ConnectionId, Status)>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows: Vec<Row> = sqlx::query_as(
        "-- connection_status.of_connections
         SELECT connection_id, passed, display_name, verified_domains, checks, tested_at, made_by, warning
         FROM connection_status WHERE connection_id = ANY($1)",
    )
    .bind(ids)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| Ok((ConnectionId(row.connection_id), row.try_into()?)))
        .collect()
}

#[derive(sqlx::FromRow)]
struct Row {
    connection_id: Uuid,
    passed: bool,
    display_name: Option<String>,
    verified_domains: Vec<String>,
    checks: Json<Vec<Check>>,
    tested_at: DateTime<Utc>,
    made_by: String,
    warning: String,
}

impl TryFrom<Row> for Status {
    type Error = Inconsistent;

    fn try_from(row: Row) -> Result<Self, Inconsistent> {
        let made_by = MadeBy::of_key(&row.made_by)
            .ok_or_else(|| Inconsistent::new("connection_status", "made_by", row.connection_id))?;
        Ok(Self {
            passed: row.passed,
            display_name: row.display_name,
            verified_domains: row.verified_domains,
            checks: row.checks.0,
            tested_at: row.tested_at,
            made_by,
            warning: row.warning,
        })
    }
}
