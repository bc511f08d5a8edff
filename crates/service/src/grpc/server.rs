//! The gRPC port: bound first; health is answered while the service starts, the rest when it has.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tonic::server::NamedService as _;
use tonic::service::Routes;

use super::connection::Common;
use super::health::{Health, STARTING};
use super::late::Late;
use super::memory::Memory;
use super::observe::Observe;
use super::surface::Surface;
use super::tls::{self, TlsError};
use crate::config::GrpcServerConfig;
use crate::drain::{Stopper, Tasks};
use crate::listen::{self, Places};

/// Why the gRPC port could not be opened or served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Somebody else has the port, or the address is not ours.
    #[error("cannot listen on {listen} (grpc.listen)")]
    Bind {
        /// What was asked for.
        listen: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The TLS files cannot be used.
    #[error("cannot set up TLS (grpc.tls)")]
    Tls(#[source] TlsError),
    /// The descriptors given for reflection are broken.
    #[error("cannot describe the services for reflection")]
    Reflection(#[source] tonic_reflection::server::Error),
}

/// A bound port, and the health that will be told on it.
pub(crate) struct Port {
    listener: TcpListener,
    address: SocketAddr,
    config: Arc<GrpcServerConfig>,
    tls: Option<TlsAcceptor>,
    health_service: HealthService,
    health: Health,
}

type HealthService = tonic_health::pb::health_server::HealthServer<tonic_health::server::HealthService>;

impl Port {
    /// Binds the port of `config`. Nobody is answered before [`serve`](Self::serve).
    pub(crate) async fn bind(config: &GrpcServerConfig) -> Result<Self, ServeError> {
        let tls = config.tls.as_ref().map(tls::server).transpose();
        let tls = tls.map_err(ServeError::Tls)?;
        let unbound = |source| ServeError::Bind {
            listen: config.listen,
            source,
        };
        let listener = TcpListener::bind(config.listen).await.map_err(unbound)?;
        let address = listener.local_addr().map_err(unbound)?;
        let reporter = tonic_health::server::HealthReporter::new();
        let health_service = HealthService::new(tonic_health::server::HealthService::from_health_reporter(
            reporter.clone(),
        ));
        let health = Health::new(reporter);
        health.live().await;
        health.hold(STARTING).await;
        health.measure();
        Ok(Self {
            listener,
            address,
            config: Arc::new(config.clone()),
            tls,
            health_service,
            health,
        })
    }

    /// The health told here.
    pub(crate) fn health(&self) -> Health {
        self.health.clone()
    }
}

impl Port {
    /// Answers health from now on, as a task; the rest is added by [`Serving::offer`]. With the stop, answers that go on are
    /// ended; when it is `closing` too, nothing new is taken, clients are told to go elsewhere, and calls in flight are answered.
    pub(crate) fn serve(self, tasks: &Tasks, stopper: &Stopper, closing: &Stopper) -> Serving {
        let health_first = Routes::new(self.health_service.clone());
        let routes = Late::new(health_first, "/grpc.health.v1.Health/");
        let serving = Serving {
            address: self.address,
            health_service: self.health_service,
            health: self.health,
            routes: routes.clone(),
        };
        let common = Common {
            memory: Memory::new(
                self.config.calls.get(),
                self.config.memory_mib.get().saturating_mul(1024 * 1024),
            ),
            config: self.config,
            tls: self.tls,
            routes,
            observe: Observe::new(stopper.clone()),
            stopper: stopper.clone(),
            closing: closing.clone(),
        };
        let (listener, connections) = (self.listener, tasks.clone());
        tasks.spawn("grpc", async move {
            accept(&listener, &common, &connections).await;
            Ok::<_, Infallible>(())
        });
        serving
    }
}

/// Until the port closes; then nobody is accepted any more, and the connections end by themselves.
async fn accept(listener: &TcpListener, common: &Common, tasks: &Tasks) {
    let places = Places::new("grpc.connections", common.config.connections.get());
    while let Some((stream, place)) = listen::accept(listener, &places, &common.closing).await {
        tasks.spawn("grpc-connection", common.clone().serve(stream, place));
    }
}

/// A port on which health is answered.
pub(crate) struct Serving {
    address: SocketAddr,
    health_service: HealthService,
    health: Health,
    routes: Late,
}

impl Serving {
    /// Where it listens; the port is a real one even if port 0 was asked for.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers with `surface`, health and reflection from now on.
    pub(crate) async fn offer(self, surface: Surface) -> Result<(), ServeError> {
        self.health.cover(&surface.names).await;
        let mut reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
        let mut reflection_alpha = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
        for set in &surface.descriptors {
            reflection = reflection.register_encoded_file_descriptor_set(set);
            reflection_alpha = reflection_alpha.register_encoded_file_descriptor_set(set);
        }
        // A descriptor set may hold services of others: only those that answer here are listed.
        for name in surface.names.iter().copied().chain([HealthService::NAME]) {
            reflection = reflection.with_service_name(name);
            reflection_alpha = reflection_alpha.with_service_name(name);
        }
        reflection = reflection.with_service_name("grpc.reflection.v1.ServerReflection");
        reflection_alpha = reflection_alpha.with_service_name("grpc.reflection.v1alpha.ServerReflection");
        let routes = surface
            .routes
            .add_service(self.health_service)
            .add_service(reflection.build_v1().map_err(ServeError::Reflection)?)
            // Tools of some age still ask for v1alpha only.
            .add_service(reflection_alpha.build_v1alpha().map_err(ServeError::Reflection)?);
        self.routes.complete(routes);
        Ok(())
    }
}
