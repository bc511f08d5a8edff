//! `rollcall-reconciler --migrate`: the schema brought up to date before the services of a new version start.

use std::time::Duration;

use anyhow::Context as _;
use secrecy::ExposeSecret;
use store::Store;

use crate::config::Config;

/// For so long a database is waited for that does not answer yet, or whose tables can't be had.
const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// Brings the database up to date.
pub async fn migrate(config: Config) -> anyhow::Result<()> {
    // Nothing else of the process uses the database.
    let store = Store::new(config.database.url.expose_secret(), 1).context("database.url can't be used")?;
    let applied = store.migrate_within(PATIENCE).await;
    let applied = applied.context("the database can't be migrated (database.url)")?;
    if applied.is_empty() {
        tracing::info!("the database was up to date already");
    }
    Ok(())
}
