//! What can be done to a tenant's users, by the library and over HTTP alike.

use super::corruption::Corruption;
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
}

/// What came of an operation.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// The user it was about: the new one for `create` and `recreate`.
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
    /// The name is somebody's already.
    #[error("the user principal name {0} is taken")]
    NameTaken(String),
    /// A principal name has one `@` and ASCII letters.
    #[error("{0} is no user principal name")]
    BadName(String),
    /// No such property.
    #[error("a user has no property {0}")]
    UnknownProperty(String),
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
