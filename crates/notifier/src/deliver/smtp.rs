//! The mail server: connecting, TLS, signing in, and handing over one mail, all within one time limit.

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lettre::message::Mailbox;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters, TlsParametersBuilder,
};
use lettre::transport::smtp::extension::ClientId;
use secrecy::ExposeSecret;

use super::message::Email;
use crate::config::{SmtpConfig, TlsMode};

/// A connection that has rested for longer is not used again: servers close them.
const REST: Duration = Duration::from_secs(20);

/// The connections that rest, at most.
const RESTING: usize = 8;

/// The mail server of the settings, if they name one.
pub struct Smtp {
    from: Mailbox,
    server: Option<Server>,
}

/// Why the settings can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The CA's file is not readable.
    #[error("cannot read {}, named by smtp.ca_file", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file holds no certificate, or TLS can't be set up.
    #[error("cannot set up TLS for the mail server (smtp.host, smtp.ca_file)")]
    Tls(#[source] SmtpError),
}

/// Why a mail was not handed over.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The settings name no mail server.
    #[error("no SMTP server is configured (smtp.host)")]
    NotConfigured,
    /// It does not answer, or not as a mail server.
    #[error("cannot connect to {server} (smtp.host, smtp.port, smtp.tls)")]
    Connect {
        /// Host and port.
        server: String,
        /// Why.
        #[source]
        source: SmtpError,
    },
    /// The line can't be encrypted.
    #[error("cannot encrypt the line to {server} by STARTTLS (smtp.tls, smtp.ca_file)")]
    StartTls {
        /// Host and port.
        server: String,
        /// Why.
        #[source]
        source: SmtpError,
    },
    /// It does not let us in.
    #[error("{server} refuses to sign us in (smtp.user, smtp.password)")]
    SignIn {
        /// Host and port.
        server: String,
        /// Why.
        #[source]
        source: SmtpError,
    },
    /// It did not take the mail.
    #[error("{server} did not take the mail")]
    Mail {
        /// Host and port.
        server: String,
        /// Why.
        #[source]
        source: SmtpError,
    },
    /// It was too slow. It may have taken the mail all the same.
    #[error("{server} did not finish within {seconds} s (smtp.timeout_seconds)")]
    Timeout {
        /// Host and port.
        server: String,
        /// The limit.
        seconds: u64,
    },
}

struct Server {
    /// Host and port, for errors.
    name: String,
    host: String,
    port: u16,
    tls: Encryption,
    sign_in: Option<Credentials>,
    hello: ClientId,
    limit: Duration,
    resting: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
}

enum Encryption {
    None,
    OnRequest(TlsParameters),
    FromTheStart(TlsParameters),
}

impl Smtp {
    /// Reads the CA's file; connects to nothing yet.
    pub fn new(config: &SmtpConfig) -> Result<Self, SetupError> {
        let server = config
            .host
            .as_ref()
            .map(|host| Server::new(host, config))
            .transpose()?;
        if server.is_none() {
            tracing::warn!("no SMTP server is configured (smtp.host): mails will be recorded as failed");
        }
        Ok(Self {
            from: config.from.clone(),
            server,
        })
    }

    /// The sender.
    pub const fn from(&self) -> &Mailbox {
        &self.from
    }

    /// Hands over one mail; what the server answered.
    pub(super) async fn send(&self, email: &Email) -> Result<String, SendError> {
        let server = self.server.as_ref().ok_or(SendError::NotConfigured)?;
        // A connection that is given up in the middle of a conversation is dropped with it, never used again.
        tokio::time::timeout(server.limit, server.send(email))
            .await
            .unwrap_or_else(|_| {
                Err(SendError::Timeout {
                    server: server.name.clone(),
                    seconds: server.limit.as_secs(),
                })
            })
    }
}

impl SendError {
    /// Whether trying again is no use: the mail itself was refused. What is wrong with the server or our settings may be
    /// put right while the mail waits.
    pub fn is_final(&self) -> bool {
        match self {
            Self::NotConfigured => true,
            Self::Mail { source, .. } => source.is_permanent() || source.is_client(),
            Self::Connect { .. } | Self::StartTls { .. } | Self::SignIn { .. } | Self::Timeout { .. } => {
                false
            }
        }
    }
}

impl Server {
    fn new(host: &str, config: &SmtpConfig) -> Result<Self, SetupError> {
        let sign_in = config.user.as_ref().zip(config.password.as_ref());
        if config.tls == TlsMode::None && sign_in.is_some() && !is_loopback(host) {
            tracing::warn!("smtp.tls is none: the password goes to {host} in the clear");
        }
        let hello = config
            .hello_name
            .clone()
            .map(ClientId::Domain)
            .unwrap_or_default();
        Ok(Self {
            name: format!("{host}:{}", config.port),
            host: host.to_owned(),
            port: config.port,
            tls: match config.tls {
                TlsMode::None => Encryption::None,
                TlsMode::Starttls => Encryption::OnRequest(tls_parameters(host, config)?),
                TlsMode::Tls => Encryption::FromTheStart(tls_parameters(host, config)?),
            },
            sign_in: sign_in
                .map(|(user, password)| Credentials::new(user.clone(), password.expose_secret().to_owned())),
            hello,
            limit: Duration::from_secs(config.timeout_seconds),
            resting: Mutex::default(),
        })
    }

    async fn send(&self, email: &Email) -> Result<String, SendError> {
        let mut connection = match self.rested().await {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let answer = connection
            .send(&email.envelope, &email.bytes)
            .await
            .map_err(|source| SendError::Mail {
                server: self.name.clone(),
                source,
            })?;
        self.rest(connection);
        Ok(answer.message().collect::<Vec<_>>().join(" "))
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, SendError> {
        let server = || self.name.clone();
        let from_the_start = match &self.tls {
            Encryption::FromTheStart(parameters) => Some(parameters.clone()),
            Encryption::None | Encryption::OnRequest(_) => None,
        };
        let address = (self.host.as_str(), self.port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(address, Some(self.limit), &self.hello, from_the_start, None)
                .await
                .map_err(|source| SendError::Connect {
                    server: server(),
                    source,
                })?;
        if let Encryption::OnRequest(parameters) = &self.tls {
            connection
                .starttls(parameters.clone(), &self.hello)
                .await
                .map_err(|source| SendError::StartTls {
                    server: server(),
                    source,
                })?;
        }
        if let Some(credentials) = &self.sign_in {
            connection
                .auth(DEFAULT_MECHANISMS, credentials)
                .await
                .map_err(|source| SendError::SignIn {
                    server: server(),
                    source,
                })?;
        }
        Ok(connection)
    }

    /// A connection that is still good.
    async fn rested(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let (mut connection, since) = self
                .resting
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop()?;
            if since.elapsed() < REST && connection.test_connected().await {
                return Some(connection);
            }
        }
    }

    fn rest(&self, connection: AsyncSmtpConnection) {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        resting.retain(|(_, since)| since.elapsed() < REST);
        if resting.len() < RESTING {
            resting.push((connection, Instant::now()));
        }
    }
}

fn tls_parameters(host: &str, config: &SmtpConfig) -> Result<TlsParameters, SetupError> {
    let mut builder = TlsParametersBuilder::new(host.to_owned());
    if let Some(path) = &config.ca_file {
        let pem = std::fs::read(path).map_err(|source| SetupError::Read {
            path: path.clone(),
            source,
        })?;
        let ca = Certificate::from_pem(&pem).map_err(SetupError::Tls)?;
        builder = builder
            .certificate_store(CertificateStore::None)
            .add_root_certificate(ca);
    }
    builder.build().map_err(SetupError::Tls)
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

impl std::fmt::Debug for Smtp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let server = self.server.as_ref().map(|server| &server.name);
        f.debug_struct("Smtp")
            .field("from", &self.from)
            .field("server", &server)
            .finish_non_exhaustive()
    }
}
