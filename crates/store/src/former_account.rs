//! `former_account`: accounts whose standing a run changed, for taking it back (B4). Written by reconciler.

use domain::account::{Account, Status};
use domain::id::{AccountId, RunId};
use domain::leaver::Cause;
use domain::undo::Standing;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Inconsistent, StoreError};

/// A change of standing.
#[derive(Clone, Copy, Debug)]
pub struct Moved {
    /// The account.
    pub account: AccountId,
    /// What it was.
    pub before: Standing,
    /// What the run made of it.
    pub after: Standing,
}

impl Moved {
    /// What was done to this account; nothing when it stands as before.
    #[must_use]
    pub fn of(before: Standing, account: &Account) -> Option<Self> {
        let after = Standing::of(account);
        (before != after).then_some(Self {
            account: account.id,
            before,
            after,
        })
    }
}

/// Keeps what a run changes, in the transaction that changes it.
pub async fn keep(connection: &mut PgConnection, run: RunId, moved: &[Moved]) -> Result<(), StoreError> {
    if moved.is_empty() {
        return Ok(());
    }
    let status = |of: fn(&Moved) -> Standing| -> Vec<i16> {
        moved.iter().map(|moved| of(moved).status as i16).collect()
    };
    let cause = |of: fn(&Moved) -> Standing| -> Vec<i16> {
        let number = |moved| of(moved).deactivated_for.map_or(0, |cause| cause as i16);
        moved.iter().map(number).collect()
    };
    sqlx::query(
        "-- former_account.keep
         INSERT INTO former_account (run_id, account_id, status, deactivated_for, new_status, new_deactivated_for)
         SELECT $1, u.* FROM unnest($2::uuid[], $3::smallint[], $4::smallint[], $5::smallint[], $6::smallint[])
             AS u (account_id, status, deactivated_for, new_status, new_deactivated_for)
         ON CONFLICT (run_id, account_id) DO UPDATE
         SET new_status = excluded.new_status, new_deactivated_for = excluded.new_deactivated_for",
    )
    .bind(run.0)
    .bind(moved.iter().map(|moved| moved.account.0).collect::<Vec<_>>())
    .bind(status(|moved| moved.before))
    .bind(cause(|moved| moved.before))
    .bind(status(|moved| moved.after))
    .bind(cause(|moved| moved.after))
    .execute(connection)
    .await?;
    Ok(())
}

/// What a run changed of these accounts.
pub async fn load(
    connection: &mut PgConnection,
    run: RunId,
    accounts: &[Uuid],
) -> Result<Vec<Moved>, StoreError> {
    let rows: Vec<(Uuid, i16, i16, i16, i16)> = sqlx::query_as(
        "-- former_account.load
         SELECT f.account_id, f.status, f.deactivated_for, f.new_status, f.new_deactivated_for
         FROM unnest($2::uuid[]) AS u (account_id)
         CROSS JOIN LATERAL (
             -- The limit keeps the planner from reading the whole table for a few of it.
             SELECT * FROM former_account WHERE run_id = $1 AND account_id = u.account_id LIMIT 1
         ) f",
    )
    .bind(run.0)
    .bind(accounts)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|(account, status, cause, new_status, new_cause)| {
            let standing = |status, cause| {
                Ok::<_, Inconsistent>(Standing {
                    status: Status::of_number(status)
                        .ok_or_else(|| Inconsistent::new("former_account", "status", account))?,
                    deactivated_for: Cause::of_number(cause),
                })
            };
            Ok(Moved {
                account: AccountId(account),
                before: standing(status, cause)?,
                after: standing(new_status, new_cause)?,
            })
        })
        .collect()
}

/// Deletes up to `limit` rows of runs whose details were given up. Answers how many.
pub async fn prune(connection: &mut PgConnection, limit: i64) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "-- former_account.prune
         DELETE FROM former_account WHERE ctid = ANY (ARRAY(
             SELECT f.ctid FROM run_partition w JOIN former_account f ON f.run_id >= w.from_id AND f.run_id < w.to_id
             WHERE w.pruned_at IS NOT NULL LIMIT $1))",
    )
    .bind(limit)
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
