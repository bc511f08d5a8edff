//! Deletes events from the outbox that were published long ago, old entries of the system log, and what broken imports left behind.

use std::convert::Infallible;
use std::time::Duration;

use chrono::TimeDelta;
use domain::id::EventId;
use service::Clock;
use service::clock::earliest_id;
use service::drain::Stopper;
use service::error::chain;
use store::{Store, StoreError, connection_health, import_page, outbox, system_log};

use crate::config::RetentionConfig;

const EVERY: Duration = Duration::from_secs(600);
/// Rows deleted in one statement.
const MOST: u16 = 1_000;
/// The same of the system log, whose rows hold a file.
const MOST_LOGS: u16 = 100;
/// Pages of an import that are so old belong to one that was broken off.
const BROKEN_OFF: TimeDelta = TimeDelta::days(1);

/// Deletes what is kept long enough.
pub struct Retention {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// How long that is.
    pub config: RetentionConfig,
}

impl Retention {
    /// Goes round until it is told to stop.
    pub async fn run(self, stopper: Stopper) -> Result<(), Infallible> {
        while stopper.until(tokio::time::sleep(EVERY)).await.is_some() {
            match stopper.until(self.once()).await {
                Some(Ok(events)) if events > 0 => tracing::info!(events, "published events deleted"),
                Some(Ok(_)) | None => (),
                Some(Err(error)) => {
                    tracing::warn!(error = %chain(&error), "published events were not deleted; they wait for the next round");
                }
            }
        }
        Ok(())
    }

    async fn once(&self) -> Result<u64, StoreError> {
        let before = self.clock.now() - TimeDelta::days(self.config.outbox_days.into());
        let earliest = EventId(earliest_id(before));
        let mut connection = self.store.connection().await?;
        let mut all = 0;
        loop {
            let gone = outbox::purge(&mut connection, earliest, before, MOST.into()).await?;
            all += gone;
            if gone < MOST.into() {
                break;
            }
        }
        while connection_health::purge_changes(&mut connection, earliest, MOST.into()).await?
            == u64::from(MOST)
        {}
        let before = self.clock.now() - BROKEN_OFF;
        while import_page::purge(&mut connection, before, MOST.into()).await? == u64::from(MOST) {}
        let before = earliest_id(self.clock.now() - TimeDelta::days(self.config.log_days.into()));
        while system_log::purge(&mut connection, before, MOST_LOGS.into()).await? == u64::from(MOST_LOGS) {}
        Ok(all)
    }
}
