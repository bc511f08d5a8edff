//! `entra-sim`: one generated tenant, served until a signal ends it.

use anyhow::Context as _;
use clap::Parser;
use entra_sim::{Options, Simulator, TenantOptions};
use std::net::SocketAddr;
use tokio::signal::unix::{SignalKind, signal};

/// A Microsoft Entra tenant that runs: tokens, Graph, delta, throttling and faults. Its control interface is at /sim.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0", env = "ENTRA_SIM_LISTEN")]
    listen: SocketAddr,
    /// How many users.
    #[arg(long, default_value_t = 10_000)]
    users: u32,
    /// How many soft-deleted users; one for two hundred users when not given.
    #[arg(long)]
    deleted: Option<u32>,
    /// How many groups.
    #[arg(long, default_value_t = 0)]
    groups: u32,
    /// All users follow from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Tenant id.
    #[arg(long)]
    tenant_id: Option<String>,
    /// Client id of the registered app.
    #[arg(long)]
    client_id: Option<String>,
    /// Client secret of the registered app.
    #[arg(long, env = "ENTRA_SIM_CLIENT_SECRET", hide_env_values = true)]
    client_secret: Option<String>,
    /// Milliseconds that every Graph answer takes at least.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    /// Keep all pages of a listing rendered; its first request renders them.
    #[arg(long)]
    prerender: bool,
    /// Refuse calls beyond the documented resource units.
    #[arg(long)]
    throttle: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let listen = arguments.listen;
    let options = Options {
        bind: listen,
        tenants: vec![tenant(arguments)],
    };
    let simulator = Simulator::start(options)
        .await
        .with_context(|| format!("can't listen on {listen}"))?;
    println!("listening on {}", simulator.url());
    let mut terminate = signal(SignalKind::terminate()).context("can't watch for SIGTERM")?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.context("can't watch for SIGINT")?,
        _ = terminate.recv() => {}
    }
    simulator.stop().await;
    Ok(())
}

fn tenant(arguments: Arguments) -> TenantOptions {
    let mut tenant = TenantOptions::generate(arguments.seed, arguments.users);
    tenant.deleted = arguments.deleted.unwrap_or(tenant.deleted);
    tenant.groups = arguments.groups;
    tenant.id = arguments.tenant_id.unwrap_or(tenant.id);
    tenant.client_id = arguments.client_id.unwrap_or(tenant.client_id);
    tenant.client_secret = arguments.client_secret.unwrap_or(tenant.client_secret);
    tenant.settings.latency_ms = arguments.latency_ms;
    tenant.settings.prerender = arguments.prerender;
    tenant.settings.throttling = arguments.throttle.then(Default::default);
    tenant
}
