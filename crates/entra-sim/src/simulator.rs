//! Starts and stops a simulator within a process.

use crate::http;
use crate::tenant::{Tenant, TenantOptions};
use crate::world::World;
use axum::serve::ListenerExt as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long requests in flight are given when the simulator stops.
const GRACE: Duration = Duration::from_secs(1);

/// What to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub bind: SocketAddr,
    /// The tenants; the first is the one that is meant when none is named.
    pub tenants: Vec<TenantOptions>,
}

impl Options {
    /// One generated tenant on a free port of this machine.
    pub fn generate(seed: u64, users: u32) -> Self {
        Self {
            bind: ([127, 0, 0, 1], 0).into(),
            tenants: vec![TenantOptions::generate(seed, users)],
        }
    }
}

/// A running simulator. It stops when it is dropped.
pub struct Simulator {
    address: SocketAddr,
    world: Arc<World>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Simulator {
    /// Binds and serves. Fails when the address is taken.
    #[expect(
        clippy::disallowed_methods,
        reason = "a server of its own, not a service: it has no chassis"
    )]
    pub async fn start(options: Options) -> std::io::Result<Self> {
        let listener = TcpListener::bind(options.bind).await?;
        let address = listener.local_addr()?;
        let tenants = options
            .tenants
            .into_iter()
            .map(|tenant| Arc::new(Tenant::new(tenant)));
        let world = Arc::new(World::new(tenants.collect()));
        let router = http::router(world.clone());
        // Small answers on a kept connection must not wait for an acknowledgement.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(async move {
            axum::serve(listener, router)
                // Told to stop, or the simulator was dropped: either ends it.
                .with_graceful_shutdown(async { drop(stopped.await) })
                .await
        });
        Ok(Self {
            address,
            world,
            stop,
            serving,
        })
    }

    /// `http://127.0.0.1:12345`, for login and Graph alike.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The first tenant.
    pub fn default_tenant(&self) -> Option<Arc<Tenant>> {
        self.world.tenants.first().cloned()
    }

    /// The tenant of this id or verified domain.
    pub fn tenant(&self, key: &str) -> Option<Arc<Tenant>> {
        self.world.tenant(key).cloned()
    }

    /// Stops: answers in flight get a second.
    pub async fn stop(self) {
        drop(self.stop);
        // What is still running then is left to end by itself.
        drop(tokio::time::timeout(GRACE, self.serving).await);
    }
}
