//! `Directory.ReadUser`: what the directory says of one person just now (B5, B7).

use std::time::Duration;

use contracts::internal::v1::ReadUserResponse;
use contracts::observed;
use domain::id::ObjectId;
use graph::{Error, Graph, UserBody, UserKey};
use store::connection::Connection;
use store::credential::Credential;
use store::{Store, StoreError, group_mirror};

use crate::directory::Directories;
use crate::failure::{Told, of_graph};
use crate::groups::memberships_of;

/// Someone waits for the answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// Who is asked about, where.
pub struct Person<'a> {
    /// The connection.
    pub connection: &'a Connection,
    /// Its credential.
    pub credential: Option<&'a Credential>,
    /// The groups of which it matters who belongs to them.
    pub asked: &'a [ObjectId],
    /// UPN or object id.
    pub key: &'a str,
}

/// Reads the user of this UPN or object id. That the directory can't be read is an answer, too.
pub async fn read_user(
    store: &Store,
    directories: &Directories,
    person: &Person<'_>,
) -> Result<ReadUserResponse, StoreError> {
    let graph = match directories.open(person.connection, person.credential) {
        Ok(graph) => graph,
        Err(error) => return Ok(problem(&error.told())),
    };
    let found = match tokio::time::timeout(PATIENCE, look_up(&graph, person.key.trim())).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return Ok(problem(&of_graph(&error))),
        Err(_) => {
            return Ok(ReadUserResponse {
                problem: format!(
                    "Microsoft Graph did not answer within {} s. Try again in some minutes.",
                    PATIENCE.as_secs()
                ),
                ..ReadUserResponse::default()
            });
        }
    };
    let Some(body) = found else {
        return Ok(ReadUserResponse::default());
    };
    let mut user = match body.user() {
        Ok(user) => user,
        Err(error) => return Ok(problem(&of_graph(&error))),
    };
    let of = person.connection.id;
    let reach = group_mirror::reach(&mut *store.connection().await?, of, person.asked).await?;
    let memberships = memberships_of(store, of, &reach, vec![user.id.0]).await?;
    user.groups = Some(memberships.of(user.id).into());
    let mut wire = Vec::new();
    observed::encode(&user, &mut wire);
    Ok(ReadUserResponse {
        found: true,
        object_id: user.id.0.as_bytes().to_vec(),
        user: wire,
        problem: String::new(),
    })
}

async fn look_up(graph: &Graph, key: &str) -> Result<Option<UserBody>, Error> {
    let key = key
        .parse::<ObjectId>()
        .map_or(UserKey::PrincipalName(key), UserKey::Id);
    graph.get_user(key).await
}

fn problem(told: &Told) -> ReadUserResponse {
    ReadUserResponse {
        problem: format!("{} {}", told.message, told.next_step),
        ..ReadUserResponse::default()
    }
}
