//! The settings; each is explained in `defaults.toml`.

use serde::Deserialize;
use service::config::{DatabaseConfig, NatsConfig};

/// Every key with its default.
pub const DEFAULTS: &str = include_str!("../defaults.toml");

/// The reconciler's own settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `[database]`
    pub database: DatabaseConfig,
    /// `[nats]`
    pub nats: NatsConfig,
    /// `[work]`
    pub work: WorkConfig,
}

/// `[work]`: how much is done at a time.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkConfig {
    /// Pages decided at the same time.
    pub deciders: usize,
    /// Transactions that apply a plan at the same time.
    pub appliers: usize,
    /// Pages that one such transaction applies.
    pub pages_per_transaction: i64,
    /// Seconds after which a page of which its decider says nothing is given to another.
    pub ack_wait_seconds: u64,
    /// Milliseconds between two looks for what waits.
    pub sweep_milliseconds: u64,
    /// Hours that a preview can be applied.
    pub preview_hours: i64,
}
