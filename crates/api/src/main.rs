//! The api's process.

fn main() -> std::process::ExitCode {
    rollcall_api::main()
}
