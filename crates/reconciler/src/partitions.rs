//! Keeps tables ready for the weeks to come, and drops those of weeks that were kept long enough.

use std::convert::Infallible;
use std::time::Duration;

use chrono::TimeDelta;
use domain::id::RunId;
use service::Clock;
use service::clock::earliest_id;
use service::drain::Stopper;
use service::error::chain;
use store::run_partition::{self, Week};
use store::{Store, StoreError, former_account, former_link};

/// Between two rounds; a round with nothing to do is a few small queries.
const EVERY: Duration = Duration::from_secs(600);
/// Rows deleted in one statement.
const MOST: i64 = 1_000;
/// Weeks that are ready, this one included.
const AHEAD: usize = 3;

/// Looks after the tables of decisions and pages.
pub struct Partitions {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Days that runs are kept in detail.
    pub runs_days: u16,
}

impl Partitions {
    /// Goes round until it is told to stop, at once and then every few minutes.
    pub async fn run(self, stopper: Stopper) -> Result<(), Infallible> {
        loop {
            for done in [
                stopper.until(self.prepare()).await,
                stopper.until(self.prune()).await,
            ] {
                if let Some(Err(error)) = done {
                    tracing::warn!(error = %chain(&error), "the tables of runs were not looked after; they wait for the next round");
                }
            }
            if stopper.until(tokio::time::sleep(EVERY)).await.is_none() {
                return Ok(());
            }
        }
    }

    async fn prepare(&self) -> Result<(), StoreError> {
        let this = Week::of(self.clock.now());
        let weeks = std::iter::successors(Some(this), |week| Some(week.next()));
        for week in weeks.take(AHEAD) {
            let mut tx = self.store.begin("partitions.prepare").await?;
            run_partition::ensure(tx.connection(), week).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    async fn prune(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let before = RunId(earliest_id(now - TimeDelta::days(self.runs_days.into())));
        let mut connection = self.store.connection().await?;
        for week in run_partition::give_up(&mut connection, before, now).await? {
            tracing::info!(week, "details of runs are pruned");
        }
        while former_account::prune(&mut connection, MOST).await? == MOST.unsigned_abs() {}
        while former_link::prune(&mut connection, MOST).await? == MOST.unsigned_abs() {}
        let pruned = run_partition::pruned(&mut connection).await?;
        if pruned.is_empty() || !run_partition::lock_dropping(&mut connection).await? {
            return Ok(());
        }
        let dropped = async {
            // Whoever dropped before us may have dropped some of them.
            for table in run_partition::pruned(&mut connection).await? {
                run_partition::drop(&mut connection, &table).await?;
            }
            Ok(())
        }
        .await;
        run_partition::unlock_dropping(&mut connection).await?;
        dropped
    }
}
