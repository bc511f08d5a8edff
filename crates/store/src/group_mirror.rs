//! `group_mirror`, `group_edge`, `directory_group`: a connection's groups as they were last read, asked for the memberships
//! that criteria need. Written by fetcher.

use domain::id::{ConnectionId, ObjectId};
use domain::membership::{Nesting, Reach};
use futures::{Stream, TryStreamExt};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;
use crate::group_staging::PERHAPS_USERS;

/// That someone is directly in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Who.
    pub member: ObjectId,
    /// Where.
    pub group: ObjectId,
}

/// The version that a connection's groups are in; none while they have never been read.
pub async fn version(connection: &mut PgConnection, of: ConnectionId) -> Result<Option<i64>, StoreError> {
    Ok(sqlx::query_scalar(
        "-- group_mirror.version\nSELECT version FROM group_mirror WHERE connection_id = $1 AND version > 0",
    )
    .bind(of.0)
    .fetch_optional(connection)
    .await?)
}

/// How far the groups asked for reach down. A group that is deleted, or was never read, has no members.
pub async fn reach(
    connection: &mut PgConnection,
    of: ConnectionId,
    asked: &[ObjectId],
) -> Result<Reach, StoreError> {
    if asked.is_empty() {
        return Ok(Reach::default());
    }
    let ids: Vec<Uuid> = asked.iter().map(|group| group.0).collect();
    let there: Vec<Uuid> = sqlx::query_scalar(
        "-- group_mirror.there
         SELECT object_id FROM directory_group WHERE connection_id = $1 AND object_id = ANY ($2) AND NOT deleted",
    )
    .bind(of.0)
    .bind(ids)
    .fetch_all(&mut *connection)
    .await?;
    // Down from the groups asked for, each once. The offsets keep the planner at looking up a group's own few.
    let nested: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "-- group_mirror.nested
         WITH RECURSIVE below (id) AS (
             SELECT asked.id FROM unnest($2::uuid[]) AS asked (id)
             UNION
             SELECT inner_group.member_id
             FROM below
             CROSS JOIN LATERAL (
                 SELECT member_id FROM group_edge
                 WHERE connection_id = $1 AND group_id = below.id AND member_kind = 2 OFFSET 0
             ) AS inner_group
             CROSS JOIN LATERAL (
                 SELECT FROM directory_group
                 WHERE connection_id = $1 AND object_id = inner_group.member_id AND NOT deleted LIMIT 1
             ) AS there
         )
         SELECT inner_group.member_id, below.id
         FROM below
         CROSS JOIN LATERAL (
             SELECT member_id FROM group_edge
             WHERE connection_id = $1 AND group_id = below.id AND member_kind = 2 OFFSET 0
         ) AS inner_group
         WHERE inner_group.member_id IN (SELECT id FROM below)",
    )
    .bind(of.0)
    .bind(&there)
    .fetch_all(connection)
    .await?;
    let nesting = |(inner, outer)| Nesting {
        inner: ObjectId(inner),
        outer: ObjectId(outer),
    };
    let nestings: Vec<Nesting> = nested.into_iter().map(nesting).collect();
    let asked: Vec<ObjectId> = there.into_iter().map(ObjectId).collect();
    Ok(Reach::of(&asked, &nestings))
}

/// Every user who is directly in a group with reach, in the order of the members.
pub fn all_in<'c>(
    connection: &'c mut PgConnection,
    of: ConnectionId,
    reach: &Reach,
) -> impl Stream<Item = Result<Edge, StoreError>> + Send + use<'c> {
    let groups: Vec<Uuid> = reach.groups().map(|group| group.0).collect();
    sqlx::query_as(
        "-- group_mirror.all_in
         SELECT member_id, group_id FROM group_edge
         WHERE connection_id = $1 AND group_id = ANY ($2) AND member_kind = ANY ($3)
         ORDER BY member_id",
    )
    .bind(of.0)
    .bind(groups)
    .bind(PERHAPS_USERS.map(|kind| kind as i16).to_vec())
    .fetch(connection)
    .map_ok(edge)
    .map_err(StoreError::from)
}

/// The groups that these are directly in, in the order of the members.
pub async fn edges_of(
    connection: &mut PgConnection,
    of: ConnectionId,
    members: &[Uuid],
) -> Result<Vec<Edge>, StoreError> {
    let edges: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "-- group_mirror.edges_of
         SELECT edge.member_id, edge.group_id
         FROM unnest($2::uuid[]) AS asked (id)
         CROSS JOIN LATERAL (
             SELECT member_id, group_id FROM group_edge WHERE connection_id = $1 AND member_id = asked.id OFFSET 0
         ) AS edge
         ORDER BY edge.member_id",
    )
    .bind(of.0)
    .bind(members)
    .fetch_all(connection)
    .await?;
    Ok(edges.into_iter().map(edge).collect())
}

fn edge((member, group): (Uuid, Uuid)) -> Edge {
    Edge {
        member: ObjectId(member),
        group: ObjectId(group),
    }
}
