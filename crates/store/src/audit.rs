//! `audit`: configuration changes, secrets redacted (C14). Written by api.

use chrono::{DateTime, Utc};
use domain::id::OrganizationId;
use serde_json::Value;
use sqlx::PgConnection;
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
