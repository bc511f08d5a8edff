//! `make bench`: how fast Rollcall is, beside the least that the same work could cost on the same machine.
//!
//! A floor and Rollcall take turns (floor, Rollcall, floor, …) on the same PostgreSQL settings and the same simulated tenant,
//! and medians are compared. It measures and never judges by its exit code: that says only whether anything broke.

mod database;
mod floor;
mod machine;
mod product;
mod report;
mod series;
mod tenant;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;

use crate::series::{Plan, Series};

/// The tenant that the larger one is compared with.
const SMALL: u32 = 100_000;
/// The tenant from which on the two ratios between sizes are told.
const LARGE: u32 = 1_000_000;

/// Floors and Rollcall, side by side.
#[derive(Parser)]
struct Arguments {
    /// Users in the tenant. With a million, a hundred thousand are measured, too, to compare.
    #[arg(long, default_value_t = SMALL)]
    users: u32,
    /// Rounds of each measurement; when not given 5, and 3 for more than 100,000 users.
    #[arg(long)]
    rounds: Option<usize>,
    /// With three mappings, twenty clauses and a group of everyone, instead of one mapping that takes everyone in.
    #[arg(long)]
    rules: bool,
    /// Leaves the floors out: to profile Rollcall.
    #[arg(long)]
    product_only: bool,
    /// Leaves Rollcall out.
    #[arg(long, conflicts_with = "product_only")]
    floor_only: bool,
    /// Where the figures go.
    #[arg(long, default_value = ".rollcall/bench.json")]
    out: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    anyhow::ensure!(
        arguments.users >= 1_000,
        "the tenant must have 1,000 users or more"
    );
    // Both a simulator's client and Graph's find the same one.
    rustls::crypto::ring::default_provider().install_default().ok();
    let mut all = Vec::new();
    if arguments.users >= LARGE {
        all.push(Box::pin(measure(&arguments, SMALL)).await?);
    }
    all.push(Box::pin(measure(&arguments, arguments.users)).await?);
    report::table(&all);
    if !arguments.product_only && !arguments.floor_only {
        report::write(&all, &arguments.out)?;
        println!("written to {}", arguments.out.display());
    }
    Ok(())
}

async fn measure(arguments: &Arguments, users: u32) -> anyhow::Result<Series> {
    let plan = Plan {
        users,
        rounds: arguments
            .rounds
            .unwrap_or(if users > SMALL { 3 } else { 5 })
            .max(1),
        rules: arguments.rules,
        floor: !arguments.product_only,
        product: !arguments.floor_only,
    };
    series::measure(plan)
        .await
        .with_context(|| format!("measuring {users} users"))
}
