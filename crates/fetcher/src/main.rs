//! The fetcher's process.

use std::process::ExitCode;

fn main() -> ExitCode {
    service::run("fetcher", rollcall_fetcher::DEFAULTS, rollcall_fetcher::start)
}
