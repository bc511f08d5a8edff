//! `import`: loads accounts from a file, or users from the directory.

mod csv;
mod failed;
mod header;
mod rows;
mod text;
mod users;

use clap::Subcommand;

use crate::command::Session;
use crate::failure::Failure;

/// What to load.
#[derive(Subcommand)]
pub enum Command {
    /// Load accounts from a CSV file
    Csv(csv::Args),
    /// Bring one to five users of a directory in, at once
    Users(users::Args),
}

impl Command {
    /// Does it.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::Csv(args) => csv::run(session, args).await,
            Self::Users(args) => users::run(session, args).await,
        }
    }
}
