//! `import`: loads accounts from a file, or users from the directory.

mod csv;
mod failed;
mod header;
mod rows;
mod text;
mod users;

use std::path::Path;

use ::csv::ByteRecord;
use clap::Subcommand;

use crate::command::Session;
use crate::failure::Failure;

/// A whole CSV file.
pub fn read_all(file: &Path) -> Result<WholeFile, Failure> {
    let source = text::Source::open(file, None)?;
    let mut rows = rows::Rows::open(&source, None)?;
    let cells = |record: &ByteRecord| record.iter().map(<[u8]>::to_vec).collect();
    let header = cells(&rows.header()?);
    let (mut all, mut record) = (Vec::new(), ByteRecord::new());
    while let Some(line) = rows.next(&mut record)? {
        all.push((line, cells(&record)));
    }
    Ok((header, all))
}

/// A header, and each row with the line on which it starts.
pub type WholeFile = (Vec<Vec<u8>>, Vec<(u32, Vec<Vec<u8>>)>);

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
