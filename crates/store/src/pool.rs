//! Connecting, and named transactions.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use tracing::Instrument;

use crate::StoreError;

/// The database, through a bounded pool.
#[derive(Clone, Debug)]
pub struct Store {
    pool: PgPool,
}

/// A named transaction. It rolls back when it is dropped before [`Tx::commit`].
#[derive(Debug)]
pub struct Tx {
    inner: Transaction<'static, Postgres>,
    span: tracing::Span,
}

/// How many connections a pool has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// At work.
    pub used: u32,
    /// Waiting for work.
    pub idle: u32,
    /// How many there may be.
    pub most: u32,
}

impl Store {
    /// How long a statement may wait for a free connection.
    pub const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

    /// A pool that connects when it is first used, so that services start in any order.
    pub fn new(url: &str, max_connections: u32) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(url)
            .map_err(StoreError::Url)?
            .application_name("rollcall")
            .options([
                ("statement_timeout", "120s"),
                // Whoever stops half-way, a frozen process above all, does not keep its locks for ever.
                ("idle_in_transaction_session_timeout", "300s"),
                ("jit", "off"),
            ]);
        let pool = PgPoolOptions::new()
            .max_connections(max_connections)
            .acquire_timeout(Self::ACQUIRE_TIMEOUT)
            .test_before_acquire(true)
            .connect_lazy_with(options);
        Ok(Self { pool })
    }

    /// How its connections are made.
    pub(crate) fn connect_options(&self) -> PgConnectOptions {
        self.pool.connect_options().as_ref().clone()
    }

    /// Begins a transaction under a name that its span carries.
    pub async fn begin(&self, name: &'static str) -> Result<Tx, StoreError> {
        let span = tracing::info_span!("db.tx", name);
        let inner = self.pool.begin().instrument(span.clone()).await?;
        Ok(Tx { inner, span })
    }

    /// A connection outside any transaction, for a single statement.
    pub async fn connection(&self) -> Result<sqlx::pool::PoolConnection<Postgres>, StoreError> {
        Ok(self.pool.acquire().await?)
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// How many connections there are just now.
    pub fn connections(&self) -> Connections {
        let idle = u32::try_from(self.pool.num_idle()).unwrap_or(u32::MAX);
        Connections {
            // The two are not read at the same instant.
            used: self.pool.size().saturating_sub(idle),
            idle,
            most: self.pool.options().get_max_connections(),
        }
    }

    /// Closes the pool when its connections are given back.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

impl Tx {
    /// The connection, for the table modules.
    pub fn connection(&mut self) -> &mut PgConnection {
        &mut self.inner
    }

    /// Lets the commit not wait for the disk. Only for work that is found undone, and done again, when a crash of the database
    /// takes it back, and that nobody outside has been told of.
    pub async fn repeatable(&mut self) -> Result<(), StoreError> {
        sqlx::query("SET LOCAL synchronous_commit = off")
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Commits.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.inner.commit().instrument(self.span).await?)
    }

    /// Rolls back at once, rather than when the connection is next used.
    pub async fn rollback(self) -> Result<(), StoreError> {
        Ok(self.inner.rollback().instrument(self.span).await?)
    }
}
