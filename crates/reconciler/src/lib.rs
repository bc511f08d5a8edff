#![doc = include_str!("../README.md")]

pub mod config;
pub mod start;

mod apply;
mod assets;
mod cancel;
mod decide;
mod edit_link;
mod end;
mod error;
mod explain;
mod figures;
mod health;
mod ignore;
mod import;
mod log;
mod metrics;
mod migrate;
mod pages;
mod partitions;
mod passwords;
mod plan;
mod purge;
mod register;
mod relay;
mod resolve;
mod retention;
mod revert;
mod rules;
mod settle;
mod sweep;
mod tell;

pub use migrate::migrate;
pub use start::start;

/// The process, from its arguments to its exit code.
pub fn main() -> std::process::ExitCode {
    service::run_or(
        "reconciler",
        config::DEFAULTS,
        start,
        service::Errand {
            flag: "migrate",
            about: "Brings the database's schema up to date and exits: 0 done, 1 not, 64 wrong configuration",
            work: migrate,
        },
    )
}
