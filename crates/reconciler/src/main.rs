//! The reconciler's process.

use std::process::ExitCode;

fn main() -> ExitCode {
    service::run_or(
        "reconciler",
        rollcall_reconciler::config::DEFAULTS,
        rollcall_reconciler::start,
        service::Errand {
            flag: "migrate",
            about: "Brings the database's schema up to date and exits: 0 done, 1 not, 64 wrong configuration",
            work: rollcall_reconciler::migrate,
        },
    )
}
