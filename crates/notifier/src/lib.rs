#![doc = include_str!("../README.md")]

mod start;

pub mod config;
pub mod decide;
pub mod deliver;
pub mod metrics;
pub mod retention;

mod wake_up;

pub use start::start;
