//! `link`: connection + object id → register record. Written by reconciler.

use domain::account::Kind;
use domain::decision::{BroughtIn, LinkStatus, Skip};
use domain::id::{AccountId, ConnectionId, ObjectId, OrganizationId, RunId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::copy::Rows;
use crate::{Inconsistent, StoreError, former_link};

/// What is known of one object of a page that is not as it was, or was left out.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The object's place in the page.
    pub place: usize,
    /// Whether it is as it was when it was last decided.
    pub unchanged: bool,
    /// The link's row, if there is one.
    pub link: Option<Row>,
}

/// One link, or one object that was left out.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The account.
    pub account: Option<AccountId>,
    /// What it says of the object.
    pub status: LinkStatus,
    /// Why the object was left out.
    pub skip: Option<Skip>,
    /// How it came in.
    pub brought_in: BroughtIn,
}

/// What is written of a link.
#[derive(Clone, Debug)]
pub struct Written {
    /// The object.
    pub object: ObjectId,
    /// What its record is.
    pub kind: Kind,
    /// The account.
    pub account: Option<AccountId>,
    /// The hash to remember; 0: decide anew.
    pub hash: u64,
    /// What it says of the object.
    pub status: LinkStatus,
    /// Why the object is left out.
    pub skip: Option<Skip>,
    /// How it gets the account; kept only when that is another one than before.
    pub linked: Linked,
    /// How it came in.
    pub brought_in: BroughtIn,
    /// Whether a link was there when it was decided.
    pub had_link: bool,
}

/// How an object got its account.
#[derive(Clone, Copy, Debug)]
pub struct Linked {
    /// By this overwrite rule; [`CREATED`] for a new account.
    pub rule: i16,
    /// In this run.
    pub run: RunId,
    /// By a decision of this page.
    pub page: i32,
}

/// In place of a rule: the account was created for the object.
pub const CREATED: i16 = 0;
/// In place of a rule: a person linked them.
pub const BY_HAND: i16 = 7;

/// A link that a fetch has not seen.
#[derive(Clone, Copy, Debug)]
pub struct NotSeen {
    /// The object.
    pub object: ObjectId,
    /// The account.
    pub account: AccountId,
    /// What the link says of the object.
    pub status: LinkStatus,
}

/// Looks a page's objects up by key and hash, as one kind of record. Answers for those that are new, have changed, or were left out; the
/// others are linked and as they were.
///
/// `hashes` stand in the order of `objects`; 0 never equals.
pub async fn look_up(
    connection: &mut PgConnection,
    (id, kind): (ConnectionId, Kind),
    objects: &[Uuid],
    hashes: &[i64],
) -> Result<Vec<Known>, StoreError> {
    type Found = (i64, bool, Option<Uuid>, Option<i16>, Option<i16>, Option<i16>);
    let rows: Vec<Found> = sqlx::query_as(
        "-- link.look_up
         SELECT k.place, l.hash IS NOT DISTINCT FROM k.hash AND k.hash <> 0, l.account_id, l.status, l.skip,
             l.brought_in
         FROM unnest($2::uuid[], $3::bigint[]) WITH ORDINALITY AS k (object_id, hash, place)
         LEFT JOIN LATERAL (
             -- The limit keeps the planner from reading the whole table for one page of it.
             SELECT * FROM link WHERE connection_id = $1 AND object_id = k.object_id AND target = $4 LIMIT 1
         ) l ON true
         WHERE l.hash IS DISTINCT FROM k.hash OR k.hash = 0 OR l.skip <> 0",
    )
    .bind(id.0)
    .bind(objects)
    .bind(hashes)
    .bind(kind as i16)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|(place, unchanged, account, status, skip, brought_in)| {
            let place = usize::try_from(place - 1).map_err(|_| Inconsistent::new("link", "place", place))?;
            let link = match status {
                None => None,
                Some(status) => Some(Row {
                    account: account.map(AccountId),
                    status: LinkStatus::of_number(status)
                        .ok_or_else(|| Inconsistent::new("link", "status", objects[place]))?,
                    skip: Skip::of_number(skip.unwrap_or_default()),
                    brought_in: BroughtIn::of_number(brought_in.unwrap_or_default())
                        .ok_or_else(|| Inconsistent::new("link", "brought_in", objects[place]))?,
                }),
            };
            Ok(Known {
                place,
                unchanged,
                link,
            })
        })
        .collect()
}

/// Those of these objects that were left out, have left, are out of scope, or failed the last time: their next row, if they are in the directory,
/// brings them in or back, and there is no "as it was" to complete it with. An object without a link is new to the
/// directory, too, and its first row tells everything; unless `strangers` may be none: what brought them in was taken back.
/// As one of these kinds of record is enough.
pub async fn newcomers(
    connection: &mut PgConnection,
    (id, kinds): (ConnectionId, &[Kind]),
    objects: &[Uuid],
    strangers: bool,
) -> Result<Vec<Uuid>, StoreError> {
    let here: Vec<i16> = LinkStatus::ALL
        .into_iter()
        .filter(|status| status.is_as_it_was())
        .map(|status| status as i16)
        .collect();
    Ok(sqlx::query_scalar(
        "-- link.newcomers
         SELECT DISTINCT k.object_id
         FROM unnest($2::uuid[]) AS k (object_id)
         CROSS JOIN unnest($4::smallint[]) AS kind (target)
         LEFT JOIN LATERAL (
             -- The limit keeps the planner from reading the whole table for a few of it.
             SELECT * FROM link
             WHERE connection_id = $1 AND object_id = k.object_id AND target = kind.target LIMIT 1
         ) l ON true
         WHERE (l.object_id IS NOT NULL OR $5) AND (l.account_id IS NULL OR l.status <> ALL ($3))",
    )
    .bind(id.0)
    .bind(objects)
    .bind(here)
    .bind(kinds.iter().map(|kind| *kind as i16).collect::<Vec<_>>())
    .bind(strangers)
    .fetch_all(connection)
    .await?)
}

/// How an object with an account came in.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// The object.
    pub object: ObjectId,
    /// What the link says of it.
    pub status: LinkStatus,
    /// How it came in.
    pub brought_in: BroughtIn,
}

/// Those of these objects that have an account, with how they came in.
pub async fn ways(
    connection: &mut PgConnection,
    id: ConnectionId,
    objects: &[Uuid],
) -> Result<Vec<Way>, StoreError> {
    let rows: Vec<(Uuid, i16, i16)> = sqlx::query_as(
        "-- link.ways
         SELECT k.object_id, l.status, l.brought_in
         FROM unnest($2::uuid[]) AS k (object_id)
         CROSS JOIN LATERAL (
             -- The limit keeps the planner from reading the whole table for a few of it.
             SELECT * FROM link WHERE connection_id = $1 AND object_id = k.object_id
             ORDER BY account_id IS NULL, target LIMIT 1
         ) l
         WHERE l.account_id IS NOT NULL",
    )
    .bind(id.0)
    .bind(objects)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|(object, status, brought_in)| {
            Ok(Way {
                object: ObjectId(object),
                status: LinkStatus::of_number(status)
                    .ok_or_else(|| Inconsistent::new("link", "status", object))?,
                brought_in: BroughtIn::of_number(brought_in)
                    .ok_or_else(|| Inconsistent::new("link", "brought_in", object))?,
            })
        })
        .collect()
}

/// How many records are linked to a connection that are not deleted, and how many of them are active.
pub async fn count(connection: &mut PgConnection, id: ConnectionId) -> Result<(i64, i64), StoreError> {
    Ok(sqlx::query_as(
        "-- link.count
         SELECT count(*), count(*) FILTER (WHERE a.status = 1)
         FROM link l JOIN account a ON a.id = l.account_id
         WHERE l.connection_id = $1 AND a.status <> 3",
    )
    .bind(id.0)
    .fetch_one(connection)
    .await?)
}

/// Up to `limit` of a connection's active records of a kind whose objects are there and in scope, by object, those behind `after`.
/// Who was brought in does not depend on the criteria, and is left out.
pub async fn in_scope(
    connection: &mut PgConnection,
    (id, kind): (ConnectionId, Kind),
    after: Uuid,
    limit: i64,
) -> Result<Vec<(ObjectId, AccountId)>, StoreError> {
    let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "-- link.in_scope
         SELECT l.object_id, l.account_id FROM link l JOIN account a ON a.id = l.account_id
         WHERE l.connection_id = $1 AND l.object_id > $2 AND l.target = $4 AND l.status IN (1, 6) AND a.status = 1
             AND l.brought_in = 0
         ORDER BY l.object_id LIMIT $3",
    )
    .bind(id.0)
    .bind(after)
    .bind(limit)
    .bind(kind as i16)
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(object, account)| (ObjectId(object), AccountId(account)))
        .collect())
}

/// Adds a new link's row to a COPY for [`insert`].
pub fn copy_row(rows: &mut Rows, id: ConnectionId, organization: OrganizationId, link: &Written) {
    rows.row()
        .uuid(Some(id.0))
        .uuid(Some(link.object.0))
        .smallint(link.kind as i16)
        .uuid(Some(organization.0))
        .uuid(link.account.map(|account| account.0))
        .bigint(link.hash.cast_signed())
        .smallint(link.status as i16)
        .smallint(link.skip.map_or(0, |skip| skip as i16))
        .smallint(link.brought_in as i16);
    if link.account.is_some() {
        rows.smallint(link.linked.rule)
            .uuid(Some(link.linked.run.0))
            .integer(link.linked.page);
    } else {
        rows.null().null().null();
    }
}

/// How many columns [`copy_row`] writes.
pub const COPY_COLUMNS: i16 = 12;

/// Inserts the links of a COPY.
pub async fn insert(connection: &mut PgConnection, rows: Rows) -> Result<(), StoreError> {
    rows.send(
        connection,
        "COPY link (connection_id, object_id, target, organization_id, account_id, hash, status, skip, brought_in, \
         linked_rule, linked_run, linked_page) FROM STDIN (FORMAT binary)",
    )
    .await
}

/// Writes links that may be there already; what a run changes of those is kept for taking it back.
pub async fn upsert(
    connection: &mut PgConnection,
    (id, run): (ConnectionId, RunId),
    organization: OrganizationId,
    links: &[Written],
) -> Result<(), StoreError> {
    if links.is_empty() {
        return Ok(());
    }
    former_link::keep_written(&mut *connection, (run, id), links).await?;
    sqlx::query(
        "-- link.upsert
         INSERT INTO link (connection_id, object_id, target, organization_id, account_id, hash, status, skip, linked_rule,
             linked_run, linked_page, brought_in)
         SELECT $1, u.object_id, u.target, $2, u.account_id, u.hash, u.status, u.skip, u.rule, u.run, u.page, u.brought_in
         FROM unnest($3::uuid[], $4::uuid[], $5::bigint[], $6::smallint[], $7::smallint[], $8::smallint[], $9::uuid[],
             $10::int[], $11::smallint[], $12::smallint[])
             AS u (object_id, account_id, hash, status, skip, rule, run, page, target, brought_in)
         ON CONFLICT (connection_id, object_id, target) DO UPDATE
         SET account_id = excluded.account_id, hash = excluded.hash, status = excluded.status, skip = excluded.skip,
             linked_rule = CASE WHEN link.account_id IS DISTINCT FROM excluded.account_id
                 THEN excluded.linked_rule ELSE link.linked_rule END,
             linked_run = CASE WHEN link.account_id IS DISTINCT FROM excluded.account_id
                 THEN excluded.linked_run ELSE link.linked_run END,
             linked_page = CASE WHEN link.account_id IS DISTINCT FROM excluded.account_id
                 THEN excluded.linked_page ELSE link.linked_page END,
             -- A manual run may have brought somebody in since this was decided.
             brought_in = CASE WHEN excluded.account_id IS NOT NULL AND excluded.brought_in = 0 THEN link.brought_in
                 ELSE excluded.brought_in END",
    )
    .bind(id.0)
    .bind(organization.0)
    .bind(links.iter().map(|link| link.object.0).collect::<Vec<_>>())
    .bind(links.iter().map(|link| link.account.map(|account| account.0)).collect::<Vec<_>>())
    .bind(links.iter().map(|link| link.hash.cast_signed()).collect::<Vec<_>>())
    .bind(links.iter().map(|link| link.status as i16).collect::<Vec<_>>())
    .bind(links.iter().map(|link| link.skip.map_or(0, |skip| skip as i16)).collect::<Vec<_>>())
    .bind(links.iter().map(|link| link.account.map(|_| link.linked.rule)).collect::<Vec<_>>())
    .bind(links.iter().map(|link| link.account.map(|_| link.linked.run.0)).collect::<Vec<_>>())
    .bind(links.iter().map(|link| link.account.map(|_| link.linked.page)).collect::<Vec<_>>())
    .bind(links.iter().map(|link| link.kind as i16).collect::<Vec<_>>())
    .bind(links.iter().map(|link| link.brought_in as i16).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// An account that an object takes.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// The account.
    pub account: AccountId,
    /// The object that gets it.
    pub object: ObjectId,
    /// The object that held it, as far as the decision knows.
    pub from: Option<ObjectId>,
}

/// Takes accounts from the objects that held them until now, in any connection. What a run takes is kept for taking it
/// back.
///
/// These may be objects of a page that another transaction is applying, which may be taking from ours: only one such
/// transaction of an organization goes on at a time, and whoever calls this has locked no link yet.
pub async fn supersede(
    connection: &mut PgConnection,
    organization: OrganizationId,
    by: Option<(RunId, ConnectionId)>,
    taken: &[Taken],
) -> Result<(), StoreError> {
    if taken.is_empty() {
        return Ok(());
    }
    sqlx::query("-- link.lock_superseding\nSELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
        .bind(format!("link.supersede {organization}"))
        .execute(&mut *connection)
        .await?;
    if let Some(by) = by {
        former_link::keep_taken(&mut *connection, by, taken).await?;
    }
    sqlx::query(
        "-- link.supersede
         UPDATE link l SET account_id = NULL, hash = 0, skip = $3, linked_rule = NULL, linked_run = NULL,
             linked_page = NULL, brought_in = 0
         FROM unnest($1::uuid[], $2::uuid[]) AS t (account_id, object_id)
         WHERE l.account_id = t.account_id AND l.object_id <> t.object_id",
    )
    .bind(taken.iter().map(|taken| taken.account.0).collect::<Vec<_>>())
    .bind(taken.iter().map(|taken| taken.object.0).collect::<Vec<_>>())
    .bind(Skip::Superseded as i16)
    .execute(connection)
    .await?;
    Ok(())
}

/// Says of these objects, where they are linked to an account, that their last decision failed (I6), until the next one
/// says otherwise.
pub async fn mark_conflicts(
    connection: &mut PgConnection,
    (id, run): (ConnectionId, RunId),
    (objects, kinds): (&[Uuid], &[i16]),
) -> Result<(), StoreError> {
    former_link::keep_conflicts(&mut *connection, (run, id), (objects, kinds)).await?;
    sqlx::query(
        "-- link.mark_conflicts
         UPDATE link l SET status = $3, hash = 0
         FROM unnest($2::uuid[], $4::smallint[]) AS u (object_id, target)
         WHERE l.connection_id = $1 AND l.object_id = u.object_id AND l.target = u.target AND l.account_id IS NOT NULL",
    )
    .bind(id.0)
    .bind(objects)
    .bind(LinkStatus::Conflict as i16)
    .bind(kinds)
    .execute(connection)
    .await?;
    Ok(())
}

/// The link of one object as one kind of record, if there is one.
pub async fn find(
    connection: &mut PgConnection,
    id: (ConnectionId, Kind),
    object: ObjectId,
) -> Result<Option<Row>, StoreError> {
    let known = look_up(connection, id, &[object.0], &[0]).await?;
    Ok(known.into_iter().next().and_then(|known| known.link))
}

/// Takes an object away from its account, or links it to one, by a person's word. What was known of the object stays.
pub async fn put_by_hand(
    connection: &mut PgConnection,
    (organization, id): (OrganizationId, ConnectionId),
    (object, kind): (ObjectId, Kind),
    account: Option<AccountId>,
) -> Result<(), StoreError> {
    sqlx::query(
        "-- link.put_by_hand
         INSERT INTO link (connection_id, object_id, target, organization_id, account_id, hash, status, skip, linked_rule)
         VALUES ($1, $2, $6, $3, $4, 0, 1, 0, CASE WHEN $4::uuid IS NOT NULL THEN $5 END)
         ON CONFLICT (connection_id, object_id, target) DO UPDATE
         SET account_id = excluded.account_id, hash = 0, skip = 0, linked_rule = excluded.linked_rule,
             linked_run = NULL, linked_page = NULL",
    )
    .bind(id.0)
    .bind(object.0)
    .bind(organization.0)
    .bind(account.map(|account| account.0))
    .bind(BY_HAND)
    .bind(kind as i16)
    .execute(connection)
    .await?;
    Ok(())
}

/// Makes the next run decide anew on whatever is linked to these accounts, because somebody else has written them.
pub async fn forget_hashes(connection: &mut PgConnection, accounts: &[Uuid]) -> Result<(), StoreError> {
    sqlx::query(
        "-- link.forget_hashes
         UPDATE link SET hash = 0 WHERE ctid = ANY (ARRAY(
             -- Row by row, whatever the planner believes of a table that was never analyzed.
             SELECT l.place FROM unnest($1::uuid[]) AS u (account_id)
             CROSS JOIN LATERAL (
                 SELECT ctid AS place FROM link WHERE account_id = u.account_id FOR UPDATE
             ) l))",
    )
    .bind(accounts)
    .execute(connection)
    .await?;
    Ok(())
}

/// What ties an object to one of these accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tie {
    /// The connection.
    pub connection: ConnectionId,
    /// The object.
    pub object: ObjectId,
    /// The account.
    pub account: AccountId,
}

/// The links to these accounts.
pub async fn of_accounts(connection: &mut PgConnection, accounts: &[Uuid]) -> Result<Vec<Tie>, StoreError> {
    let rows: Vec<(Uuid, Uuid, Uuid)> = sqlx::query_as(
        "-- link.of_accounts
         SELECT connection_id, object_id, account_id FROM link WHERE account_id = ANY($1)
         ORDER BY connection_id, object_id",
    )
    .bind(accounts)
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(of, object, account)| Tie {
            connection: ConnectionId(of),
            object: ObjectId(object),
            account: AccountId(account),
        })
        .collect())
}

/// Takes these accounts, which are purged, away from their objects. A run decides the objects anew as strangers: the criteria
/// say whether they come in.
pub async fn purge_accounts(connection: &mut PgConnection, accounts: &[Uuid]) -> Result<(), StoreError> {
    sqlx::query(
        "-- link.purge_accounts
         UPDATE link SET account_id = NULL, hash = 0, skip = $2, brought_in = 0, linked_rule = NULL, linked_run = NULL,
             linked_page = NULL
         WHERE account_id = ANY($1)",
    )
    .bind(accounts)
    .bind(Skip::Purged as i16)
    .execute(connection)
    .await?;
    Ok(())
}
