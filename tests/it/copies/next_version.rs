//! What the next version's migration may do while this version runs: crates/store/README.md, "expand, then contract".

use std::time::{Duration, Instant};

use local::postgres::Access;
use local::stack::DATABASE;

const LIMIT: Duration = Duration::from_secs(60);

/// Every table that a service writes, partitions aside: they follow theirs.
const TABLES: &str = "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> '_sqlx_migrations'";

/// Expands the schema as far as the rule allows, under whatever runs, and notes it as a migration that nobody here knows.
pub async fn expand(access: &Access) {
    let tables = access.sql(DATABASE, TABLES).await.unwrap();
    assert!(tables.lines().count() > 30, "{tables}");
    for table in tables.lines() {
        // Before the columns that are there, where a statement without names would put its values, there is no room in
        // PostgreSQL; behind them these two break `SELECT *`, `INSERT` and `COPY` without names, and comparisons of rows.
        apply(
            access,
            &format!(
                "SET lock_timeout = '1s';
                 ALTER TABLE {table} ADD COLUMN of_the_next_version text,
                     ADD COLUMN counted_by_the_next_version integer NOT NULL DEFAULT 0"
            ),
        )
        .await;
    }
    apply(
        access,
        "CREATE TABLE next_version (id uuid PRIMARY KEY, organization_id uuid NOT NULL)",
    )
    .await;
    apply(
        access,
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS account_next_version ON account (counted_by_the_next_version)",
    )
    .await;
    apply(
        access,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9001, 'of the next version', true, '\\x00', 1)",
    )
    .await;
}

/// As the migrator does: a table that can't be had in time lets others through, and is tried again.
async fn apply(access: &Access, statement: &str) {
    let begun = Instant::now();
    while let Err(error) = access.sql(DATABASE, statement).await {
        assert!(begun.elapsed() < LIMIT, "{statement}: {error}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
