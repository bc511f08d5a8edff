#![doc = include_str!("../README.md")]

use anyhow::Context as _;
use bus::consumers::ConsumerSpec;
use bus::{Bus, Consumer};
use secrecy::ExposeSecret;
use service::config::{DatabaseConfig, NatsConfig};
use service::drain::Stopper;
use service::metrics::Pool;
use service::retry::{Policy, Verdict, retry};
use store::Store;

/// The database, with a schema that is at least ours. From then on its connections are told as metrics.
///
/// # Errors
/// Names the setting: the URL can't be used, or the schema can't be made or is of another program.
pub async fn store(config: &DatabaseConfig) -> anyhow::Result<Store> {
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

/// How to reach the bus; `name` is what NATS calls this service by.
#[must_use]
pub fn bus_options(name: &str, config: &NatsConfig) -> bus::Options {
    let tls = config.tls.as_ref().map(|tls| bus::Tls {
        ca: tls.ca.clone(),
        identity: tls.cert.clone().zip(tls.key.clone()),
    });
    bus::Options {
        url: config.url.clone(),
        name: name.to_owned(),
        credentials: config.credentials.clone(),
        tls,
        limits: bus::streams::Limits {
            replicas: config.replicas.into(),
            ..bus::streams::Limits::default()
        },
    }
}

/// The bus, once it can be reached.
///
/// # Errors
/// Why the last try failed, when the process stops before one has not.
pub async fn bus(name: &str, config: &NatsConfig, stopper: &Stopper) -> anyhow::Result<Bus> {
    let options = bus_options(name, config);
    let connect = async || Bus::connect(&options).await;
    retry(
        "connecting to NATS",
        Policy::UNTIL_STOPPED,
        stopper,
        again,
        connect,
    )
    .await
    .context("cannot reach NATS (nats.url)")
}

/// A copy's share of a queue.
///
/// # Errors
/// Why the last try failed, when the process stops before one has not.
pub async fn join(bus: &Bus, queue: ConsumerSpec, stopper: &Stopper) -> anyhow::Result<Consumer> {
    let consume = async || bus.consume(queue).await;
    retry("joining a queue", Policy::UNTIL_STOPPED, stopper, again, consume)
        .await
        .with_context(|| format!("cannot join the queue {}", queue.durable))
}

fn again<E>(_: &E) -> Verdict {
    Verdict::Again
}
