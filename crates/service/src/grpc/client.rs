//! A channel to another service.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tonic::body::Body;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tower::Service;

use super::tls::{self, TlsError};
use crate::config::GrpcClientConfig;
use crate::telemetry;

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const KEEPALIVE: Duration = Duration::from_secs(30);
const KEEPALIVE_ANSWER: Duration = Duration::from_secs(10);

/// What generated clients are made of: a channel whose calls carry the current trace.
pub type GrpcChannel = InterceptedService<Connection, Propagate>;

/// A channel that tells of a lost connection as gRPC means it: UNAVAILABLE, which callers repeat. A copy that stops says so
/// on its connections, and what is sent at that moment may come to nobody.
#[derive(Clone, Debug)]
pub struct Connection(Channel);

impl Service<http::Request<Body>> for Connection {
    type Response = http::Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.0.poll_ready(context).map_err(lost)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let answer = self.0.call(request);
        Box::pin(async move { answer.await.map_err(lost) })
    }
}

/// tonic has INTERNAL and UNKNOWN for connections that end.
fn lost(error: tonic::transport::Error) -> Status {
    let status = Status::from_error(Box::new(error));
    match status.code() {
        Code::Internal | Code::Unknown => {
            Status::unavailable(format!("the connection was lost ({})", status.message()))
        }
        _ => status,
    }
}

/// Why a channel could not be made. That the other side is away is not among these: it shows with the first call.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The URL is none.
    #[error("{url} is not the URL of a gRPC server, such as http://127.0.0.1:7400")]
    Url {
        /// What was given.
        url: String,
        /// Why.
        #[source]
        source: tonic::transport::Error,
    },
    /// `https` and the TLS section must come together.
    #[error("{url}: a tls section needs an https URL, and https needs a tls section")]
    Scheme {
        /// What was given.
        url: String,
    },
    /// The TLS files cannot be used.
    #[error("cannot set up TLS towards {url}")]
    Files {
        /// The other side.
        url: String,
        /// Why.
        #[source]
        source: Box<TlsError>,
    },
    /// The TLS files are not what they should be.
    #[error("cannot use the TLS files for {url}")]
    Tls {
        /// The other side.
        url: String,
        /// Why.
        #[source]
        source: tonic::transport::Error,
    },
}

/// A channel to the server of `config`. Connects with the first call and again whenever the connection breaks; each time
/// the host is looked up anew, so that a name of several copies leads to one that lives.
///
/// Each call needs its own deadline (`Request::set_timeout`): a stream may live long.
pub fn channel(config: &GrpcClientConfig) -> Result<GrpcChannel, ChannelError> {
    let url = || config.url.clone();
    let mut endpoint =
        Endpoint::from_shared(url()).map_err(|source| ChannelError::Url { url: url(), source })?;
    if (endpoint.uri().scheme_str() == Some("https")) != config.tls.is_some() {
        return Err(ChannelError::Scheme { url: url() });
    }
    if let Some(files) = &config.tls {
        let tls = tls::client(files).map_err(|source| ChannelError::Files {
            url: url(),
            source: Box::new(source),
        })?;
        endpoint = endpoint
            .tls_config(tls)
            .map_err(|source| ChannelError::Tls { url: url(), source })?;
    }
    let channel = endpoint
        .connect_timeout(CONNECT_LIMIT)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_ANSWER)
        .keep_alive_while_idle(true)
        .tcp_nodelay(true)
        .connect_lazy();
    Ok(InterceptedService::new(Connection(channel), Propagate))
}

/// Puts the current trace context into a call's metadata.
#[derive(Clone, Copy, Debug)]
pub struct Propagate;

impl Interceptor for Propagate {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let mut headers = std::mem::take(request.metadata_mut()).into_headers();
        telemetry::inject(&mut headers);
        *request.metadata_mut() = tonic::metadata::MetadataMap::from_headers(headers);
        Ok(request)
    }
}
