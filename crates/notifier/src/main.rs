//! The notifier: tells people what runs came to.

fn main() -> std::process::ExitCode {
    service::run("notifier", notifier::config::DEFAULTS, notifier::start)
}
