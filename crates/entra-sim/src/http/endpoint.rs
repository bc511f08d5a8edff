//! What a path asks for, what that costs, and who may ask (graph-facts §7.2, §9).

use axum::http::Uri;

/// One kind of request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `/applications(appId='{client id}')`
    Application(String),
    /// `/organization`
    Organizations,
    /// `/organization/{id}`
    Organization(String),
    /// `/users`
    Users,
    /// `/users/$count`
    UserCount,
    /// `/users/delta` and its aliases
    UserDelta,
    /// `/users/{id or principal name}`
    User(String),
    /// `/users/{id or principal name}/manager`
    UserManager(String),
    /// `/users/{id or principal name}/memberOf`
    MemberOf(String),
    /// `/users/{id or principal name}/transitiveMemberOf`
    TransitiveMemberOf(String),
    /// `/groups`
    Groups,
    /// `/groups/$count`
    GroupCount,
    /// `/groups/delta` and its aliases
    GroupDelta,
    /// `/groups/{id}`
    Group(String),
    /// `/groups/{id}/members`, perhaps of one type
    Members(String, Option<String>),
    /// `/groups/{id}/transitiveMembers`, perhaps of one type
    TransitiveMembers(String, Option<String>),
    /// `/directory/deletedItems/microsoft.graph.group`
    DeletedGroups,
    /// `/directory/deletedItems/microsoft.graph.user`
    DeletedUsers,
    /// `/directory/deletedItems`, which needs a type
    DeletedItems,
}

impl Endpoint {
    /// What a path below `/v1.0` asks for.
    pub fn of(path: &str) -> Option<Self> {
        let segments: Vec<&str> = path.trim_end_matches('/').split('/').collect();
        let endpoint = match segments[..] {
            ["organization"] => Self::Organizations,
            ["organization", id] => Self::Organization(id.into()),
            ["users"] => Self::Users,
            ["users", "$count"] => Self::UserCount,
            [
                "users",
                "delta" | "delta()" | "microsoft.graph.delta" | "microsoft.graph.delta()",
            ] => Self::UserDelta,
            ["users", key, "memberOf"] => Self::MemberOf(key.into()),
            ["users", key, "transitiveMemberOf"] => Self::TransitiveMemberOf(key.into()),
            ["groups"] => Self::Groups,
            ["groups", "$count"] => Self::GroupCount,
            [
                "groups",
                "delta" | "delta()" | "microsoft.graph.delta" | "microsoft.graph.delta()",
            ] => Self::GroupDelta,
            ["groups", id] => Self::Group(id.into()),
            ["groups", id, "members"] => Self::Members(id.into(), None),
            ["groups", id, "members", kind] => Self::Members(id.into(), Some(kind.into())),
            ["groups", id, "transitiveMembers"] => Self::TransitiveMembers(id.into(), None),
            ["groups", id, "transitiveMembers", kind] => {
                Self::TransitiveMembers(id.into(), Some(kind.into()))
            }
            [
                "directory",
                "deletedItems",
                "microsoft.graph.group" | "graph.group",
            ] => Self::DeletedGroups,
            ["users", key] => Self::User(key.into()),
            ["users", key, "manager"] => Self::UserManager(key.into()),
            ["directory", "deletedItems"] => Self::DeletedItems,
            ["directory", "deletedItems", "microsoft.graph.user" | "graph.user"] => Self::DeletedUsers,
            [applications] if applications.starts_with("applications(") => Self::Application(
                applications
                    .strip_prefix("applications(appId='")?
                    .strip_suffix("')")?
                    .into(),
            ),
            // A principal name that starts with `$` comes this way (§2.6).
            [users] => Self::User(users.strip_prefix("users('")?.strip_suffix("')")?.into()),
            [users, "manager"] => {
                Self::UserManager(users.strip_prefix("users('")?.strip_suffix("')")?.into())
            }
            _ => return None,
        };
        Some(endpoint)
    }

    /// The path with ids left out, as requests are counted.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Application(_) => "/v1.0/applications(appId={id})",
            Self::Organizations => "/v1.0/organization",
            Self::Organization(_) => "/v1.0/organization/{id}",
            Self::Users => "/v1.0/users",
            Self::UserCount => "/v1.0/users/$count",
            Self::UserDelta => "/v1.0/users/delta",
            Self::User(_) => "/v1.0/users/{id}",
            Self::UserManager(_) => "/v1.0/users/{id}/manager",
            Self::MemberOf(_) => "/v1.0/users/{id}/memberOf",
            Self::TransitiveMemberOf(_) => "/v1.0/users/{id}/transitiveMemberOf",
            Self::Groups => "/v1.0/groups",
            Self::GroupCount => "/v1.0/groups/$count",
            Self::GroupDelta => "/v1.0/groups/delta",
            Self::Group(_) => "/v1.0/groups/{id}",
            Self::Members(..) => "/v1.0/groups/{id}/members",
            Self::TransitiveMembers(..) => "/v1.0/groups/{id}/transitiveMembers",
            Self::DeletedGroups => "/v1.0/directory/deletedItems/microsoft.graph.group",
            Self::DeletedUsers => "/v1.0/directory/deletedItems/microsoft.graph.user",
            Self::DeletedItems => "/v1.0/directory/deletedItems",
        }
    }

    /// Resource units.
    pub fn cost(&self, select: bool, expand: bool, top: Option<u32>) -> u32 {
        let base: u32 = match self {
            // What Microsoft's own client books, whatever it selects; headers don't tell (§4).
            Self::GroupDelta => return 5,
            Self::TransitiveMembers(..) => 5,
            Self::Members(..) => 3,
            Self::Users | Self::Application(_) | Self::MemberOf(_) | Self::TransitiveMemberOf(_) => 2,
            _ => 1,
        };
        let base = base + u32::from(expand);
        let less = u32::from(select) + u32::from(top.is_some_and(|top| top < 20));
        base.saturating_sub(less).max(1)
    }

    /// Application permissions of which one is enough.
    pub fn roles(&self) -> &'static [&'static str] {
        match self {
            Self::Application(_) => &[
                "Application.Read.All",
                "Application.ReadWrite.All",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            ],
            Self::Organizations | Self::Organization(_) => &[
                "Organization.Read.All",
                "Organization.ReadWrite.All",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
                "User.Read.All",
            ],
            Self::Users | Self::User(_) | Self::UserCount => &[
                "User.Read.All",
                "User.ReadWrite.All",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
                "User.ReadBasic.All",
            ],
            Self::Groups
            | Self::GroupCount
            | Self::GroupDelta
            | Self::Group(_)
            | Self::Members(..)
            | Self::TransitiveMembers(..) => &[
                "GroupMember.Read.All",
                "GroupMember.ReadWrite.All",
                "Group.Read.All",
                "Group.ReadWrite.All",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            ],
            Self::DeletedGroups => &[
                "Group.Read.All",
                "Group.ReadWrite.All",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            ],
            Self::MemberOf(_) | Self::TransitiveMemberOf(_) => &[
                "User.Read.All",
                "GroupMember.Read.All",
                "Group.Read.All",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            ],
            Self::UserDelta | Self::UserManager(_) | Self::DeletedUsers | Self::DeletedItems => &[
                "User.Read.All",
                "User.ReadWrite.All",
                "Directory.Read.All",
                "Directory.ReadWrite.All",
            ],
        }
    }
}

/// The path of a request, decoded.
pub fn decoded_path(uri: &Uri) -> String {
    decoded(uri.path(), false)
}

/// The query of a request, decoded.
pub fn decoded_query(uri: &Uri) -> String {
    decoded(uri.query().unwrap_or_default(), true)
}

fn decoded(text: &str, plus_is_blank: bool) -> String {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = text
            .get(at + 1..at + 3)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (bytes[at], escape) {
            (b'%', Some(byte)) => {
                plain.push(byte);
                at += 2;
            }
            (b'+', _) if plus_is_blank => plain.push(b' '),
            (byte, _) => plain.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delta_has_four_names() {
        for name in [
            "delta",
            "delta()",
            "microsoft.graph.delta",
            "microsoft.graph.delta()",
        ] {
            assert_eq!(Endpoint::of(&format!("users/{name}")), Some(Endpoint::UserDelta));
            assert_eq!(
                Endpoint::of(&format!("groups/{name}")),
                Some(Endpoint::GroupDelta)
            );
        }
        assert_eq!(Endpoint::of("users('$x@y')"), Some(Endpoint::User("$x@y".into())));
        assert_eq!(Endpoint::of("nonsense"), None);
    }

    #[test]
    fn costs_follow_the_table() {
        assert_eq!(Endpoint::Users.cost(false, false, None), 2);
        assert_eq!(Endpoint::Users.cost(true, true, Some(999)), 2);
        assert_eq!(Endpoint::Users.cost(true, false, Some(5)), 1);
        assert_eq!(Endpoint::UserDelta.cost(false, false, None), 1);
        assert_eq!(Endpoint::Groups.cost(true, false, Some(999)), 1);
        assert_eq!(Endpoint::GroupDelta.cost(true, false, None), 5);
        assert_eq!(
            Endpoint::Members("x".into(), None).cost(true, false, Some(999)),
            2
        );
        assert_eq!(
            Endpoint::TransitiveMembers("x".into(), None).cost(false, false, None),
            5
        );
        assert_eq!(Endpoint::MemberOf("x".into()).cost(false, false, None), 2);
    }

    #[test]
    fn escapes_are_decoded() {
        let uri: Uri = "/v1.0/users/a_b.com%23EXT%23@c?x=%24skip+1%zz".parse().unwrap();
        assert_eq!(decoded_path(&uri), "/v1.0/users/a_b.com#EXT#@c");
        assert_eq!(decoded_query(&uri), "x=$skip 1%zz");
    }
}
