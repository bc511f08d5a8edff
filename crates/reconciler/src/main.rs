//! The reconciler's process.

use std::process::ExitCode;

fn main() -> ExitCode {
    service::run(
        "reconciler",
        rollcall_reconciler::config::DEFAULTS,
        rollcall_reconciler::start,
    )
}
