//! The notifier against a real PostgreSQL, a real NATS and a real mail server.

mod bus;
mod deciding;
mod delivering;
mod failing;
mod sharing;
mod tracing;
mod world;
