//! `audit`: configuration changes, secrets redacted (C14). Written by api.

use chrono::{DateTime, Utc};
use domain::id::OrganizationId;
use serde_json::Value;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::StoreError;

/// One change, before and after.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its key.
    pub id: Uuid,
    /// Whose configuration it was.
    pub organization: OrganizationId,
    /// When.
    pub at: DateTime<Utc>,
    /// Who: `token NAME`.
    pub actor: String,
    /// What: `connection.create`, …
    pub action: String,
    /// The name of the thing that changed.
    pub subject: String,
    /// What it was.
    pub before: Option<Value>,
    /// What it is.
    pub after: Option<Value>,
}

/// Adds an entry.
pub async fn insert(connection: &mut PgConnection, entry: &Entry) -> Result<(), StoreError> {
    sqlx::query(
        "-- audit.insert
         INSERT INTO audit (id, organization_id, at, actor, action, subject, before, after)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(entry.id)
    .bind(entry.organization.0)
    .bind(entry.at)
    .bind(&entry.actor)
    .bind(&entry.action)
    .bind(&entry.subject)
    .bind(&entry.before)
    .bind(&entry.after)
    .execute(connection)
    .await?;
    Ok(())
}

/// Which entries are listed.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Whose.
    pub organization: OrganizationId,
    /// Exactly this subject, letter case aside.
    pub subject: Option<String>,
    /// Exactly this actor.
    pub actor: Option<String>,
    /// From this time on.
    pub since: Option<DateTime<Utc>>,
    /// Before this time.
    pub until: Option<DateTime<Utc>>,
}

/// Up to `limit` entries, the latest first, those before `before`.
pub async fn list(
    connection: &mut PgConnection,
    filter: &Filter,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Entry>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "-- audit.list
         SELECT id, organization_id, at, actor, action, subject, before, after FROM audit
         WHERE organization_id = $1 AND ($2::text IS NULL OR lower(subject) = lower($2))
           AND ($3::text IS NULL OR actor = $3) AND ($4::timestamptz IS NULL OR at >= $4)
           AND ($5::timestamptz IS NULL OR at < $5) AND ($6::uuid IS NULL OR id < $6)
         ORDER BY id DESC LIMIT $7",
    )
    .bind(filter.organization.0)
    .bind(&filter.subject)
    .bind(&filter.actor)
    .bind(filter.since)
    .bind(filter.until)
    .bind(before)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(Entry::from).collect())
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    organization_id: Uuid,
    at: DateTime<Utc>,
    actor: String,
    action: String,
    subject: String,
    before: Option<Value>,
    after: Option<Value>,
}

impl From<Row> for Entry {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            organization: OrganizationId(row.organization_id),
            at: row.at,
            actor: row.actor,
            action: row.action,
            subject: row.subject,
            before: row.before,
            after: row.after,
        }
    }
}
