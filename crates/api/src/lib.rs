#![doc = include_str!("../README.md")]

mod app;
mod auth;
mod config;
mod configuration;
mod console;
mod fault;
mod grpc;
mod lookup;
mod once;
mod page;
mod runs;
mod start;
mod suggest;
mod sweep;
mod view;

#[cfg(test)]
mod testing;

use std::process::ExitCode;

/// The process, from its arguments to its exit code.
pub fn main() -> ExitCode {
    service::run("api", config::DEFAULTS, start::start)
}
