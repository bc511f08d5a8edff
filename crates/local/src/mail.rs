//! A mail server that delivers nothing: it keeps what it is sent, shows it over HTTP, and fails when it is told to.
//!
//! It speaks ESMTP as a submission server does (STARTTLS on one port, TLS from the start on another, AUTH PLAIN and LOGIN
//! once the line is encrypted). The kept messages and the faults are reachable as a library and over HTTP:
//!
//! | | |
//! |---|---|
//! | `GET /messages` | list as JSON, oldest first |
//! | `GET /messages/{number}` | one message, as it came |
//! | `DELETE /messages` | forget all |
//! | `POST /faults` | add a [`Fault`] |
//! | `DELETE /faults` | end all faults |

mod fault;
mod mailbox;
mod session;
mod tls;
mod view;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

pub use fault::{Action, Fault, Moment};
pub use mailbox::Message;

use crate::identity::Identity;
use crate::port::{self, Port};
use fault::Faults;
use mailbox::Mailbox;

const CONNECTIONS: usize = 64;
const AUTHORITY: &str = "Rollcall local mail authority";

/// Why the mail server could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No port to run it on.
    #[error(transparent)]
    Port(#[from] port::Error),
    /// It could not listen.
    #[error("the mail server could not listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Its certificate could not be made.
    #[error(transparent)]
    Tls(#[from] tls::Error),
}

/// How the server behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// User and password that AUTH takes. `None`: AUTH is not offered and nobody needs it.
    pub login: Option<Login>,
    /// The largest message it takes, in bytes; the SIZE of RFC 1870.
    pub max_message: usize,
    /// How many messages it keeps; the oldest go first.
    pub keep: usize,
    /// Its certificate; made up when `None`. Give a former server's to come back as the same.
    pub identity: Option<Identity>,
    /// The ports to take if they are free.
    pub prefer: Ports,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            login: None,
            max_message: 25 << 20,
            keep: 10_000,
            identity: None,
            prefer: Ports::default(),
        }
    }
}

/// Who may send.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user's name.
    pub user: String,
    /// The password.
    pub password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// The server's ports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Ports {
    /// SMTP with STARTTLS.
    pub smtp: Option<u16>,
    /// SMTP with TLS from the start.
    pub smtps: Option<u16>,
    /// The view.
    pub http: Option<u16>,
}

/// A running mail server. Dropping it ends it and all its connections.
#[derive(Debug)]
pub struct MailServer {
    state: Arc<State>,
    identity: Identity,
    smtp: Port,
    smtps: Port,
    http: Port,
    tasks: JoinSet<()>,
}

#[derive(Debug)]
struct State {
    options: Options,
    tls: tls::Acceptor,
    mailbox: Mailbox,
    faults: Faults,
    connections: Semaphore,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encryption {
    OnRequest,
    FromTheStart,
}

impl MailServer {
    /// Starts the server.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let identity = match &options.identity {
            Some(identity) => identity.clone(),
            None => Identity::generate(AUTHORITY).map_err(tls::Error::from)?,
        };
        let (smtp, on_request) = listen(options.prefer.smtp).await?;
        let (smtps, from_the_start) = listen(options.prefer.smtps).await?;
        let (http, viewers) = listen(options.prefer.http).await?;
        let state = Arc::new(State {
            tls: tls::Acceptor::new(&identity)?,
            mailbox: Mailbox::new(options.keep),
            faults: Faults::default(),
            connections: Semaphore::new(CONNECTIONS),
            options,
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(on_request, Encryption::OnRequest, Arc::clone(&state)));
        tasks.spawn(accept(
            from_the_start,
            Encryption::FromTheStart,
            Arc::clone(&state),
        ));
        tasks.spawn(view::serve(viewers, Arc::clone(&state)));
        Ok(Self {
            state,
            identity,
            smtp,
            smtps,
            http,
            tasks,
        })
    }

    /// Ends it and all its connections. When this returns its ports are free; after a mere drop they are so a moment later.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }

    /// `127.0.0.1:PORT`, STARTTLS offered.
    pub fn smtp_address(&self) -> String {
        self.smtp.address()
    }

    /// `127.0.0.1:PORT`, TLS from the start.
    pub fn smtps_address(&self) -> String {
        self.smtps.address()
    }

    /// Where the kept messages are shown.
    pub fn http_url(&self) -> String {
        format!("http://{}", self.http.address())
    }

    /// Its ports, to come back on the same.
    pub fn ports(&self) -> Ports {
        Ports {
            smtp: Some(self.smtp.number()),
            smtps: Some(self.smtps.number()),
            http: Some(self.http.number()),
        }
    }

    /// Its certificate, and the authority that clients must trust.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Who may send.
    pub fn login(&self) -> Option<&Login> {
        self.state.options.login.as_ref()
    }

    /// The kept messages, oldest first.
    pub fn messages(&self) -> Vec<Arc<Message>> {
        self.state.mailbox.all()
    }

    /// Forgets all messages. Their numbers are not used again.
    pub fn clear(&self) {
        self.state.mailbox.clear();
    }

    /// Waits until at least `count` messages are kept and returns them all; `None` when `limit` passes first.
    pub async fn wait_for(&self, count: usize, limit: Duration) -> Option<Vec<Arc<Message>>> {
        tokio::time::timeout(limit, self.state.mailbox.wait_for(count))
            .await
            .ok()
    }

    /// Adds something to go wrong.
    pub fn add_fault(&self, fault: Fault) {
        self.state.faults.add(fault);
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        self.state.faults.clear();
    }
}

async fn listen(prefer: Option<u16>) -> Result<(Port, TcpListener), Error> {
    let port = Port::prefer(prefer)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.number()));
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| Error::Listen { address, source })?;
    Ok((port, listener))
}

async fn accept(listener: TcpListener, encryption: Encryption, state: Arc<State>) {
    // Connections end with the task that took them.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, encryption, Arc::clone(&state)));
                }
                // Out of file descriptors: let a connection end before trying again.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => (),
        }
    }
}

async fn connection(stream: TcpStream, encryption: Encryption, state: Arc<State>) {
    let Ok(_permit) = state.connections.acquire().await else {
        return;
    };
    // A client that leaves in the middle is the client's affair, and the message it did not finish is not kept.
    session::serve(stream, encryption, &state).await.ok();
}
