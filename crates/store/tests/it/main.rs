//! The tables against a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail it by panicking")]

mod figures;
mod groups;
mod partitions;
mod progress;
mod retention;
mod run_lists;
mod schema;
mod step_by_step;
mod world;
