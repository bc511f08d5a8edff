#![doc = include_str!("../README.md")]

mod run;

pub mod clock;
pub mod config;
pub mod drain;
pub mod error;
pub mod grpc;
pub mod listen;
pub mod metrics;
pub mod process;
pub mod retry;
pub mod telemetry;

mod addresses;
mod invocation;
mod metrics_port;

pub use clock::Clock;
pub use run::{Context, Errand, run, run_or};
