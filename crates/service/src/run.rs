//! The one entry of every service: how a process starts, runs and ends.

use std::future::Future;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use prometheus::Registry;
use serde::de::DeserializeOwned;

use crate::addresses::Addresses;
use crate::clock::Clock;
use crate::config::{Chassis, Environment, Loaded};
use crate::drain::{Signals, Stopper, Tasks};
use crate::grpc::{self, Health, Port, Serving, Surface};
use crate::invocation::Invocation;
use crate::metrics_port::MetricsPort;
use crate::telemetry;

/// How long the runtime may take to let go of blocking work after everything else has ended.
const RUNTIME_LIMIT: Duration = Duration::from_secs(1);

/// What a service works with.
#[derive(Clone, Debug)]
pub struct Context {
    /// The time.
    pub clock: Clock,
    /// Says when to stop.
    pub stopper: Stopper,
    /// Where everything that goes on after the start is spawned.
    pub tasks: Tasks,
    /// Whether calls should be sent here.
    pub health: Health,
    addresses: Addresses,
}

impl Context {
    /// Makes known that this process also listens on `address`, speaking `what` (such as `console`).
    pub fn announce(&self, what: &'static str, address: SocketAddr) {
        self.addresses.add(what, address);
    }
}

/// Runs the service `name` to its end: reads the configuration over `defaults`, calls `start`, serves what it returns,
/// waits for the signal to stop, and drains.
///
/// `start` connects, spawns what is to go on with [`Tasks::spawn`], and returns the gRPC services to offer. Until then health
/// says that it is not ready. It is dropped when the signal comes before it is done.
pub fn run<C, F, S>(name: &'static str, defaults: &'static str, start: S) -> ExitCode
where
    C: DeserializeOwned,
    F: Future<Output = anyhow::Result<Surface>>,
    S: FnOnce(C, Context) -> F,
{
    match Invocation::read(name, defaults, None) {
        Ok(invocation) => invocation.serve(start),
        Err(ended) => ended,
    }
}

/// Something that a program does instead of serving when it is started with `--flag`; then it ends.
#[derive(Clone, Copy, Debug)]
pub struct Errand<W> {
    /// The flag, without its dashes.
    pub flag: &'static str,
    /// What it does, for `--help`.
    pub about: &'static str,
    /// The work. It is dropped when a signal comes before it is done.
    pub work: W,
}

/// The same as [`run`], but with `errand`'s flag it does that and ends: with 0 when it is done, 1 when it is not.
pub fn run_or<C, F, S, G, W>(
    name: &'static str,
    defaults: &'static str,
    start: S,
    errand: Errand<W>,
) -> ExitCode
where
    C: DeserializeOwned,
    F: Future<Output = anyhow::Result<Surface>>,
    S: FnOnce(C, Context) -> F,
    G: Future<Output = anyhow::Result<()>>,
    W: FnOnce(C) -> G,
{
    match Invocation::read(name, defaults, Some((errand.flag, errand.about))) {
        Ok(invocation) if invocation.errand => invocation.carry_out(errand.work),
        Ok(invocation) => invocation.serve(start),
        Err(ended) => ended,
    }
}

impl<C> Invocation<C> {
    fn serve<F, S>(self, start: S) -> ExitCode
    where
        F: Future<Output = anyhow::Result<Surface>>,
        S: FnOnce(C, Context) -> F,
    {
        let (name, loaded) = (self.name, self.loaded);
        let Loaded { chassis, service } = loaded;
        let lived = async |scraped| live(name, &chassis, service, scraped, start).await;
        run_async(name, &chassis, &self.environment, lived)
    }

    fn carry_out<G, W>(self, work: W) -> ExitCode
    where
        G: Future<Output = anyhow::Result<()>>,
        W: FnOnce(C) -> G,
    {
        let Loaded { chassis, service } = self.loaded;
        let until_signalled = async |_| {
            let mut signals = Signals::listen().context("cannot watch for signals")?;
            tokio::select! {
                done = work(service) => done,
                signal = signals.next() => anyhow::bail!("ended by {signal} before it was done"),
            }
        };
        run_async(self.name, &chassis, &self.environment, until_signalled)
    }
}

/// Runs `work` with telemetry, and says how it ended.
fn run_async(
    name: &'static str,
    chassis: &Chassis,
    environment: &Environment,
    work: impl AsyncFnOnce(Option<Registry>) -> anyhow::Result<()>,
) -> ExitCode {
    match run_logged(name, chassis, environment, work) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Logged where a log exists; said here too, for what failed before.
            eprintln!("{name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run_logged(
    name: &'static str,
    chassis: &Chassis,
    environment: &Environment,
    work: impl AsyncFnOnce(Option<Registry>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    install_crypto();
    let runtime = tokio::runtime::Runtime::new().context("cannot start the async runtime")?;
    let telemetry = {
        // The exporters take the runtime that they are made in.
        let _inside = runtime.enter();
        telemetry::start(name, &chassis.log, &chassis.metrics, environment)?
    };
    let ended = runtime.block_on(work(telemetry.registry()));
    match &ended {
        Ok(()) => tracing::info!("stopped"),
        Err(error) => tracing::error!(error = format!("{error:#}"), "stopped by a failure"),
    }
    telemetry.finish();
    runtime.shutdown_timeout(RUNTIME_LIMIT);
    ended
}

/// From the first signal handler to the last task.
async fn live<C, F, S>(
    name: &'static str,
    chassis: &Chassis,
    config: C,
    scraped: Option<Registry>,
    start: S,
) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<Surface>>,
    S: FnOnce(C, Context) -> F,
{
    let signals = Signals::listen().context("cannot watch for signals")?;
    let stopper = Stopper::new();
    let tasks = Tasks::new(stopper.clone());
    let port = Port::bind(&chassis.grpc).await?;
    let health = port.health();
    let metrics = MetricsPort::bind(&chassis.metrics).await?;
    let context = Context {
        clock: match &chassis.process.clock_ahead_file {
            None => Clock::system(),
            Some(file) => Clock::ahead_of_system(file),
        },
        stopper: stopper.clone(),
        tasks: tasks.clone(),
        health: health.clone(),
        addresses: Addresses::default(),
    };
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "{name} starting");
    // From here on, so that a start that waits for something is seen too.
    if let (Some(metrics), Some(scraped)) = (metrics, scraped) {
        context.announce("metrics", metrics.address());
        metrics.serve(scraped, &tasks, &stopper);
    }
    let closing = Stopper::new();
    let work = async {
        let worked = work(
            chassis,
            config,
            context,
            port.serve(&tasks, &stopper, &closing),
            start,
        )
        .await;
        stopper.stop();
        // Who asks is told before the port closes to new connections.
        health.hold(grpc::DRAINING).await;
        closing.stop();
        worked?;
        tasks
            .clone()
            .finish(Duration::from_secs(chassis.process.grace_seconds))
            .await?;
        anyhow::Ok(())
    };
    tokio::select! {
        ended = work => ended,
        () = obey(signals, &stopper) => anyhow::bail!("ended at once by a second signal"),
    }
}

/// Starts the service and serves it until the stop.
async fn work<C, F, S>(
    chassis: &Chassis,
    config: C,
    context: Context,
    serving: Serving,
    start: S,
) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<Surface>>,
    S: FnOnce(C, Context) -> F,
{
    let (stopper, health, addresses) = (
        context.stopper.clone(),
        context.health.clone(),
        context.addresses.clone(),
    );
    addresses.add("grpc", serving.address());
    let Some(surface) = stopper.until(start(config, context)).await else {
        return Ok(());
    };
    serving.offer(surface.context("could not start")?).await?;
    if let Some(path) = &chassis.process.address_file {
        addresses
            .write(path)
            .with_context(|| format!("cannot write the addresses to {}", path.display()))?;
    }
    health.release(grpc::STARTING).await;
    stopper.stopped().await;
    Ok(())
}

/// The first signal begins the stop; returns with the second.
async fn obey(mut signals: Signals, stopper: &Stopper) {
    let signal = signals.next().await;
    tracing::info!(signal, "stopping");
    stopper.stop();
    let signal = signals.next().await;
    tracing::warn!(signal, "stopping at once");
}

/// Makes *ring* the one implementation of cryptography for every TLS connection of the process.
fn install_crypto() {
    // It fails only where one is installed already, and then by a second call of ours.
    drop(rustls::crypto::ring::default_provider().install_default());
}
