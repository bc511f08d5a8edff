//! One user (graph-facts §2.6).

use domain::id::ObjectId;
use reqwest::StatusCode;

use crate::client::{Call, Graph};
use crate::error::Error;
use crate::page::UserBody;
use crate::probe::READ_USERS;
use crate::users::select_whole;

/// How a user is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserKey<'a> {
    /// By its object id.
    Id(ObjectId),
    /// By its user principal name.
    PrincipalName(&'a str),
}

impl Graph {
    /// One user, whole; `None` if there is none, or if it is so new that Graph does not know it everywhere yet.
    pub async fn get_user(&self, key: UserKey<'_>) -> Result<Option<UserBody>, Error> {
        let id;
        let in_quotes;
        let mut url = match key {
            UserKey::Id(object) => {
                id = object.to_string();
                self.endpoints.graph_url(&["users", &id])
            }
            // A dollar sign in that place would begin a function, and a dot segment would climb up.
            UserKey::PrincipalName(name) if name.starts_with(['$', '.']) => {
                in_quotes = format!("users('{}')", name.replace('\'', "''"));
                self.endpoints.graph_url(&[&in_quotes])
            }
            UserKey::PrincipalName("") => return Ok(None),
            UserKey::PrincipalName(name) => self.endpoints.graph_url(&["users", name]),
        };
        select_whole(&mut url);
        match self.get(&Call::single(url, READ_USERS)).await {
            Ok(reply) => Ok(Some(UserBody::new(reply))),
            Err(Error::Refused { answer }) if answer.status == StatusCode::NOT_FOUND.as_u16() => Ok(None),
            Err(error) => Err(error),
        }
    }
}
