//! The settings; each is explained in `defaults.toml`.

use std::path::PathBuf;
use std::time::Duration;

use lettre::message::Mailbox;
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, Unexpected};
use service::config::{DatabaseConfig, NatsConfig, VaultConfig, path_or_none, secret_or_none};
use service::retry::Backoff;

/// Every key with its default.
pub const DEFAULTS: &str = include_str!("../defaults.toml");

/// The notifier's own settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `[database]`
    pub database: DatabaseConfig,
    /// `[nats]`
    pub nats: NatsConfig,
    /// `[vault]`
    pub vault: VaultConfig,
    /// `[smtp]`
    pub smtp: SmtpConfig,
    /// `[console]`
    pub console: ConsoleConfig,
    /// `[sweep]`
    pub sweep: SweepConfig,
    /// `[delivery]`
    pub delivery: DeliveryConfig,
    /// `[retention]`
    pub retention: RetentionConfig,
}

/// `[smtp]`: the mail server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpConfig {
    /// Its name or address; `None`: there is no mail server.
    #[serde(deserialize_with = "text_or_none")]
    pub host: Option<String>,
    /// Its port.
    pub port: u16,
    /// How the line is encrypted.
    pub tls: TlsMode,
    /// Who signs in; `None`: nobody.
    #[serde(deserialize_with = "text_or_none")]
    pub user: Option<String>,
    /// With which password.
    #[serde(deserialize_with = "secret_or_none")]
    pub password: Option<SecretString>,
    /// The CA of the server's certificate (PEM); `None` takes the public ones.
    #[serde(deserialize_with = "path_or_none")]
    pub ca_file: Option<PathBuf>,
    /// The sender.
    #[serde(deserialize_with = "mailbox")]
    pub from: Mailbox,
    /// The name we say hello with; `None` takes the machine's.
    #[serde(deserialize_with = "text_or_none")]
    pub hello_name: Option<String>,
    /// Seconds that one try may take in all.
    pub timeout_seconds: u64,
}

/// How the line to the mail server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsMode {
    /// Not at all.
    None,
    /// After a greeting in the clear; a server that does not offer it gets no mail.
    Starttls,
    /// From the start.
    Tls,
}

/// `[console]`: where the links in notices and mails lead.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsoleConfig {
    /// The console's address; `None`: no links.
    #[serde(deserialize_with = "text_or_none")]
    pub url: Option<String>,
}

/// `[sweep]`: the search for events that never came.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepConfig {
    /// Seconds between two searches.
    pub every_seconds: u64,
    /// Seconds that an event has to come by itself.
    pub settle_seconds: u64,
    /// Days that it looks back.
    pub days: u32,
}

/// `[delivery]`: tries and waits.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveryConfig {
    /// Mails sent at the same time.
    pub batch: u16,
    /// Milliseconds between two looks for due mails.
    pub poll_milliseconds: u64,
    /// Seconds after which another copy may take over.
    pub lease_seconds: u64,
    /// Tries before a mail has failed.
    pub max_attempts: u32,
    /// Seconds before the second try, at most.
    pub backoff_base_seconds: u64,
    /// Seconds before any try, at most.
    pub backoff_max_seconds: u64,
}

/// `[retention]`: how long things are kept.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionConfig {
    /// Days that an event is known to be told.
    pub inbox_days: u16,
    /// Days that a notice stays on the bell.
    pub notice_days: u16,
    /// Days that a mail, sent or failed, and its tries are kept.
    pub delivery_days: u16,
}

/// Settings that do not go together.
#[derive(Debug, thiserror::Error)]
pub enum Contradiction {
    /// A try could outlive its lease, and another copy would send the same mail.
    #[error(
        "delivery.lease_seconds ({lease}) must be more than smtp.timeout_seconds ({timeout}) by 10 or more"
    )]
    ShortLease {
        /// Seconds.
        lease: u64,
        /// Seconds.
        timeout: u64,
    },
    /// An event could come again when it is forgotten that it was told.
    #[error(
        "retention.inbox_days ({days}) must be {least} or more: for so long the bus may bring an event again"
    )]
    ShortInbox {
        /// What was given.
        days: u16,
        /// What is needed.
        least: u64,
    },
    /// A zero where there must be more.
    #[error("{key} must be at least 1")]
    Zero {
        /// The key.
        key: &'static str,
    },
    /// One of the pair.
    #[error("smtp.user and smtp.password go together: set both, or neither")]
    HalfASignIn,
}

impl Config {
    /// Looks for settings that do not go together.
    pub fn check(&self) -> Result<(), Contradiction> {
        let (lease, timeout) = (self.delivery.lease_seconds, self.smtp.timeout_seconds);
        if lease < timeout.saturating_add(10) {
            return Err(Contradiction::ShortLease { lease, timeout });
        }
        let (days, least) = (
            self.retention.inbox_days,
            bus::streams::MAX_AGE.as_secs() / 86_400,
        );
        if u64::from(days) < least {
            return Err(Contradiction::ShortInbox { days, least });
        }
        let positive = [
            ("smtp.timeout_seconds", timeout),
            ("delivery.batch", u64::from(self.delivery.batch)),
            ("delivery.poll_milliseconds", self.delivery.poll_milliseconds),
            ("delivery.max_attempts", u64::from(self.delivery.max_attempts)),
            ("sweep.every_seconds", self.sweep.every_seconds),
            ("sweep.days", u64::from(self.sweep.days)),
            ("retention.notice_days", u64::from(self.retention.notice_days)),
            ("retention.delivery_days", u64::from(self.retention.delivery_days)),
        ];
        if let Some((key, _)) = positive.into_iter().find(|(_, value)| *value == 0) {
            return Err(Contradiction::Zero { key });
        }
        if self.smtp.user.is_some() != self.smtp.password.is_some() {
            return Err(Contradiction::HalfASignIn);
        }
        Ok(())
    }
}

impl DeliveryConfig {
    /// The waits between tries.
    pub const fn backoff(&self) -> Backoff {
        let seconds = Duration::from_secs;
        Backoff::new(
            seconds(self.backoff_base_seconds),
            seconds(self.backoff_max_seconds),
        )
    }
}

fn text_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Some(String::deserialize(deserializer)?).filter(|text| !text.is_empty()))
}

fn mailbox<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Mailbox, D::Error> {
    let text = String::deserialize(deserializer)?;
    let expected = &"an e-mail address, or Name <address>";
    text.parse()
        .map_err(|_| D::Error::invalid_value(Unexpected::Str(&text), expected))
}

#[cfg(test)]
mod tests {
    use service::config::{ConfigError, Environment, Sources, load};

    use super::*;

    const URLS: [(&str, &str); 2] = [
        ("ROLLCALL_DATABASE__URL", "postgres://db/rollcall"),
        ("ROLLCALL_NATS__URL", "nats://nats"),
    ];

    const NOTHING: [(&str, &str); 2] = [("ROLLCALL_SMTP__USER", ""), ("ROLLCALL_SMTP__HOST", "")];

    fn read(variables: [(&str, &str); 2]) -> Result<Config, ConfigError> {
        let ([database, nats], [one, other]) = (URLS, variables);
        let environment = Environment::of([database, nats, one, other]);
        let sources = Sources {
            defaults: DEFAULTS,
            file: None,
            environment: &environment,
        };
        load(sources).map(|loaded| loaded.service)
    }

    #[test]
    fn the_defaults_are_whole_and_go_together() {
        let config = read(NOTHING).unwrap();
        config.check().unwrap();
        assert_eq!((config.smtp.host, config.console.url), (None, None));
    }

    #[test]
    fn a_password_of_digits_is_text_and_shows_nowhere() {
        let config = read([
            ("ROLLCALL_SMTP__USER", "42"),
            ("ROLLCALL_SMTP__PASSWORD", "12345"),
        ])
        .unwrap();
        config.check().unwrap();
        assert!(!format!("{config:?}").contains("12345"));
    }

    #[test]
    fn what_does_not_go_together_is_named() {
        let check = |variable| {
            read([variable, NOTHING[1]])
                .unwrap()
                .check()
                .unwrap_err()
                .to_string()
        };
        assert!(check(("ROLLCALL_SMTP__TIMEOUT_SECONDS", "55")).contains("delivery.lease_seconds (60)"));
        assert!(check(("ROLLCALL_DELIVERY__BATCH", "0")).contains("delivery.batch"));
        assert!(check(("ROLLCALL_SMTP__USER", "rollcall")).contains("go together"));
        assert!(check(("ROLLCALL_RETENTION__INBOX_DAYS", "6")).contains("retention.inbox_days (6)"));
        assert!(check(("ROLLCALL_RETENTION__NOTICE_DAYS", "0")).contains("retention.notice_days"));
    }

    #[test]
    fn a_sender_that_is_no_address_and_unknown_keys_are_refused() {
        let error = read([("ROLLCALL_SMTP__FROM", "rollcall"), NOTHING[1]])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("smtp.from") && error.contains("an e-mail address"),
            "{error}"
        );
        let error = read([("ROLLCALL_SMTP__HOTS", "mail"), NOTHING[1]])
            .unwrap_err()
            .to_string();
        assert!(error.contains("smtp.hots"), "{error}");
    }
}
