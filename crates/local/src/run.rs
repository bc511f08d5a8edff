//! Starting everything in a kept home, and staying until someone says stop.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use local::home::Home;
use local::secret;
use local::stack::{Directory, Endpoints, Stack};
use tokio::signal::unix::{SignalKind, signal};

use crate::{Everything, tenant};

/// How often it is looked whether everything still runs.
const LOOK: Duration = Duration::from_secs(1);

/// `make run`.
pub async fn run(everything: Everything) -> anyhow::Result<ExitCode> {
    let stopped = stop_signal()?;
    tokio::pin!(stopped);
    let mut running = tokio::select! {
        started = Running::start(&everything) => started?,
        () = &mut stopped => {
            println!("\nstopped before everything was there");
            return Ok(ExitCode::FAILURE);
        }
    };
    let ended = tokio::select! {
        ended = import_and_watch(&mut running.stack) => ended,
        () = &mut stopped => Ok(()),
    };
    println!("\nstopping");
    running.stop().await?;
    ended?;
    Ok(ExitCode::SUCCESS)
}

/// Everything, with its addresses written down while it runs.
pub struct Running {
    pub stack: Stack,
    endpoints: EndpointsFile,
}

impl Running {
    /// Starts everything in the kept home.
    pub async fn start(everything: &Everything) -> anyhow::Result<Self> {
        // For the few HTTPS clients of this process; it fails only where one is chosen already.
        rustls::crypto::ring::default_provider().install_default().ok();
        let home = Home::kept(&everything.home)?;
        let endpoints = EndpointsFile(home.path("endpoints.json"));
        endpoints.forget();
        let begun = Instant::now();
        println!(
            "starting in {} (logs in {})",
            everything.home.display(),
            everything.home.join("logs").display()
        );
        let stack = Stack::builder()
            .home(home)
            .durable()
            .directory(Directory::Simulated {
                users: everything.users,
                seed: everything.seed,
            })
            .database_url(everything.database_url.clone())
            .nats_url(everything.nats_url.clone())
            .progress(Arc::new(|line| println!("  {line}")))
            .start()
            .await?;
        println!("everything is up ({:.1} s)", begun.elapsed().as_secs_f64());
        endpoints.write(stack.endpoints())?;
        Ok(Self { stack, endpoints })
    }

    /// Stops everything in order.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.endpoints.forget();
        for name in self.stack.stop().await? {
            println!("  {name} did not end in time and was killed");
        }
        println!("stopped");
        Ok(())
    }
}

/// The file goes whichever way we leave, a panic included.
struct EndpointsFile(PathBuf);

impl EndpointsFile {
    fn write(&self, endpoints: &Endpoints) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(endpoints)?;
        secret::write(&self.0, &text).with_context(|| format!("{} could not be written", self.0.display()))
    }

    fn forget(&self) {
        // That there is none is what was wanted.
        std::fs::remove_file(&self.0).ok();
    }
}

impl Drop for EndpointsFile {
    fn drop(&mut self) {
        self.forget();
    }
}

/// Ends only with an error.
async fn import_and_watch(stack: &mut Stack) -> anyhow::Result<()> {
    let id = tenant::import(stack).await?;
    tenant::print_summary(stack, &id).await?;
    greet(stack.endpoints());
    loop {
        tokio::time::sleep(LOOK).await;
        stack.check()?;
    }
}

fn greet(endpoints: &Endpoints) {
    println!();
    println!("  Console   {}", endpoints.console);
    println!("  Sign in   {}", endpoints.token);
    println!("  gRPC API  {}", endpoints.api);
    println!("  Mails     {}", endpoints.mail);
    println!();
    println!(
        "  export ROLLCALL_API={} ROLLCALL_TOKEN={}",
        endpoints.api, endpoints.token
    );
    println!("  cargo rollcall run list --connection {}", tenant::CONNECTION);
    println!();
    println!("Ctrl-C stops everything. The data stay for the next run.");
}

/// Ctrl-C, `kill`, or the terminal's end.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let watch = |kind| signal(kind).context("signals cannot be watched");
    let mut interrupt = watch(SignalKind::interrupt())?;
    let mut terminate = watch(SignalKind::terminate())?;
    let mut hangup = watch(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => (),
            _ = terminate.recv() => (),
            _ = hangup.recv() => (),
        }
    })
}

/// Writes a file beside the data, for people to look at.
pub fn keep(home: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(home, text).with_context(|| format!("{} could not be written", home.display()))
}
