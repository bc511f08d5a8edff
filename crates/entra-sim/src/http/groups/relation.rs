//! `GET /groups/{id}/members` and `/transitiveMembers`, `/users/{id}/memberOf` and `/transitiveMemberOf`.

use super::list::{Asked, Listed};
use super::place::Place;
use crate::directory::Directory;
use crate::groups::property::GroupProperty;
use crate::groups::{Group, Member, MemberKind, write_id};
use crate::held::read;
use crate::http::answer::Answer;
use crate::http::endpoint::Endpoint;
use crate::http::error::GraphError;
use crate::http::front::Call;
use crate::http::page::Rows;
use crate::json::Json;
use crate::property::Property;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Needed to see who is in a group of hidden membership.
const READ_HIDDEN: &str = "Member.Read.Hidden";

/// One page of a group's members: direct ones, or on all levels, the nested groups included.
pub fn members(
    call: &Call<'_>,
    id: &str,
    cast: Option<&str>,
    transitive: bool,
) -> Result<Answer, GraphError> {
    let only = cast.map(|cast| kind_of(call, cast)).transpose()?;
    let asked = Asked::of(call)?;
    let directory = read(&call.tenant.directory);
    let group = directory
        .groups
        .find(id)
        .ok_or_else(|| GraphError::not_found(id))?;
    let all = if transitive {
        below(&directory, call, group)
    } else {
        visible(call, group).to_vec()
    };
    let shown = |member: &Member| {
        // Service principals are missing in v1.0 (§4).
        member.kind != MemberKind::ServicePrincipal
            && only.is_none_or(|kind| kind == member.kind)
            && is_there(&directory, *member)
    };
    let shown: Vec<Member> = all.into_iter().filter(shown).collect();
    let path = format!(
        "/v1.0/groups/{id}/{}{}{}",
        if transitive {
            "transitiveMembers"
        } else {
            "members"
        },
        if cast.is_some() { "/" } else { "" },
        cast.unwrap_or_default()
    );
    Ok(page(call, &asked, &directory, &path, &shown))
}

/// One page of the groups that a user is in: directly, or on all levels.
pub fn groups_of(call: &Call<'_>, key: &str, transitive: bool) -> Result<Answer, GraphError> {
    let asked = Asked::of(call)?;
    let directory = read(&call.tenant.directory);
    let slot = directory.find(key).ok_or_else(|| GraphError::not_found(key))?;
    let mut found = BTreeMap::new();
    let mut next = vec![directory.generation.id(slot)];
    while let Some(id) = next.pop() {
        for group in directory.groups.of_member(id) {
            if found.insert(group.id, MemberKind::Group).is_none() && transitive {
                next.push(group.id);
            }
        }
    }
    let found: Vec<Member> = found.into_iter().map(|(id, kind)| Member { id, kind }).collect();
    let relation = if transitive {
        "transitiveMemberOf"
    } else {
        "memberOf"
    };
    let path = format!("/v1.0/users/{key}/{relation}");
    Ok(page(call, &asked, &directory, &path, &found))
}

/// The type of a cast, which takes the index (§4).
fn kind_of(call: &Call<'_>, cast: &str) -> Result<MemberKind, GraphError> {
    let name = cast
        .strip_prefix("microsoft.graph.")
        .or(cast.strip_prefix("graph."));
    let kind = name
        .and_then(MemberKind::named)
        .ok_or_else(|| GraphError::unsupported(format!("Unsupported cast to type '{cast}'.")))?;
    if call.eventual() && call.query.count() {
        Ok(kind)
    } else {
        Err(GraphError::unsupported(
            "The OData cast requires 'ConsistencyLevel: eventual' and $count=true.",
        ))
    }
}

/// May this app see who is in the group?
pub fn shows_members(call: &Call<'_>, group: &Group) -> bool {
    !group.hidden() || call.roles.iter().any(|role| role == READ_HIDDEN)
}

fn visible<'g>(call: &Call<'_>, group: &'g Group) -> &'g [Member] {
    if shows_members(call, group) {
        group.members()
    } else {
        &[]
    }
}

/// Everybody below a group, each once; cycles end.
fn below(directory: &Directory, call: &Call<'_>, group: &Group) -> Vec<Member> {
    let mut found: BTreeMap<Uuid, Member> = BTreeMap::new();
    let mut next = vec![group];
    while let Some(group) = next.pop() {
        for member in visible(call, group) {
            let new = found.insert(member.id, *member).is_none();
            if new && member.kind == MemberKind::Group {
                let number = directory.groups.number(member.id);
                let group = number.and_then(|number| directory.groups.get(number));
                next.extend(group.filter(|group| group.is_live()));
            }
        }
    }
    found.into_values().collect()
}

/// A member in the deleted items stays one, but is not shown.
fn is_there(directory: &Directory, member: Member) -> bool {
    match member.kind {
        MemberKind::User => directory
            .slot(member.id)
            .is_some_and(|slot| directory.is_live(slot)),
        MemberKind::Group => {
            let number = directory.groups.number(member.id);
            number
                .and_then(|number| directory.groups.get(number))
                .is_some_and(Group::is_live)
        }
        MemberKind::Device | MemberKind::ServicePrincipal | MemberKind::OrgContact => true,
    }
}

fn page(call: &Call<'_>, asked: &Asked, directory: &Directory, path: &str, all: &[Member]) -> Answer {
    let wanted = Wanted::of(call);
    // By id, so that who comes or goes meanwhile moves nobody else.
    let from = asked
        .place
        .begun
        .map_or(0, |(_, last)| all.partition_point(|member| member.id <= last));
    let mut rows = Rows::default();
    let size = if asked.empty { 0 } else { asked.size };
    let mut last = asked.place.begun;
    let left = rows.fill(
        all.iter().skip(from).map(|member| (0, *member)),
        size,
        |member, json| {
            wanted.write(directory, member, json);
            last = Some((0, member.id));
        },
    );
    let next = left.map(|_| Place {
        begun: last,
        ..asked.place.clone()
    });
    let count = asked.counts.then_some(all.len() as u64);
    let listed = Listed {
        path,
        context: "directoryObjects".into(),
        count,
        rows,
        next,
    };
    asked.answer(call, directory, listed)
}

/// What rows of members say.
struct Wanted {
    user: Option<Vec<Property>>,
    group: Vec<GroupProperty>,
}

impl Wanted {
    /// Names that a kind of member does not have are none of it. Users that the app may not read come with their id
    /// only (§4).
    fn of(call: &Call<'_>) -> Self {
        let names = call.query.get("select").filter(|text| !text.trim().is_empty());
        let may = call
            .roles
            .iter()
            .any(|role| Endpoint::UserDelta.roles().contains(&role.as_str()));
        let Some(names) = names else {
            return Self {
                user: may.then(Property::defaults),
                group: GroupProperty::defaults(),
            };
        };
        let names: Vec<&str> = names.split(',').map(str::trim).collect();
        let user = names
            .iter()
            .filter_map(|name| Property::named(name))
            .filter(|property| *property != Property::MANAGER);
        Self {
            user: may.then(|| user.collect()),
            group: names
                .iter()
                .filter_map(|name| GroupProperty::named(name))
                .collect(),
        }
    }

    fn write(&self, directory: &Directory, member: Member, json: &mut Json) {
        json.raw("{\"@odata.type\":\"#microsoft.graph.");
        json.raw(member.kind.name());
        json.raw("\"");
        let mut own = Json::default();
        match member.kind {
            MemberKind::User => {
                let slot = directory.slot(member.id);
                if let Some((slot, properties)) = slot.zip(self.user.as_ref()) {
                    directory.row(slot).list(properties, None, &mut own);
                }
            }
            MemberKind::Group => {
                let number = directory.groups.number(member.id);
                if let Some(group) = number.and_then(|number| directory.groups.get(number)) {
                    group.list(&self.group, &mut own);
                    own.raw("}");
                }
            }
            MemberKind::Device | MemberKind::ServicePrincipal | MemberKind::OrgContact => {}
        }
        match own.0.as_slice() {
            [] => {
                json.raw(",");
                json.key("id");
                write_id(member.id, json);
                json.raw("}");
            }
            b"{}" => json.raw("}"),
            [_, rest @ ..] => {
                json.raw(",");
                json.0.extend_from_slice(rest);
            }
        }
    }
}
