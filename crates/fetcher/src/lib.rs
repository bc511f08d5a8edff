#![doc = include_str!("../README.md")]

mod config;
mod take;

pub mod scheduler;

mod fetch;
mod job;
mod lease;
mod waits;

mod complete;
mod delta;
mod groups;
mod kind;
mod listing;
mod managers;
mod manual;
mod proof;

mod changes;
mod memberships;
mod page;
mod pipeline;

mod directory;
mod expiries;
mod failure;
mod metrics;
mod quarantine;
mod read_user;
mod status;
mod test_connection;

use std::sync::Arc;

use anyhow::Context as _;
use bus::{Bus, Consumer, Watch, consumers, subjects};
use contracts::internal::v1::directory_server::DirectoryServer;
use graph::Transport;
use service::Context;
use service::grpc::Surface;
use service::retry::{Policy, Verdict, retry};
use store::sealed::Kind;

use crate::config::Config;
use crate::directory::Directories;
use crate::expiries::Expiries;
use crate::fetch::Fetcher;
use crate::metrics::Metrics;
use crate::quarantine::Tries;
use crate::scheduler::Scheduler;
use crate::take::Taker;
use crate::test_connection::ConnectionTests;

pub use crate::config::DEFAULTS;

/// What is sealed in the tables that this service writes.
const SEALED: [Kind; 2] = [Kind::FetchedLink, Kind::FetchedGroupsLink];

/// The process, from its arguments to its exit code.
pub fn main() -> std::process::ExitCode {
    service::run("fetcher", config::DEFAULTS, start)
}

/// Starts the service.
pub async fn start(config: Config, context: Context) -> anyhow::Result<Surface> {
    config.fetch.check()?;
    let vault = Arc::new(keys::read(&config.vault)?);
    let directories = Arc::new(Directories::new(
        Arc::clone(&vault),
        Transport::new(config.graph.of_runs())?,
        Transport::new(config.graph.of_tests())?,
    ));
    let store = backing::store(&config.database).await?;
    keys::check(&store, &vault, &config.vault, &context.stopper).await?;
    context.tasks.spawn(
        "reseal",
        keys::reseal(store.clone(), vault, &SEALED, context.stopper.clone()),
    );
    let bus = backing::bus("rollcall-fetcher", &config.nats, &context.stopper).await?;
    let expiries = Arc::new(Expiries {
        store: store.clone(),
        clock: context.clock.clone(),
        directories: Arc::clone(&directories),
        every: config.fetch.sweep(),
    });
    let tests = Arc::new(ConnectionTests::new(Arc::clone(&expiries)));
    let tries = Tries {
        store: store.clone(),
        clock: context.clock.clone(),
        tests: Arc::clone(&tests),
        every: config.fetch.sweep(),
    };
    let fetcher = Fetcher {
        config: config.fetch,
        store,
        bus,
        clock: context.clock.clone(),
        stopper: context.stopper.clone(),
        directories,
        metrics: Arc::new(Metrics::new()),
        holder: context.clock.new_id().to_string(),
    };
    let scheduler = Scheduler::new(fetcher.store.clone(), fetcher.bus.clone(), fetcher.clock.clone());
    let (tick, stopper) = (config.schedule.tick(), context.stopper.clone());
    context
        .tasks
        .spawn("schedule", async move { scheduler.run(tick, stopper).await });
    let (wake_ups, cancellations) = listen(&fetcher.bus, &context).await?;
    let taker = Arc::new(Taker::new(Arc::new(fetcher), context.tasks.clone()));
    let hearer = Arc::clone(&taker);
    context
        .tasks
        .spawn("take", async move { taker.take_runs(wake_ups).await });
    context.tasks.spawn("cancellations", async move {
        hearer.hear_cancels(cancellations).await
    });
    context
        .tasks
        .spawn("quarantine", tries.run(context.stopper.clone()));
    context
        .tasks
        .spawn("expiries", expiries.run(context.stopper.clone()));
    Ok(Surface::new()
        .with(DirectoryServer::from_arc(tests))
        .describe(contracts::FILE_DESCRIPTOR_SET))
}

/// What wakes the taking of runs, and what ends them.
async fn listen(bus: &Bus, context: &Context) -> anyhow::Result<(Consumer, Watch)> {
    let wake_ups = backing::join(bus, consumers::FETCHER_RUNS, &context.stopper).await?;
    let (policy, again) = (Policy::UNTIL_STOPPED, |_: &_| Verdict::Again);
    let any = subjects::any_run_cancel();
    let watch = async || bus.watch(&any).await;
    let cancellations = retry(
        "watching for cancellations",
        policy,
        &context.stopper,
        again,
        watch,
    )
    .await;
    Ok((wake_ups, cancellations.context("no news of cancellations")?))
}
