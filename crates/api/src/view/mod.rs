//! What messages say of stored things.

pub mod account;
pub mod change;
pub mod connection;
pub mod failed;
pub mod field;
pub mod group;
pub mod mapping;
pub mod never_touch;
pub mod notice;
pub mod review;
pub mod run;
pub mod schedule;
pub mod token;

use chrono::{DateTime, Utc};
use prost_types::Timestamp;

/// A time as protobuf writes it.
pub fn time(at: DateTime<Utc>) -> Timestamp {
    // Nanoseconds of a second are below 2^31.
    Timestamp {
        seconds: at.timestamp(),
        nanos: i32::try_from(at.timestamp_subsec_nanos()).unwrap_or(0),
    }
}
