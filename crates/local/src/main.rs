//! `rollcall-local`: what `make run`, `make demo` and `make test` start.

mod demo;
mod run;
mod tenant;
mod with_postgres;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// Runs all of Rollcall on this machine.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start everything, import the demo tenant, and stay until Ctrl-C.
    Run(Everything),
    /// Start everything, import the demo tenant, print the run's summary, check it, and end.
    Demo(Everything),
    /// Start one PostgreSQL for tests, run a command, stop it. Its exit code is the command's.
    WithPostgres {
        /// The command and its arguments.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
}

/// What to start, and where.
#[derive(Args)]
struct Everything {
    /// Where data, logs and endpoints.json go, and stay between runs.
    #[arg(long, default_value = ".rollcall")]
    home: PathBuf,
    /// A database to use instead of a private PostgreSQL.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
    /// A broker with JetStream to use instead of a private nats-server.
    #[arg(long, env = "NATS_URL", hide_env_values = true)]
    nats_url: Option<String>,
    /// How many users the simulated tenant has.
    #[arg(long, default_value_t = 10_000)]
    users: u32,
    /// What they are made from: the same seed makes the same tenant.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    match perform(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("rollcall-local: {}", one_line(&error));
            ExitCode::FAILURE
        }
    }
}

fn perform(command: Command) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        match command {
            Command::Run(everything) => run::run(everything).await,
            Command::Demo(everything) => demo::demo(everything).await,
            Command::WithPostgres { command } => with_postgres::run(&command).await,
        }
    })
}

/// The error and its causes, each said once: errors that only pass another on repeat its text.
fn one_line(error: &anyhow::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if parts.last() != Some(&text) {
            parts.push(text);
        }
    }
    parts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_cause_that_repeats_is_said_once() {
        let error = anyhow::Error::from(std::io::Error::other("disk full"))
            .context("no log")
            .context("no log");
        assert_eq!(one_line(&error), "no log: disk full");
    }
}
