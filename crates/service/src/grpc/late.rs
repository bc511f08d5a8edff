//! Routes that come after the port is served: what a service offers when it has started.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use http::{Request, Response};
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tower::Service;

/// What is answered from the first moment on, and the rest once it is there. Clones show the same.
#[derive(Clone)]
pub(super) struct Late {
    first: Routes,
    /// The path that `first` answers.
    prefix: &'static str,
    all: Arc<OnceLock<Routes>>,
}

impl Late {
    /// Answers what begins with `prefix` by `first`, and everything else with UNAVAILABLE, which clients repeat.
    pub(super) fn new(first: Routes, prefix: &'static str) -> Self {
        Self {
            first: first.prepare(),
            prefix,
            all: Arc::default(),
        }
    }

    /// Answers by `all` from now on; only the first time counts.
    pub(super) fn complete(&self, all: Routes) {
        self.all.get_or_init(|| all.prepare());
    }
}

impl Service<Request<Body>> for Late {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match self.all.get() {
            Some(all) => Box::pin(all.clone().call(request)),
            None if request.uri().path().starts_with(self.prefix) => Box::pin(self.first.call(request)),
            None => Box::pin(std::future::ready(Ok(Status::unavailable(
                "this copy is still starting",
            )
            .into_http()))),
        }
    }
}
