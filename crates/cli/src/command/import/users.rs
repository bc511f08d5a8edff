//! `import users`: brings users in by hand.

use contracts::v1;

use crate::api::idempotency_key;
use crate::command::Session;
use crate::command::run::{results, wait};
use crate::failure::Failure;

const EXAMPLES: &str = "\
Criteria and a first run's preview don't count: who is named is brought in, unless they are disabled
and match no account. Scheduled runs of the connection go on beside it.
Exits with 0 when the run finished, also with failed users (1 with --strict).

Examples:
  rollcall import users contoso ada@contoso.com
  rollcall import users contoso ada@contoso.com 6ea91a8d-e32e-41a1-b7bd-d2d185eed0e0";

/// Whom to bring in.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Name or id of the connection
    connection: String,
    /// One to five users, each by user principal name or object id
    #[arg(required = true, num_args = 1..=5, value_name = "UPN", value_parser = name)]
    users: Vec<String>,
    /// Exit with 1 when users failed
    #[arg(long)]
    strict: bool,
}

/// Imports them, and says what became of each.
pub async fn run(session: &Session, args: Args) -> Result<(), Failure> {
    let message = v1::ImportUsersRequest {
        connection: args.connection,
        users: args.users,
        idempotency_key: idempotency_key(),
        trigger: "cli".to_owned(),
    };
    let api = session.api().await?;
    let answer = api
        .call(message, async |request| api.runs().import_users(request).await)
        .await?;
    session.output.answer(&answer, results::table)?;
    wait::conclude_manual(&answer.run.unwrap_or_default(), args.strict)
}

fn name(text: &str) -> Result<String, &'static str> {
    match text.trim() {
        "" => Err("a user is named by user principal name or object id"),
        name => Ok(name.to_owned()),
    }
}
