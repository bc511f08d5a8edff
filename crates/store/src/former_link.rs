//! `former_link`: links that a run changed, for taking it back (B4). Written by reconciler.
//!
//! The first state that a run finds is what it was, and the last one that it writes is what it made of it.

use domain::account::Kind;
use domain::decision::{BroughtIn, LinkStatus, Skip};
use domain::id::{AccountId, ConnectionId, ObjectId, OrganizationId, RunId};
use domain::undo::{LinkChange, LinkState};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use crate::link::{Taken, Written};
use crate::{Inconsistent, StoreError};

/// Keeps what these links are, where `links` say something else than a hash.
pub(crate) async fn keep_written(
    connection: &mut PgConnection,
    (run, id): (RunId, ConnectionId),
    links: &[Written],
) -> Result<(), StoreError> {
    let links: Vec<&Written> = links.iter().filter(|link| link.had_link).collect();
    if links.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "-- former_link.keep_written
         INSERT INTO former_link (run_id, connection_id, object_id, target, because_of, account_id, status, skip,
             brought_in, linked_rule, linked_run, linked_page, new_account_id, new_status, new_brought_in)
         SELECT $1, $2, l.object_id, l.target, l.object_id, l.account_id, l.status, l.skip, l.brought_in,
             l.linked_rule, l.linked_run, l.linked_page, u.account_id, u.status,
             CASE WHEN u.account_id IS NOT NULL AND u.brought_in = 0 THEN l.brought_in ELSE u.brought_in END
         FROM unnest($3::uuid[], $4::smallint[], $5::uuid[], $6::smallint[], $7::smallint[], $8::smallint[])
             AS u (object_id, target, account_id, status, skip, brought_in)
         CROSS JOIN LATERAL (
             -- The limit keeps the planner from reading the whole table for a few of it.
             SELECT * FROM link WHERE connection_id = $2 AND object_id = u.object_id AND target = u.target LIMIT 1
         ) l
         -- What is remembered of objects that are left out is no part of the register.
         WHERE (l.account_id IS NOT NULL OR u.account_id IS NOT NULL)
             AND (l.account_id IS DISTINCT FROM u.account_id OR l.status <> u.status OR l.skip <> u.skip
                 OR u.brought_in <> 0 AND l.brought_in <> u.brought_in)
         ON CONFLICT (run_id, connection_id, object_id, target) DO UPDATE
         SET new_account_id = excluded.new_account_id, new_status = excluded.new_status,
             new_brought_in = excluded.new_brought_in",
    )
    .bind(run.0)
    .bind(id.0)
    .bind(links.iter().map(|link| link.object.0).collect::<Vec<_>>())
    .bind(links.iter().map(|link| link.kind as i16).collect::<Vec<_>>())
    .bind(
        links
            .iter()
            .map(|link| link.account.map(|account| account.0))
            .collect::<Vec<_>>(),
    )
    .bind(links.iter().map(|link| link.status as i16).collect::<Vec<_>>())
    .bind(
        links
            .iter()
            .map(|link| link.skip.map_or(0, |skip| skip as i16))
            .collect::<Vec<_>>(),
    )
    .bind(links.iter().map(|link| link.brought_in as i16).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Keeps the links that are about to lose these accounts, and because of whom.
pub(crate) async fn keep_taken(
    connection: &mut PgConnection,
    (run, id): (RunId, ConnectionId),
    taken: &[Taken],
) -> Result<(), StoreError> {
    let accounts: Vec<Uuid> = taken.iter().map(|taken| taken.account.0).collect();
    let objects: Vec<Uuid> = taken.iter().map(|taken| taken.object.0).collect();
    let from: Vec<Option<Uuid>> = taken
        .iter()
        .map(|taken| taken.from.map(|object| object.0))
        .collect();
    sqlx::query(
        "-- former_link.keep_taken
         INSERT INTO former_link (run_id, connection_id, object_id, target, because_of, account_id, status, skip,
             brought_in, linked_rule, linked_run, linked_page, new_account_id, new_status, new_brought_in)
         SELECT $1, l.connection_id, l.object_id, l.target, t.object_id, l.account_id, l.status, l.skip, l.brought_in,
             l.linked_rule, l.linked_run, l.linked_page, NULL, l.status, 0
         FROM unnest($2::uuid[], $3::uuid[]) AS t (account_id, object_id)
         JOIN link l ON l.account_id = t.account_id AND l.object_id <> t.object_id
         ON CONFLICT (run_id, connection_id, object_id, target) DO UPDATE
         SET because_of = excluded.because_of, new_account_id = NULL, new_brought_in = 0",
    )
    .bind(run.0)
    .bind(&accounts)
    .bind(&objects)
    .execute(&mut *connection)
    .await?;
    // The page of who lost it may have been applied before: it has given the account up already.
    sqlx::query(
        "-- former_link.take
         UPDATE former_link f SET because_of = t.object_id
         FROM unnest($3::uuid[], $4::uuid[], $5::uuid[]) AS t (account_id, object_id, from_id)
         WHERE f.run_id = $1 AND f.connection_id = $2 AND f.object_id = t.from_id AND f.account_id = t.account_id",
    )
    .bind(run.0)
    .bind(id.0)
    .bind(&accounts)
    .bind(&objects)
    .bind(&from)
    .execute(connection)
    .await?;
    Ok(())
}

/// Keeps what the links of these objects are, before they say that the run failed them.
pub(crate) async fn keep_conflicts(
    connection: &mut PgConnection,
    (run, id): (RunId, ConnectionId),
    (objects, kinds): (&[Uuid], &[i16]),
) -> Result<(), StoreError> {
    sqlx::query(
        "-- former_link.keep_conflicts
         INSERT INTO former_link (run_id, connection_id, object_id, target, because_of, account_id, status, skip,
             brought_in, linked_rule, linked_run, linked_page, new_account_id, new_status, new_brought_in)
         SELECT $1, $2, l.object_id, l.target, l.object_id, l.account_id, l.status, l.skip, l.brought_in,
             l.linked_rule, l.linked_run, l.linked_page, l.account_id, $5, l.brought_in
         FROM unnest($3::uuid[], $4::smallint[]) AS u (object_id, target)
         CROSS JOIN LATERAL (
             SELECT * FROM link WHERE connection_id = $2 AND object_id = u.object_id AND target = u.target LIMIT 1
         ) l
         WHERE l.account_id IS NOT NULL AND l.status <> $5
         ON CONFLICT (run_id, connection_id, object_id, target) DO UPDATE SET new_status = excluded.new_status",
    )
    .bind(run.0)
    .bind(id.0)
    .bind(objects)
    .bind(kinds)
    .bind(LinkStatus::Conflict as i16)
    .execute(connection)
    .await?;
    Ok(())
}

/// A link that a run changed.
#[derive(Clone, Copy, Debug)]
pub struct Changed {
    /// Which link.
    pub key: Key,
    /// The object whose decision changed it.
    pub because_of: ObjectId,
    /// What it was, what the run made of it, and what it is now.
    pub change: LinkChange,
}

/// A link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Its connection.
    pub connection: ConnectionId,
    /// Its object.
    pub object: ObjectId,
    /// What its record is.
    pub kind: Kind,
}

/// The links that a run changed because of these objects, their own and those that they displaced, as they are now.
pub async fn changed(
    connection: &mut PgConnection,
    (run, id): (RunId, ConnectionId),
    objects: &[Uuid],
) -> Result<Vec<Changed>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "-- former_link.changed
         WITH of_run AS (
             SELECT f.* FROM unnest($3::uuid[]) AS u (object_id)
             CROSS JOIN LATERAL (
                 SELECT * FROM former_link WHERE run_id = $1 AND connection_id = $2 AND object_id = u.object_id LIMIT 2
             ) f
             WHERE f.because_of = f.object_id
             UNION ALL
             SELECT f.* FROM former_link f
             WHERE f.run_id = $1 AND f.because_of = ANY ($3) AND f.because_of <> f.object_id
         )
         SELECT f.connection_id, f.object_id, f.target, f.because_of, f.account_id, f.status, f.brought_in,
             f.new_account_id, f.new_status, f.new_brought_in, l.account_id AS now_account_id, l.status AS now_status,
             l.brought_in AS now_brought_in
         FROM of_run f
         LEFT JOIN LATERAL (
             SELECT * FROM link
             WHERE connection_id = f.connection_id AND object_id = f.object_id AND target = f.target LIMIT 1
         ) l ON true",
    )
    .bind(run.0)
    .bind(id.0)
    .bind(objects)
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(Row::read).collect()
}

/// What these links are now, as one connection has them: by object and kind.
pub async fn now(
    connection: &mut PgConnection,
    id: ConnectionId,
    (objects, kinds): (&[Uuid], &[i16]),
) -> Result<Vec<(ObjectId, Kind, LinkState)>, StoreError> {
    let rows: Vec<(Uuid, i16, Option<Uuid>, i16, i16)> = sqlx::query_as(
        "-- former_link.now
         SELECT l.object_id, l.target, l.account_id, l.status, l.brought_in
         FROM unnest($2::uuid[], $3::smallint[]) AS u (object_id, target)
         CROSS JOIN LATERAL (
             SELECT * FROM link WHERE connection_id = $1 AND object_id = u.object_id AND target = u.target LIMIT 1
         ) l",
    )
    .bind(id.0)
    .bind(objects)
    .bind(kinds)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|(object, kind, account, status, brought_in)| {
            let state = state(object, account, Some(status), Some(brought_in))?;
            let kind = Kind::of_number(kind).ok_or_else(|| Inconsistent::new("link", "target", object))?;
            let state = state.ok_or_else(|| Inconsistent::new("link", "status", object))?;
            Ok((ObjectId(object), kind, state))
        })
        .collect()
}

/// The objects that these accounts are linked to, in any connection.
pub async fn holders(
    connection: &mut PgConnection,
    accounts: &[Uuid],
) -> Result<Vec<(AccountId, ObjectId)>, StoreError> {
    let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "-- former_link.holders
         SELECT u.account_id, l.object_id FROM unnest($1::uuid[]) AS u (account_id)
         CROSS JOIN LATERAL (SELECT object_id FROM link WHERE account_id = u.account_id LIMIT 10) l",
    )
    .bind(accounts)
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(account, object)| (AccountId(account), ObjectId(object)))
        .collect())
}

/// Puts links back to what they were before a run, to be decided anew by the next; keeps for the revert what they are now.
pub async fn put_back(
    connection: &mut PgConnection,
    organization: OrganizationId,
    (revert, run): (RunId, RunId),
    links: &[(Key, ObjectId)],
) -> Result<(), StoreError> {
    if links.is_empty() {
        return Ok(());
    }
    let connections: Vec<Uuid> = links.iter().map(|(key, _)| key.connection.0).collect();
    let objects: Vec<Uuid> = links.iter().map(|(key, _)| key.object.0).collect();
    let kinds: Vec<i16> = links.iter().map(|(key, _)| key.kind as i16).collect();
    let because: Vec<Uuid> = links.iter().map(|(_, object)| object.0).collect();
    sqlx::query(
        "-- former_link.keep_put_back
         INSERT INTO former_link (run_id, connection_id, object_id, target, because_of, account_id, status, skip,
             brought_in, linked_rule, linked_run, linked_page, new_account_id, new_status, new_brought_in)
         SELECT $1, u.connection_id, u.object_id, u.target, u.because_of, l.account_id, l.status, l.skip, l.brought_in,
             l.linked_rule, l.linked_run, l.linked_page, f.account_id, f.status, f.brought_in
         FROM unnest($3::uuid[], $4::uuid[], $5::smallint[], $6::uuid[])
             AS u (connection_id, object_id, target, because_of)
         LEFT JOIN LATERAL (
             SELECT * FROM link
             WHERE connection_id = u.connection_id AND object_id = u.object_id AND target = u.target LIMIT 1
         ) l ON true
         LEFT JOIN LATERAL (
             SELECT * FROM former_link
             WHERE run_id = $2 AND connection_id = u.connection_id AND object_id = u.object_id AND target = u.target
             LIMIT 1
         ) f ON true
         ON CONFLICT (run_id, connection_id, object_id, target) DO NOTHING",
    )
    .bind(revert.0)
    .bind(run.0)
    .bind(&connections)
    .bind(&objects)
    .bind(&kinds)
    .bind(&because)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "-- former_link.take_away
         UPDATE link SET account_id = NULL, hash = 0, skip = $5, brought_in = 0, linked_rule = NULL, linked_run = NULL,
             linked_page = NULL
         WHERE ctid = ANY (ARRAY(
             -- Row by row, whatever the planner believes of tables that were never analyzed.
             SELECT l.place FROM unnest($2::uuid[], $3::uuid[], $4::smallint[]) AS u (connection_id, object_id, target)
             CROSS JOIN LATERAL (
                 SELECT ctid AS place FROM link
                 WHERE connection_id = u.connection_id AND object_id = u.object_id AND target = u.target
                 LIMIT 1 FOR UPDATE
             ) l
             LEFT JOIN LATERAL (
                 SELECT status FROM former_link
                 WHERE run_id = $1 AND connection_id = u.connection_id AND object_id = u.object_id
                     AND target = u.target
                 LIMIT 1
             ) f ON true
             WHERE f.status IS NULL))",
    )
    .bind(run.0)
    .bind(&connections)
    .bind(&objects)
    .bind(&kinds)
    .bind(Skip::TakenBack as i16)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "-- former_link.give_back
         INSERT INTO link (connection_id, object_id, target, organization_id, account_id, hash, status, skip,
             brought_in, linked_rule, linked_run, linked_page)
         SELECT f.connection_id, f.object_id, f.target, $5, f.account_id, 0, f.status, f.skip, f.brought_in,
             f.linked_rule, f.linked_run, f.linked_page
         FROM unnest($2::uuid[], $3::uuid[], $4::smallint[]) AS u (connection_id, object_id, target)
         CROSS JOIN LATERAL (
             SELECT * FROM former_link
             WHERE run_id = $1 AND connection_id = u.connection_id AND object_id = u.object_id AND target = u.target
             LIMIT 1
         ) f
         WHERE f.status IS NOT NULL
         ON CONFLICT (connection_id, object_id, target) DO UPDATE
         SET account_id = excluded.account_id, hash = 0, status = excluded.status, skip = excluded.skip,
             brought_in = excluded.brought_in, linked_rule = excluded.linked_rule, linked_run = excluded.linked_run,
             linked_page = excluded.linked_page",
    )
    .bind(run.0)
    .bind(&connections)
    .bind(&objects)
    .bind(&kinds)
    .bind(organization.0)
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes up to `limit` rows of runs whose details were given up. Answers how many.
pub async fn prune(connection: &mut PgConnection, limit: i64) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "-- former_link.prune
         DELETE FROM former_link WHERE ctid = ANY (ARRAY(
             SELECT f.ctid FROM run_partition w JOIN former_link f ON f.run_id >= w.from_id AND f.run_id < w.to_id
             WHERE w.pruned_at IS NOT NULL LIMIT $1))",
    )
    .bind(limit)
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}

#[derive(FromRow)]
struct Row {
    connection_id: Uuid,
    object_id: Uuid,
    target: i16,
    because_of: Uuid,
    account_id: Option<Uuid>,
    status: Option<i16>,
    brought_in: Option<i16>,
    new_account_id: Option<Uuid>,
    new_status: Option<i16>,
    new_brought_in: Option<i16>,
    now_account_id: Option<Uuid>,
    now_status: Option<i16>,
    now_brought_in: Option<i16>,
}

impl Row {
    fn read(self) -> Result<Changed, StoreError> {
        let object = self.object_id;
        Ok(Changed {
            key: Key {
                connection: ConnectionId(self.connection_id),
                object: ObjectId(object),
                kind: Kind::of_number(self.target)
                    .ok_or_else(|| Inconsistent::new("former_link", "target", object))?,
            },
            because_of: ObjectId(self.because_of),
            change: LinkChange {
                before: state(object, self.account_id, self.status, self.brought_in)?,
                after: state(object, self.new_account_id, self.new_status, self.new_brought_in)?,
                now: state(object, self.now_account_id, self.now_status, self.now_brought_in)?,
            },
        })
    }
}

/// No status: no link.
fn state(
    object: Uuid,
    account: Option<Uuid>,
    status: Option<i16>,
    brought_in: Option<i16>,
) -> Result<Option<LinkState>, StoreError> {
    let Some(status) = status else { return Ok(None) };
    let broken = |column| Inconsistent::new("former_link", column, object);
    Ok(Some(LinkState {
        account: account.map(AccountId),
        status: LinkStatus::of_number(status).ok_or_else(|| broken("status"))?,
        brought_in: BroughtIn::of_number(brought_in.unwrap_or_default())
            .ok_or_else(|| broken("brought_in"))?,
    }))
}
