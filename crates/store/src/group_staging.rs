//! Groups on their way from the directory into the mirror: staged in temporary tables of one database connection while
//! the network is read, so that no transaction waits for it, then compared and merged at once. Written by fetcher.

use chrono::{DateTime, Utc};
use domain::id::{ConnectionId, ObjectId};
use domain::membership::Reach;
use domain::observed::{Mention, Presence};
use domain::observed_group::{MemberKind, ObservedGroup};
use sqlx::{Connection as _, PgConnection};
use tracing::Instrument;
use uuid::Uuid;

use crate::copy::Rows;
use crate::group_mirror;
use crate::run_fetch::Hold;
use crate::{Store, StoreError};

const GROUP_COLUMNS: i16 = 10;
const EDGE_COLUMNS: i16 = 5;
/// In [`Presence`]'s words; soft-deleted and gone.
const DELETED: i16 = 1;
const GONE: i16 = 2;

/// What is staged, on a connection of its own. Dropping it forgets everything.
pub struct Staging {
    connection: PgConnection,
    rows: i64,
}

/// Rows to be staged. In a text, `NULL` says "not mentioned", and nothing "empty".
pub struct Batch {
    groups: Rows,
    edges: Rows,
    /// Grows over all batches: later rows win.
    next: i64,
}

/// Whose groups they are, and who merges them.
#[derive(Clone, Copy, Debug)]
pub struct Merge<'a> {
    /// The connection.
    pub of: ConnectionId,
    /// Whether everything was staged: what is not among it is gone.
    pub whole: bool,
    /// The groups that criteria ask for.
    pub asked: &'a [ObjectId],
    /// The reader; another one's mirror stays as it is.
    pub hold: &'a Hold,
    /// When.
    pub now: DateTime<Utc>,
    /// How many people who belong to something else than before are worth being named.
    pub most_touched: usize,
}

/// What came of a merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// The mirror's version now.
    pub version: i64,
    /// Groups that were staged.
    pub groups: u32,
    /// The reach of the groups asked for.
    pub reach: Reach,
    /// Users who may belong to something else now. At most one more than was asked for; none when the merge was whole.
    pub touched: Vec<ObjectId>,
}

impl Batch {
    /// The first batch of all.
    #[must_use]
    pub fn first() -> Self {
        Self::behind(0)
    }

    fn behind(next: i64) -> Self {
        Self {
            groups: Rows::new(GROUP_COLUMNS),
            edges: Rows::new(EDGE_COLUMNS),
            next,
        }
    }

    /// Adds what a row of a round says.
    pub fn push(&mut self, group: &ObservedGroup<'_>) {
        let presence = match group.presence {
            Presence::Present => 0,
            Presence::SoftDeleted => DELETED,
            Presence::Gone => GONE,
        };
        let row = self.groups.row();
        row.bigint(self.next).uuid(Some(group.id.0)).smallint(presence);
        for mention in [&group.name, &group.description, &group.mail] {
            row.text(staged(mention));
        }
        row.smallint(group.kind.map_or(0, |kind| kind as i16));
        row.smallint(group.dynamic.map_or(-1, i16::from));
        row.text(staged(&group.membership_rule));
        row.text(staged(&group.visibility));
        self.next += 1;
        for member in &group.members {
            self.edges
                .row()
                .bigint(self.next)
                .uuid(Some(group.id.0))
                .uuid(Some(member.id.0))
                .smallint(member.kind as i16)
                .boolean(member.removed);
            self.next += 1;
        }
    }
}

const fn staged<'a>(mention: &'a Mention<'_>) -> Option<&'a str> {
    match mention {
        Mention::Unmentioned => None,
        Mention::Cleared => Some(""),
        Mention::Value(value) => match value {
            std::borrow::Cow::Borrowed(text) => Some(text),
            std::borrow::Cow::Owned(text) => Some(text.as_str()),
        },
    }
}

impl Staging {
    /// Opens a connection for it.
    pub async fn open(store: &Store) -> Result<Self, StoreError> {
        let mut connection = store.connection().await?.detach();
        for statement in [
            // A large tenant is compared in one statement.
            "SET statement_timeout = '900s'",
            "SET work_mem = '32MB'",
            "CREATE TEMPORARY TABLE staged_group (seq bigint NOT NULL, object_id uuid NOT NULL, presence smallint NOT NULL,
                 name text, description text, mail text, kind smallint NOT NULL, dynamic smallint NOT NULL,
                 membership_rule text, visibility text)",
            "CREATE TEMPORARY TABLE staged_edge (seq bigint NOT NULL, group_id uuid NOT NULL, member_id uuid NOT NULL,
                 member_kind smallint NOT NULL, removed boolean NOT NULL)",
            "CREATE TEMPORARY TABLE net_group (LIKE staged_group)",
            "CREATE TEMPORARY TABLE edge_change (group_id uuid NOT NULL, member_id uuid NOT NULL,
                 member_kind smallint NOT NULL, removed boolean NOT NULL, added boolean NOT NULL)",
        ] {
            sqlx::query(statement).execute(&mut connection).await?;
        }
        Ok(Self { connection, rows: 0 })
    }

    /// An empty batch to follow those that were sent.
    #[must_use]
    pub fn batch(&self) -> Batch {
        Batch::behind(self.rows)
    }

    /// Stages a batch.
    pub async fn send(&mut self, batch: Batch) -> Result<(), StoreError> {
        self.rows = batch.next;
        let groups = "COPY staged_group (seq, object_id, presence, name, description, mail, kind, dynamic, membership_rule,
             visibility) FROM STDIN (FORMAT binary)";
        batch.groups.send(&mut self.connection, groups).await?;
        let edges =
            "COPY staged_edge (seq, group_id, member_id, member_kind, removed) FROM STDIN (FORMAT binary)";
        batch.edges.send(&mut self.connection, edges).await
    }

    /// Forgets what is staged.
    pub async fn clear(&mut self) -> Result<(), StoreError> {
        sqlx::query("-- group_staging.clear\nTRUNCATE staged_group, staged_edge, net_group, edge_change")
            .execute(&mut self.connection)
            .await?;
        self.rows = 0;
        Ok(())
    }

    /// Brings the mirror in step with what is staged, at once. `None`: the run is no longer its holder's, and the mirror
    /// is as it was. Where nothing differs, nothing is written.
    pub async fn merge(mut self, merge: Merge<'_>) -> Result<Option<Merged>, StoreError> {
        let span = tracing::info_span!("db.tx", name = "groups.merge", whole = merge.whole);
        let merged = self.merge_at_once(merge).instrument(span).await?;
        self.connection.close().await?;
        Ok(merged)
    }

    async fn merge_at_once(&mut self, merge: Merge<'_>) -> Result<Option<Merged>, StoreError> {
        let Merge { of, asked, .. } = merge;
        let mut tx = self.connection.begin().await?;
        let known = lock_mirror(&mut tx, merge).await?;
        let before = if merge.whole {
            Reach::default()
        } else {
            group_mirror::reach(&mut tx, of, asked).await?
        };
        let groups = net_groups(&mut tx).await?;
        if merge.whole {
            compare_all(&mut tx, of).await?;
        } else {
            compare_changes(&mut tx, of).await?;
        }
        let changed = write_edges(&mut tx, of).await? + write_groups(&mut tx, merge).await?;
        let reach = group_mirror::reach(&mut tx, of, asked).await?;
        let touched = if merge.whole {
            Vec::new()
        } else {
            touched(&mut tx, merge, &before, &reach).await?
        };
        let version = if changed > 0 || known == 0 {
            raise_version(&mut tx, merge).await?
        } else {
            known
        };
        if !is_held(&mut tx, merge.hold).await? {
            tx.rollback().await?;
            return Ok(None);
        }
        tx.commit().await?;
        Ok(Some(Merged {
            version,
            groups,
            reach,
            touched,
        }))
    }
}

/// The version of the mirror, which nobody else changes from now on; 0 for one that is new.
async fn lock_mirror(tx: &mut PgConnection, merge: Merge<'_>) -> Result<i64, StoreError> {
    sqlx::query(
        "-- group_staging.begin_mirror
         INSERT INTO group_mirror (connection_id, version, run_id, changed_at) VALUES ($1, 0, $2, $3)
         ON CONFLICT (connection_id) DO NOTHING",
    )
    .bind(merge.of.0)
    .bind(merge.hold.run.0)
    .bind(merge.now)
    .execute(&mut *tx)
    .await?;
    Ok(sqlx::query_scalar(
        "-- group_staging.lock_mirror\nSELECT version FROM group_mirror WHERE connection_id = $1 FOR UPDATE",
    )
    .bind(merge.of.0)
    .fetch_one(tx)
    .await?)
}

async fn raise_version(tx: &mut PgConnection, merge: Merge<'_>) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(
        "-- group_staging.raise_version
         UPDATE group_mirror SET version = version + 1, run_id = $2, changed_at = $3 WHERE connection_id = $1
         RETURNING version",
    )
    .bind(merge.of.0)
    .bind(merge.hold.run.0)
    .bind(merge.now)
    .fetch_one(tx)
    .await?)
}

/// Whether the run is still read by this holder. Until the end of the transaction nobody can take it over.
async fn is_held(tx: &mut PgConnection, hold: &Hold) -> Result<bool, StoreError> {
    let held: Option<i32> = sqlx::query_scalar(
        "-- group_staging.is_held
         SELECT 1 FROM run_fetch
         WHERE run_id = $1 AND attempt = $2 AND holder = $3 AND state = 'fetching'
         FOR SHARE",
    )
    .bind(hold.run.0)
    .bind(crate::run_fetch::signed(hold.attempt))
    .bind(&hold.holder)
    .fetch_optional(tx)
    .await?;
    Ok(held.is_some())
}

/// One row per staged group: of each attribute what was mentioned last. Returns how many there are.
async fn net_groups(tx: &mut PgConnection) -> Result<u32, StoreError> {
    let done = sqlx::query(
        "-- group_staging.net_groups
         INSERT INTO net_group
         SELECT max(seq), object_id,
             (array_agg(presence ORDER BY seq DESC))[1],
             (array_agg(name ORDER BY seq DESC) FILTER (WHERE name IS NOT NULL))[1],
             (array_agg(description ORDER BY seq DESC) FILTER (WHERE description IS NOT NULL))[1],
             (array_agg(mail ORDER BY seq DESC) FILTER (WHERE mail IS NOT NULL))[1],
             coalesce((array_agg(kind ORDER BY seq DESC) FILTER (WHERE kind <> 0))[1], 0),
             coalesce((array_agg(dynamic ORDER BY seq DESC) FILTER (WHERE dynamic >= 0))[1], -1),
             (array_agg(membership_rule ORDER BY seq DESC) FILTER (WHERE membership_rule IS NOT NULL))[1],
             (array_agg(visibility ORDER BY seq DESC) FILTER (WHERE visibility IS NOT NULL))[1]
         FROM staged_group GROUP BY object_id",
    )
    .execute(&mut *tx)
    .await?;
    // The planner knows nothing of what was just filled.
    sqlx::query("ANALYZE net_group, staged_edge").execute(tx).await?;
    Ok(u32::try_from(done.rows_affected()).unwrap_or(u32::MAX))
}

/// Every edge on one side only, or of another kind.
async fn compare_all(tx: &mut PgConnection, of: ConnectionId) -> Result<(), StoreError> {
    sqlx::query(
        "-- group_staging.compare_all
         INSERT INTO edge_change (group_id, member_id, member_kind, removed, added)
         SELECT coalesce(new.group_id, old.group_id), coalesce(new.member_id, old.member_id),
             coalesce(new.member_kind, old.member_kind), new.group_id IS NULL, old.group_id IS NULL
         FROM (
             SELECT last.group_id, last.member_id, last.member_kind
             FROM (
                 SELECT DISTINCT ON (group_id, member_id) group_id, member_id, member_kind, removed
                 FROM staged_edge ORDER BY group_id, member_id, seq DESC
             ) AS last
             JOIN net_group AS of ON of.object_id = last.group_id AND of.presence <> $2
             WHERE NOT last.removed
         ) AS new
         FULL JOIN (
             SELECT group_id, member_id, member_kind FROM group_edge WHERE connection_id = $1
         ) AS old ON old.group_id = new.group_id AND old.member_id = new.member_id
         WHERE old.group_id IS NULL OR new.group_id IS NULL OR old.member_kind <> new.member_kind",
    )
    .bind(of.0)
    .bind(GONE)
    .execute(tx)
    .await?;
    Ok(())
}

/// What the staged edges change, and what goes with groups that are gone. Looked up edge by edge, whatever the tenant's
/// size.
async fn compare_changes(tx: &mut PgConnection, of: ConnectionId) -> Result<(), StoreError> {
    sqlx::query(
        "-- group_staging.compare_changes
         INSERT INTO edge_change (group_id, member_id, member_kind, removed, added)
         SELECT new.group_id, new.member_id, coalesce(nullif(new.member_kind, 0), old.member_kind, 0), new.removed,
             old.member_kind IS NULL
         FROM (
             SELECT DISTINCT ON (group_id, member_id) group_id, member_id, member_kind, removed
             FROM staged_edge ORDER BY group_id, member_id, seq DESC
         ) AS new
         LEFT JOIN LATERAL (
             SELECT member_kind FROM group_edge
             WHERE connection_id = $1 AND group_id = new.group_id AND member_id = new.member_id LIMIT 1
         ) AS old ON true
         WHERE NOT EXISTS (SELECT FROM net_group WHERE object_id = new.group_id AND presence = $2)
           AND CASE WHEN new.removed THEN old.member_kind IS NOT NULL
               ELSE old.member_kind IS NULL OR (new.member_kind <> 0 AND new.member_kind <> old.member_kind) END",
    )
    .bind(of.0)
    .bind(GONE)
    .execute(&mut *tx)
    .await?;
    sqlx::query(
        "-- group_staging.compare_gone
         INSERT INTO edge_change (group_id, member_id, member_kind, removed, added)
         SELECT old.group_id, old.member_id, old.member_kind, true, false
         FROM net_group
         CROSS JOIN LATERAL (
             SELECT group_id, member_id, member_kind FROM group_edge
             WHERE connection_id = $1 AND group_id = net_group.object_id
             UNION
             SELECT group_id, member_id, member_kind FROM group_edge
             WHERE connection_id = $1 AND member_id = net_group.object_id
             OFFSET 0
         ) AS old
         WHERE net_group.presence = $2",
    )
    .bind(of.0)
    .bind(GONE)
    .execute(tx)
    .await?;
    Ok(())
}

/// Writes the edges that differ. Returns how many.
async fn write_edges(tx: &mut PgConnection, of: ConnectionId) -> Result<u64, StoreError> {
    sqlx::query("ANALYZE edge_change").execute(&mut *tx).await?;
    let removed = sqlx::query(
        "-- group_staging.remove_edges
         DELETE FROM group_edge USING edge_change
         WHERE connection_id = $1 AND group_edge.group_id = edge_change.group_id
           AND group_edge.member_id = edge_change.member_id AND edge_change.removed",
    )
    .bind(of.0)
    .execute(&mut *tx)
    .await?;
    let changed = sqlx::query(
        "-- group_staging.change_edges
         UPDATE group_edge SET member_kind = edge_change.member_kind FROM edge_change
         WHERE connection_id = $1 AND group_edge.group_id = edge_change.group_id
           AND group_edge.member_id = edge_change.member_id AND NOT edge_change.removed AND NOT edge_change.added",
    )
    .bind(of.0)
    .execute(&mut *tx)
    .await?;
    // In the order of the members, whose index is the one that would be filled at random: nearly three times as fast as an
    // upsert in any order. Nobody else writes them, as the mirror's row is locked.
    let added = sqlx::query(
        "-- group_staging.add_edges
         INSERT INTO group_edge (connection_id, group_id, member_id, member_kind)
         SELECT $1, group_id, member_id, member_kind FROM edge_change WHERE NOT removed AND added
         ORDER BY member_id, group_id",
    )
    .bind(of.0)
    .execute(tx)
    .await?;
    Ok(removed.rows_affected() + changed.rows_affected() + added.rows_affected())
}

/// Writes the groups that differ. Returns how many.
async fn write_groups(tx: &mut PgConnection, merge: Merge<'_>) -> Result<u64, StoreError> {
    let removed = sqlx::query(
        "-- group_staging.remove_groups
         DELETE FROM directory_group AS old
         WHERE connection_id = $1 AND CASE
             WHEN $2 THEN NOT EXISTS (SELECT FROM net_group WHERE object_id = old.object_id AND presence <> $3)
             ELSE object_id = ANY (ARRAY(SELECT object_id FROM net_group WHERE presence = $3)) END",
    )
    .bind(merge.of.0)
    .bind(merge.whole)
    .bind(GONE)
    .execute(&mut *tx)
    .await?;
    // What a whole reading does not mention is empty; else it is as it was.
    let changed = sqlx::query(
        "-- group_staging.change_groups
         UPDATE directory_group AS old
         SET name = new.name, description = new.description, mail = new.mail, kind = new.kind, dynamic = new.dynamic,
             membership_rule = new.membership_rule, visibility = new.visibility, deleted = new.deleted
         FROM (
             SELECT net.object_id,
                 CASE WHEN $2 OR net.name IS NOT NULL THEN nullif(net.name, '') ELSE o.name END AS name,
                 CASE WHEN $2 OR net.description IS NOT NULL THEN nullif(net.description, '')
                     ELSE o.description END AS description,
                 CASE WHEN $2 OR net.mail IS NOT NULL THEN nullif(net.mail, '') ELSE o.mail END AS mail,
                 CASE WHEN $2 OR net.kind <> 0 THEN net.kind ELSE o.kind END AS kind,
                 CASE WHEN $2 OR net.dynamic >= 0 THEN net.dynamic = 1 ELSE o.dynamic END AS dynamic,
                 CASE WHEN $2 OR net.membership_rule IS NOT NULL THEN nullif(net.membership_rule, '')
                     ELSE o.membership_rule END AS membership_rule,
                 CASE WHEN $2 OR net.visibility IS NOT NULL THEN nullif(net.visibility, '')
                     ELSE o.visibility END AS visibility,
                 net.presence = $3 AS deleted
             FROM net_group AS net
             CROSS JOIN LATERAL (
                 SELECT * FROM directory_group WHERE connection_id = $1 AND object_id = net.object_id LIMIT 1
             ) AS o
         ) AS new
         WHERE old.connection_id = $1 AND old.object_id = new.object_id
           AND (old.name, old.description, old.mail, old.kind, old.dynamic, old.membership_rule, old.visibility,
                   old.deleted)
               IS DISTINCT FROM (new.name, new.description, new.mail, new.kind, new.dynamic, new.membership_rule,
                   new.visibility, new.deleted)",
    )
    .bind(merge.of.0)
    .bind(merge.whole)
    .bind(DELETED)
    .execute(&mut *tx)
    .await?;
    let added = sqlx::query(
        "-- group_staging.add_groups
         INSERT INTO directory_group (connection_id, object_id, name, description, mail, kind, dynamic, membership_rule,
             visibility, deleted)
         SELECT $1, object_id, nullif(name, ''), nullif(description, ''), nullif(mail, ''), kind, dynamic = 1,
             nullif(membership_rule, ''), nullif(visibility, ''), presence = $2
         FROM net_group WHERE presence <> $3
         ON CONFLICT (connection_id, object_id) DO NOTHING",
    )
    .bind(merge.of.0)
    .bind(DELETED)
    .bind(GONE)
    .execute(tx)
    .await?;
    Ok(removed.rows_affected() + changed.rows_affected() + added.rows_affected())
}

/// Users whose own edge to a group with reach has come or gone, and all in groups whose reach is another one now.
async fn touched(
    tx: &mut PgConnection,
    merge: Merge<'_>,
    before: &Reach,
    after: &Reach,
) -> Result<Vec<ObjectId>, StoreError> {
    let either = before.groups().chain(after.groups());
    let either: Vec<Uuid> = either.map(|group| group.0).collect();
    let changed: Vec<Uuid> = after
        .changed_since(before)
        .into_iter()
        .map(|group| group.0)
        .collect();
    let limit = i64::try_from(merge.most_touched).unwrap_or(i64::MAX - 1) + 1;
    let touched: Vec<Uuid> = sqlx::query_scalar(
        "-- group_staging.touched
         SELECT member_id FROM (
             SELECT member_id FROM edge_change WHERE group_id = ANY ($2) AND member_kind = ANY ($5)
             UNION
             SELECT inside.member_id
             FROM unnest($3::uuid[]) AS changed (group_id)
             CROSS JOIN LATERAL (
                 SELECT member_id FROM group_edge
                 WHERE connection_id = $1 AND group_id = changed.group_id AND member_kind = ANY ($5)
                 LIMIT $4
             ) AS inside
         ) AS touched
         LIMIT $4",
    )
    .bind(merge.of.0)
    .bind(either)
    .bind(changed)
    .bind(limit)
    .bind(PERHAPS_USERS.map(|kind| kind as i16).to_vec())
    .fetch_all(tx)
    .await?;
    Ok(touched.into_iter().map(ObjectId).collect())
}

/// Whose members are looked at as users: those that are, and those of which it was not said.
pub const PERHAPS_USERS: [MemberKind; 2] = [MemberKind::User, MemberKind::Unknown];
