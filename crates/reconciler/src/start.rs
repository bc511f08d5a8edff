//! From the settings to the running loops.

use std::sync::Arc;
use std::time::Duration;

use bus::consumers::{self, ConsumerSpec};
use contracts::internal::v1::register_server::RegisterServer;
use service::Context;
use service::drain::Stopper;
use service::grpc::Surface;
use store::sealed::Kind;
use tokio::sync::Notify;

use crate::config::Config;
use crate::decide::Decider;
use crate::health::Watch;
use crate::metrics::Metrics;
use crate::partitions::Partitions;
use crate::passwords::Passwords;
use crate::register::Server;
use crate::relay::Relay;
use crate::retention::Retention;
use crate::sweep::Sweep;
use crate::{figures, pages, rules};

/// What is sealed in the tables that this service writes.
const SEALED: [Kind; 2] = [Kind::DeltaLink, Kind::MailedPassword];

/// Connects, starts the loops, and offers the register to api.
pub async fn start(config: Config, context: Context) -> anyhow::Result<Surface> {
    config.check()?;
    let vault = Arc::new(keys::read(&config.vault)?);
    let store = backing::store(&config.database).await?;
    keys::check(&store, &vault, &config.vault, &context.stopper).await?;
    let bus = backing::bus("rollcall-reconciler", &config.nats, &context.stopper).await?;
    let (stopper, wake) = (&context.stopper, Arc::new(Notify::new()));
    let metrics = Metrics::new();
    let decider = Decider {
        store: store.clone(),
        clock: context.clock.clone(),
        known: rules::Known::default(),
        metrics: metrics.clone(),
    };
    let queue = ConsumerSpec {
        ack_wait: Duration::from_secs(config.work.ack_wait_seconds.max(1)),
        ..consumers::RECONCILER_PAGES
    };
    for _ in 0..config.work.deciders {
        let consumer = backing::join(&bus, queue, &context.stopper).await?;
        let loop_ = pages::run(consumer, decider.clone(), Arc::clone(&wake), stopper.clone());
        context.tasks.spawn("pages", loop_);
    }
    let fetched = backing::join(&bus, consumers::RECONCILER_FETCHED, &context.stopper).await?;
    context.tasks.spawn(
        "fetched",
        wake_on_fetched(fetched, Arc::clone(&wake), stopper.clone()),
    );
    let sweep = Sweep {
        decider,
        config: config.work,
        wake: Arc::clone(&wake),
    };
    context.tasks.spawn("sweep", sweep.run(stopper.clone()));
    let figures = figures::Watch {
        store: store.clone(),
        bus: bus.clone(),
        clock: context.clock.clone(),
        every: Duration::from_secs(config.work.figures_seconds.max(1)),
    };
    context.tasks.spawn("figures", figures.run(stopper.clone()));
    let relay = Relay {
        store: store.clone(),
        bus,
        clock: context.clock.clone(),
        metrics,
        wake: Arc::new(Notify::new()),
        every: Duration::from_millis(config.work.sweep_milliseconds),
    };
    context.tasks.spawn("relay", relay.run(stopper.clone()));
    let retention = Retention {
        store: store.clone(),
        clock: context.clock.clone(),
        config: config.retention,
    };
    context.tasks.spawn("retention", retention.run(stopper.clone()));
    let watch = Watch {
        store: store.clone(),
        clock: context.clock.clone(),
        every: Duration::from_millis(config.work.sweep_milliseconds),
    };
    context.tasks.spawn("health", watch.run(stopper.clone()));
    let partitions = Partitions {
        store: store.clone(),
        clock: context.clock.clone(),
        runs_days: config.retention.runs_days,
    };
    context.tasks.spawn("partitions", partitions.run(stopper.clone()));
    let passwords = Passwords {
        store: store.clone(),
        clock: context.clock.clone(),
        vault: Arc::clone(&vault),
        every: Duration::from_millis(config.work.sweep_milliseconds),
    };
    context.tasks.spawn("passwords", passwords.run(stopper.clone()));
    context.tasks.spawn(
        "reseal",
        keys::reseal(store.clone(), vault, &SEALED, stopper.clone()),
    );
    let server = Server {
        store,
        clock: context.clock.clone(),
        wake,
        preview_hours: config.work.preview_hours,
        imports: Arc::default(),
    };
    Ok(Surface::new()
        .with(RegisterServer::new(server))
        .describe(contracts::FILE_DESCRIPTOR_SET))
}

/// The end of a fetch is a wake-up: what to do is read from the database.
async fn wake_on_fetched(
    mut consumer: bus::Consumer,
    wake: Arc<Notify>,
    stopper: Stopper,
) -> Result<(), std::convert::Infallible> {
    while let Some(received) = stopper.until(Box::pin(consumer.next())).await {
        let (bus::Received::Message(delivery) | bus::Received::Exhausted(delivery)) = received;
        wake.notify_one();
        if let Err(error) = delivery.ack().await {
            tracing::debug!(error = %service::error::chain(&error), "the broker was not told of a wake-up");
        }
    }
    consumer.close().await;
    Ok(())
}
