//! The commands: one file each.

mod account;
mod apply;
mod asset;
mod audit;
mod completion;
mod connection;
mod credential;
mod diff;
mod explain;
mod export;
mod failed;
mod follow;
mod group;
pub mod import;
mod key;
mod link;
mod log;
mod mapping;
mod never_touch;
mod notice;
mod person;
mod review;
mod run;
mod schedule;
mod token;

use clap::{Parser, Subcommand};

use crate::api::{Access, Api};
use crate::failure::Failure;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  export ROLLCALL_API=http://127.0.0.1:7400 ROLLCALL_TOKEN=…
  rollcall apply -f contoso.yaml              Create or change connections and mappings
  rollcall connection test contoso            Check secret, tenant and permissions
  rollcall run start contoso --kind preview --wait
  rollcall run changes 0198…                  What the preview would do
  rollcall run apply 0198… --wait             Do exactly that
  rollcall run failed 0198… --csv > failed.csv
  rollcall account list --search ada --output json

Exit codes: 0 what was asked for happened, 1 it did not, 2 wrong usage.";

/// Keep an asset register in step with Microsoft Entra ID.
#[derive(Parser)]
#[command(name = "rollcall", version, after_help = EXAMPLES)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    access: Access,

    /// How answers are printed; JSON is the protobuf JSON of the API
    #[arg(long, value_enum, default_value_t = Output::Table, global = true)]
    output: Output,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Create or change what YAML files describe
    Apply(apply::Args),
    /// Print everything as YAML that applies again, without secrets
    Export,
    /// Show what `apply` would change, old → new; changes nothing
    Diff(diff::Args),
    /// Links to Entra tenants
    #[command(subcommand)]
    Connection(connection::Command),
    /// What connections sign in with
    #[command(subcommand)]
    Credential(credential::Command),
    /// Read a tenant and bring the register in step
    #[command(subcommand)]
    Run(run::Command),
    /// Load accounts from a file, or users by name
    #[command(subcommand)]
    Import(import::Command),
    /// Accounts of the register
    #[command(subcommand)]
    Account(account::Command),
    /// People of the register without a login
    #[command(subcommand)]
    Person(person::Command),
    /// When runs come by themselves
    #[command(subcommand)]
    Schedule(schedule::Command),
    /// Rule sets of connections, and the fields they can fill
    #[command(subcommand)]
    Mapping(mapping::Command),
    /// Groups of the directory and their members
    #[command(subcommand)]
    Group(group::Command),
    /// What people hold
    #[command(subcommand)]
    Asset(asset::Command),
    /// Which account belongs to which Entra user
    #[command(subcommand)]
    Link(link::Command),
    /// Whom no sync touches
    #[command(subcommand)]
    NeverTouch(never_touch::Command),
    /// Records that could not be brought in step
    #[command(subcommand)]
    Failed(failed::Command),
    /// Removals that wait for a person
    #[command(subcommand)]
    Review(review::Command),
    /// The bell
    #[command(subcommand)]
    Notice(notice::Command),
    /// What was done to many records at once, and to which
    #[command(subcommand)]
    Log(log::Command),
    /// Who changed what about the configuration
    #[command(subcommand)]
    Audit(audit::Command),
    /// API tokens
    #[command(subcommand)]
    Token(token::Command),
    /// Keys that seal secrets at rest
    #[command(subcommand)]
    Key(key::Command),
    /// Print the completion script of a shell
    Completion(completion::Args),
}

/// What every command has: the way to api and the form of its answers.
pub struct Session {
    access: Access,
    pub output: Output,
}

impl Session {
    /// Connects to api.
    pub async fn api(&self) -> Result<Api, Failure> {
        Api::connect(&self.access).await
    }
}

impl Cli {
    /// Does what was asked.
    pub async fn run(self) -> Result<(), Failure> {
        let session = Session {
            access: self.access,
            output: self.output,
        };
        match self.command {
            Command::Apply(args) => apply::run(&session, &args).await,
            Command::Export => export::run(&session).await,
            Command::Diff(args) => diff::run(&session, &args).await,
            Command::Connection(command) => command.run(&session).await,
            Command::Credential(command) => command.run(&session).await,
            Command::Run(command) => command.run(&session).await,
            Command::Import(command) => command.run(&session).await,
            Command::Account(command) => command.run(&session).await,
            Command::Person(command) => command.run(&session).await,
            Command::Schedule(command) => command.run(&session).await,
            Command::Mapping(command) => command.run(&session).await,
            Command::Group(command) => command.run(&session).await,
            Command::Asset(command) => command.run(&session).await,
            Command::Link(command) => command.run(&session).await,
            Command::Log(command) => command.run(&session).await,
            Command::Audit(command) => command.run(&session).await,
            Command::NeverTouch(command) => command.run(&session).await,
            Command::Failed(command) => command.run(&session).await,
            Command::Review(command) => command.run(&session).await,
            Command::Notice(command) => command.run(&session).await,
            Command::Token(command) => command.run(&session).await,
            Command::Key(command) => command.run(&session).await,
            Command::Completion(args) => completion::run(&args),
        }
    }
}

/// An id as api gives it; checked here so that a name in its place is told at once.
fn id(text: &str) -> Result<String, String> {
    uuid::Uuid::try_parse(text).map(|id| id.to_string()).map_err(|_| {
        "an id looks like 01980000-0000-7000-8000-000000000000; the list command shows it".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_takes_the_output_form() {
        let parsed = Cli::try_parse_from(["rollcall", "run", "list", "--output", "json"]).unwrap();
        assert_eq!(parsed.output, Output::Json);
    }

    #[test]
    fn usage_errors_end_with_two() {
        for wrong in [
            &["rollcall", "run", "show", "latest"][..],
            &["rollcall", "run", "start", "contoso"],
            &["rollcall", "run", "start", "contoso", "--kind", "manual"],
            &["rollcall", "review", "approve", "--reason", "x"],
            &["rollcall", "import", "users", "contoso"],
            &[
                "rollcall", "import", "users", "contoso", "a", "b", "c", "d", "e", "f",
            ],
            &["rollcall", "import", "users", "contoso", " "],
            &["rollcall", "failed", "retry"],
            &[
                "rollcall",
                "failed",
                "retry",
                "6ea91a8d-e32e-41a1-b7bd-d2d185eed0e0",
                "--all",
            ],
            &[
                "rollcall",
                "failed",
                "ignore",
                "6ea91a8d-e32e-41a1-b7bd-d2d185eed0e0",
            ],
            &["rollcall", "schedule", "show"],
            &["rollcall", "account", "list", "--limit", "0"],
        ] {
            assert_eq!(
                Cli::try_parse_from(wrong).err().map(|error| error.exit_code()),
                Some(2),
                "{wrong:?}"
            );
        }
    }
}
