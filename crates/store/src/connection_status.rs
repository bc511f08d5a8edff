//! `connection_status`: what the last test of a connection found (C5, C7, C8). Written by fetcher.

use chrono::{DateTime, Utc};
use domain::id::ConnectionId;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::StoreError;

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
         INSERT INTO connection_status (connection_id, passed, display_name, verified_domains, checks, tested_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (connection_id) DO UPDATE
         SET passed = excluded.passed,
             display_name = coalesce(excluded.display_name, connection_status.display_name),
             verified_domains = CASE WHEN excluded.display_name IS NULL THEN connection_status.verified_domains
                                     ELSE excluded.verified_domains END,
             checks = excluded.checks, tested_at = excluded.tested_at",
    )
    .bind(id.0)
    .bind(status.passed)
    .bind(&status.display_name)
    .bind(&status.verified_domains)
    .bind(Json(&status.checks))
    .bind(status.tested_at)
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
         SELECT connection_id, passed, display_name, verified_domains, checks, tested_at
         FROM connection_status WHERE connection_id = ANY($1)",
    )
    .bind(ids)
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (ConnectionId(row.connection_id), row.into()))
        .collect())
}

#[derive(sqlx::FromRow)]
struct Row {
    connection_id: Uuid,
    passed: bool,
    display_name: Option<String>,
    verified_domains: Vec<String>,
    checks: Json<Vec<Check>>,
    tested_at: DateTime<Utc>,
}

impl From<Row> for Status {
    fn from(row: Row) -> Self {
        Self {
            passed: row.passed,
            display_name: row.display_name,
            verified_domains: row.verified_domains,
            checks: row.checks.0,
            tested_at: row.tested_at,
        }
    }
}
