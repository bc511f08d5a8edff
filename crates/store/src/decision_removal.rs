//! Removals of a run: which are kept back, and what the brake and the last owner say of the rest. Reads and writes
//! `decision`.

use domain::account::Status;
use domain::decision::{LinkStatus, Skip};
use domain::id::{AccountId, ConnectionId, RunId};
use domain::leaver::Cause;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::decision_settle::Place;
use crate::{Inconsistent, StoreError};

/// Removals and questions about records that a person said to keep, for this cause, become skipped.
pub async fn keep(connection: &mut PgConnection, run: RunId, id: ConnectionId) -> Result<(), StoreError> {
    sqlx::query(
        "-- decision_removal.keep
         UPDATE decision d SET outcome = 4, action = 0, skip = $3, reason = $4, hash = 0
         FROM review v
         WHERE d.run_id = $1 AND d.outcome IN (5, 6) AND v.connection_id = $2 AND v.object_id = d.object_id
           AND v.account_id = d.account_id AND v.cause = d.cause AND v.state = 'kept'",
    )
    .bind(run.0)
    .bind(id.0)
    .bind(Skip::Kept as i16)
    .bind(Skip::Kept.to_string())
    .execute(connection)
    .await?;
    Ok(())
}

/// Out-of-scope removals, and questions about one, of people to whom somebody in scope reports, as far as the register
/// knows, are left to the next full run, which knows who is whose manager. Answers how many.
pub async fn leave_managers(
    connection: &mut PgConnection,
    run: RunId,
    id: ConnectionId,
    why: &str,
) -> Result<u64, StoreError> {
    let leaving: Vec<Uuid> = sqlx::query_scalar(
        "-- decision_removal.out_of_scope
         SELECT object_id FROM decision
         WHERE run_id = $1 AND outcome IN (5, 6) AND cause = $2 AND object_id IS NOT NULL",
    )
    .bind(run.0)
    .bind(Cause::OutOfScope as i16)
    .fetch_all(&mut *connection)
    .await?;
    if leaving.is_empty() {
        return Ok(0);
    }
    let done = sqlx::query(
        "-- decision_removal.leave_managers
         UPDATE decision SET outcome = 3, action = 0, cause = 0, hash = 0, link_status = $4, reason = $5
         WHERE run_id = $1 AND outcome IN (5, 6) AND cause = $6 AND object_id::text IN (
             SELECT a.reporting_to FROM account a
             CROSS JOIN LATERAL (
                 SELECT 1 FROM link WHERE account_id = a.id AND connection_id = $2 AND status = $4 LIMIT 1
             ) l
             WHERE a.reporting_to = ANY ($3) AND a.status = 1)",
    )
    .bind(run.0)
    .bind(id.0)
    .bind(leaving.iter().map(Uuid::to_string).collect::<Vec<_>>())
    .bind(LinkStatus::Active as i16)
    .bind(why)
    .bind(Cause::OutOfScope as i16)
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}

/// The active owners that the run would remove by itself, by age.
pub async fn owners_removed(
    connection: &mut PgConnection,
    run: RunId,
) -> Result<Vec<(Place, Uuid)>, StoreError> {
    let rows: Vec<(i32, i32, Uuid)> = sqlx::query_as(
        "-- decision_removal.owners_removed
         SELECT d.page, d.position, a.id FROM decision d JOIN account a ON a.id = d.account_id
         WHERE d.run_id = $1 AND d.outcome = 5 AND a.role = 4 AND a.status = 1 ORDER BY a.id",
    )
    .bind(run.0)
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(page, position, id)| ((page, position), id))
        .collect())
}

/// Spares these records, each because of what stands beside it.
pub async fn spare(
    connection: &mut PgConnection,
    run: RunId,
    spared: &[(Place, Skip)],
) -> Result<(), StoreError> {
    if spared.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "-- decision_removal.spare
         UPDATE decision d SET outcome = 4, action = 0, skip = u.skip, reason = u.reason, hash = 0,
             waits_for_assets = false
         FROM unnest($2::int[], $3::int[], $4::smallint[], $5::text[]) AS u (page, position, skip, reason)
         WHERE d.run_id = $1 AND d.page = u.page AND d.position = u.position",
    )
    .bind(run.0)
    .bind(spared.iter().map(|((page, _), _)| *page).collect::<Vec<_>>())
    .bind(
        spared
            .iter()
            .map(|((_, position), _)| *position)
            .collect::<Vec<_>>(),
    )
    .bind(spared.iter().map(|(_, skip)| *skip as i16).collect::<Vec<_>>())
    .bind(
        spared
            .iter()
            .map(|(_, skip)| skip.to_string())
            .collect::<Vec<_>>(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// A deletion that the run would carry out by itself, of someone who holds assets.
#[derive(Clone, Debug)]
pub struct Holder {
    /// Where it stands.
    pub place: Place,
    /// The record.
    pub account: AccountId,
    /// Whether it can be used.
    pub status: Status,
}

/// Deletions that the run would carry out by itself, of those who hold assets (B6).
pub async fn holders_deleted(connection: &mut PgConnection, run: RunId) -> Result<Vec<Holder>, StoreError> {
    let rows: Vec<(i32, i32, Uuid, i16)> = sqlx::query_as(
        "-- decision_removal.holders_deleted
         SELECT d.page, d.position, a.id, a.status FROM decision d
         CROSS JOIN LATERAL (
             SELECT id, status FROM account WHERE id = d.account_id LIMIT 1
         ) a
         WHERE d.run_id = $1 AND d.outcome = 5 AND d.action = 4
           AND EXISTS (SELECT 1 FROM asset WHERE account_id = d.account_id)",
    )
    .bind(run.0)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|(page, position, account, status)| {
            Ok(Holder {
                place: (page, position),
                account: AccountId(account),
                status: Status::of_number(status)
                    .ok_or_else(|| Inconsistent::new("account", "status", account))?,
            })
        })
        .collect()
}

/// These deletions wait for assets; `true`: the account is deactivated meanwhile, else nothing happens to it. The reason
/// beside each goes before the one that it had.
pub async fn let_wait_for_assets(
    connection: &mut PgConnection,
    run: RunId,
    waiting: &[(Place, bool, String)],
) -> Result<(), StoreError> {
    if waiting.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "-- decision_removal.let_wait_for_assets
         UPDATE decision d SET waits_for_assets = true, hash = 0, reason = concat_ws('; ', u.reason, d.reason),
             outcome = CASE WHEN u.deactivates THEN 5 ELSE 6 END, action = CASE WHEN u.deactivates THEN 3 ELSE 4 END
         FROM unnest($2::int[], $3::int[], $4::boolean[], $5::text[]) AS u (page, position, deactivates, reason)
         WHERE d.run_id = $1 AND d.page = u.page AND d.position = u.position",
    )
    .bind(run.0)
    .bind(waiting.iter().map(|((page, _), ..)| *page).collect::<Vec<_>>())
    .bind(waiting.iter().map(|((_, position), ..)| *position).collect::<Vec<_>>())
    .bind(waiting.iter().map(|(_, deactivates, _)| *deactivates).collect::<Vec<_>>())
    .bind(waiting.iter().map(|(.., reason)| reason.as_str()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// How many active records the run would remove by itself.
pub async fn removals(connection: &mut PgConnection, run: RunId) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(
        "-- decision_removal.removals
         SELECT count(*) FROM decision d JOIN account a ON a.id = d.account_id
         WHERE d.run_id = $1 AND d.outcome = 5 AND a.status = 1",
    )
    .bind(run.0)
    .fetch_one(connection)
    .await?)
}

/// Holds every removal of the run. The reason that it had, such as the clause that does not hold, stays with it.
pub async fn hold_removals(connection: &mut PgConnection, run: RunId, why: &str) -> Result<(), StoreError> {
    sqlx::query(
        "-- decision_removal.hold_removals
         UPDATE decision SET outcome = 6, hash = 0, reason = concat_ws('; ', $2, reason)
         WHERE run_id = $1 AND outcome = 5",
    )
    .bind(run.0)
    .bind(why)
    .execute(connection)
    .await?;
    Ok(())
}

/// Drops every removal and every question about one: the fetch did not prove its end.
pub async fn drop_removals(connection: &mut PgConnection, run: RunId, why: &str) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "-- decision_removal.drop_removals
         UPDATE decision SET outcome = 4, action = 0, skip = $2, hash = 0, reason = $3
         WHERE run_id = $1 AND outcome IN (5, 6)",
    )
    .bind(run.0)
    .bind(Skip::Unproved as i16)
    .bind(why)
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
