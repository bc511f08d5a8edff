//! Trying out the permissions that a connection needs (C5, C11, graph-facts §9).

use serde::Deserialize;
use url::Url;

use crate::answer::Answer;
use crate::client::{Call, Graph};
use crate::error::Error;

/// The application permission for users, deleted users and their changes.
pub const READ_USERS: &str = "User.Read.All";
/// The application permission for the tenant's own name and domains; the one for users serves, too.
pub const READ_ORGANIZATION: &str = "Organization.Read.All";
/// The application permissions for groups with their members: either serves.
pub const READ_GROUPS: &str = "GroupMember.Read.All (or Group.Read.All)";

/// Something that a connection reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Users, with more than their basic profile.
    Users,
    /// Users in deleted items.
    DeletedUsers,
    /// Changes of users.
    UserChanges,
    /// Groups.
    Groups,
    /// Changes of groups and of their members.
    GroupChanges,
}

/// What came of trying.
#[derive(Debug)]
pub struct Probe {
    /// What was tried.
    pub reading: Reading,
    /// Whether it may be read. A missing permission is [`Error::Denied`], which names it.
    pub result: Result<(), Error>,
}

impl Reading {
    /// All that an import of users reads.
    pub const USERS: [Self; 3] = [Self::Users, Self::DeletedUsers, Self::UserChanges];

    /// All that an import of groups reads. Only for connections that need groups: users need no permission for them.
    pub const GROUPS: [Self; 2] = [Self::Groups, Self::GroupChanges];

    /// What is read, for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::DeletedUsers => "deleted users",
            Self::UserChanges => "changes of users",
            Self::Groups => "groups",
            Self::GroupChanges => "changes of groups",
        }
    }

    /// The application permission that it needs.
    pub const fn permission(self) -> &'static str {
        match self {
            Self::Users | Self::DeletedUsers | Self::UserChanges => READ_USERS,
            Self::Groups | Self::GroupChanges => READ_GROUPS,
        }
    }
}

impl Graph {
    /// Tries each reading with one small call.
    pub async fn probe(&self, readings: &[Reading]) -> Vec<Probe> {
        let mut probes = Vec::with_capacity(readings.len());
        for reading in readings {
            probes.push(Probe {
                reading: *reading,
                result: self.try_out(*reading).await,
            });
        }
        probes
    }

    async fn try_out(&self, reading: Reading) -> Result<(), Error> {
        let call = Call::single(self.probe_url(reading), reading.permission());
        let reply = self.get(&call).await?;
        let page: Rows = reply.json()?;
        // With the permission for basic profiles only, Graph answers but leaves this out.
        let basic_only = page
            .value
            .first()
            .is_some_and(|row| row.account_enabled.is_none());
        if reading == Reading::Users && basic_only {
            let answer = Answer {
                message: "users come without accountEnabled, as with User.ReadBasic.All".to_owned(),
                ..Answer::read(&reply)
            };
            return Err(Error::Denied {
                permission: reading.permission(),
                answer: Box::new(answer),
            });
        }
        Ok(())
    }

    fn probe_url(&self, reading: Reading) -> Url {
        let (path, query): (&[&str], _) = match reading {
            Reading::Users => (&["users"], "$top=1&$select=id,accountEnabled"),
            Reading::DeletedUsers => (
                &["directory", "deletedItems", "microsoft.graph.user"],
                "$top=1&$select=id",
            ),
            Reading::UserChanges => (&["users", "delta"], "$deltatoken=latest&$select=id"),
            Reading::Groups => (&["groups"], "$top=1&$select=id"),
            Reading::GroupChanges => (&["groups", "delta"], "$deltatoken=latest&$select=members"),
        };
        let mut url = self.endpoints.graph_url(path);
        url.set_query(Some(query));
        url
    }
}

#[derive(Deserialize)]
struct Rows {
    value: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    account_enabled: Option<bool>,
}
