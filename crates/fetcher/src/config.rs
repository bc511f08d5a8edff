//! What the fetcher is told: `defaults.toml` says what each key means.

use std::num::NonZeroUsize;
use std::time::Duration;

use anyhow::bail;
use graph::Limits;
use serde::Deserialize;
use service::config::{DatabaseConfig, NatsConfig, VaultConfig};

/// The defaults, with a comment for each key.
pub const DEFAULTS: &str = include_str!("../defaults.toml");

/// Everything.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// PostgreSQL.
    pub database: DatabaseConfig,
    /// NATS.
    pub nats: NatsConfig,
    /// The keys of secrets.
    pub vault: VaultConfig,
    /// Taking and reading runs.
    pub fetch: FetchConfig,
    /// Calls to Graph.
    pub graph: GraphConfig,
    /// Runs that come by themselves.
    pub schedule: ScheduleConfig,
}

/// `[fetch]`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FetchConfig {
    /// Runs at a time.
    pub runs: NonZeroUsize,
    sweep_ms: u64,
    lease_seconds: u64,
    heartbeat_ms: u64,
    stall_seconds: u64,
    /// Beginnings because of lost pages or broken listings.
    pub max_attempts: u32,
    /// Beginnings in all.
    pub max_takings: u32,
}

/// `[schedule]`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleConfig {
    tick_ms: u64,
}

/// `[graph]`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GraphConfig {
    tries: u32,
    call_seconds: u64,
    patience_seconds: u64,
    test_patience_seconds: u64,
}

impl FetchConfig {
    /// Between two looks for runs.
    pub fn sweep(&self) -> Duration {
        Duration::from_millis(self.sweep_ms.max(10))
    }

    /// For so long a run is its reader's.
    pub fn lease(&self) -> Duration {
        Duration::from_secs(self.lease_seconds)
    }

    /// Between two signs of life.
    pub fn heartbeat(&self) -> Duration {
        Duration::from_millis(self.heartbeat_ms)
    }

    /// Without a decided page for so long, pages may be lost.
    pub fn stall(&self) -> Duration {
        Duration::from_secs(self.stall_seconds)
    }

    /// Refuses what can't work: a lease has to stand two signs of life that fail.
    pub fn check(&self) -> anyhow::Result<()> {
        if self.heartbeat().is_zero() || self.heartbeat() * 3 > self.lease() {
            bail!("fetch.heartbeat_ms has to be at least 1 and at most a third of fetch.lease_seconds");
        }
        Ok(())
    }
}

impl ScheduleConfig {
    /// Between two looks for what is due.
    pub fn tick(self) -> Duration {
        Duration::from_millis(self.tick_ms.max(10))
    }
}

impl GraphConfig {
    /// The bounds of a run's calls.
    pub fn of_runs(&self) -> Limits {
        Limits {
            tries: self.tries,
            call: Duration::from_secs(self.call_seconds),
            patience: Duration::from_secs(self.patience_seconds),
            ..Limits::default()
        }
    }

    /// The bounds of a connection test's calls.
    pub fn of_tests(&self) -> Limits {
        let patience = Duration::from_secs(self.test_patience_seconds);
        let one = patience / 2;
        Limits {
            connect: one.min(Duration::from_secs(5)),
            read: one,
            call: one,
            tries: 3,
            patience,
            ..Limits::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use service::config::{Environment, Loaded, Sources, load};

    use super::*;

    fn loaded(variables: &[(&str, &str)]) -> Config {
        let database = ("ROLLCALL_DATABASE__URL", "postgres://db");
        let environment = match variables {
            [one] => Environment::of([database, *one]),
            _ => Environment::of([database]),
        };
        let sources = Sources {
            defaults: DEFAULTS,
            file: None,
            environment: &environment,
        };
        let loaded: Loaded<Config> = load(sources).unwrap();
        loaded.service
    }

    #[test]
    fn the_defaults_are_what_they_say() {
        let config = loaded(&[]);
        config.fetch.check().unwrap();
        assert_eq!(config.fetch.runs.get(), 4);
        assert_eq!(config.fetch.lease(), Duration::from_secs(15));
        assert_eq!(config.graph.of_runs(), Limits::default());
        assert_eq!(config.graph.of_tests().patience, Duration::from_secs(20));
    }

    #[test]
    fn a_lease_that_a_heartbeat_may_miss_is_refused() {
        let config = loaded(&[("ROLLCALL_FETCH__HEARTBEAT_MS", "6000")]);
        assert!(config.fetch.check().is_err());
    }
}
