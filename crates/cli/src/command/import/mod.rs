//! `import`: loads accounts from a file.

mod csv;
mod failed;
mod header;
mod rows;
mod text;

use clap::Subcommand;

use crate::command::Session;
use crate::failure::Failure;

/// What to load.
#[derive(Subcommand)]
pub enum Command {
    /// Load accounts from a CSV file
    Csv(csv::Args),
}

impl Command {
    /// Does it.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::Csv(args) => csv::run(session, args).await,
        }
    }
}
