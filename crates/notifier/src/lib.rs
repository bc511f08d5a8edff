#![doc = include_str!("../README.md")]

mod start;

pub mod config;
pub mod decide;
pub mod deliver;
pub mod metrics;
pub mod retention;

mod wake_up;

pub use start::start;

/// The process, from its arguments to its exit code.
pub fn main() -> std::process::ExitCode {
    service::run("notifier", config::DEFAULTS, start)
}
