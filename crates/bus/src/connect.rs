//! The connection to NATS, and the streams made sure of.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{ContextBuilder, CreateStreamError, CreateStreamErrorKind};
use async_nats::{Client, ConnectOptions, Event, ServerAddr};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;

use crate::backoff;
use crate::metrics::tell_connected;
use crate::sign_in::SignIn;
use crate::streams::{self, Limits};

/// For one answer of the broker.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(5);
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const PING_EVERY: Duration = Duration::from_secs(10);
const RECONNECT_BASE: Duration = Duration::from_millis(50);
const RECONNECT_MAX: Duration = Duration::from_secs(4);

/// Where and how to connect.
#[derive(Clone, Debug)]
pub struct Options {
    /// `nats://host:port`, several with commas; may hold a user and password, or a token.
    pub url: SecretString,
    /// What the broker's operator sees: the service's name.
    pub name: String,
    /// A `.creds` file.
    pub credentials: Option<PathBuf>,
    /// TLS; then nothing else is spoken.
    pub tls: Option<Tls>,
    /// How much the streams hold.
    pub limits: Limits,
}

/// TLS towards NATS; PEM files.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// The CA of the server's certificate; `None` takes the system's.
    pub ca: Option<PathBuf>,
    /// This client's certificate and key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Why the bus could not be reached.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The URL is none. Its text is left out: it may hold a password.
    #[error("the NATS URL is not of the form nats://host:port")]
    Url,
    /// The credentials file.
    #[error("cannot read the NATS credentials {}", path.display())]
    Credentials {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Nobody answered, or we were not let in.
    #[error("cannot connect to NATS")]
    Connect(#[source] async_nats::ConnectError),
    /// The cluster can't keep so many copies of a stream.
    #[error(
        "NATS can't keep {replicas} copies of the stream {stream} (nats.replicas): the cluster has too few servers with \
         JetStream; start {replicas} of them or more, or set nats.replicas to 1"
    )]
    Replicas {
        /// Which.
        stream: String,
        /// How many were asked for.
        replicas: usize,
        /// What the broker said.
        #[source]
        source: CreateStreamError,
    },
    /// JetStream refused a stream.
    #[error("cannot set up the stream {stream}; is JetStream on, with enough room?")]
    Stream {
        /// Which.
        stream: String,
        /// Why.
        #[source]
        source: CreateStreamError,
    },
}

/// The bus. Cheap to clone; reconnects by itself for ever.
#[derive(Clone, Debug)]
pub struct Bus {
    pub(crate) client: Client,
    pub(crate) jetstream: jetstream::Context,
    /// Counts connections, so that whoever waits for an answer learns that it was lost with the last one.
    pub(crate) connections: watch::Receiver<u64>,
    limits: Limits,
}

impl Bus {
    /// Connects and makes sure of the streams, whoever comes first.
    ///
    /// One attempt: a service repeats it while it starts. Once connected, lost connections are mended without an end.
    pub async fn connect(options: &Options) -> Result<Self, ConnectError> {
        let servers = servers(&options.url)?;
        let (count, connections) = watch::channel(0);
        let mut connect = connect_options(options, count).await?;
        if let Some(sign_in) = SignIn::of(&servers).map_err(|_| ConnectError::Url)? {
            connect = sign_in.add_to(connect);
        }
        let client = connect.connect(servers).await.map_err(ConnectError::Connect)?;
        let jetstream = ContextBuilder::new()
            .timeout(ANSWER_LIMIT)
            .ack_timeout(ANSWER_LIMIT)
            .build(client.clone());
        let bus = Self {
            client,
            jetstream,
            connections,
            limits: options.limits,
        };
        bus.ensure_streams().await?;
        let measured = bus.client.clone();
        tell_connected(move || is_connected(&measured));
        Ok(bus)
    }

    /// Sends out what is still in the client's buffer, acknowledgements above all. The last thing before the end.
    pub async fn flush(&self) {
        match tokio::time::timeout(ANSWER_LIMIT, self.client.flush()).await {
            Ok(Ok(())) => (),
            Ok(Err(error)) => tracing::warn!(%error, "could not flush the bus"),
            Err(_) => tracing::warn!("could not flush the bus in time"),
        }
    }

    /// Whether the broker is connected just now.
    pub fn is_connected(&self) -> bool {
        is_connected(&self.client)
    }

    /// The same in the middle of things, where the next attempt will show whether it helped.
    pub(crate) async fn restore_streams(&self) {
        if let Err(error) = self.ensure_streams().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot restore the streams"
            );
        }
    }

    /// Makes the streams, or brings them to what they should be. Needed again where a broker has lost its disk.
    pub(crate) async fn ensure_streams(&self) -> Result<(), ConnectError> {
        for config in streams::configs(self.limits) {
            let stream = config.name.clone();
            let ensured = self.jetstream.create_or_update_stream(config).await;
            ensured.map_err(|source| refused(stream, self.limits.replicas, source))?;
        }
        Ok(())
    }
}

fn refused(stream: String, replicas: usize, source: CreateStreamError) -> ConnectError {
    let code = match source.kind() {
        CreateStreamErrorKind::JetStream(said) => Some(said.error_code()),
        _ => None,
    };
    match code {
        Some(
            ErrorCode::CLUSTER_NO_PEERS
            | ErrorCode::STREAM_REPLICAS_NOT_SUPPORTED
            | ErrorCode::INSUFFICIENT_RESOURCES,
        ) if replicas > 1 => ConnectError::Replicas {
            stream,
            replicas,
            source,
        },
        _ => ConnectError::Stream { stream, source },
    }
}

fn is_connected(client: &Client) -> bool {
    client.connection_state() == async_nats::connection::State::Connected
}

fn servers(url: &SecretString) -> Result<Vec<ServerAddr>, ConnectError> {
    let servers = url
        .expose_secret()
        .split(',')
        .map(|one| one.trim().parse::<ServerAddr>());
    servers.collect::<Result<_, _>>().map_err(|_| ConnectError::Url)
}

async fn connect_options(
    options: &Options,
    connections: watch::Sender<u64>,
) -> Result<ConnectOptions, ConnectError> {
    let connections = Arc::new(connections);
    let mut connect = ConnectOptions::new()
        .name(&options.name)
        .connection_timeout(CONNECT_LIMIT)
        .request_timeout(Some(ANSWER_LIMIT))
        .ping_interval(PING_EVERY)
        .max_reconnects(None)
        .reconnect_delay_callback(|attempts| {
            backoff::delay(
                u32::try_from(attempts).unwrap_or(u32::MAX),
                RECONNECT_BASE,
                RECONNECT_MAX,
            )
        })
        .event_callback(move |event| {
            log(&event);
            if matches!(event, Event::Connected) {
                connections.send_modify(|count| *count += 1);
            }
            std::future::ready(())
        });
    if let Some(path) = &options.credentials {
        let unreadable = |source| ConnectError::Credentials {
            path: path.clone(),
            source,
        };
        connect = connect.credentials_file(path).await.map_err(unreadable)?;
    }
    if let Some(tls) = &options.tls {
        connect = connect.require_tls(true);
        if let Some(ca) = &tls.ca {
            connect = connect.add_root_certificates(ca.clone());
        }
        if let Some((cert, key)) = &tls.identity {
            connect = connect.add_client_certificate(cert.clone(), key.clone());
        }
    }
    Ok(connect)
}

fn log(event: &Event) {
    match event {
        Event::Connected => tracing::info!("bus connected"),
        Event::Disconnected => tracing::warn!("bus disconnected; reconnecting"),
        Event::Draining | Event::Closed => tracing::info!("bus {event}"),
        other => tracing::warn!("bus: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_may_name_several_servers_and_shows_in_no_error() {
        let parse = |text: &str| servers(&SecretString::from(text.to_owned()));
        assert_eq!(parse("nats://a:4222, nats://u:p@b:4223").unwrap().len(), 2);
        let error = parse("nats://u:hunter2@[b").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
