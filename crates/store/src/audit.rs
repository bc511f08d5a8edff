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
    insert_all(connection, std::slice::from_ref(entry)).await
}

/// Adds these entries.
pub async fn insert_all(connection: &mut PgConnection, entries: &[Entry]) -> Result<(), StoreError> {
    fn each<'e, T>(entries: &'e [Entry], of: impl Fn(&'e Entry) -> T) -> Vec<T> {
        entries.iter().map(of).collect()
    }
    sqlx::query(
        "-- audit.insert_all
         INSERT INTO audit (id, organization_id, at, actor, action, subject, before, after)
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::jsonb[],
             $8::jsonb[])",
    )
    .bind(each(entries, |entry| entry.id))
    .bind(each(entries, |entry| entry.organization.0))
    .bind(each(entries, |entry| entry.at))
    .bind(each(entries, |entry| entry.actor.as_str()))
    .bind(each(entries, |entry| entry.action.as_str()))
    .bind(each(entries, |entry| entry.subject.as_str()))
    .bind(each(entries, |entry| entry.before.clone()))
    .bind(each(entries, |entry| entry.after.clone()))
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
