//! The reconciler's process.

fn main() -> std::process::ExitCode {
    rollcall_reconciler::main()
}
