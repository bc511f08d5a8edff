#![doc = include_str!("../README.md")]

pub mod config;
pub mod start;

mod apply;
mod cancel;
mod decide;
mod edit_link;
mod end;
mod error;
mod explain;
mod health;
mod ignore;
mod import;
mod metrics;
mod pages;
mod partitions;
mod passwords;
mod plan;
mod register;
mod relay;
mod resolve;
mod retention;
mod rules;
mod settle;
mod sweep;

pub use start::start;
