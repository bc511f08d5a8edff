//! What can be done to a tenant's users and groups, by the library and over HTTP alike.

use super::corruption::Corruption;
use crate::groups::{GroupKind, MemberKind};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A change of the directory. A user is named by object id or principal name, a deleted one by object id.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(
    tag = "op",
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Operation {
    /// A new user. Needs `userPrincipalName` and `displayName`; `manager` may be an object id.
    Create {
        /// Property names and values.
        attributes: Map<String, Value>,
    },
    /// New values; null clears. `manager` may be an object id or null.
    Update {
        /// Whose.
        user: String,
        /// Property names and values.
        attributes: Map<String, Value>,
    },
    /// Another manager, or none.
    SetManager {
        /// Whose.
        user: String,
        /// Who.
        manager: Option<String>,
    },
    /// May no longer sign in.
    Disable {
        /// Who.
        user: String,
    },
    /// May sign in again.
    Enable {
        /// Who.
        user: String,
    },
    /// To the deleted items.
    SoftDelete {
        /// Who.
        user: String,
    },
    /// Back from the deleted items.
    Restore {
        /// Who, by object id.
        user: String,
        /// Needed when somebody else has the old one by now.
        user_principal_name: Option<String>,
    },
    /// From the deleted items to nowhere.
    Purge {
        /// Who, by object id.
        user: String,
    },
    /// From the directory to nowhere.
    HardDelete {
        /// Who.
        user: String,
    },
    /// Two users take each other's principal name.
    SwapPrincipalNames {
        /// One.
        user: String,
        /// The other.
        other: String,
    },
    /// Soft-deleted, and created anew with the same attributes and principal name: another object.
    Recreate {
        /// Who.
        user: String,
    },
    /// A new department for this many users, spread over the directory.
    ChangeMany {
        /// How many.
        count: u32,
    },
    /// Makes a record that breaks the rules.
    Corrupt {
        /// Whose.
        user: String,
        /// How.
        corruption: Corruption,
    },
    /// A new group. Needs `displayName`; with a `membershipRule` it is a dynamic one.
    CreateGroup {
        /// Object id; a new one when not given.
        #[serde(default)]
        id: Option<String>,
        /// What it is for.
        kind: GroupKind,
        /// Property names and values.
        attributes: Map<String, Value>,
    },
    /// New values of a group; null clears.
    UpdateGroup {
        /// Whose.
        group: String,
        /// Property names and values.
        attributes: Map<String, Value>,
    },
    /// To the deleted items; a group that Exchange runs is gone for good.
    DeleteGroup {
        /// Which.
        group: String,
    },
    /// Back from the deleted items.
    RestoreGroup {
        /// Which.
        group: String,
    },
    /// From the deleted items to nowhere.
    PurgeGroup {
        /// Which.
        group: String,
    },
    /// Adds members; those who are members already are left out.
    AddMembers {
        /// To which group.
        group: String,
        /// What they are.
        #[serde(default)]
        kind: MemberKind,
        /// Their object ids. Users and groups must be there; anything else can have any id.
        members: Vec<String>,
    },
    /// Removes members; those who are none are left out.
    RemoveMembers {
        /// From which group.
        group: String,
        /// Their object ids.
        members: Vec<String>,
    },
}

/// What came of an operation.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// The user or group it was about: the new one for `create`, `recreate` and `createGroup`.
    pub id: Option<String>,
    /// How many entries the change log got.
    pub changes: u32,
}

/// Why an operation was refused. Nothing was changed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum OperationError {
    /// Nobody of that name or id in the state that is needed.
    #[error("there is no {expected} user {user}")]
    NoSuchUser {
        /// What was asked for.
        user: String,
        /// `live` or `soft-deleted`.
        expected: &'static str,
    },
    /// No group of that id in the state that is needed.
    #[error("there is no {expected} group {group}")]
    NoSuchGroup {
        /// What was asked for.
        group: String,
        /// `live` or `soft-deleted`.
        expected: &'static str,
    },
    /// The object id is another group's.
    #[error("the id {0} is taken")]
    IdTaken(String),
    /// An object id is a GUID.
    #[error("{0} is no object id")]
    BadId(String),
    /// A Microsoft 365 group holds no groups.
    #[error("the Microsoft 365 group {0} can't hold groups")]
    HoldsNoGroups(String),
    /// The name is somebody's already.
    #[error("the user principal name {0} is taken")]
    NameTaken(String),
    /// A principal name has one `@` and ASCII letters.
    #[error("{0} is no user principal name")]
    BadName(String),
    /// No such property.
    #[error("a user has no property {0}")]
    UnknownProperty(String),
    /// No such property.
    #[error("a group has no property {0}")]
    UnknownGroupProperty(String),
    /// A value of the wrong kind; `corrupt` makes those.
    #[error("{property} can't be {value}")]
    WrongType {
        /// The property.
        property: &'static str,
        /// What was given.
        value: String,
    },
    /// A property that a user must have, or that can't be written.
    #[error("{0} must be given, and can't be cleared or set otherwise")]
    Fixed(&'static str),
}
