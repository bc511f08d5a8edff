//! When secrets expire, as the directory tells it where it may be asked (B9): looked up when a connection is tested, and once a
//! day.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use graph::{Error, READ_APPLICATIONS};
use service::Clock;
use service::drain::Stopper;
use service::error::chain;
use store::connection::{self, Connection};
use store::credential::{self, Credential};
use store::credential_expiry::{self, Due, Read};
use store::{Store, StoreError};

use crate::directory::Directories;

/// Credentials that one look considers.
const MOST: i64 = 16;
/// Between two looks at the same one.
const AGAIN: TimeDelta = TimeDelta::days(1);
/// For one answer; nothing hangs on it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Looks up when secrets expire.
pub struct Expiries {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Opens directories.
    pub directories: Arc<Directories>,
    /// Between two looks for credentials that are due.
    pub every: Duration,
}

impl Expiries {
    /// Goes round until it is told to stop.
    pub async fn run(self: Arc<Self>, stopper: Stopper) -> Result<(), Infallible> {
        while stopper.until(tokio::time::sleep(self.every)).await.is_some() {
            if let Some(Err(error)) = stopper.until(self.once()).await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "when secrets expire is looked up later");
            }
        }
        Ok(())
    }

    async fn once(&self) -> Result<(), StoreError> {
        let before = self.clock.now() - AGAIN;
        let due = credential_expiry::due(&mut *self.store.connection().await?, before, MOST).await?;
        for Due {
            credential,
            connection,
        } in due
        {
            let mut database = self.store.connection().await?;
            let connection = connection::find(&mut database, connection).await?;
            let credential = credential::find(&mut database, credential).await?;
            if let (Some(connection), Some(credential)) = (connection, credential) {
                let since = (before, credential.updated_at);
                let now = self.clock.now();
                if credential_expiry::begin(&mut database, credential.id, since, now).await? {
                    drop(database);
                    self.read(&connection, &credential).await?;
                }
            }
        }
        Ok(())
    }

    /// Looks up when the secrets of a credential expire, by a connection that signs in with it, and writes it down. That it
    /// can't be known is no failure of anything.
    pub async fn read(&self, connection: &Connection, credential: &Credential) -> Result<(), StoreError> {
        let now = self.clock.now();
        let mut read = Read {
            credential: credential.id,
            secret: None,
            next: None,
            note: String::new(),
        };
        match self.directories.open(connection, Some(credential)) {
            Err(error) => read.note = format!("unknown: {}", chain(&error)),
            Ok(graph) => match tokio::time::timeout(PATIENCE, graph.secret_expiries(now)).await {
                Ok(Ok(expiries)) => {
                    // The next secret is the first that is tried.
                    let (next, secret) = if credential.next.is_some() {
                        (expiries.first, expiries.other)
                    } else {
                        (None, expiries.first)
                    };
                    read.secret = credential.secret_id.zip(secret);
                    read.next = credential.next_id.zip(next);
                    if read.secret.is_none() && read.next.is_none() {
                        "unknown: the app has no secret that begins as this one does; enter it as expires"
                            .clone_into(&mut read.note);
                    }
                }
                Ok(Err(Error::Denied { .. })) => {
                    read.note = format!("unknown: enter it as expires, or grant the app {READ_APPLICATIONS}");
                }
                Ok(Err(error)) => {
                    tracing::info!(
                        credential = credential.name,
                        error = &error as &dyn std::error::Error,
                        "when the secret expires is not known"
                    );
                    read.note = format!("unknown: {}", error.advice().summary);
                }
                Err(_) => "unknown: Graph did not answer in time".clone_into(&mut read.note),
            },
        }
        credential_expiry::put(&mut *self.store.connection().await?, &read, now).await
    }
}
