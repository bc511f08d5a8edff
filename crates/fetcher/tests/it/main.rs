//! The fetcher's binary against a simulated tenant, PostgreSQL and NATS. The test is the reconciler: it takes the pages.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail it by panicking")]

mod connecting;
mod delta;
mod full;
mod holding;
mod pages;
mod scheduling;
mod world;
