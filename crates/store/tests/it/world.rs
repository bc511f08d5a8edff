//! What the tests stand on: a migrated database of a test's own.

use chrono::{DateTime, Utc};
use local::test_database::TestDatabase;
use rollcall_store::Store;
use uuid::Uuid;

pub struct World {
    pub store: Store,
    database: TestDatabase,
}

impl World {
    pub async fn new() -> Self {
        let database = TestDatabase::copy_of("store_migrated", async |url| {
            let store = Store::new(&url, 1)?;
            let migrated = store.migrate().await;
            store.close().await;
            migrated
        });
        let database = database.await.unwrap();
        Self {
            store: Store::new(&database.url(), 2).unwrap(),
            database,
        }
    }

    /// The database's URL.
    pub fn url(&self) -> String {
        self.database.url()
    }

    /// The answer, a line per row, columns divided by `|`.
    pub async fn sql(&self, statement: &str) -> String {
        self.database.sql(statement).await.unwrap()
    }
}

/// Noon of the `n`th of November.
pub fn november(n: u32) -> DateTime<Utc> {
    format!("2026-11-{n:02}T12:00:00Z").parse().unwrap()
}

/// The first id of that time.
pub fn id_of(at: DateTime<Utc>) -> Uuid {
    numbered(at, 0)
}

/// An id of that time.
pub fn numbered(at: DateTime<Utc>, n: u8) -> Uuid {
    let milliseconds = u64::try_from(at.timestamp_millis()).unwrap();
    uuid::Builder::from_unix_timestamp_millis(milliseconds, &[n; 10]).into_uuid()
}
