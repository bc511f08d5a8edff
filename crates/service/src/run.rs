//! The one entry of every service: how a process starts, runs and ends.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use prometheus::Registry;
use serde::de::DeserializeOwned;

use crate::addresses::Addresses;
use crate::clock::Clock;
use crate::config::{self, CHASSIS_DEFAULTS, Chassis, Environment, FILE_VARIABLE, Loaded, Sources};
use crate::drain::{Signals, Stopper, Tasks};
use crate::error::chain;
use crate::grpc::{self, Health, Port, Surface};
use crate::metrics_port::MetricsPort;
use crate::telemetry;

/// `EX_USAGE` of sysexits: the configuration is wrong and a restart will not mend it.
const EXIT_CONFIG: u8 = 64;

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

#[derive(Parser)]
#[command(version, about = "A service of Rollcall.", long_about = None)]
struct Arguments {
    /// Configuration file (TOML); the variable `ROLLCALL_CONFIG` can name it too.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Reads the configuration, says OK or what is wrong, and exits.
    #[arg(long)]
    check_config: bool,
    /// Prints every setting with its default and exits.
    #[arg(long)]
    print_defaults: bool,
    /// Prints what every setting is and means, as Markdown, and exits.
    #[arg(long)]
    print_reference: bool,
    /// Writes the addresses listened on to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    address_file: Option<PathBuf>,
}

/// Runs the service `name` to its end: reads the configuration over `defaults`, calls `start`, serves what it returns,
/// waits for the signal to stop, and drains.
///
/// `start` connects, spawns what is to go on with [`Tasks::spawn`], and returns the gRPC services to offer. It is dropped
/// when the signal comes before it is done.
pub fn run<C, F, S>(name: &'static str, defaults: &'static str, start: S) -> ExitCode
where
    C: DeserializeOwned,
    F: Future<Output = anyhow::Result<Surface>>,
    S: FnOnce(C, Context) -> F,
{
    let arguments = Arguments::parse();
    if arguments.print_defaults {
        println!("{CHASSIS_DEFAULTS}\n{defaults}");
        return ExitCode::SUCCESS;
    }
    if arguments.print_reference {
        return print_reference::<C>(name, defaults);
    }
    let environment = Environment::of_process();
    let file = arguments
        .config
        .or_else(|| environment.get(FILE_VARIABLE).map(PathBuf::from));
    let sources = Sources {
        defaults,
        file: file.as_deref(),
        environment: &environment,
    };
    let mut loaded: Loaded<C> = match config::load(sources) {
        Ok(loaded) => loaded,
        Err(error) => {
            eprintln!("{name}: {}", chain(&error));
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    if arguments.check_config {
        println!("OK");
        return ExitCode::SUCCESS;
    }
    if arguments.address_file.is_some() {
        loaded.chassis.process.address_file = arguments.address_file;
    }
    match run_loaded(name, loaded, &environment, start) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Logged where a log exists; said here too, for what failed before.
            eprintln!("{name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn print_reference<C: DeserializeOwned>(name: &str, defaults: &str) -> ExitCode {
    match config::reference::<C>(name, defaults) {
        Ok(reference) => {
            print!("{reference}");
            ExitCode::SUCCESS
        }
        Err(problems) => {
            eprintln!("{name}: {problems}");
            ExitCode::FAILURE
        }
    }
}

fn run_loaded<C, F, S>(
    name: &'static str,
    loaded: Loaded<C>,
    environment: &Environment,
    start: S,
) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<Surface>>,
    S: FnOnce(C, Context) -> F,
{
    install_crypto();
    let runtime = tokio::runtime::Runtime::new().context("cannot start the async runtime")?;
    let telemetry = {
        // The exporters take the runtime that they are made in.
        let _inside = runtime.enter();
        telemetry::start(name, &loaded.chassis.log, &loaded.chassis.metrics, environment)?
    };
    let ended = runtime.block_on(live(
        name,
        &loaded.chassis,
        loaded.service,
        telemetry.registry(),
        start,
    ));
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
    let metrics = MetricsPort::bind(&chassis.metrics).await?;
    let context = Context {
        clock: match &chassis.process.clock_ahead_file {
            None => Clock::system(),
            Some(file) => Clock::ahead_of_system(file),
        },
        stopper: stopper.clone(),
        tasks: tasks.clone(),
        health: port.health(),
        addresses: Addresses::default(),
    };
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "{name} starting");
    // From here on, so that a start that waits for something is seen too.
    if let (Some(metrics), Some(scraped)) = (metrics, scraped) {
        context.announce("metrics", metrics.address());
        metrics.serve(scraped, &tasks, &stopper);
    }
    let work = async {
        work(chassis, config, context, port, start)
            .await
            .inspect_err(|_| stopper.stop())?;
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
    port: Port,
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
    let tasks = context.tasks.clone();
    let Some(surface) = stopper.until(start(config, context)).await else {
        return Ok(());
    };
    addresses.add("grpc", port.address());
    grpc::serve(port, surface.context("could not start")?, &tasks, &stopper).await?;
    if let Some(path) = &chassis.process.address_file {
        addresses
            .write(path)
            .with_context(|| format!("cannot write the addresses to {}", path.display()))?;
    }
    health.release(grpc::STARTING).await;
    stopper.stopped().await;
    health.hold(grpc::DRAINING).await;
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
