//! From a stored connection to its directory: addresses, secret, and a token that runs share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::id::{ConnectionId, CredentialId};
use graph::{AppCredential, Cloud, DeltaLink, Endpoints, EndpointsError, Graph, Transport};
use store::connection::Connection;
use store::credential::{self, Credential, SealedSecret};
use store::delta_cursor::DeltaCursor;
use store::run_fetch::Cursor;
use store::{Store, StoreError};
use tokio::time::Instant;
use vault::{Sealed, Vault};

use crate::failure::Told;

/// What a client secret is sealed as.
const SECRET: &str = keys::purpose::CLIENT_SECRET;
/// What a delta link is sealed as, for the connection's id.
const LINK: &str = keys::purpose::DELTA_LINK;

/// A token that no run has used for so long is forgotten, and the secret with it: its connection may be gone (C9).
const IDLE: Duration = Duration::from_secs(30 * 60);

/// Why a connection does not lead to a directory.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It was disconnected (C9).
    #[error("the connection was disconnected")]
    Disconnected,
    /// It has no credential, or one without a secret.
    #[error("the connection has no client secret")]
    NoSecret,
    /// The secret can't be opened.
    #[error("the client secret can't be opened")]
    Secret(#[source] vault::OpenError),
    /// The cloud has no such name.
    #[error("there is no cloud called {0}")]
    Cloud(String),
    /// An address can't be used.
    #[error("an address can't be used")]
    Address(#[from] EndpointsError),
}

impl OpenError {
    /// What to tell.
    pub fn told(&self) -> Told {
        let (cause, next_step) = match self {
            Self::Disconnected => ("disconnected", "Apply the connection again to connect it."),
            Self::NoSecret => ("missing_credential", "Enter the client secret of its credential."),
            Self::Secret(_) => (
                "missing_credential",
                "Restore the key, or enter the client secret again.",
            ),
            Self::Cloud(_) => (
                "wrong_cloud",
                "Choose global, usGov, usGovDod or china, or give loginUrl and graphUrl.",
            ),
            Self::Address(_) => ("bad_address", "Correct that address of the connection."),
        };
        Told {
            cause: cause.to_owned(),
            message: format!("The connection can't be used: {}.", service::error::chain(self)),
            next_step: next_step.to_owned(),
        }
    }
}

/// Opens directories. Each connection has one token for all its runs in this process, until it or its credential changes.
pub struct Directories {
    vault: Arc<Vault>,
    runs: Transport,
    tests: Transport,
    known: Mutex<HashMap<ConnectionId, Known>>,
}

struct Known {
    /// When connection and credential last changed.
    version: (DateTime<Utc>, DateTime<Utc>),
    graph: Graph,
    used: Instant,
}

impl Directories {
    /// `runs` has the bounds of runs' calls, `tests` those of tests'.
    pub fn new(vault: Arc<Vault>, runs: Transport, tests: Transport) -> Self {
        Self {
            vault,
            runs,
            tests,
            known: Mutex::default(),
        }
    }

    /// The directory that a run reads.
    pub fn open(&self, connection: &Connection, credential: Option<&Credential>) -> Result<Graph, OpenError> {
        if connection.disconnected_at.is_some() {
            self.known().remove(&connection.id);
            return Err(OpenError::Disconnected);
        }
        let credential = credential.ok_or(OpenError::NoSecret)?;
        let version = (connection.updated_at, credential.updated_at);
        if let Some(known) = self
            .known()
            .get_mut(&connection.id)
            .filter(|known| known.version == version)
        {
            known.used = Instant::now();
            return Ok(known.graph.clone());
        }
        let graph = self.build(&self.runs, connection, credential)?;
        let known = Known {
            version,
            graph: graph.clone(),
            used: Instant::now(),
        };
        self.known().insert(connection.id, known);
        Ok(graph)
    }

    /// What is wrong with the credential of a directory, although one of its secrets serves; empty: nothing (B9).
    pub async fn warning(&self, graph: &Graph, credential: &str) -> String {
        graph.refused_secret().await.map_or_else(String::new, |refused| {
            format!(
                "The next client secret of {credential} was refused ({}). The other one is still accepted and used. {}",
                refused,
                graph::Advice::from(refused.cause).next_step
            )
        })
    }

    /// Forgets the secrets and tokens that no run has used for long.
    pub fn forget_idle(&self) {
        self.known().retain(|_, known| known.used.elapsed() < IDLE);
    }

    /// The directory for a test, with a new token, which runs use from now on too: only a new one has the permissions
    /// that an admin has just granted (graph-facts §1.1).
    pub fn open_anew(
        &self,
        connection: &Connection,
        credential: Option<&Credential>,
    ) -> Result<Graph, OpenError> {
        self.known().remove(&connection.id);
        if connection.disconnected_at.is_some() {
            return Err(OpenError::Disconnected);
        }
        self.build(&self.tests, connection, credential.ok_or(OpenError::NoSecret)?)
    }

    /// Seals a delta link for its connection.
    pub fn seal_link(
        &self,
        link: &DeltaLink,
        of: ConnectionId,
        taken_at: DateTime<Utc>,
    ) -> Result<Cursor, vault::SealError> {
        let Sealed { key_id, ciphertext } = self.vault.seal(&link.0, LINK, of.0)?;
        Ok(Cursor {
            key_id,
            ciphertext,
            taken_at,
        })
    }

    /// Opens a stored delta link.
    pub fn open_link(&self, cursor: &DeltaCursor, of: ConnectionId) -> Result<DeltaLink, vault::OpenError> {
        let sealed = Sealed {
            key_id: cursor.key_id.clone(),
            ciphertext: cursor.ciphertext.clone(),
        };
        self.vault.open(&sealed, LINK, of.0).map(DeltaLink)
    }

    fn build(
        &self,
        transport: &Transport,
        connection: &Connection,
        credential: &Credential,
    ) -> Result<Graph, OpenError> {
        let open = |secret: &SealedSecret| {
            let sealed = Sealed {
                key_id: secret.key_id.clone(),
                ciphertext: secret.ciphertext.clone(),
            };
            let opened = self.vault.open(&sealed, SECRET, credential.id.0);
            opened.map_err(OpenError::Secret)
        };
        // The newer one first: the other one is on its way out (B9).
        let mut secrets = [&credential.next, &credential.secret].into_iter().flatten();
        let first = secrets.next().ok_or(OpenError::NoSecret)?;
        let app = AppCredential {
            tenant: connection.tenant,
            client_id: credential.client_id,
            secret: open(first)?,
            other: secrets.next().map(open).transpose()?,
        };
        Ok(Graph::new(transport, endpoints(connection)?, app))
    }

    /// Nothing breaks half-way through a write of this map.
    fn known(&self) -> MutexGuard<'_, HashMap<ConnectionId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The credential of a connection, if it has one.
pub async fn credential(store: &Store, id: Option<CredentialId>) -> Result<Option<Credential>, StoreError> {
    let Some(id) = id else { return Ok(None) };
    credential::find(&mut *store.connection().await?, id).await
}

fn endpoints(connection: &Connection) -> Result<Endpoints, OpenError> {
    let cloud =
        Cloud::of_name(&connection.cloud).ok_or_else(|| OpenError::Cloud(connection.cloud.clone()))?;
    let endpoints = Endpoints::new(
        cloud,
        connection.login_url.as_deref(),
        connection.graph_url.as_deref(),
        connection.token_url.as_deref(),
    )?;
    Ok(endpoints)
}
