//! What a service offers on its gRPC port.

use std::convert::Infallible;

use http::Request;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::Routes;
use tower::Service;

/// The gRPC services of a process and their descriptors. Health and reflection come on top by themselves.
#[derive(Debug, Default)]
pub struct Surface {
    pub(super) routes: Routes,
    pub(super) names: Vec<&'static str>,
    pub(super) descriptors: Vec<&'static [u8]>,
}

impl Surface {
    /// Nothing but health and reflection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a generated server, with whatever interceptors it has.
    #[must_use]
    pub fn with<S>(mut self, service: S) -> Self
    where
        S: Service<Request<Body>, Response = http::Response<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        self.names.push(S::NAME);
        self.routes = self.routes.add_service(service);
        self
    }

    /// Lets reflection describe the files of an encoded `FileDescriptorSet`.
    #[must_use]
    pub fn describe(mut self, file_descriptor_set: &'static [u8]) -> Self {
        self.descriptors.push(file_descriptor_set);
        self
    }
}
