//! Linked objects that a run has not seen. Reads `link` and `run_page` into a table of its transaction.

use domain::decision::LinkStatus;
use domain::id::{AccountId, ConnectionId, ObjectId, RunId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::link::NotSeen;
use crate::{Inconsistent, StoreError};

/// Finds the linked objects that the run has not seen, and numbers them from 1 for [`batch`]. Answers how many.
pub async fn find(connection: &mut PgConnection, run: RunId, id: ConnectionId) -> Result<i64, StoreError> {
    // Until the tables have been analyzed the planner believes them to be empty, and would compare each with each.
    for setting in ["SET LOCAL work_mem = '128MB'", "SET LOCAL enable_nestloop = off"] {
        sqlx::query(setting).execute(&mut *connection).await?;
    }
    sqlx::query(
        "-- not_seen.create
         CREATE TEMP TABLE not_seen (number bigint GENERATED ALWAYS AS IDENTITY, object_id uuid, account_id uuid,
             status smallint) ON COMMIT DROP",
    )
    .execute(&mut *connection)
    .await?;
    let found = sqlx::query(
        "-- not_seen.fill
         INSERT INTO not_seen (object_id, account_id, status)
         SELECT l.object_id, l.account_id, l.status FROM link l
         WHERE l.connection_id = $2 AND l.account_id IS NOT NULL AND NOT EXISTS (
             SELECT 1 FROM (
                 SELECT unnest(seen) AS object_id FROM run_page WHERE run_id = $1
                 -- Somebody who came after the listing had passed may have been imported by hand since.
                 UNION ALL
                 SELECT unnest(g.seen) FROM run_fetch f
                 JOIN run_plan p ON p.connection_id = $2 AND (p.ended_at IS NULL OR p.ended_at >= f.started_at)
                 JOIN run r ON r.id = p.run_id AND r.kind = 'manual'
                 -- Not as a join, which would read the pages of all runs.
                 CROSS JOIN LATERAL (SELECT seen FROM run_page WHERE run_id = p.run_id OFFSET 0) g
                 WHERE f.run_id = $1
             ) s
             WHERE s.object_id = l.object_id)",
    )
    .bind(run.0)
    .bind(id.0)
    .execute(&mut *connection)
    .await?;
    sqlx::query("SET LOCAL enable_nestloop = on")
        .execute(connection)
        .await?;
    Ok(i64::try_from(found.rows_affected()).unwrap_or(i64::MAX))
}

/// One batch of what [`find`] found, numbers above `after`.
pub async fn batch(
    connection: &mut PgConnection,
    after: i64,
    limit: i64,
) -> Result<Vec<NotSeen>, StoreError> {
    let rows: Vec<(Uuid, Uuid, i16)> = sqlx::query_as(
        "-- not_seen.batch
         SELECT object_id, account_id, status FROM not_seen WHERE number > $1 ORDER BY number LIMIT $2",
    )
    .bind(after)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|(object, account, status)| {
            Ok(NotSeen {
                object: ObjectId(object),
                account: AccountId(account),
                status: LinkStatus::of_number(status)
                    .ok_or_else(|| Inconsistent::new("link", "status", object))?,
            })
        })
        .collect()
}
