//! One PostgreSQL for floors and Rollcall alike, and what it tells of itself.

use std::time::Duration;

use anyhow::Context as _;
use local::Durability;
use local::postgres::Postgres;
use store::Store;

use crate::machine;

/// A session that has nothing to do tells its counts of rows after ten seconds (`PGSTAT_IDLE_INTERVAL` in PostgreSQL's source).
const COUNTS_SETTLE: Duration = Duration::from_secs(11);

/// The server.
pub struct Database {
    postgres: Postgres,
    pid: u32,
}

/// Rows written since a database was made.
#[derive(Clone, Copy, Debug)]
pub struct RowsWritten {
    /// In `account`.
    pub account: i64,
    /// In all tables.
    pub all: i64,
}

impl Database {
    /// Starts one that loses nothing that it acknowledged.
    pub async fn start() -> anyhow::Result<Self> {
        let postgres = Postgres::start_temporary(Durability::Durable).await?;
        let pid = machine::pid_in(&postgres.data().join("postmaster.pid"))?;
        Ok(Self { postgres, pid })
    }

    /// Where a database of it is.
    pub fn url(&self, name: &str) -> String {
        self.postgres.url(name)
    }

    /// Makes an empty database.
    pub async fn create(&self, name: &str) -> anyhow::Result<()> {
        Ok(self.postgres.access().create_database(name, None).await?)
    }

    /// Makes a database with Rollcall's schema and answers a way into it, of so many connections.
    pub async fn create_migrated(&self, name: &str, connections: u32) -> anyhow::Result<Store> {
        self.create(name).await?;
        let store = Store::new(&self.url(name), connections)?;
        store.migrate().await?;
        Ok(store)
    }

    /// Drops a database.
    pub async fn drop(&self, name: &str) -> anyhow::Result<()> {
        Ok(self.postgres.access().drop_database(name).await?)
    }

    /// Lets a measurement begin with nothing left to write from the one before.
    pub async fn settle(&self) -> anyhow::Result<()> {
        self.sql("postgres", "CHECKPOINT").await.map(drop)
    }

    /// Brings a database into the state that autovacuum would bring it to by and by, so that it does not do so in the middle of
    /// a measurement.
    pub async fn tidy(&self, name: &str) -> anyhow::Result<()> {
        self.sql(name, "VACUUM (ANALYZE)").await.map(drop)
    }

    /// Rows written so far, once all sessions have told theirs.
    pub async fn rows_written(&self, name: &str) -> anyhow::Result<RowsWritten> {
        tokio::time::sleep(COUNTS_SETTLE).await;
        let answer = self
            .sql(
                name,
                "SELECT coalesce(sum(rows) FILTER (WHERE relname = 'account'), 0), coalesce(sum(rows), 0) FROM \
                 (SELECT relname, n_tup_ins + n_tup_upd + n_tup_del AS rows FROM pg_stat_user_tables) AS tables",
            )
            .await?;
        let (account, all) = answer.split_once('|').context("two numbers")?;
        Ok(RowsWritten {
            account: account.parse()?,
            all: all.parse()?,
        })
    }

    /// What its tables and indexes take on disk, in MiB; the log that is written ahead is beside it.
    pub async fn size_mib(&self, name: &str) -> anyhow::Result<u64> {
        let size = format!("SELECT pg_database_size('{name}') / (1024 * 1024)");
        Ok(self.sql(name, &size).await?.trim().parse()?)
    }

    /// CPU-seconds of all its processes so far.
    pub fn cpu_seconds(&self) -> anyhow::Result<f64> {
        machine::cpu_seconds_with_children(self.pid)
    }

    /// Stops it.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.postgres.stop().await?;
        Ok(())
    }

    async fn sql(&self, name: &str, statement: &str) -> anyhow::Result<String> {
        Ok(self.postgres.access().sql(name, statement).await?)
    }
}
