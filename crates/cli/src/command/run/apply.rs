//! `run apply`.

use contracts::v1;

use crate::api::idempotency_key;
use crate::command::Session;
use crate::command::run::{card, wait};
use crate::failure::Failure;

/// Which run.
#[derive(clap::Args)]
#[command(after_help = "Refused when the register has moved since the preview; a plan expires after a day.")]
pub struct Args {
    /// The preview's id
    #[arg(value_parser = crate::command::id)]
    id: String,
    /// Follow it to its end
    #[arg(long)]
    wait: bool,
    /// Exit with 1 when users failed
    #[arg(long, requires = "wait")]
    strict: bool,
}

/// Has the plan applied, and with `--wait` follows that.
pub async fn run(session: &Session, args: Args) -> Result<(), Failure> {
    let message = v1::ApplyRunRequest {
        run_id: args.id,
        idempotency_key: idempotency_key(),
    };
    let api = session.api().await?;
    let accepted = api
        .call(message, async |request| api.runs().apply_run(request).await)
        .await?;
    if !args.wait {
        eprintln!("Follow it with: rollcall run show {}", accepted.id);
        return session.output.answer(&accepted, card::text);
    }
    let ended = wait::follow(&api, accepted, wait::Until::Applied).await?;
    session.output.answer(&ended, card::text)?;
    wait::conclude(&ended, true, args.strict)
}
