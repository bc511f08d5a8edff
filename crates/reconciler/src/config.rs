//! The settings; each is explained in `defaults.toml`.

use serde::Deserialize;
use service::config::{DatabaseConfig, NatsConfig, VaultConfig};

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
    /// `[vault]`
    pub vault: VaultConfig,
    /// `[work]`
    pub work: WorkConfig,
    /// `[retention]`
    pub retention: RetentionConfig,
}

/// `[retention]`: how long things are kept.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionConfig {
    /// Days that a published event stays in the outbox.
    pub outbox_days: u16,
    /// Days that a run's decisions and pages are kept.
    pub runs_days: u16,
    /// Days that the system log is kept.
    pub log_days: u16,
}

/// Plans can be applied and mails with their lists be sent again for days; nothing that is in work may be pruned.
const LEAST_RUNS_DAYS: u16 = 14;
/// Removals are asked about for weeks.
const LEAST_LOG_DAYS: u16 = 30;

/// A setting that would do harm.
#[derive(Debug, thiserror::Error)]
pub enum Contradiction {
    /// The notifier forgets what it has told when it is out of the outbox: it would tell it twice.
    #[error(
        "retention.outbox_days ({days}) must be {least} or more: for so long the bus may bring an event again"
    )]
    ShortOutbox {
        /// What was given.
        days: u16,
        /// What is needed.
        least: u64,
    },
    /// What is still in work needs its details.
    #[error(
        "retention.runs_days ({days}) must be {LEAST_RUNS_DAYS} or more: mails, reviews and people go back to what runs did \
         lately"
    )]
    ShortRuns {
        /// What was given.
        days: u16,
    },
    /// Who may be asked what was done lately needs the log.
    #[error(
        "retention.log_days ({days}) must be {LEAST_LOG_DAYS} or more: people go back to who was removed lately"
    )]
    ShortLog {
        /// What was given.
        days: u16,
    },
    /// A preview must be there for as long as it can be applied.
    #[error(
        "retention.runs_days ({days}) must be more than work.preview_hours ({hours}): a plan can be applied for so long"
    )]
    LongPreviews {
        /// What was given.
        days: u16,
        /// How long a plan can be applied.
        hours: i64,
    },
}

impl Config {
    /// Looks for settings that would do harm.
    pub const fn check(&self) -> Result<(), Contradiction> {
        let (days, least) = (
            self.retention.outbox_days,
            bus::streams::MAX_AGE.as_secs() / 86_400,
        );
        if (days as u64) < least {
            return Err(Contradiction::ShortOutbox { days, least });
        }
        let days = self.retention.runs_days;
        if days < LEAST_RUNS_DAYS {
            return Err(Contradiction::ShortRuns { days });
        }
        if self.retention.log_days < LEAST_LOG_DAYS {
            let days = self.retention.log_days;
            return Err(Contradiction::ShortLog { days });
        }
        let hours = self.work.preview_hours;
        if hours / 24 >= days as i64 {
            return Err(Contradiction::LongPreviews { days, hours });
        }
        Ok(())
    }
}

/// `[work]`: how much is done at a time.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkConfig {
    /// Pages decided at the same time.
    pub deciders: usize,
    /// Transactions that apply a plan at the same time.
    pub appliers: usize,
    /// Decisions that one such transaction applies, at about most; one page at least.
    pub decisions_per_transaction: i64,
    /// Seconds after which a page of which its decider says nothing is given to another.
    pub ack_wait_seconds: u64,
    /// Milliseconds between two looks for what waits.
    pub sweep_milliseconds: u64,
    /// Hours that a preview can be applied.
    pub preview_hours: i64,
    /// Seconds between two questions for the figures that metrics tell.
    pub figures_seconds: u64,
}

#[cfg(test)]
mod tests {
    use service::config::{Environment, Sources, load};

    use super::*;

    fn check(key: &str, value: &str) -> Result<(), Contradiction> {
        let environment = Environment::of([
            ("ROLLCALL_DATABASE__URL", "postgres://db/rollcall"),
            ("ROLLCALL_NATS__URL", "nats://nats"),
            (key, value),
        ]);
        let sources = Sources {
            defaults: DEFAULTS,
            file: None,
            environment: &environment,
        };
        load::<Config>(sources).unwrap().service.check()
    }

    #[test]
    fn an_outbox_shorter_than_the_bus_s_memory_is_refused() {
        check("ROLLCALL_RETENTION__OUTBOX_DAYS", "7").unwrap();
        let error = check("ROLLCALL_RETENTION__OUTBOX_DAYS", "6")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("retention.outbox_days (6) must be 7 or more"),
            "{error}"
        );
    }

    #[test]
    fn details_that_are_needed_can_t_be_pruned() {
        check("ROLLCALL_RETENTION__RUNS_DAYS", "14").unwrap();
        let error = check("ROLLCALL_RETENTION__RUNS_DAYS", "13")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("retention.runs_days (13) must be 14 or more"),
            "{error}"
        );
        check("ROLLCALL_RETENTION__LOG_DAYS", "30").unwrap();
        let error = check("ROLLCALL_RETENTION__LOG_DAYS", "29")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("retention.log_days (29) must be 30 or more"),
            "{error}"
        );
        let error = check("ROLLCALL_WORK__PREVIEW_HOURS", "4320")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("must be more than work.preview_hours (4320)"),
            "{error}"
        );
    }
}
