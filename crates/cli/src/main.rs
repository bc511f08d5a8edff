//! `rollcall`.

use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    rollcall_cli::main()
}
