//! From the settings to the running loops.

use std::sync::Arc;

use anyhow::Context as _;
use bus::Bus;
use bus::consumers::{self, ConsumerSpec};
use secrecy::ExposeSecret;
use service::Context;
use service::config::{DatabaseConfig, NatsConfig};
use service::grpc::Surface;
use service::metrics::Pool;
use service::retry::{Policy, Verdict, retry};
use store::Store;
use tokio::sync::Notify;

use crate::config::Config;
use crate::decide::{Decider, Sweep, Teller, take_changes};
use crate::deliver::{Sender, Smtp};
use crate::metrics::Metrics;
use crate::retention::Retention;

/// Connects, and starts both loops and the sweep. The gRPC port has health and reflection alone.
pub async fn start(config: Config, context: Context) -> anyhow::Result<Surface> {
    config.check()?;
    let vault = Arc::new(keys::read(&config.vault)?);
    let smtp = Smtp::new(&config.smtp)?;
    let store = open_store(&config.database).await?;
    keys::check(&store, &vault, &config.vault, &context.stopper).await?;
    let bus = open_bus(&config.nats, &context).await?;
    let (clock, metrics, due) = (context.clock.clone(), Metrics::new(), Arc::new(Notify::new()));

    let teller = Teller::new(store.clone(), clock.clone(), metrics.clone(), &config);
    let decider = Decider {
        teller: teller.clone(),
        bus: bus.clone(),
        due: Arc::clone(&due),
    };
    let finished = join(&bus, consumers::NOTIFIER_FINISHED, &context).await?;
    context
        .tasks
        .spawn("decide", decider.run(finished, context.stopper.clone()));
    let changed = join(&bus, consumers::NOTIFIER_CHANGED, &context).await?;
    context
        .tasks
        .spawn("changes", take_changes(changed, context.stopper.clone()));
    let sweep = Sweep {
        teller,
        bus: bus.clone(),
        due: Arc::clone(&due),
        config: config.sweep,
    };
    context.tasks.spawn("sweep", sweep.run(context.stopper.clone()));

    let retention = Retention {
        store: store.clone(),
        clock: clock.clone(),
        config: config.retention,
    };
    context
        .tasks
        .spawn("retention", retention.run(context.stopper.clone()));

    let sender = Sender {
        store,
        clock,
        metrics,
        smtp,
        bus,
        due,
        config: config.delivery,
        vault,
    };
    context
        .tasks
        .spawn("deliver", sender.run(context.stopper.clone()));
    Ok(Surface::new())
}

/// Joins a queue; a broker that is only just up may take longer than one try.
async fn join(bus: &Bus, queue: ConsumerSpec, context: &Context) -> anyhow::Result<bus::Consumer> {
    let again = |_: &_| Verdict::Again;
    retry(
        "joining a queue",
        Policy::UNTIL_STOPPED,
        &context.stopper,
        again,
        async || bus.consume(queue).await,
    )
    .await
    .with_context(|| format!("cannot join the queue {}", queue.durable))
}

/// The database, with a schema that is at least ours.
async fn open_store(config: &DatabaseConfig) -> anyhow::Result<Store> {
    let store = Store::new(config.url.expose_secret(), config.max_connections)
        .context("database.url can't be used")?;
    let measured = store.clone();
    service::metrics::database(move || {
        let store::Connections { used, idle, most } = measured.connections();
        Pool { used, idle, most }
    });
    let prepared = store.prepare(config.migrate).await;
    prepared.context("the database can't be used (database.url)")?;
    Ok(store)
}

async fn open_bus(config: &NatsConfig, context: &Context) -> anyhow::Result<Bus> {
    let tls = config.tls.clone().map(|tls| bus::Tls {
        ca: tls.ca,
        identity: tls.cert.zip(tls.key),
    });
    let options = bus::Options {
        url: config.url.clone(),
        name: "rollcall-notifier".to_owned(),
        credentials: config.credentials.clone(),
        tls,
        limits: bus::streams::Limits {
            replicas: config.replicas.into(),
            ..bus::streams::Limits::default()
        },
    };
    let again = |_: &_| Verdict::Again;
    retry(
        "reaching the bus",
        Policy::UNTIL_STOPPED,
        &context.stopper,
        again,
        async || Bus::connect(&options).await,
    )
    .await
    .context("cannot reach the bus (nats.url)")
}
