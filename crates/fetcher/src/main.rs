//! The fetcher's process.

fn main() -> std::process::ExitCode {
    rollcall_fetcher::main()
}
