//! Which runs are listed. Only reads.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use domain::id::{ConnectionId, OrganizationId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;
use crate::run::Kind;
use crate::run_view::State;

/// Runs that are told of one person at most, the latest.
const MOST: i64 = 1_000;

/// Which runs of an organization; all of them by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this connection.
    pub connection: Option<ConnectionId>,
    /// Of one of these kinds.
    pub kinds: Vec<Kind>,
    /// In one of these states.
    pub states: Vec<State>,
    /// Set off by this: `cli`; `schedule` for any schedule, `schedule nightly` for one.
    pub trigger: Option<String>,
    /// Asked for at this time or later.
    pub from: Option<DateTime<Utc>>,
    /// Asked for before this time.
    pub to: Option<DateTime<Utc>>,
    /// Those that failed, or in which a record did.
    pub with_failures: bool,
    /// Those that added, updated or removed anyone, or would.
    pub with_changes: bool,
    /// Only these, as [`of_person`] finds them.
    pub runs: Option<Vec<Uuid>>,
}

/// A run's state, as [`State`] has it, in the words of [`State::key`].
const STATE: &str = "CASE
    WHEN plan.state <> 'planning' THEN plan.state
    WHEN fetched.state = 'fetching' THEN 'fetching'
    WHEN fetched.state = 'fetched' OR plan.run_id IS NOT NULL THEN 'planning'
    WHEN fetched.state IS NOT NULL THEN fetched.state
    WHEN run.cancel_requested_at IS NOT NULL THEN 'cancelled'
    ELSE 'requested' END";

impl Filter {
    /// Those of one connection.
    #[must_use]
    pub fn of_connection(connection: ConnectionId) -> Self {
        Self {
            connection: Some(connection),
            ..Self::default()
        }
    }

    /// The condition on `run` alone, with the parameters $6 and up. What is not asked for stands nowhere in it, so that what is can go by its
    /// index.
    pub(crate) fn condition(&self) -> String {
        let mut sql = String::new();
        let asked = [
            (!self.kinds.is_empty(), "run.kind = ANY ($6)"),
            // A schedule's runs name it: `schedule nightly`.
            (self.trigger.is_some(), "(run.trigger = $8 OR starts_with(run.trigger, $8 || ' '))"),
            (self.from.is_some(), "run.created_at >= $9"),
            (self.to.is_some(), "run.created_at < $10"),
            (self.runs.is_some(), "run.id = ANY ($11)"),
            (
                self.with_failures,
                // Not as a join, for which the planner may compare each with each.
                "(run.id IN (
                     SELECT run_id FROM run_plan WHERE organization_id = $1 AND (failed > 0 OR state = 'failed')
                     UNION ALL SELECT run_id FROM run_fetch WHERE state = 'failed')) IS TRUE",
            ),
            (
                self.with_changes,
                "(run.id IN (
                     SELECT run_id FROM run_plan WHERE organization_id = $1 AND added + updated + removed > 0)) IS TRUE",
            ),
        ];
        for (_, condition) in asked.into_iter().filter(|(asked, _)| *asked) {
            let _ = write!(sql, " AND {condition}");
        }
        if !self.states.is_empty() {
            let _ = write!(
                sql,
                " AND (SELECT {STATE} FROM (VALUES (true)) AS one
                     LEFT JOIN run_fetch AS fetched ON fetched.run_id = run.id
                     LEFT JOIN run_plan AS plan ON plan.run_id = run.id) = ANY ($7)"
            );
        }
        // Each parameter has its type, used or not.
        sql + " AND ($6::text[], $7::text[], $8::text, $9::timestamptz, $10::timestamptz, $11::uuid[]) IS NOT DISTINCT FROM
            ($6, $7, $8, $9, $10, $11)"
    }
}

/// The latest runs that say something of a person, by object id, account id or UPN: that added, changed, removed or held
/// them, that were asked for by their name, or the last one in which they failed.
pub async fn of_person(
    connection: &mut PgConnection,
    organization: OrganizationId,
    who: &str,
) -> Result<Vec<Uuid>, StoreError> {
    let id = Uuid::try_parse(who).ok();
    let accounts: Vec<Uuid> = sqlx::query_scalar(
        "-- run_filter.accounts
         SELECT id FROM account WHERE organization_id = $1 AND lower(upn) = lower($2)
         UNION SELECT id FROM account WHERE organization_id = $1 AND id = $3
         UNION SELECT l.account_id FROM connection c CROSS JOIN LATERAL (
             SELECT account_id FROM link WHERE connection_id = c.id AND object_id = $3 AND account_id IS NOT NULL
             UNION ALL SELECT from_account_id FROM link_edit
                 WHERE connection_id = c.id AND object_id = $3 AND from_account_id IS NOT NULL
         ) l WHERE c.organization_id = $1",
    )
    .bind(organization.0)
    .bind(who)
    .bind(id)
    .fetch_all(&mut *connection)
    .await?;
    Ok(sqlx::query_scalar(
        "-- run_filter.of_person
         SELECT run_id FROM decision WHERE account_id = ANY ($2) AND outcome IN (2, 5, 6)
         UNION SELECT linked_run FROM link WHERE account_id = ANY ($2) AND linked_run IS NOT NULL
         UNION SELECT last_run_id FROM failed_record
             WHERE organization_id = $1 AND (object_id = $4 OR lower(upn) = lower($3))
         UNION SELECT r.id FROM connection c
             JOIN run r ON r.connection_id = c.id AND r.kind = 'manual'
             WHERE c.organization_id = $1 AND EXISTS (SELECT FROM unnest(r.keys) AS key WHERE lower(key) = lower($3))
         ORDER BY 1 DESC LIMIT $5",
    )
    .bind(organization.0)
    .bind(accounts)
    .bind(who)
    .bind(id)
    .bind(MOST)
    .fetch_all(connection)
    .await?)
}
