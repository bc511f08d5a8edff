//! One address for several copies, as a Kubernetes Service is: each connection goes to the next copy that is ready and takes
//! it, and stays with it. What is said on it is nobody's business here.

use std::io;
use std::path::PathBuf;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::port::{self, Port};

/// Why there is no balancer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No port for it.
    #[error(transparent)]
    Port(#[from] port::Error),
    /// It could not listen.
    #[error("the balancer can't listen on {address}")]
    Listen {
        /// Where.
        address: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A copy to lead to.
#[derive(Debug, Clone)]
pub struct Copy {
    /// `127.0.0.1:PORT`.
    pub address: String,
    /// Exists while the copy is ready, or was until it was stopped.
    pub ready: PathBuf,
}

/// A running balancer. Dropping it ends it with its connections.
#[derive(Debug)]
pub struct Balancer {
    port: Port,
    _accepting: JoinSet<()>,
}

impl Balancer {
    /// Listens on a free port for connections to these copies.
    pub async fn start(copies: Vec<Copy>) -> Result<Self, Error> {
        let port = Port::reserve()?;
        let address = port.address();
        let listener = TcpListener::bind(&address)
            .await
            .map_err(|source| Error::Listen { address, source })?;
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, copies));
        Ok(Self {
            port,
            _accepting: accepting,
        })
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        self.port.address()
    }
}

async fn accept(listener: TcpListener, mut copies: Vec<Copy>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((client, _)) = accepted {
                    connections.spawn(pass(client, copies.clone()));
                    copies.rotate_left(1);
                }
            }
            Some(_ended) = connections.join_next() => (),
        }
    }
}

/// Carries a connection to the first of `copies` that takes it. With none of them it ends, as one to a Service without
/// endpoints does.
async fn pass(mut client: TcpStream, copies: Vec<Copy>) {
    for copy in copies.into_iter().filter(|copy| copy.ready.exists()) {
        if let Ok(mut server) = TcpStream::connect(&copy.address).await {
            client.set_nodelay(true).ok();
            server.set_nodelay(true).ok();
            // That one side has gone is the usual end.
            tokio::io::copy_bidirectional(&mut client, &mut server).await.ok();
            return;
        }
    }
}
