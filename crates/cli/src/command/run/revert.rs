//! `run revert`.

use contracts::v1;

use crate::api::idempotency_key;
use crate::command::Session;
use crate::command::run::{card, wait};
use crate::failure::Failure;

const EXAMPLES: &str = "\
What was edited since stays, and is reported: see it with rollcall run changes ID --outcome skipped.
A revert is a run of its own, which can be shown, watched, cancelled and reverted like any other.
The next full run decides the records anew and does the same again, unless the directory or the
rules have changed by then.

Examples:
  rollcall run revert 01a2… --dry-run --wait
  rollcall run revert 01a2… --wait --reason \"wrong mapping\"
  rollcall run revert 01a2… --object 22222222-3333-4444-5555-666666666666 --wait";

/// Which run, and what of it.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The id of the run to take back
    #[arg(value_parser = crate::command::id)]
    id: String,
    /// Only the records of these objects of the directory
    #[arg(long = "object", value_name = "OBJECT_ID", num_args = 1.., value_parser = crate::command::id)]
    objects: Vec<String>,
    /// Make the plan and stop with it; `rollcall run apply` applies it
    #[arg(long)]
    dry_run: bool,
    /// Follow it to its end
    #[arg(long)]
    wait: bool,
    /// Why; kept with the run and in the audit
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// Exit with 1 when records failed
    #[arg(long, requires = "wait")]
    strict: bool,
}

/// Asks for the revert, and with `--wait` follows it.
pub async fn run(session: &Session, args: Args) -> Result<(), Failure> {
    let message = v1::RevertRunRequest {
        run_id: args.id,
        object_ids: args.objects,
        dry_run: args.dry_run,
        reason: args.reason,
        idempotency_key: idempotency_key(),
        trigger: "cli".to_owned(),
    };
    let api = session.api().await?;
    let started = api
        .call(message, async |request| api.runs().revert_run(request).await)
        .await?;
    if !args.wait {
        eprintln!("Follow it with: rollcall run show {}", started.id);
        return session.output.answer(&started, card::text);
    }
    let ended = wait::follow(&api, started, wait::Until::Planned).await?;
    session.output.answer(&ended, card::text)?;
    wait::conclude(&ended, args.dry_run, args.strict)
}
