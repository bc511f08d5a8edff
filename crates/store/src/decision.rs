//! `decision`: what to do with one object, and why. Written by reconciler.

use domain::account::{Kind, Role};
use domain::decision::{Action, BroughtIn, Decision, LinkStatus, LoginKey, Outcome, Skip};
use domain::id::{AccountId, ObjectId, OrganizationId, RunId};
use domain::leaver::Cause;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::copy::Rows;
use crate::{Inconsistent, StoreError, page_fields};

/// How many columns `COPY` names.
const COLUMNS: i16 = 24;

const COPY: &str = "COPY decision (run_id, page, position, object_id, account_id, outcome, rule, action, cause, \
    account_version, link_status, hash, takes_from, had_link, late, skip, role, name, upn, login_key, domain_key, \
    reason, kind, brought_in) FROM STDIN (FORMAT binary)";

/// The decisions of a page on their way into the table.
#[derive(Debug)]
pub struct Insert {
    rows: Rows,
    fields: page_fields::Writer,
}

/// What applying needs of a decision.
#[derive(Clone, Debug)]
pub struct Applicable {
    /// The page.
    pub page: i32,
    /// The place in the page.
    pub position: i32,
    /// The object.
    pub object: ObjectId,
    /// What its record is.
    pub kind: Kind,
    /// The account.
    pub account: Option<AccountId>,
    /// The account's version that was decided upon; 0 for a new one.
    pub account_version: i32,
    /// What counts.
    pub outcome: Outcome,
    /// The overwrite rule that matched; 0 for none.
    pub rule: i16,
    /// What happens to the account.
    pub action: Action,
    /// Why it leaves.
    pub cause: Option<Cause>,
    /// What the link will say.
    pub status: LinkStatus,
    /// How it came in.
    pub brought_in: BroughtIn,
    /// Why the object is left out.
    pub skip: Option<Skip>,
    /// The hash to remember.
    pub hash: u64,
    /// The object that held the account until now.
    pub takes_from: Option<ObjectId>,
    /// Whether a link row was there.
    pub had_link: bool,
    /// The role of a new account.
    pub role: Role,
    /// The login that the account will hold, when that changes.
    pub login: Option<LoginKey>,
    /// Why, in words.
    pub reason: Option<String>,
    /// Whether the deletion waits until the assets are returned.
    pub waits_for_assets: bool,
    /// Changed fields, as [`fields`](crate::fields) writes them.
    pub fields: Vec<u8>,
}

impl Default for Insert {
    fn default() -> Self {
        Self {
            rows: Rows::new(COLUMNS),
            fields: page_fields::Writer::default(),
        }
    }
}

impl Insert {
    /// Adds a decision at its place. `had_link`: whether the object has a link row.
    pub fn push(&mut self, run: RunId, page: i32, position: i32, decision: &Decision<'_>, had_link: bool) {
        self.fields.push(position, &decision.fields);
        self.rows
            .row()
            .uuid(Some(run.0))
            .integer(page)
            .integer(position)
            .uuid(decision.object.map(|object| object.0))
            .uuid(decision.account.map(|account| account.0))
            .smallint(decision.outcome as i16)
            .smallint(decision.rule.map_or(0, |rule| rule as i16))
            .smallint(decision.action as i16)
            .smallint(decision.cause.map_or(0, |cause| cause as i16))
            .integer(decision.account_version)
            .smallint(decision.status as i16)
            .bigint(decision.hash.cast_signed())
            .uuid(decision.takes_from.map(|object| object.0))
            .boolean(had_link)
            .boolean(false)
            .smallint(decision.skip.map_or(0, |skip| skip as i16))
            .smallint(decision.role.map_or(0, |role| role as i16))
            .text(decision.name.as_deref())
            .text(decision.upn.as_deref())
            .text(decision.login.as_ref().map(|key| key.login.as_str()))
            .text(decision.login.as_ref().map(|key| key.domain.as_str()))
            .text(decision.reason.as_deref())
            .smallint(decision.kind as i16)
            .smallint(decision.brought_in as i16);
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// What they change, for their page's row.
    #[must_use]
    pub fn fields(&self) -> Vec<u8> {
        self.fields.finish()
    }

    /// Sends them.
    pub async fn send(self, connection: &mut PgConnection) -> Result<(), StoreError> {
        self.rows.send(connection, COPY).await
    }
}

/// The decisions of these pages that have something to apply: no failed ones, and late ones only when `late`.
pub async fn applicable(
    connection: &mut PgConnection,
    run: RunId,
    pages: &[i32],
) -> Result<Vec<Applicable>, StoreError> {
    let rows: Vec<Lookup> = sqlx::query_as(
        "-- decision.applicable
         SELECT page, position, object_id, account_id, account_version, outcome, rule, action, cause, link_status, skip,
             hash, takes_from, had_link, role, login_key, domain_key, reason, kind, brought_in, waits_for_assets
         FROM decision
         WHERE run_id = $1 AND page = ANY($2) AND outcome <> 7 AND NOT late AND object_id IS NOT NULL
         ORDER BY page, position",
    )
    .bind(run.0)
    .bind(pages)
    .fetch_all(&mut *connection)
    .await?;
    read(connection, run, rows).await
}

/// Up to `limit` late decisions of the run behind a place.
pub async fn late(
    connection: &mut PgConnection,
    run: RunId,
    after: (i32, i32),
    limit: i64,
) -> Result<Vec<Applicable>, StoreError> {
    let rows: Vec<Lookup> = sqlx::query_as(
        "-- decision.late
         SELECT page, position, object_id, account_id, account_version, outcome, rule, action, cause, link_status, skip,
             hash, takes_from, had_link, role, login_key, domain_key, reason, kind, brought_in, waits_for_assets
         FROM decision
         WHERE run_id = $1 AND late AND outcome <> 7 AND object_id IS NOT NULL AND (page, position) > ($2, $3)
         ORDER BY page, position LIMIT $4",
    )
    .bind(run.0)
    .bind(after.0)
    .bind(after.1)
    .bind(limit)
    .fetch_all(&mut *connection)
    .await?;
    read(connection, run, rows).await
}

/// Turns decisions into failed ones, with the reasons beside their places.
pub async fn fail(
    connection: &mut PgConnection,
    run: RunId,
    failures: &[((i32, i32), String)],
) -> Result<(), StoreError> {
    if failures.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "-- decision.fail
         UPDATE decision d SET outcome = 7, action = 0, hash = 0, takes_from = NULL, login_key = NULL,
             domain_key = NULL, reason = u.reason,
             -- An account that would have been new will never be.
             account_id = CASE WHEN d.account_version = 0 THEN NULL ELSE d.account_id END
         FROM unnest($2::int[], $3::int[], $4::text[]) AS u (page, position, reason)
         WHERE d.run_id = $1 AND d.page = u.page AND d.position = u.position",
    )
    .bind(run.0)
    .bind(failures.iter().map(|((page, _), _)| *page).collect::<Vec<_>>())
    .bind(
        failures
            .iter()
            .map(|((_, position), _)| *position)
            .collect::<Vec<_>>(),
    )
    .bind(
        failures
            .iter()
            .map(|(_, reason)| reason.as_str())
            .collect::<Vec<_>>(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// These decisions to leave someone out don't count: nothing changes for them as the other kind of record.
pub async fn uncount(
    connection: &mut PgConnection,
    (run, page): (RunId, i32),
    positions: &[i32],
) -> Result<(), StoreError> {
    if positions.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "-- decision.uncount
         UPDATE decision SET counts = false WHERE run_id = $1 AND page = $2 AND position = ANY($3)",
    )
    .bind(run.0)
    .bind(page)
    .bind(positions)
    .execute(connection)
    .await?;
    Ok(())
}

/// Up to `limit` of the objects whose decisions failed, with their places and the kind's number, those behind `after`.
pub async fn failed_objects(
    connection: &mut PgConnection,
    run: RunId,
    after: (i32, i32),
    limit: i64,
) -> Result<Vec<((i32, i32), Uuid, i16)>, StoreError> {
    let rows: Vec<(i32, i32, Uuid, i16)> = sqlx::query_as(
        "-- decision.failed_objects
         SELECT page, position, object_id, kind FROM decision
         WHERE run_id = $1 AND outcome = 7 AND object_id IS NOT NULL AND (page, position) > ($2, $3)
         ORDER BY page, position LIMIT $4",
    )
    .bind(run.0)
    .bind(after.0)
    .bind(after.1)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(page, position, object, kind)| ((page, position), object, kind))
        .collect())
}

/// One record that a run removed by itself.
#[derive(Clone, Debug, FromRow)]
pub struct Removed {
    page: i32,
    position: i32,
    /// The account or person.
    pub account_id: Uuid,
    /// The object that feeds it.
    pub object_id: Uuid,
    /// Its role's number.
    pub role: i16,
    action: i16,
    cause: i16,
    /// Its UPN.
    pub upn: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// What the decision says of it.
    pub reason: Option<String>,
}

impl Removed {
    /// Where it stands.
    #[must_use]
    pub const fn place(&self) -> (i32, i32) {
        (self.page, self.position)
    }

    /// What was done.
    #[must_use]
    pub fn action(&self) -> Option<Action> {
        Action::of_number(self.action)
    }

    /// Why it left.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        Cause::of_number(self.cause)
    }
}

/// Up to `limit` of the records that the run removed by itself, those behind a place.
pub async fn removed(
    connection: &mut PgConnection,
    run: RunId,
    after: (i32, i32),
    limit: i64,
) -> Result<Vec<Removed>, StoreError> {
    Ok(sqlx::query_as(
        "-- decision.removed
         SELECT d.page, d.position, d.account_id, d.object_id, a.role, d.action, d.cause, coalesce(d.upn, a.upn) AS upn,
             coalesce(d.name, a.name) AS name, d.reason
         FROM decision d CROSS JOIN LATERAL (
             SELECT role, upn, name FROM account WHERE id = d.account_id LIMIT 1
         ) a
         WHERE d.run_id = $1 AND d.outcome = 5 AND d.object_id IS NOT NULL AND (d.page, d.position) > ($2, $3)
         ORDER BY d.page, d.position LIMIT $4",
    )
    .bind(run.0)
    .bind(after.0)
    .bind(after.1)
    .bind(limit)
    .fetch_all(connection)
    .await?)
}

/// Takes out of all decisions on these records what they say of a person: those on the accounts, and those on the objects
/// that are linked to them. Outcomes, ids and counts stay. Reads the whole table, which nobody does often.
pub async fn forget_accounts(
    connection: &mut PgConnection,
    organization: OrganizationId,
    accounts: &[Uuid],
) -> Result<(), StoreError> {
    let places: Vec<(Uuid, i32, i32)> = sqlx::query_as(
        "-- decision.forget_accounts
         WITH linked AS (
             SELECT connection_id, object_id, target FROM link WHERE account_id = ANY($2)
         )
         UPDATE decision d SET name = NULL, upn = NULL, login_key = NULL, domain_key = NULL, reason = NULL
         FROM run r
         WHERE r.id = d.run_id AND r.organization_id = $1 AND (d.account_id = ANY($2) OR (
             d.account_id IS NULL AND (r.connection_id, d.object_id, d.kind) IN (SELECT * FROM linked)))
         RETURNING d.run_id, d.page, d.position",
    )
    .bind(organization.0)
    .bind(accounts)
    .fetch_all(&mut *connection)
    .await?;
    page_fields::forget(connection, &places).await
}

/// Removes every decision of a run; its pages are void.
pub async fn delete_of_run(connection: &mut PgConnection, run: RunId) -> Result<(), StoreError> {
    sqlx::query("-- decision.delete_of_run\nDELETE FROM decision WHERE run_id = $1")
        .bind(run.0)
        .execute(connection)
        .await?;
    Ok(())
}

#[derive(FromRow)]
struct Lookup {
    page: i32,
    position: i32,
    object_id: Uuid,
    account_id: Option<Uuid>,
    account_version: i32,
    outcome: i16,
    rule: i16,
    action: i16,
    cause: i16,
    link_status: i16,
    skip: i16,
    hash: i64,
    takes_from: Option<Uuid>,
    had_link: bool,
    role: i16,
    login_key: Option<String>,
    domain_key: Option<String>,
    reason: Option<String>,
    kind: i16,
    brought_in: i16,
    waits_for_assets: bool,
}

/// With what they change.
async fn read(
    connection: &mut PgConnection,
    run: RunId,
    rows: Vec<Lookup>,
) -> Result<Vec<Applicable>, StoreError> {
    let changing: Vec<(i32, i32)> = rows
        .iter()
        .filter(|row| changes_fields(row.outcome, row.skip))
        .map(|row| (row.page, row.position))
        .collect();
    let mut changes = page_fields::load(connection, run, &changing).await?;
    rows.into_iter()
        .map(|row| {
            let fields = changes.remove(&(row.page, row.position)).unwrap_or_default();
            row.read(run, fields)
        })
        .collect()
}

/// Whether what was decided at first about the fields still counts: not of failed ones, nor of those whose account somebody
/// else takes, nor of those that another run has dealt with.
pub(crate) fn changes_fields(outcome: i16, skip: i16) -> bool {
    outcome != Outcome::Failed as i16
        && outcome != Outcome::Unchanged as i16
        && skip != Skip::Superseded as i16
}

impl Lookup {
    fn read(self, run: RunId, fields: Vec<u8>) -> Result<Applicable, StoreError> {
        let broken = |column| {
            Inconsistent::new(
                "decision",
                column,
                format!("{run} {} {}", self.page, self.position),
            )
        };
        Ok(Applicable {
            page: self.page,
            position: self.position,
            object: ObjectId(self.object_id),
            kind: Kind::of_number(self.kind).ok_or_else(|| broken("kind"))?,
            account: self.account_id.map(AccountId),
            account_version: self.account_version,
            outcome: Outcome::of_number(self.outcome).ok_or_else(|| broken("outcome"))?,
            rule: self.rule,
            action: Action::of_number(self.action).ok_or_else(|| broken("action"))?,
            cause: Cause::of_number(self.cause),
            status: LinkStatus::of_number(self.link_status).ok_or_else(|| broken("link_status"))?,
            brought_in: BroughtIn::of_number(self.brought_in).ok_or_else(|| broken("brought_in"))?,
            skip: Skip::of_number(self.skip),
            hash: self.hash.cast_unsigned(),
            takes_from: self.takes_from.map(ObjectId),
            had_link: self.had_link,
            role: Role::of_number(self.role).unwrap_or(Role::User),
            login: self.login_key.map(|login| LoginKey {
                login,
                domain: self.domain_key.unwrap_or_default(),
            }),
            reason: self.reason,
            waits_for_assets: self.waits_for_assets,
            fields,
        })
    }
}
