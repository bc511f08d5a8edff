//! Manual runs go on beside the other runs of their connection, and both write the register: what one of them has done since
//! the other decided. Reads `run`, `run_plan` and `link`; writes `decision`.

use domain::id::{ConnectionId, RunId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;

/// Users that a manual run has dealt with, and which run that was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handled {
    objects: Vec<Uuid>,
    runs: Vec<Uuid>,
}

impl Handled {
    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }
}

/// Which decisions are about to be applied.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// Those of these pages, late ones aside.
    Pages(&'a [i32]),
    /// The late ones.
    Late,
}

/// Lets a manual run alone write what it has decided, or the other runs of the connection together, until the transaction
/// ends: so nobody links an object between another's look and its write.
pub async fn enter(connection: &mut PgConnection, of: ConnectionId, alone: bool) -> Result<(), StoreError> {
    let statement = if alone {
        "-- run_beside.enter_alone\nSELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
    } else {
        "-- run_beside.enter\nSELECT pg_advisory_xact_lock_shared(hashtextextended($1, 0))"
    };
    sqlx::query(statement)
        .bind(format!("run.beside {of}"))
        .execute(connection)
        .await?;
    Ok(())
}

/// What manual runs of the connection have done since this run's plan was begun.
pub async fn handled(connection: &mut PgConnection, run: RunId) -> Result<Handled, StoreError> {
    let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "-- run_beside.handled
         SELECT DISTINCT ON (m.object_id) m.object_id, m.run_id
         FROM run_plan own
         JOIN run_plan p ON p.connection_id = own.connection_id AND p.run_id <> own.run_id
             AND (p.ended_at IS NULL OR p.ended_at >= own.created_at)
         JOIN run r ON r.id = p.run_id AND r.kind = 'manual'
         CROSS JOIN LATERAL (
             -- Not as a join, which may read the decisions of all runs.
             SELECT run_id, object_id FROM decision
             WHERE run_id = p.run_id AND object_id IS NOT NULL AND outcome IN (1, 2, 3, 5) OFFSET 0
         ) m
         WHERE own.run_id = $1",
    )
    .bind(run.0)
    .fetch_all(connection)
    .await?;
    let (objects, runs) = rows.into_iter().unzip();
    Ok(Handled { objects, runs })
}

/// Decisions whose ground is gone become unchanged, to be decided anew by the next run: somebody else has linked the
/// object, or a manual run has written its account. `handled` narrows them to what manual runs did; without it, whoever did
/// it. Answers how many.
pub async fn step_aside(
    connection: &mut PgConnection,
    run: RunId,
    of: ConnectionId,
    which: Which<'_>,
    handled: Option<&Handled>,
) -> Result<u64, StoreError> {
    let pages = match which {
        Which::Pages(pages) => Some(pages),
        Which::Late => None,
    };
    let done = sqlx::query(
        "-- run_beside.step_aside
         UPDATE decision d SET outcome = 3, action = 0, cause = 0, rule = 0, hash = 0, skip = 0, late = false,
             takes_from = NULL, login_key = NULL, domain_key = NULL, account_id = o.account_id,
             link_status = o.status, reason = coalesce('imported by run ' || o.by || ' meanwhile',
                 'linked by another run meanwhile'),
             brought_in = CASE WHEN d.brought_in = 0 THEN o.brought_in ELSE d.brought_in END
         FROM (
             SELECT t.page, t.position, l.account_id, l.status, l.brought_in,
                 (SELECT b.run_id::text FROM unnest($5::uuid[], $6::uuid[]) AS b (object_id, run_id)
                  WHERE b.object_id = t.object_id LIMIT 1) AS by
             FROM decision t
             CROSS JOIN LATERAL (
                 SELECT * FROM link WHERE connection_id = $2 AND object_id = t.object_id AND target = t.kind LIMIT 1
             ) l
             JOIN account a ON a.id = l.account_id
             WHERE t.run_id = $1 AND t.late = ($3::int[] IS NULL) AND ($3 IS NULL OR t.page = ANY($3))
               AND ($5 IS NULL OR t.object_id = ANY($5))
               AND (t.outcome = 1
                    OR t.outcome IN (2, 5, 6) AND t.rule > 1
                    OR t.outcome = 4 AND t.account_id IS NULL AND t.skip <> $4
                    OR $5 IS NOT NULL AND t.outcome IN (2, 5, 6) AND t.account_id = l.account_id
                       AND t.account_version <> a.version)
         ) o
         WHERE d.run_id = $1 AND d.page = o.page AND d.position = o.position",
    )
    .bind(run.0)
    .bind(of.0)
    .bind(pages)
    .bind(domain::decision::Skip::Superseded as i16)
    .bind(handled.map(|handled| &handled.objects))
    .bind(handled.map(|handled| &handled.runs))
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}

/// A run of the connection that is being read, planned or applied, manual ones and reverts too.
pub async fn any_active(
    connection: &mut PgConnection,
    id: ConnectionId,
) -> Result<Option<RunId>, StoreError> {
    let row: Option<Uuid> = sqlx::query_scalar(
        "-- run_plan.any_active
         SELECT r.id FROM run r
         LEFT JOIN run_fetch f ON f.run_id = r.id LEFT JOIN run_plan p ON p.run_id = r.id
         WHERE r.connection_id = $1 AND (f.run_id IS NOT NULL OR r.reverts IS NOT NULL)
           AND (p.run_id IS NULL OR p.state IN ('planning', 'applying')) LIMIT 1",
    )
    .bind(id.0)
    .fetch_optional(connection)
    .await?;
    Ok(row.map(RunId))
}
