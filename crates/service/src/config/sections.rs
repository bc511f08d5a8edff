//! The sections that services share. Each refuses keys it does not know.

use std::fmt;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;
use serde::de::{Deserializer, Unexpected, Visitor};
use tracing_subscriber::filter::Targets;

/// `[process]`: of the chassis.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessConfig {
    /// Where to write the addresses this process listens on, as JSON.
    #[serde(deserialize_with = "path_or_none")]
    pub address_file: Option<PathBuf>,
    /// For tests: a file with the seconds by which this process's clock is ahead of the machine's, read at every look at it.
    #[serde(deserialize_with = "path_or_none")]
    pub clock_ahead_file: Option<PathBuf>,
    /// Seconds that tasks and calls have to end after the signal to stop.
    pub grace_seconds: u64,
}

/// `[log]`: of the chassis.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// How a line looks.
    pub format: LogFormat,
    /// Which events become lines, as `info,module=debug`.
    #[serde(deserialize_with = "targets")]
    pub filter: Targets,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object.
    Json,
    /// Text for people.
    Pretty,
}

/// `[metrics]`: of the chassis. The port at which metrics are scraped; OTLP export is apart from it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsConfig {
    /// Address and port; port 0 takes a free one. `None` opens none.
    #[serde(deserialize_with = "address_or_none")]
    pub listen: Option<SocketAddr>,
}

/// `[grpc]`: of the chassis. The port on which the service answers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrpcServerConfig {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Connections at a time; for one more, the one that has been idle the longest has to go.
    pub connections: NonZeroUsize,
    /// Calls at a time on one connection; more wait.
    pub concurrency_per_connection: NonZeroU32,
    /// Calls at a time on all connections; more are refused.
    pub calls: NonZeroUsize,
    /// MiB of messages that all calls together may be sending or leaving untaken; more are refused.
    pub memory_mib: NonZeroUsize,
    /// Seconds until a new connection must have said that it speaks HTTP/2, its TLS included.
    pub handshake_seconds: NonZeroU64,
    /// Seconds until an answer must have begun (a stream may then go on).
    pub request_timeout_seconds: NonZeroU64,
    /// Seconds that a caller may pause within a request, or leave a part of an answer untaken.
    pub stall_seconds: NonZeroU64,
    /// Seconds after which a connection without a sign of life is asked for one.
    pub keepalive_seconds: NonZeroU64,
    /// Seconds after which a connection without a call is ended.
    pub idle_seconds: NonZeroU64,
    /// Seconds after which a connection takes no more calls, give or take a tenth, so that callers come to new copies.
    pub age_seconds: NonZeroU64,
    /// Seconds that the calls of such a connection then have.
    pub age_grace_seconds: NonZeroU64,
    /// TLS; without it the port speaks plain HTTP/2.
    #[serde(default)]
    pub tls: Option<ServerTls>,
}

/// A server's side of TLS. The files are PEM and are read once, at the start.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerTls {
    /// Certificate chain.
    pub cert: PathBuf,
    /// Private key.
    pub key: PathBuf,
    /// Only clients with a certificate from this CA may connect; `None` asks for none.
    #[serde(default)]
    pub client_ca: Option<PathBuf>,
}

/// Another service's gRPC port. Where that service runs in several copies, the URL's host is a name that stands for all of
/// them, as a Kubernetes Service's does.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrpcClientConfig {
    /// `http://host:port`, or `https://…` with `tls`.
    pub url: String,
    /// Needed for `https`.
    #[serde(default)]
    pub tls: Option<ClientTls>,
}

/// A client's side of TLS. The files are PEM and are read once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientTls {
    /// The CA that the server's certificate must come from; `None` takes the system's.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// This client's certificate chain, for mutual TLS; with `key`.
    #[serde(default)]
    pub cert: Option<PathBuf>,
    /// The key of `cert`.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// The name that the server's certificate must have, where it is not the URL's host.
    #[serde(default)]
    pub domain: Option<String>,
}

/// `[database]`: PostgreSQL.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `postgres://user:password@host:port/name`.
    #[serde(deserialize_with = "database_url")]
    pub url: SecretString,
    /// Connections that this process may hold at a time.
    pub max_connections: u32,
    /// Whether a start brings the schema up to date; if not, it waits until somebody else has.
    pub migrate: bool,
}

/// `[nats]`: NATS with `JetStream`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NatsConfig {
    /// `nats://host:port`, several with commas; may hold a user and password.
    #[serde(deserialize_with = "secret")]
    pub url: SecretString,
    /// A `.creds` file (JWT and seed).
    #[serde(default)]
    pub credentials: Option<PathBuf>,
    /// TLS; its `domain` has no use here.
    #[serde(default)]
    pub tls: Option<ClientTls>,
    /// Copies of each stream in a NATS cluster.
    #[serde(deserialize_with = "replicas")]
    pub replicas: u8,
}

/// `[vault]`: the keys that encrypt secrets at rest. One of the two is needed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VaultConfig {
    /// A file with the keys.
    #[serde(default, deserialize_with = "path_or_none")]
    pub keys_file: Option<PathBuf>,
    /// The keys themselves; meant for the environment.
    #[serde(default, deserialize_with = "secret_or_none")]
    pub keys: Option<SecretString>,
    /// Ids of keys that are gone for good, with commas.
    #[serde(default)]
    pub lost_keys: String,
}

/// Reads a secret, for `#[serde(deserialize_with = "service::config::secret")]`. Its text is in no error.
pub fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    deserializer.deserialize_str(SecretVisitor)
}

/// Reads a secret that may be left out; empty is left out. With `#[serde(default)]`.
pub fn secret_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    use secrecy::ExposeSecret;
    Ok(Some(secret(deserializer)?).filter(|secret| !secret.expose_secret().is_empty()))
}

/// Reads a path; empty is none. Defaults can so name every key.
pub fn path_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    Ok(Some(PathBuf::deserialize(deserializer)?).filter(|path| !path.as_os_str().is_empty()))
}

/// A database's URL. Its text is in no error.
fn database_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    use secrecy::ExposeSecret;
    let url = secret(deserializer)?;
    let known = ["postgres://", "postgresql://"];
    if known.iter().any(|scheme| url.expose_secret().starts_with(scheme)) {
        return Ok(url);
    }
    let what = if url.expose_secret().is_empty() {
        "nothing"
    } else {
        "other text"
    };
    let expected = &"postgres://user:password@host:port/name";
    Err(serde::de::Error::invalid_value(Unexpected::Other(what), expected))
}

/// What NATS can have.
fn replicas<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    let replicas = u8::deserialize(deserializer)?;
    if (1..=5).contains(&replicas) {
        return Ok(replicas);
    }
    let (found, expected) = (
        Unexpected::Unsigned(replicas.into()),
        &"1 to 5, and an odd number to stand a loss",
    );
    Err(serde::de::Error::invalid_value(found, expected))
}

fn address_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        let expected = &"an IP address and a port, such as 0.0.0.0:9464, or nothing for no port";
        serde::de::Error::invalid_value(Unexpected::Str(&text), expected)
    })
}

fn targets<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Targets, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        let expected = &"levels by module, such as info,async_nats=warn";
        serde::de::Error::invalid_value(Unexpected::Str(&text), expected)
    })
}

/// What a secret's reader expects; the reference knows secrets by it.
pub(super) const SECRET: &str = "text (a secret made of digits alone needs quotes, also in a variable)";

struct SecretVisitor;

impl Visitor<'_> for SecretVisitor {
    type Value = SecretString;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SECRET)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<SecretString, E> {
        Ok(SecretString::from(text.to_owned()))
    }
}
