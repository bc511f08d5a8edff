//! One PostgreSQL for all test processes of a run.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use local::Durability;
use local::postgres::Postgres;
use local::test_database;

/// Runs the command with the server's address in its environment.
pub async fn run(command: &[OsString]) -> anyhow::Result<ExitCode> {
    let [program, args @ ..] = command else {
        bail!("no command to run");
    };
    let mut postgres = Postgres::start_temporary(Durability::Fast).await?;
    let status = tokio::process::Command::new(program)
        .args(args)
        .env(test_database::VARIABLE, postgres.access().to_text())
        .kill_on_drop(true)
        .status();
    // Ctrl-C goes to the command as well, which says what it has to say; then the server goes.
    let status = tokio::select! {
        status = status => status.with_context(|| format!("{} could not be run", program.display()))?,
        pressed = tokio::signal::ctrl_c() => {
            pressed.context("signals cannot be watched")?;
            return Ok(ExitCode::FAILURE);
        }
    };
    postgres.stop().await?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from))
}
