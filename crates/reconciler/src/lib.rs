#![doc = include_str!("../README.md")]

pub mod config;
pub mod start;

mod apply;
mod cancel;
mod decide;
mod end;
mod error;
mod ignore;
mod import;
mod metrics;
mod pages;
mod plan;
mod register;
mod relay;
mod resolve;
mod retention;
mod rules;
mod settle;
mod sweep;

pub use start::start;
