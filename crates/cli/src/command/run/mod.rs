//! `run`: reads a tenant and brings the register in step.

mod apply;
mod cancel;
mod card;
mod changes;
mod csv;
mod failed;
pub mod list;
mod progress;
pub mod results;
mod revert;
mod start;
pub mod wait;

use clap::Subcommand;
use contracts::v1;

use crate::api::Api;
use crate::command::Session;
use crate::failure::Failure;

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Start a run of a connection
    Start(start::Args),
    /// Apply a preview's plan exactly as it was shown
    Apply(apply::Args),
    /// List runs, the newest first
    List(list::Args),
    /// Show one run with its counts
    Show {
        /// The run's id
        #[arg(value_parser = super::id)]
        id: String,
    },
    /// List what a run did, or what a preview would do: who, what, by which rule, old → new
    Changes(changes::Args),
    /// Stop a run; the register stays whole
    Cancel {
        /// The run's id
        #[arg(value_parser = super::id)]
        id: String,
    },
    /// Take back what a finished run did, or some records of it; what was edited since stays
    Revert(revert::Args),
    /// List the users that could not be brought in step, and why
    Failed(failed::Args),
}

impl Command {
    /// Does it.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::Start(args) => start::run(session, args).await,
            Self::Apply(args) => apply::run(session, args).await,
            Self::List(args) => list::run(session, &args).await,
            Self::Show { id } => {
                let run = get(&session.api().await?, id).await?;
                session.output.answer(&run, card::text)
            }
            Self::Changes(args) => changes::run(session, args).await,
            Self::Cancel { id } => cancel::run(session, id).await,
            Self::Revert(args) => revert::run(session, args).await,
            Self::Failed(args) => failed::run(session, args).await,
        }
    }
}

async fn get(api: &Api, run_id: String) -> Result<v1::Run, Failure> {
    api.call(v1::GetRunRequest { run_id }, async |request| {
        api.runs().get_run(request).await
    })
    .await
}
