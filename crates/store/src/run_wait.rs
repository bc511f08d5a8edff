//! `run_fetch`: what a reading has waited for, and waits for now (B16). Written by fetcher.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::StoreError;
use crate::run_fetch::{Hold, signed};

/// Waits of one cause.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// Why: `429 with Retry-After`, `503`, `the reconciler is behind`.
    pub cause: String,
    /// For what: `/users`; empty where the cause tells.
    pub resource: String,
    /// How many.
    pub count: u32,
    /// Their length in all, in milliseconds.
    pub total_ms: u64,
    /// The longest, in milliseconds.
    pub longest_ms: u64,
}

/// The wait that goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// For what, in words: `Graph: 429 with Retry-After on /users`.
    pub what: String,
    /// Until when, where that is known.
    pub until: Option<DateTime<Utc>>,
}

/// Writes both down, unless the reading is no longer its holder's.
pub async fn write(
    connection: &mut PgConnection,
    hold: &Hold,
    waits: &[Waits],
    waiting: Option<&Waiting>,
) -> Result<(), StoreError> {
    sqlx::query(
        "-- run_wait.write
         UPDATE run_fetch SET wait_causes = $4, waiting_for = $5, waiting_until = $6
         WHERE run_id = $1 AND attempt = $2 AND holder = $3 AND state = 'fetching'",
    )
    .bind(hold.run.0)
    .bind(signed(hold.attempt))
    .bind(&hold.holder)
    .bind(Json(waits))
    .bind(waiting.map(|waiting| &waiting.what))
    .bind(waiting.and_then(|waiting| waiting.until))
    .execute(connection)
    .await?;
    Ok(())
}
