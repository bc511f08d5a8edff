//! The notifier's process.

fn main() -> std::process::ExitCode {
    rollcall_notifier::main()
}
