//! The gRPC port: bound early, served last.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tonic::server::NamedService as _;

use super::connection::Serving;
use super::health::{Health, STARTING};
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
    /// Binds the port of `config`. Nobody is answered before [`serve`].
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
        health.hold(STARTING).await;
        Ok(Self {
            listener,
            address,
            config: Arc::new(config.clone()),
            tls,
            health_service,
            health,
        })
    }

    /// Where it listens; the port is a real one even if port 0 was asked for.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The health told here.
    pub(crate) fn health(&self) -> Health {
        self.health.clone()
    }
}

/// Answers on `port` with `surface`, health and reflection, as a task, until the stop.
pub(crate) async fn serve(
    port: Port,
    surface: Surface,
    tasks: &Tasks,
    stopper: &Stopper,
) -> Result<(), ServeError> {
    port.health.cover(&surface.names).await;
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
    let reflection = reflection.build_v1().map_err(ServeError::Reflection)?;
    // Tools of some age still ask for v1alpha only.
    let reflection_alpha = reflection_alpha.build_v1alpha().map_err(ServeError::Reflection)?;
    let routes = surface
        .routes
        .add_service(port.health_service)
        .add_service(reflection)
        .add_service(reflection_alpha)
        .prepare();
    let serving = Serving {
        memory: Memory::new(port.config.memory_mib.get() * 1024 * 1024),
        config: port.config,
        tls: port.tls,
        routes,
        observe: Observe::new(stopper.clone()),
        stopper: stopper.clone(),
    };
    let (listener, connections) = (port.listener, tasks.clone());
    tasks.spawn("grpc", async move {
        accept(&listener, &serving, &connections).await;
        Ok::<_, Infallible>(())
    });
    Ok(())
}

/// Until the stop; then nobody is accepted any more, and the connections end by themselves.
async fn accept(listener: &TcpListener, serving: &Serving, tasks: &Tasks) {
    let places = Places::new("grpc.connections", serving.config.connections.get());
    while let Some((stream, place)) = listen::accept(listener, &places, &serving.stopper).await {
        tasks.spawn("grpc-connection", serving.clone().serve(stream, place));
    }
}
