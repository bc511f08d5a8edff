//! Events that the bus did not bring: whatever is committed to the outbox is told in the end. So is what no event tells of.

use std::sync::Arc;
use std::time::Duration;

use bus::Bus;
use chrono::TimeDelta;
use domain::id::EventId;
use service::clock::earliest_id;
use service::drain::Stopper;
use service::error::chain;
use store::inbox::Untold;
use store::{StoreError, inbox};
use tokio::sync::Notify;

use super::teller::finished_prefix;
use super::{Event, Teller, watch};
use crate::config::SweepConfig;
use crate::wake_up::wake_up;

/// Events told in one sweep, at most; the next one goes on.
const AT_ONCE: i64 = 100;

/// Looks for untold events from time to time.
#[derive(Debug)]
pub struct Sweep {
    /// What tells of them.
    pub teller: Teller,
    /// Where the bell's watchers are woken.
    pub bus: Bus,
    /// Woken when there is something to deliver.
    pub due: Arc<Notify>,
    /// How often, and how far back.
    pub config: SweepConfig,
}

impl Sweep {
    /// Sweeps until the stop.
    pub async fn run(self, stopper: Stopper) -> anyhow::Result<()> {
        let every = Duration::from_secs(self.config.every_seconds);
        while stopper.until(tokio::time::sleep(every)).await.is_some() {
            if let Err(error) = self.once().await {
                tracing::warn!(error = %chain(&error), "the sweep failed; the next one goes on");
            }
            if let Err(error) = self.watch().await {
                tracing::warn!(error = %chain(&error), "some warnings wait for the next sweep");
            }
        }
        Ok(())
    }

    /// Tells of the events that have waited for long enough; how many.
    pub async fn once(&self) -> Result<usize, StoreError> {
        let untold = self.look().await?;
        let count = untold.len();
        for untold in untold {
            let Untold {
                event: id,
                organization,
                run,
                traceparent,
            } = untold;
            let told = self
                .teller
                .tell(&Event {
                    id,
                    organization,
                    run,
                    traceparent,
                })
                .await?;
            self.teller.metrics().swept.add(1, &[]);
            tracing::info!(run.id = %run, "told of an event that the bus had not brought");
            if told.deliveries > 0 {
                self.due.notify_one();
            }
            wake_up(&self.bus, organization, &told.notices).await;
        }
        Ok(count)
    }

    /// Tells of what no event tells of.
    pub async fn watch(&self) -> Result<(), StoreError> {
        let back = TimeDelta::days(i64::from(self.config.days));
        let since = self.teller.clock().now() - back;
        let (told, mails) = watch::look(&self.teller, since).await?;
        if mails {
            self.due.notify_one();
        }
        for (organization, notices) in &told {
            wake_up(&self.bus, *organization, notices).await;
        }
        Ok(())
    }

    async fn look(&self) -> Result<Vec<Untold>, StoreError> {
        let now = self.teller.clock().now();
        let back = TimeDelta::days(i64::from(self.config.days));
        let settle =
            TimeDelta::seconds(i64::try_from(self.config.settle_seconds).unwrap_or(i64::MAX / 1_000));
        let bound = |at| EventId(earliest_id(at));

        let mut connection = self.teller.store().connection().await?;
        inbox::untold(
            &mut connection,
            &finished_prefix(),
            bound(now - back),
            bound(now - settle),
            AT_ONCE,
        )
        .await
    }
}
