//! The notifier: tells people what runs came to.

fn main() -> std::process::ExitCode {
    service::run(
        "notifier",
        rollcall_notifier::config::DEFAULTS,
        rollcall_notifier::start,
    )
}
