//! What runs did to one account: its applied decisions. Only reads.

use chrono::{DateTime, Utc};
use domain::id::{AccountId, ObjectId, OrganizationId, RunId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::change_list::{Change, Row};
use crate::run::Kind;
use crate::{Inconsistent, StoreError, decision, page_fields};

/// One decision on an account, once its page was applied.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The run.
    pub run: RunId,
    /// What was asked for.
    pub kind: Kind,
    /// When it was asked for.
    pub at: DateTime<Utc>,
    /// The connection's name.
    pub connection: String,
    /// What it did.
    pub change: Change,
}

/// Where an account was created, as its link tells: run, page and object.
pub type Made = (RunId, i32, ObjectId);

/// The last `limit` decisions on an account that were applied, newest first: changes, removals and held ones, and the one
/// that created it.
pub async fn of_account(
    connection: &mut PgConnection,
    organization: OrganizationId,
    account: AccountId,
    made: Option<Made>,
    limit: i64,
) -> Result<Vec<Entry>, StoreError> {
    let rows: Vec<Stored> = sqlx::query_as(
        "-- history.of_account
         SELECT d.run_id, run.kind AS run_kind, run.created_at, connection.name AS connection, d.page, d.position, d.object_id,
             d.account_id, d.outcome, d.rule, d.action, d.cause, d.name, d.upn, d.reason, d.skip, d.kind, true AS applied
         FROM (
             SELECT * FROM decision WHERE account_id = $2 AND outcome IN (2, 5, 6)
             UNION ALL
             SELECT * FROM decision WHERE run_id = $3 AND page = $4 AND object_id = $5 AND account_id = $2 AND outcome = 1
         ) AS d
         JOIN run ON run.id = d.run_id AND run.organization_id = $1
         JOIN connection ON connection.id = run.connection_id
         CROSS JOIN LATERAL (
             -- The limit keeps the planner from reading the pages of all runs.
             SELECT attempt, applied_at FROM run_page WHERE run_id = d.run_id AND number = d.page LIMIT 1
         ) AS run_page
         JOIN run_plan ON run_plan.run_id = d.run_id AND run_plan.attempt = run_page.attempt
         WHERE run_page.applied_at IS NOT NULL AND (NOT d.late OR run_plan.state = 'finished')
         ORDER BY d.run_id DESC, d.page DESC, d.position DESC LIMIT $6",
    )
    .bind(organization.0)
    .bind(account.0)
    .bind(made.map(|(run, _, _)| run.0))
    .bind(made.map(|(_, page, _)| page))
    .bind(made.map(|(_, _, object)| object.0))
    .bind(limit)
    .fetch_all(&mut *connection)
    .await?;
    let changing: Vec<(RunId, i32, i32)> = rows
        .iter()
        .filter(|row| decision::changes_fields(row.decision.outcome, row.decision.skip))
        .map(|row| (RunId(row.run_id), row.decision.page, row.decision.position))
        .collect();
    let changes = page_fields::load_of_runs(connection, &changing).await?;
    rows.into_iter()
        .map(|row| {
            let run = RunId(row.run_id);
            let fields = changes.get(&(run, row.decision.page, row.decision.position));
            Ok(Entry {
                run,
                kind: Kind::of_key(&row.run_kind).ok_or_else(|| Inconsistent::new("run", "kind", run))?,
                at: row.created_at,
                connection: row.connection,
                change: row.decision.read(run, fields.map_or(&[], Vec::as_slice))?,
            })
        })
        .collect()
}

#[derive(sqlx::FromRow)]
struct Stored {
    run_id: Uuid,
    run_kind: String,
    created_at: DateTime<Utc>,
    connection: String,
    #[sqlx(flatten)]
    decision: Row,
}
