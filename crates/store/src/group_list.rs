//! Groups and their members as people see them. Only reads.

use domain::id::{AccountId, ConnectionId, ObjectId, OrganizationId};
use domain::observed_group::{GroupKind, MemberKind};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Inconsistent, StoreError};

/// A group as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The object.
    pub id: ObjectId,
    /// The connection that knows it.
    pub connection: ConnectionId,
    /// That connection's name.
    pub connection_name: String,
    /// Its name; empty where Entra gave none.
    pub name: String,
    /// `description`
    pub description: Option<String>,
    /// `mail`
    pub mail: Option<String>,
    /// What it is for, where that is known.
    pub kind: Option<GroupKind>,
    /// Whether a rule chooses its members.
    pub dynamic: bool,
    /// The rule.
    pub membership_rule: Option<String>,
    /// `visibility`
    pub visibility: Option<String>,
    /// Direct members.
    pub members: Counts,
}

/// Members by their type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Users.
    pub users: u32,
    /// Groups.
    pub groups: u32,
    /// Devices.
    pub devices: u32,
    /// Others.
    pub others: u32,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The object.
    pub id: ObjectId,
    /// What it is.
    pub kind: MemberKind,
    /// Whether the group itself names it.
    pub direct: bool,
    /// The name of the group, or of the account that the user is linked to.
    pub name: Option<String>,
    /// That account.
    pub account: Option<AccountId>,
}

/// Which groups are listed.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Of this connection only.
    pub connection: Option<ConnectionId>,
    /// Words that must all occur in name, description or mail.
    pub words: Vec<String>,
}

/// Where a page of groups begins: behind this name, object, and connection.
pub type After = (String, ObjectId, ConnectionId);

/// Up to `limit` of the organization's groups by name, those behind `after`. Deleted ones are not shown.
pub async fn list(
    connection: &mut PgConnection,
    organization: OrganizationId,
    search: &Search,
    after: Option<&After>,
    limit: i64,
) -> Result<Vec<Group>, StoreError> {
    let patterns: Vec<String> = search.words.iter().map(|word| pattern(word)).collect();
    let rows: Vec<Row> = sqlx::query_as(
        "-- group_list.list
         WITH found AS (
             SELECT directory_group.*, connection.name AS connection_name
             FROM connection JOIN directory_group ON directory_group.connection_id = connection.id
             WHERE connection.organization_id = $1 AND ($2::uuid IS NULL OR connection.id = $2)
               AND NOT directory_group.deleted
               AND ($4::text IS NULL OR (coalesce(directory_group.name, ''), directory_group.object_id, connection.id)
                   > ($4, $5, $6))
               AND NOT EXISTS (
                   SELECT FROM unnest($3::text[]) AS word
                   WHERE concat_ws(' ', directory_group.name, directory_group.description, directory_group.mail)
                       NOT ILIKE word)
             ORDER BY coalesce(directory_group.name, ''), directory_group.object_id, connection.id
             LIMIT $7
         )
         SELECT found.object_id, found.connection_id, found.connection_name, found.name, found.description, found.mail,
             found.kind, found.dynamic, found.membership_rule, found.visibility,
             member.users, member.groups, member.devices, member.others
         FROM found
         CROSS JOIN LATERAL (
             SELECT count(*) FILTER (WHERE member_kind = 1) AS users, count(*) FILTER (WHERE member_kind = 2) AS groups,
                 count(*) FILTER (WHERE member_kind = 3) AS devices,
                 count(*) FILTER (WHERE member_kind NOT IN (1, 2, 3)) AS others
             FROM group_edge WHERE connection_id = found.connection_id AND group_id = found.object_id
         ) AS member
         ORDER BY coalesce(found.name, ''), found.object_id, found.connection_id",
    )
    .bind(organization.0)
    .bind(search.connection.map(|of| of.0))
    .bind(patterns)
    .bind(after.map(|(name, ..)| name))
    .bind(after.map(|(_, id, _)| id.0))
    .bind(after.map(|(.., of)| of.0))
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| Group::try_from(row).map_err(StoreError::from))
        .collect()
}

/// The connections of the organization that know this group, with their names.
pub async fn connections_of(
    connection: &mut PgConnection,
    organization: OrganizationId,
    group: ObjectId,
) -> Result<Vec<(ConnectionId, String)>, StoreError> {
    let found: Vec<(Uuid, String)> = sqlx::query_as(
        "-- group_list.connections_of
         SELECT connection.id, connection.name
         FROM connection
         CROSS JOIN LATERAL (
             SELECT FROM directory_group
             WHERE connection_id = connection.id AND object_id = $2 AND NOT deleted LIMIT 1
         ) AS known
         WHERE connection.organization_id = $1
         ORDER BY connection.name",
    )
    .bind(organization.0)
    .bind(group.0)
    .fetch_all(connection)
    .await?;
    Ok(found
        .into_iter()
        .map(|(id, name)| (ConnectionId(id), name))
        .collect())
}

/// Up to `limit` of the members that the group itself names, by their ids, those behind `after`.
pub async fn direct_members(
    connection: &mut PgConnection,
    of: ConnectionId,
    group: ObjectId,
    after: Option<ObjectId>,
    limit: i64,
) -> Result<Vec<Member>, StoreError> {
    let sql = format!(
        "-- group_list.direct_members
         WITH found AS (
             SELECT member_id, member_kind, true AS direct FROM group_edge
             WHERE connection_id = $1 AND group_id = $2 AND ($3::uuid IS NULL OR member_id > $3)
             ORDER BY member_id LIMIT $4
         )
         {NAMED}"
    );
    let rows: Vec<MemberRow> = sqlx::query_as(&sql)
        .bind(of.0)
        .bind(group.0)
        .bind(after.map(|after| after.0))
        .bind(limit)
        .fetch_all(connection)
        .await?;
    members(rows)
}

/// Up to `limit` of the users and devices that belong to the group at any depth, each once, by their ids, those behind
/// `after`. Of each group on the way down only as many members are looked at as the page can hold.
pub async fn transitive_members(
    connection: &mut PgConnection,
    of: ConnectionId,
    group: ObjectId,
    after: Option<ObjectId>,
    limit: i64,
) -> Result<Vec<Member>, StoreError> {
    let sql = format!(
        "-- group_list.transitive_members
         WITH RECURSIVE below (id) AS (
             SELECT $2::uuid
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
         ), found AS (
             SELECT inside.member_id, max(inside.member_kind) AS member_kind, bool_or(below.id = $2) AS direct
             FROM below
             CROSS JOIN LATERAL (
                 SELECT member_id, member_kind FROM group_edge
                 WHERE connection_id = $1 AND group_id = below.id AND ($3::uuid IS NULL OR member_id > $3)
                   AND member_kind IN (1, 3)
                 ORDER BY member_id LIMIT $4
             ) AS inside
             GROUP BY inside.member_id ORDER BY inside.member_id LIMIT $4
         )
         {NAMED}"
    );
    let rows: Vec<MemberRow> = sqlx::query_as(&sql)
        .bind(of.0)
        .bind(group.0)
        .bind(after.map(|after| after.0))
        .bind(limit)
        .fetch_all(connection)
        .await?;
    members(rows)
}

/// Members with the names that are known of them.
const NAMED: &str = "
    SELECT found.member_id, found.member_kind, found.direct, coalesce(inner_group.name, account.name) AS name,
        account.id AS account_id
    FROM found
    LEFT JOIN LATERAL (
        SELECT name FROM directory_group WHERE connection_id = $1 AND object_id = found.member_id LIMIT 1
    ) AS inner_group ON found.member_kind = 2
    LEFT JOIN LATERAL (
        SELECT account_id FROM link
        WHERE connection_id = $1 AND object_id = found.member_id AND target = 1 LIMIT 1
    ) AS linked ON found.member_kind IN (0, 1)
    LEFT JOIN LATERAL (
        SELECT id, name FROM account WHERE id = linked.account_id LIMIT 1
    ) AS account ON true
    ORDER BY found.member_id";

fn members(rows: Vec<MemberRow>) -> Result<Vec<Member>, StoreError> {
    rows.into_iter()
        .map(|row| {
            let kind = MemberKind::of_number(row.member_kind)
                .ok_or_else(|| Inconsistent::new("group_edge", "member_kind", row.member_id))?;
            Ok(Member {
                id: ObjectId(row.member_id),
                kind,
                direct: row.direct,
                name: row.name,
                account: row.account_id.map(AccountId),
            })
        })
        .collect()
}

/// The word without the pattern's special characters, anywhere in a text.
fn pattern(word: &str) -> String {
    let mut pattern = String::with_capacity(word.len() + 2);
    pattern.push('%');
    for c in word.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

#[derive(sqlx::FromRow)]
struct MemberRow {
    member_id: Uuid,
    member_kind: i16,
    direct: bool,
    name: Option<String>,
    account_id: Option<Uuid>,
}

#[derive(sqlx::FromRow)]
struct Row {
    object_id: Uuid,
    connection_id: Uuid,
    connection_name: String,
    name: Option<String>,
    description: Option<String>,
    mail: Option<String>,
    kind: i16,
    dynamic: bool,
    membership_rule: Option<String>,
    visibility: Option<String>,
    users: i64,
    groups: i64,
    devices: i64,
    others: i64,
}

impl TryFrom<Row> for Group {
    type Error = Inconsistent;

    fn try_from(row: Row) -> Result<Self, Inconsistent> {
        let bad = |column| Inconsistent::new("directory_group", column, row.object_id);
        let kind = match row.kind {
            0 => None,
            number => Some(GroupKind::of_number(number).ok_or_else(|| bad("kind"))?),
        };
        let count = |number| u32::try_from(number).unwrap_or(u32::MAX);
        Ok(Self {
            id: ObjectId(row.object_id),
            connection: ConnectionId(row.connection_id),
            connection_name: row.connection_name,
            name: row.name.unwrap_or_default(),
            description: row.description,
            mail: row.mail,
            kind,
            dynamic: row.dynamic,
            membership_rule: row.membership_rule,
            visibility: row.visibility,
            members: Counts {
                users: count(row.users),
                groups: count(row.groups),
                devices: count(row.devices),
                others: count(row.others),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_taken_as_it_stands() {
        assert_eq!(pattern(r"50%_a\b"), r"%50\%\_a\\b%");
    }
}
