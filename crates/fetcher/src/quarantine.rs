//! Connections in quarantine come back by themselves (B17): when the next try of one is due, or something about it has
//! changed, it is tested. What that found is written down; the reconciler decides what it comes to. Where a test would not tell
//! enough, the next scheduled run is the try, and there is nothing to do here.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use domain::id::ConnectionId;
use futures::future::join_all;
use service::Clock;
use service::drain::Stopper;
use store::connection_status::MadeBy;
use store::{Store, StoreError, connection_try, quarantine};

use crate::test_connection::ConnectionTests;

/// Connections that one look tries.
const MOST: i64 = 16;
/// For so long nobody else tries the same one: longer than a test takes, and shorter than the least wait.
const LEASE: TimeDelta = TimeDelta::minutes(2);

/// Tries connections in quarantine.
pub struct Tries {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// What tests.
    pub tests: Arc<ConnectionTests>,
    /// Between two looks.
    pub every: Duration,
}

impl Tries {
    /// Goes round until it is told to stop.
    pub async fn run(self, stopper: Stopper) -> Result<(), Infallible> {
        while stopper.until(tokio::time::sleep(self.every)).await.is_some() {
            if let Some(Err(error)) = stopper.until(self.once()).await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "connections in quarantine wait for the next look");
            }
        }
        Ok(())
    }

    async fn once(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let due = quarantine::due(&mut *self.store.connection().await?, now, MOST).await?;
        // Side by side: one that does not answer must not make the others late.
        let tried = join_all(due.into_iter().map(|connection| self.attempt(connection))).await;
        tried.into_iter().collect()
    }

    async fn attempt(&self, connection: ConnectionId) -> Result<(), StoreError> {
        let now = self.clock.now();
        let taken =
            connection_try::take(&mut *self.store.connection().await?, connection, now, now + LEASE).await?;
        if taken {
            self.tests.check(connection, MadeBy::Quarantine).await?;
            let now = self.clock.now();
            connection_try::give_back(&mut *self.store.connection().await?, connection, now).await?;
        }
        Ok(())
    }
}
