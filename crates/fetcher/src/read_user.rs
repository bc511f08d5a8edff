//! `Directory.ReadUser`: what the directory says of one person just now (B5, B7).

use std::time::Duration;

use contracts::internal::v1::ReadUserResponse;
use contracts::observed;
use domain::id::ObjectId;
use graph::{Error, Graph, UserKey};
use store::connection::Connection;
use store::credential::Credential;

use crate::directory::Directories;
use crate::failure::{Told, of_graph};

/// Someone waits for the answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// Reads the user of this UPN or object id. That the directory can't be read is an answer, too.
pub async fn read_user(
    directories: &Directories,
    connection: &Connection,
    credential: Option<&Credential>,
    key: &str,
) -> ReadUserResponse {
    let graph = match directories.open(connection, credential) {
        Ok(graph) => graph,
        Err(error) => return problem(&error.told()),
    };
    match tokio::time::timeout(PATIENCE, look_up(&graph, key.trim())).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => problem(&of_graph(&error)),
        Err(_) => ReadUserResponse {
            problem: format!(
                "Microsoft Graph did not answer within {} s. Try again in some minutes.",
                PATIENCE.as_secs()
            ),
            ..ReadUserResponse::default()
        },
    }
}

async fn look_up(graph: &Graph, key: &str) -> Result<ReadUserResponse, Error> {
    let key = key
        .parse::<ObjectId>()
        .map_or(UserKey::PrincipalName(key), UserKey::Id);
    let Some(body) = graph.get_user(key).await? else {
        return Ok(ReadUserResponse::default());
    };
    let user = body.user()?;
    let mut wire = Vec::new();
    observed::encode(&user, &mut wire);
    Ok(ReadUserResponse {
        found: true,
        object_id: user.id.0.as_bytes().to_vec(),
        user: wire,
        problem: String::new(),
    })
}

fn problem(told: &Told) -> ReadUserResponse {
    ReadUserResponse {
        problem: format!("{} {}", told.message, told.next_step),
        ..ReadUserResponse::default()
    }
}
