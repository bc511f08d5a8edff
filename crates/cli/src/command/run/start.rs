//! `run start`.

use clap::ValueEnum;
use contracts::v1;

use crate::api::idempotency_key;
use crate::command::Session;
use crate::command::run::{card, wait};
use crate::failure::Failure;

const EXAMPLES: &str = "\
A connection's first run stops as a preview unless it was set to apply or --apply-first is given.
With --wait: exits with 0 when the run finished, also with failed users (1 with --strict), and
when a first run became a preview; with 1 when it failed, was cancelled or was stopped waiting for.

Examples:
  rollcall run start contoso --kind preview --wait
  rollcall run start contoso --kind delta --wait --strict";

/// Which connection and how.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Name or id of the connection
    connection: String,
    /// Read everything, only what changed, everything without applying it, or everything for leavers alone
    #[arg(long, value_enum)]
    kind: Kind,
    /// Follow it to its end
    #[arg(long)]
    wait: bool,
    /// Apply even though it is the connection's first run
    #[arg(long)]
    apply_first: bool,
    /// Exit with 1 when users failed
    #[arg(long, requires = "wait")]
    strict: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    Full,
    Delta,
    Preview,
    Deprovision,
}

/// Starts it, and with `--wait` follows it.
pub async fn run(session: &Session, args: Args) -> Result<(), Failure> {
    let kind = match args.kind {
        Kind::Full => v1::RunKind::Full,
        Kind::Delta => v1::RunKind::Delta,
        Kind::Preview => v1::RunKind::Preview,
        Kind::Deprovision => v1::RunKind::Deprovision,
    };
    let message = v1::StartRunRequest {
        connection: args.connection,
        kind: kind.into(),
        idempotency_key: idempotency_key(),
        apply_first: args.apply_first,
        trigger: "cli".to_owned(),
    };
    let api = session.api().await?;
    let started = api
        .call(message, async |request| api.runs().start_run(request).await)
        .await?;
    if !args.wait {
        eprintln!("Follow it with: rollcall run show {}", started.id);
        return session.output.answer(&started, card::text);
    }
    let ended = wait::follow(&api, started, wait::Until::Planned).await?;
    session.output.answer(&ended, card::text)?;
    wait::conclude(&ended, kind == v1::RunKind::Preview, args.strict)
}
