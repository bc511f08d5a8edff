//! Deletes what was told long ago: inbox, notices, mails.

use std::convert::Infallible;
use std::time::Duration;

use chrono::TimeDelta;
use domain::id::{DeliveryId, EventId, NoticeId};
use service::Clock;
use service::clock::earliest_id;
use service::drain::Stopper;
use service::error::chain;
use store::{Store, StoreError, delivery, inbox, notice};
use uuid::Uuid;

use crate::config::RetentionConfig;

const EVERY: Duration = Duration::from_secs(600);
/// Rows deleted in one statement.
const MOST: u16 = 1_000;

/// Deletes what is kept long enough.
#[derive(Debug)]
pub struct Retention {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// How long that is.
    pub config: RetentionConfig,
}

/// How much was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Events that are known no more.
    pub events: u64,
    /// Notices.
    pub notices: u64,
    /// Mails.
    pub deliveries: u64,
}

impl Retention {
    /// Goes round until the stop.
    pub async fn run(self, stopper: Stopper) -> Result<(), Infallible> {
        while stopper.until(tokio::time::sleep(EVERY)).await.is_some() {
            match stopper.until(self.once()).await {
                Some(Ok(deleted)) if deleted != Deleted::default() => {
                    let Deleted {
                        events,
                        notices,
                        deliveries,
                    } = deleted;
                    tracing::info!(events, notices, deliveries, "old rows deleted");
                }
                Some(Ok(_)) | None => (),
                Some(Err(error)) => {
                    tracing::warn!(error = %chain(&error), "old rows were not deleted; they wait for the next round");
                }
            }
        }
        Ok(())
    }

    /// Deletes all that is old enough, a bounded number of rows at a time.
    pub async fn once(&self) -> Result<Deleted, StoreError> {
        let mut connection = self.store.connection().await?;
        let events = EventId(self.bound(self.config.inbox_days));
        let notices = NoticeId(self.bound(self.config.notice_days));
        let deliveries = DeliveryId(self.bound(self.config.delivery_days));
        let mut all = Deleted::default();
        loop {
            let now = Deleted {
                events: inbox::purge(&mut connection, events, MOST.into()).await?,
                notices: notice::purge(&mut connection, notices, MOST.into()).await?,
                deliveries: delivery::purge(&mut connection, deliveries, MOST.into()).await?,
            };
            all.events += now.events;
            all.notices += now.notices;
            all.deliveries += now.deliveries;
            if now.events.max(now.notices).max(now.deliveries) < MOST.into() {
                return Ok(all);
            }
        }
    }

    fn bound(&self, days: u16) -> Uuid {
        earliest_id(self.clock.now() - TimeDelta::days(days.into()))
    }
}
