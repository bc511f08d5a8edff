//! `diff`: what `apply` would change.

use crate::command::{Session, apply};
use crate::failure::Failure;

const EXAMPLES: &str = "\
Exits with 0 whether or not something differs; read the last line, or --output json.

Examples:
  rollcall diff -f contoso.yaml";

/// Which files.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// A YAML file with one or more documents, or - for standard input; may be repeated
    #[arg(short = 'f', long = "file", value_name = "FILE", required = true)]
    files: Vec<String>,
}

/// Says what would be created, updated or left, old → new.
pub async fn run(session: &Session, args: &Args) -> Result<(), Failure> {
    let answer = apply::send(session, &args.files, true).await?;
    session
        .output
        .answer(&answer, |answer| apply::told(&answer.changes, true))
}
