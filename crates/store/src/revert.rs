//! What a revert takes back, page by page of the run that it takes back (B4). Only reads.

use domain::account::{Kind, Role};
use domain::decision::{Action, BroughtIn, LinkStatus, Outcome, Skip};
use domain::id::{AccountId, ConnectionId, ObjectId, OrganizationId, RunId};
use domain::leaver::Cause;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::decision::changes_fields;
use crate::run::Kind as RunKind;
use crate::{Inconsistent, StoreError, page_fields};

/// What a revert was asked for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The run that it takes back.
    pub run: RunId,
    /// The objects whose records it takes back; empty for all.
    pub objects: Vec<Uuid>,
    /// Whether it stops with its plan.
    pub dry_run: bool,
    /// The number of the first page of that run: ours are counted from 1.
    first_page: i32,
}

impl Wanted {
    /// The page of ours that takes back this page.
    #[must_use]
    pub const fn page_of(&self, taken_back: i32) -> i32 {
        taken_back - self.first_page + 1
    }

    /// The page that this page of ours takes back.
    #[must_use]
    pub const fn taken_back(&self, page: i32) -> i32 {
        page + self.first_page - 1
    }
}

/// One applied decision that may have to be taken back.
#[derive(Clone, Debug)]
pub struct Done {
    /// Its page.
    pub page: i32,
    /// Its place in the page.
    pub position: i32,
    /// The object.
    pub object: ObjectId,
    /// What its record is.
    pub kind: Kind,
    /// The record.
    pub account: Option<AccountId>,
    /// What became of it.
    pub outcome: Outcome,
    /// What happened to the record.
    pub action: Action,
    /// Why it left.
    pub cause: Option<Cause>,
    /// What the link said of the object.
    pub status: LinkStatus,
    /// How the object came in.
    pub brought_in: BroughtIn,
    /// The role that a new record got.
    pub role: Option<Role>,
    /// Whether a link was there.
    pub had_link: bool,
    /// How people tell the object from others.
    pub name: Option<String>,
    /// Its UPN.
    pub upn: Option<String>,
    /// Whether a question that the run asked about it is open.
    pub review_open: bool,
    /// Changed fields, as [`fields`](crate::fields) writes them.
    pub fields: Vec<u8>,
}

/// What the revert `id` was asked for; none for a run of another kind, and when what it takes back is not known any more.
pub async fn wanted(connection: &mut PgConnection, id: RunId) -> Result<Option<Wanted>, StoreError> {
    let row: Option<(Uuid, Vec<Uuid>, bool, i32)> = sqlx::query_as(
        "-- revert.wanted
         SELECT run.reverts, run.revert_objects, run.dry_run,
             coalesce((SELECT min(number) FROM run_page WHERE run_page.run_id = run.reverts), 1)
         FROM run WHERE run.id = $1 AND run.reverts IS NOT NULL AND EXISTS (
             SELECT FROM run_partition AS part
             WHERE part.from_id <= run.reverts AND run.reverts < part.to_id AND part.pruned_at IS NULL)",
    )
    .bind(id.0)
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|(run, objects, dry_run, first_page)| Wanted {
        run: RunId(run),
        objects,
        dry_run,
        first_page,
    }))
}

/// The first page of the run with something to take back that the revert `id` has no page for.
pub async fn next_page(
    connection: &mut PgConnection,
    id: RunId,
    wanted: &Wanted,
) -> Result<Option<i32>, StoreError> {
    let last: Option<i32> =
        sqlx::query_scalar("-- revert.last_page\nSELECT max(number) FROM run_page WHERE run_id = $1")
            .bind(id.0)
            .fetch_one(&mut *connection)
            .await?;
    let after = last.map_or(i32::MIN, |last| wanted.taken_back(last));
    let objects = (!wanted.objects.is_empty()).then_some(&wanted.objects);
    Ok(sqlx::query_scalar(
        "-- revert.next_page
         SELECT min(number) FROM run_page p
         WHERE run_id = $1 AND number > $2 AND decisions > 0
             AND ($3::uuid[] IS NULL OR EXISTS (
                 SELECT FROM decision d WHERE d.run_id = $1 AND d.page = p.number AND d.object_id = ANY($3)))",
    )
    .bind(wanted.run.0)
    .bind(after)
    .bind(objects)
    .fetch_one(connection)
    .await?)
}

const SELECT: &str = "
    SELECT d.page, d.position, d.object_id, d.kind, d.account_id, d.outcome, d.action, d.cause, d.link_status,
        d.brought_in, d.had_link, d.name, d.upn, d.skip, d.role,
        EXISTS (
            SELECT FROM review v
            WHERE d.outcome IN (5, 6) AND v.connection_id = $2 AND v.object_id = d.object_id AND v.account_id = d.account_id
                AND v.cause = d.cause AND v.state = 'open' AND v.run_id = d.run_id) AS review_open
    FROM";

/// What the run did on one of its pages: what it decided about records, and whose link it changed. Not what became of
/// those who lost their record: it comes back with what is taken from the others.
pub async fn of_page(
    connection: &mut PgConnection,
    of: ConnectionId,
    wanted: &Wanted,
    page: i32,
) -> Result<Vec<Done>, StoreError> {
    let objects = (!wanted.objects.is_empty()).then_some(&wanted.objects);
    let sql = format!(
        "-- revert.of_page{SELECT} decision d
         WHERE d.run_id = $1 AND d.page = $3 AND d.object_id IS NOT NULL AND d.skip <> $5
             AND ($4::uuid[] IS NULL OR d.object_id = ANY($4))
             AND (d.outcome IN (1, 2, 5, 6) OR d.outcome = 4 AND d.account_version > 0 OR EXISTS (
                 SELECT FROM former_link f
                 WHERE f.run_id = $1 AND f.connection_id = $2 AND f.object_id = d.object_id AND f.target = d.kind
                     AND f.because_of = d.object_id)
                 -- It failed when it had taken the record from another one already.
                 OR d.outcome = 7 AND EXISTS (
                     SELECT FROM former_link f
                     WHERE f.run_id = $1 AND f.because_of = d.object_id AND f.because_of <> f.object_id))
         ORDER BY d.position"
    );
    let rows: Vec<Row> = sqlx::query_as(&sql)
        .bind(wanted.run.0)
        .bind(of.0)
        .bind(page)
        .bind(objects)
        .bind(Skip::Superseded as i16)
        .fetch_all(&mut *connection)
        .await?;
    read(connection, wanted.run, rows).await
}

/// What the run did at these places.
pub async fn at(
    connection: &mut PgConnection,
    of: ConnectionId,
    run: RunId,
    places: &[(i32, i32)],
) -> Result<Vec<Done>, StoreError> {
    let sql = format!(
        "-- revert.at{SELECT} unnest($3::int[], $4::int[]) AS u (page, position)
         CROSS JOIN LATERAL (
             -- The limit keeps the planner from reading the whole run for a few of it.
             SELECT * FROM decision WHERE run_id = $1 AND page = u.page AND position = u.position LIMIT 1
         ) d
         WHERE d.object_id IS NOT NULL"
    );
    let rows: Vec<Row> = sqlx::query_as(&sql)
        .bind(run.0)
        .bind(of.0)
        .bind(places.iter().map(|(page, _)| *page).collect::<Vec<_>>())
        .bind(places.iter().map(|(_, position)| *position).collect::<Vec<_>>())
        .fetch_all(&mut *connection)
        .await?;
    read(connection, run, rows).await
}

/// A run that somebody wants to take back.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Its connection.
    pub connection: ConnectionId,
    /// What was asked for.
    pub kind: RunKind,
    /// Whether it kept all that is needed.
    pub keeps_former: bool,
}

/// What has to be known of a run before it is taken back.
pub async fn candidate(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: RunId,
) -> Result<Option<Candidate>, StoreError> {
    let row: Option<(Uuid, String, bool)> = sqlx::query_as(
        "-- revert.candidate
         SELECT run.connection_id, run.kind, coalesce(run_plan.keeps_former, false)
         FROM run LEFT JOIN run_plan ON run_plan.run_id = run.id
         WHERE run.id = $1 AND run.organization_id = $2",
    )
    .bind(id.0)
    .bind(organization.0)
    .fetch_optional(connection)
    .await?;
    row.map(|(connection, kind, keeps_former)| {
        Ok(Candidate {
            connection: ConnectionId(connection),
            kind: RunKind::of_key(&kind).ok_or_else(|| Inconsistent::new("run", "kind", id))?,
            keeps_former,
        })
    })
    .transpose()
}

/// Those of these objects that a run has no decision on.
pub async fn unknown_objects(
    connection: &mut PgConnection,
    run: RunId,
    objects: &[Uuid],
) -> Result<Vec<Uuid>, StoreError> {
    Ok(sqlx::query_scalar(
        "-- revert.unknown_objects
         SELECT u.object_id FROM unnest($2::uuid[]) AS u (object_id)
         WHERE u.object_id NOT IN (
             SELECT object_id FROM decision WHERE run_id = $1 AND object_id = ANY($2))",
    )
    .bind(run.0)
    .bind(objects)
    .fetch_all(connection)
    .await?)
}

/// Another run of the connection that is being read, planned or applied, manual ones and reverts included.
pub async fn active(connection: &mut PgConnection, of: ConnectionId) -> Result<Option<RunId>, StoreError> {
    let id: Option<Uuid> = sqlx::query_scalar(
        "-- revert.active
         SELECT run.id FROM run
         LEFT JOIN run_fetch AS fetched ON fetched.run_id = run.id
         LEFT JOIN run_plan AS plan ON plan.run_id = run.id
         WHERE run.connection_id = $1 AND plan.ended_at IS NULL AND (
             plan.state IN ('planning', 'applying')
             OR plan.run_id IS NULL AND fetched.state IN ('fetching', 'fetched')
             OR plan.run_id IS NULL AND run.reverts IS NOT NULL AND run.cancel_requested_at IS NULL)
         LIMIT 1",
    )
    .bind(of.0)
    .fetch_optional(connection)
    .await?;
    Ok(id.map(RunId))
}

/// Whether anything of a connection was taken back since its last full run began to read: an object without a link may be
/// one that the directory has told all about long ago.
pub async fn any_since_full(connection: &mut PgConnection, of: ConnectionId) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar(
        "-- revert.any_since_full
         SELECT EXISTS (
             SELECT FROM run JOIN run_plan ON run_plan.run_id = run.id AND run_plan.state <> 'planned'
             WHERE run.connection_id = $1 AND run.reverts IS NOT NULL AND run.created_at >= coalesce(
                 (SELECT full_at FROM delta_cursor WHERE connection_id = $1 AND resource = 'users'), '-infinity'))",
    )
    .bind(of.0)
    .fetch_one(connection)
    .await?)
}

#[derive(FromRow)]
struct Row {
    page: i32,
    position: i32,
    object_id: Uuid,
    kind: i16,
    account_id: Option<Uuid>,
    outcome: i16,
    action: i16,
    cause: i16,
    link_status: i16,
    brought_in: i16,
    had_link: bool,
    name: Option<String>,
    upn: Option<String>,
    skip: i16,
    role: i16,
    review_open: bool,
}

async fn read(connection: &mut PgConnection, run: RunId, rows: Vec<Row>) -> Result<Vec<Done>, StoreError> {
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

impl Row {
    fn read(self, run: RunId, fields: Vec<u8>) -> Result<Done, StoreError> {
        let place = (self.page, self.position);
        let broken = |column| Inconsistent::new("decision", column, format!("{run} {} {}", place.0, place.1));
        Ok(Done {
            page: self.page,
            position: self.position,
            object: ObjectId(self.object_id),
            kind: Kind::of_number(self.kind).ok_or_else(|| broken("kind"))?,
            account: self.account_id.map(AccountId),
            outcome: Outcome::of_number(self.outcome).ok_or_else(|| broken("outcome"))?,
            action: Action::of_number(self.action).ok_or_else(|| broken("action"))?,
            cause: Cause::of_number(self.cause),
            status: LinkStatus::of_number(self.link_status).ok_or_else(|| broken("link_status"))?,
            brought_in: BroughtIn::of_number(self.brought_in).ok_or_else(|| broken("brought_in"))?,
            role: Role::of_number(self.role),
            had_link: self.had_link,
            name: self.name,
            upn: self.upn,
            review_open: self.review_open,
            fields,
        })
    }
}
