#![doc = include_str!("../README.md")]

mod api;
mod backoff;
mod command;
mod environment;
mod failure;
mod output;
mod page;
pub mod read;
mod show;
mod suggest;
mod table;
mod words;
mod yaml;

use std::process::ExitCode;

use clap::Parser;

use crate::command::Cli;

/// Runs the command that this process was called with.
///
/// # Errors
/// When not even that could be begun.
pub fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(match runtime.block_on(cli.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprint!("{}", failure.report());
            ExitCode::from(failure.exit_code())
        }
    })
}
