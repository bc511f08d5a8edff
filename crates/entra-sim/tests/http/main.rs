//! The simulator by plain HTTP: each behaviour as a client meets it.
#![expect(clippy::unwrap_used, reason = "test code, helpers included")]

mod binary;
mod control;
mod deleted;
mod delta;
mod faults;
mod group_operations;
mod groups;
mod listing;
mod oracle;
mod single;
mod support;
mod throttling;
mod token;
