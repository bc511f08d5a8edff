//! `rollcall.v1.Groups`.

use contracts::v1;
use contracts::v1::groups_server::Groups;
use domain::id::{ConnectionId, ObjectId};
use store::group_list::{self, After, Group, Member, Search};
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::auth::Caller;
use crate::fault::Fault;
use crate::page::Page;
use crate::{lookup, view};

/// Words in a search at most.
const MOST_WORDS: usize = 10;

/// The service.
pub struct Service(pub App);

#[tonic::async_trait]
impl Groups for Service {
    async fn list_groups(
        &self,
        request: Request<v1::ListGroupsRequest>,
    ) -> Result<Response<v1::ListGroupsResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(list(&self.0, &caller, request.get_ref()).await?))
    }

    async fn list_group_members(
        &self,
        request: Request<v1::ListGroupMembersRequest>,
    ) -> Result<Response<v1::ListGroupMembersResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(members(&self.0, &caller, request.get_ref()).await?))
    }
}

async fn list(
    app: &App,
    caller: &Caller,
    request: &v1::ListGroupsRequest,
) -> Result<v1::ListGroupsResponse, Fault> {
    let list = format!("groups {} {}", request.connection, request.search);
    let page = Page::read(list, request.page_size, &request.page_token)?;
    let after = page.after_parsed(after)?;
    let words: Vec<String> = request.search.split_whitespace().map(str::to_owned).collect();
    if words.len() > MOST_WORDS {
        return Err(Fault::invalid("search", "has more than 10 words"));
    }
    let mut tx = app.store.begin("groups.list").await?;
    let search = Search {
        connection: lookup::connection_filter(&mut tx, caller, &request.connection).await?,
        words,
    };
    let organization = caller.organization();
    let rows = group_list::list(
        tx.connection(),
        organization,
        &search,
        after.as_ref(),
        page.limit(),
    )
    .await?;
    tx.commit().await?;
    let key = |row: &Group| vec![row.name.clone(), row.id.to_string(), row.connection.to_string()];
    let (groups, next_page_token) = page.cut_messages(rows, key, view::group::group);
    Ok(v1::ListGroupsResponse {
        groups,
        next_page_token,
    })
}

/// A name may hold anything, the separator of a token's parts too.
fn after(parts: &[String]) -> Option<After> {
    let (connection, rest) = parts.split_last()?;
    let (id, name) = rest.split_last()?;
    (!name.is_empty()).then_some(())?;
    Some((name.join("\u{1f}"), id.parse().ok()?, connection.parse().ok()?))
}

async fn members(
    app: &App,
    caller: &Caller,
    request: &v1::ListGroupMembersRequest,
) -> Result<v1::ListGroupMembersResponse, Fault> {
    let group: ObjectId = lookup::parse("groupId", &request.group_id)?;
    let list = format!("members {} {} {group}", request.transitive, request.connection);
    let page = Page::read(list, request.page_size, &request.page_token)?;
    let after = page.after_parsed(|parts| parts.first()?.parse().ok())?;
    let mut tx = app.store.begin("groups.members").await?;
    let narrowed = lookup::connection_filter(&mut tx, caller, &request.connection).await?;
    let known = group_list::connections_of(tx.connection(), caller.organization(), group).await?;
    let of = one_of(&known, narrowed, group)?;
    let (connection, limit) = (tx.connection(), page.limit());
    let rows = if request.transitive {
        group_list::transitive_members(connection, of, group, after, limit).await?
    } else {
        group_list::direct_members(connection, of, group, after, limit).await?
    };
    tx.commit().await?;
    let key = |row: &Member| vec![row.id.to_string()];
    let (members, next_page_token) = page.cut_messages(rows, key, view::group::member);
    Ok(v1::ListGroupMembersResponse {
        members,
        next_page_token,
    })
}

/// The connection whose group is meant.
fn one_of(
    known: &[(ConnectionId, String)],
    narrowed: Option<ConnectionId>,
    group: ObjectId,
) -> Result<ConnectionId, Fault> {
    let mut meant = known
        .iter()
        .filter(|(id, _)| narrowed.is_none_or(|narrowed| narrowed == *id));
    match (meant.next(), meant.next()) {
        (Some((id, _)), None) => Ok(*id),
        (None, _) => Err(Fault::NotFound {
            what: "group",
            name: group.to_string(),
            hint: "; find groups with rollcall group list --search TEXT; they are read while a mapping has target \
                   groups or criteria ask for membership"
                .to_owned(),
        }),
        (Some(_), Some(_)) => {
            let names: Vec<&str> = known.iter().map(|(_, name)| name.as_str()).collect();
            Err(Fault::invalid(
                "connection",
                format!(
                    "is missing; several know this group: name one of {}",
                    names.join(", ")
                ),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn i7_a_name_with_a_separator_in_it_is_found_again() {
        let id = Uuid::from_u128(1).to_string();
        let parts = ["a", "b", id.as_str(), id.as_str()].map(str::to_owned);
        assert_eq!(after(&parts).unwrap().0, "a\u{1f}b");
        assert!(after(&parts[2..]).is_none(), "there is always a name");
    }

    #[test]
    fn i7_a_group_that_several_connections_know_is_asked_back() {
        let connection = |number| ConnectionId(Uuid::from_u128(number));
        let known = vec![
            (connection(1), "contoso".to_owned()),
            (connection(2), "fabrikam".to_owned()),
        ];
        let group = ObjectId(Uuid::nil());
        assert_eq!(one_of(&known, Some(connection(2)), group).unwrap(), connection(2));
        let Err(Fault::Invalid(violations)) = one_of(&known, None, group) else {
            panic!("it is not clear which is meant");
        };
        assert!(
            violations[0].problem.contains("contoso, fabrikam"),
            "{violations:?}"
        );
        assert!(matches!(one_of(&[], None, group), Err(Fault::NotFound { .. })));
    }
}
