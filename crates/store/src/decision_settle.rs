//! What only the whole of a run's decisions tells: contested accounts and logins. Reads and writes `decision`.

use domain::decision::{LoginKey, Skip};
use domain::id::{AccountId, ObjectId, OrganizationId, RunId};
use domain::overwrite::Rule;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::{Inconsistent, StoreError};

/// Positions of decisions on those who were on a page and as they were; others stand before.
const BEHIND_ALL: i32 = 1_000_000;

/// A decision's place: page and position.
pub type Place = (i32, i32);

/// A decision by rules 2–6 on an account that others may claim too.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Where it stands.
    pub place: Place,
    /// The user.
    pub object: ObjectId,
    /// How people tell the user from others.
    pub label: String,
    /// By which rule.
    pub rule: Rule,
    /// The account.
    pub account: AccountId,
    /// How people tell the account from others.
    pub account_label: String,
}

/// A decision that takes an account from the object which held it.
#[derive(Clone, Debug)]
pub struct Takeover {
    /// The claim.
    pub claim: Claim,
    /// How people tell the holder from others.
    pub holder_label: String,
    /// Whether the holder is still in the directory.
    pub holder_alive: bool,
}

/// Two records that would hold one login.
#[derive(Clone, Debug)]
pub struct LoginClash {
    /// The decision that can't be.
    pub place: Place,
    /// The login.
    pub key: LoginKey,
    /// Who else would hold it.
    pub others: Vec<String>,
}

/// Takeovers of the run, with the holder's fate: as decided in this run, else as it was seen, else (after a proved full
/// read) gone, else as the link says.
pub async fn takeovers(
    connection: &mut PgConnection,
    run: RunId,
    unseen_is_gone: bool,
) -> Result<Vec<Takeover>, StoreError> {
    let rows: Vec<TakeoverRow> = sqlx::query_as(
        "-- decision_settle.takeovers
         WITH takeover AS (
             SELECT * FROM decision WHERE run_id = $1 AND takes_from IS NOT NULL AND outcome <> 7
         ),
         seen AS (
             SELECT DISTINCT object_id FROM run_page, unnest(seen) AS object_id
             WHERE run_id = $1 AND object_id IN (SELECT takes_from FROM takeover)
         )
         SELECT t.page, t.position, t.object_id, coalesce(t.upn, t.name, t.object_id::text) AS label, t.rule,
             t.account_id, coalesce(a.upn, a.login, a.name, a.id::text) AS account_label,
             coalesce(h.upn, h.name, a.upn, t.takes_from::text) AS holder_label,
             CASE
                 WHEN h.link_status IS NOT NULL THEN h.link_status IN (1, 2, 5, 6)
                 WHEN s.object_id IS NULL AND $2 THEN false
                 ELSE coalesce(l.status IN (1, 2, 5, 6), false)
             END AS holder_alive
         FROM takeover t
         JOIN account a ON a.id = t.account_id
         JOIN run r ON r.id = t.run_id
         LEFT JOIN link l ON l.connection_id = r.connection_id AND l.object_id = t.takes_from AND l.target = t.kind
         LEFT JOIN seen s ON s.object_id = t.takes_from
         LEFT JOIN decision h ON h.run_id = $1 AND h.object_id = t.takes_from AND h.kind = t.kind",
    )
    .bind(run.0)
    .bind(unseen_is_gone)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Takeover {
                holder_label: row.holder_label,
                holder_alive: row.holder_alive,
                claim: row.claim.read(run)?,
            })
        })
        .collect()
}

/// Claims by rules 2–6 to accounts that more than one user claims, those to one account side by side.
pub async fn contested(connection: &mut PgConnection, run: RunId) -> Result<Vec<Claim>, StoreError> {
    let rows: Vec<ClaimRow> = sqlx::query_as(
        "-- decision_settle.contested
         SELECT d.page, d.position, d.object_id, coalesce(d.upn, d.name, d.object_id::text) AS label, d.rule,
             d.account_id, coalesce(a.upn, a.login, a.name, a.id::text) AS account_label
         FROM decision d JOIN account a ON a.id = d.account_id
         WHERE d.run_id = $1 AND d.rule > 1 AND d.outcome <> 7 AND d.account_id IN (
             SELECT account_id FROM decision WHERE run_id = $1 AND rule > 1 AND outcome <> 7
             GROUP BY account_id HAVING count(*) > 1)
         ORDER BY d.account_id, d.object_id",
    )
    .bind(run.0)
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(|row| row.read(run)).collect()
}

/// The objects whose accounts others take are superseded, those that are as they were, too: nothing else happens to them.
pub async fn supersede(connection: &mut PgConnection, run: RunId) -> Result<(), StoreError> {
    sqlx::query(
        "-- decision_settle.supersede
         UPDATE decision SET outcome = 4, action = 0, cause = 0, rule = 0, skip = $2, reason = $3, hash = 0,
             login_key = NULL, domain_key = NULL, account_id = NULL
         WHERE run_id = $1 AND ((object_id, kind) IN (
             -- Not as a join, for which the planner may compare each with each.
             SELECT takes_from, kind FROM decision WHERE run_id = $1 AND takes_from IS NOT NULL AND outcome <> 7)) IS TRUE",
    )
    .bind(run.0)
    .bind(Skip::Superseded as i16)
    .bind(Skip::Superseded.to_string())
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "-- decision_settle.supersede_unchanged
         WITH holder AS (
             SELECT DISTINCT t.takes_from AS object_id, t.kind FROM decision t
             WHERE t.run_id = $1 AND t.takes_from IS NOT NULL AND t.outcome <> 7 AND NOT EXISTS (
                 SELECT 1 FROM decision d WHERE d.run_id = $1 AND d.object_id = t.takes_from AND d.kind = t.kind)
         ),
         seen AS (
             SELECT object_id, max(number) AS page FROM run_page, unnest(seen) AS object_id
             WHERE run_id = $1 AND number > 0 AND object_id IN (SELECT object_id FROM holder)
             GROUP BY object_id
         ),
         superseded AS (
             INSERT INTO decision (run_id, page, position, object_id, outcome, rule, action, cause, account_version,
                 link_status, hash, had_link, late, skip, role, name, upn, reason, kind, counts)
             SELECT $1, s.page, $4 + row_number() OVER (ORDER BY h.object_id, h.kind)::int, h.object_id, 4, 0, 0, 0, 0,
                 l.status, 0, true, false, $2, 0, a.name, a.upn, $3, h.kind, NOT EXISTS (
                     SELECT 1 FROM link o
                     WHERE o.connection_id = l.connection_id AND o.object_id = l.object_id AND o.target <> l.target)
             FROM holder h
             JOIN seen s ON s.object_id = h.object_id
             JOIN run r ON r.id = $1
             JOIN link l ON l.connection_id = r.connection_id AND l.object_id = h.object_id AND l.target = h.kind
             LEFT JOIN account a ON a.id = l.account_id
             RETURNING page
         ),
         per_page AS (SELECT page, count(*)::int AS decisions FROM superseded GROUP BY page)
         UPDATE run_page p SET decisions = p.decisions + n.decisions FROM per_page n
         WHERE p.run_id = $1 AND p.number = n.page",
    )
    .bind(run.0)
    .bind(Skip::Superseded as i16)
    .bind(Skip::Superseded.to_string())
    .bind(BEHIND_ALL)
    .execute(connection)
    .await?;
    Ok(())
}

/// Logins that two decisions would give out, or one decision and an account that keeps its own.
pub async fn login_clashes(
    connection: &mut PgConnection,
    run: RunId,
    organization: OrganizationId,
    any_account: bool,
) -> Result<Vec<LoginClash>, StoreError> {
    let mut clashes: Vec<ClashRow> = sqlx::query_as(
        "-- decision_settle.login_clashes_within
         WITH twice AS (
             SELECT login_key, domain_key FROM decision WHERE run_id = $1 AND login_key IS NOT NULL
             GROUP BY login_key, domain_key HAVING count(*) > 1
         )
         SELECT d.page, d.position, d.login_key, d.domain_key,
             ARRAY(SELECT coalesce(o.upn, o.name, o.object_id::text) FROM decision o
                 WHERE o.run_id = $1 AND o.login_key = d.login_key AND o.domain_key = d.domain_key
                   AND (o.page, o.position) <> (d.page, d.position) ORDER BY 1 LIMIT 3) AS others
         FROM twice t JOIN decision d
             ON d.run_id = $1 AND d.login_key = t.login_key AND d.domain_key = t.domain_key",
    )
    .bind(run.0)
    .fetch_all(&mut *connection)
    .await?;
    if any_account {
        let held: Vec<ClashRow> = sqlx::query_as(
            "-- decision_settle.login_clashes_with_accounts
             SELECT d.page, d.position, d.login_key, d.domain_key,
                 ARRAY[coalesce(a.upn, a.name, a.login, a.id::text)] AS others
             FROM decision d
             JOIN account a ON a.organization_id = $2 AND a.login_key = d.login_key AND a.domain_key = d.domain_key
                 AND a.id <> d.account_id
             WHERE d.run_id = $1 AND d.login_key IS NOT NULL AND NOT EXISTS (
                 SELECT 1 FROM decision r WHERE r.run_id = $1 AND r.account_id = a.id AND r.outcome IN (2, 5, 6)
                     -- What a revert deletes gives its login up, and nobody holds that back.
                     AND (r.login_key IS NOT NULL OR r.outcome = 5 AND r.action = 4 AND EXISTS (
                         SELECT 1 FROM run n WHERE n.id = $1 AND n.reverts IS NOT NULL)))
               -- A manual run has made it for the same object since: no clash, the decision will step aside.
               AND NOT EXISTS (
                 SELECT 1 FROM link l JOIN run n ON n.id = $1
                 WHERE l.account_id = a.id AND l.connection_id = n.connection_id AND l.object_id = d.object_id)",
        )
        .bind(run.0)
        .bind(organization.0)
        .fetch_all(connection)
        .await?;
        clashes.extend(held);
    }
    Ok(clashes.into_iter().map(LoginClash::from).collect())
}

/// Marks what must wait for the transaction that ends the run: accounts that change their login, and those who take a
/// login that such a one gives up.
pub async fn mark_late(
    connection: &mut PgConnection,
    run: RunId,
    organization: OrganizationId,
) -> Result<(), StoreError> {
    sqlx::query(
        "-- decision_settle.mark_late
         UPDATE decision d SET late = true
         WHERE d.run_id = $1 AND d.login_key IS NOT NULL AND d.outcome <> 7 AND (d.account_version > 0 OR EXISTS (
             SELECT 1 FROM account a
             WHERE a.organization_id = $2 AND a.login_key = d.login_key AND a.domain_key = d.domain_key))",
    )
    .bind(run.0)
    .bind(organization.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// Marks what must wait for the transaction that ends a revert: whoever takes a login that somebody holds just now.
pub async fn mark_late_of_revert(
    connection: &mut PgConnection,
    run: RunId,
    organization: OrganizationId,
) -> Result<(), StoreError> {
    sqlx::query(
        "-- decision_settle.mark_late_of_revert
         UPDATE decision d SET late = true
         WHERE d.run_id = $1 AND d.login_key IS NOT NULL AND d.outcome <> 7 AND EXISTS (
             SELECT 1 FROM account a
             WHERE a.organization_id = $2 AND a.login_key = d.login_key AND a.domain_key = d.domain_key)",
    )
    .bind(run.0)
    .bind(organization.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// Whatever is not applied yet becomes skipped, because the run was ended.
pub async fn drop_unapplied(connection: &mut PgConnection, run: RunId, why: &str) -> Result<(), StoreError> {
    sqlx::query(
        "-- decision_settle.drop_unapplied
         UPDATE decision d SET outcome = 4, action = 0, skip = $2, reason = $3
         FROM run_page p
         WHERE d.run_id = $1 AND p.run_id = $1 AND p.number = d.page AND (p.applied_at IS NULL OR d.late)
           AND d.outcome IN (1, 2, 5, 6)",
    )
    .bind(run.0)
    .bind(Skip::Cancelled as i16)
    .bind(why)
    .execute(connection)
    .await?;
    Ok(())
}

#[derive(FromRow)]
struct ClaimRow {
    page: i32,
    position: i32,
    object_id: Uuid,
    label: String,
    rule: i16,
    account_id: Uuid,
    account_label: String,
}

#[derive(FromRow)]
struct TakeoverRow {
    #[sqlx(flatten)]
    claim: ClaimRow,
    holder_label: String,
    holder_alive: bool,
}

#[derive(FromRow)]
struct ClashRow {
    page: i32,
    position: i32,
    login_key: String,
    domain_key: String,
    others: Vec<String>,
}

impl ClaimRow {
    fn read(self, run: RunId) -> Result<Claim, StoreError> {
        Ok(Claim {
            place: (self.page, self.position),
            object: ObjectId(self.object_id),
            label: self.label,
            rule: Rule::of_number(self.rule).ok_or_else(|| Inconsistent::new("decision", "rule", run))?,
            account: AccountId(self.account_id),
            account_label: self.account_label,
        })
    }
}

impl From<ClashRow> for LoginClash {
    fn from(row: ClashRow) -> Self {
        Self {
            place: (row.page, row.position),
            key: LoginKey {
                login: row.login_key,
                domain: row.domain_key,
            },
            others: row.others,
        }
    }
}
