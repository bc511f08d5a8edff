#![doc = include_str!("../README.md")]

pub mod stack;

pub mod mail;
pub mod nats;
pub mod postgres;
pub mod test_database;

pub mod balancer;
pub mod binaries;
pub mod cli;
pub mod home;
pub mod identity;
pub mod orphan;
pub mod port;
pub mod process;
pub mod secret;
pub mod user;
pub mod wait;

/// How much a server may lose when it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Nothing that it acknowledged: for `make run`, benches and tests of crashes.
    Durable,
    /// Anything, for speed: for tests that don't crash it.
    Fast,
}
