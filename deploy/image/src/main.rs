//! All programs of the image in one file, a third of their size apart: most of each is the same. It is the one by whose name
//! it is called, and the image has a link for each.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let called = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&called).file_name().unwrap_or_default();
    match name.to_str() {
        Some("rollcall-api") => rollcall_api::main(),
        Some("rollcall-fetcher") => rollcall_fetcher::main(),
        Some("rollcall-notifier") => rollcall_notifier::main(),
        Some("rollcall-reconciler") => rollcall_reconciler::main(),
        _ => rollcall_cli::main().unwrap_or_else(|error| {
            eprintln!("rollcall: {error:#}");
            ExitCode::FAILURE
        }),
    }
}
