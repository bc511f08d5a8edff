//! How connections fare (B17): each end of a run, and what tests and people say in between, goes through the pure rule, and
//! what changed is written down beside it.

use std::convert::Infallible;
use std::time::Duration;

use domain::id::{ConnectionId, EventId, OrganizationId, RunId};
use domain::quarantine::{Change, Happened, Health, after};
use service::Clock;
use service::drain::Stopper;
use service::error::chain;
use store::connection_health::{self, Changed};
use store::quarantine::{self, News};
use store::run_plan::Work;
use store::{Store, StoreError, Tx};

/// Connections that one look considers.
const MOST: i64 = 64;

/// Considers what the end of a run, or of its planning, says of its connection. `event` tells of it.
pub async fn of_run(tx: &mut Tx, work: &Work, event: EventId, clock: &Clock) -> Result<(), StoreError> {
    let Some(happened) = quarantine::of_run(tx.connection(), work.run).await? else {
        return Ok(());
    };
    let of = Of {
        connection: work.connection,
        organization: work.organization,
        run: Some(work.run),
        event,
    };
    consider(tx, &of, happened, clock).await
}

/// Looks for what tests and people say of connections that fail.
pub struct Watch {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Between two looks.
    pub every: Duration,
}

impl Watch {
    /// Goes round until it is told to stop.
    pub async fn run(self, stopper: Stopper) -> Result<(), Infallible> {
        while stopper.until(tokio::time::sleep(self.every)).await.is_some() {
            if let Err(error) = self.once().await {
                tracing::warn!(error = %chain(&error), "news of failing connections wait for the next look");
            }
        }
        Ok(())
    }

    async fn once(&self) -> Result<(), StoreError> {
        let found = quarantine::news(&mut *self.store.connection().await?, None, MOST).await?;
        for news in found {
            let mut tx = self.store.begin("health.news").await?;
            connection_health::lock(tx.connection(), news.connection).await?;
            // Another copy may have been quicker.
            let still = quarantine::news(tx.connection(), Some(news.connection), 1).await?;
            if let Some(News {
                connection,
                organization,
                happened,
            }) = still.into_iter().next()
            {
                let of = Of {
                    connection,
                    organization,
                    run: None,
                    event: EventId(self.clock.new_id()),
                };
                consider(&mut tx, &of, happened, &self.clock).await?;
            }
            tx.commit().await?;
        }
        Ok(())
    }
}

/// What something is said of.
struct Of {
    connection: ConnectionId,
    organization: OrganizationId,
    run: Option<RunId>,
    event: EventId,
}

async fn consider(tx: &mut Tx, of: &Of, happened: Happened, clock: &Clock) -> Result<(), StoreError> {
    let well = matches!(happened, Happened::Ran(_));
    if well
        && connection_health::find(tx.connection(), of.connection)
            .await?
            .is_none()
        && after(Health::Working, happened.clone(), clock.now(), 0.0)
            .1
            .is_none()
    {
        // As nearly always: nobody needs to wait for anybody.
        return Ok(());
    }
    connection_health::lock(tx.connection(), of.connection).await?;
    let known = connection_health::find(tx.connection(), of.connection).await?;
    let (before, now) = (
        known
            .filter(|known| !known.released)
            .map_or(Health::Working, |known| known.health),
        clock.now(),
    );
    let (health, change) = after(before.clone(), happened, now, rand::random());
    connection_health::put(tx.connection(), of.connection, &health, now).await?;
    let Some(change) = change else { return Ok(()) };
    let (why, next_try) = match (&health, &before) {
        (Health::Quarantined(quarantine), _) => (Some(&quarantine.why), Some(quarantine.next_try)),
        (Health::Failing { why, .. }, _) | (Health::Working, Health::Failing { why, .. }) => {
            (Some(why), None)
        }
        (Health::Working, Health::Quarantined(quarantine)) => (Some(&quarantine.why), None),
        (Health::Working, Health::Working) => (None, None),
    };
    let changed = Changed {
        event: of.event,
        organization: of.organization,
        connection: of.connection,
        run: of.run,
        change,
        reason: why.map(|why| why.text.clone()).unwrap_or_default(),
        next_try,
        at: now,
    };
    connection_health::insert_change(tx.connection(), &changed).await?;
    let cause = why.map(|why| why.cause.as_str()).unwrap_or_default();
    match change {
        Change::Quarantined => {
            tracing::warn!(connection.id = %of.connection, cause, "the connection is in quarantine");
        }
        Change::BeganToFail => tracing::warn!(connection.id = %of.connection, cause, "the connection fails"),
        Change::Recovered | Change::WorksAgain => {
            tracing::info!(connection.id = %of.connection, cause, "the connection works again");
        }
    }
    Ok(())
}
