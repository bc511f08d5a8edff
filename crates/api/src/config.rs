//! What api can be told; `defaults.toml` explains each key.

use std::net::SocketAddr;
use std::num::NonZeroUsize;

use secrecy::SecretString;
use serde::Deserialize;
use service::config::{DatabaseConfig, GrpcClientConfig, NatsConfig, VaultConfig};

/// The defaults, with a comment for each key.
pub const DEFAULTS: &str = include_str!("../defaults.toml");

/// api's own part of the configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `[database]`
    pub database: DatabaseConfig,
    /// `[nats]`
    pub nats: NatsConfig,
    /// `[vault]`
    pub vault: VaultConfig,
    /// `[fetcher]`
    pub fetcher: GrpcClientConfig,
    /// `[reconciler]`
    pub reconciler: GrpcClientConfig,
    /// `[bootstrap]`
    pub bootstrap: Bootstrap,
    /// `[console]`
    pub console: Console,
}

/// `[bootstrap]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bootstrap {
    /// The secret of the first admin token.
    #[serde(default, deserialize_with = "service::config::secret_or_none")]
    pub token: Option<SecretString>,
}

/// `[console]`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Console {
    /// Address and port.
    pub listen: SocketAddr,
    /// Connections at a time; for one more, the one that has been idle the longest has to go.
    pub connections: NonZeroUsize,
    /// Whether cookies are for https only.
    pub https: bool,
    /// Hours until a browser must sign in again.
    pub session_hours: u32,
    /// Wrong tokens a minute after which signing in pauses.
    pub sign_ins_per_minute: u32,
}
