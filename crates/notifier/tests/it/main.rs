//! The notifier against a real PostgreSQL, a real NATS and a real mail server.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail it by panicking")]

mod bus;
mod deciding;
mod delivering;
mod failing;
mod retention;
mod sharing;
mod tracing;
mod world;
