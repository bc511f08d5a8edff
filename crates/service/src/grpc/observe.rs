//! Around every call that is answered: its span, its measure, and the end of its stream when the process drains.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::Instrument;
use tracing::Span;
use tracing::field::Empty;

use crate::drain::Stopper;
use crate::metrics::{CALLS, Timer, timer};
use crate::telemetry;

type Stopped = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The layer.
#[derive(Clone)]
pub(super) struct Observe {
    stopper: Stopper,
    /// The end of the connection; the stop is one.
    end: Stopper,
    duration: Timer,
}

impl Observe {
    pub(super) fn new(stopper: Stopper) -> Self {
        Self {
            end: stopper.clone(),
            stopper,
            duration: timer(CALLS, "Calls answered, until their last byte."),
        }
    }

    /// The same for a connection that may end by itself.
    pub(super) fn of_connection(&self, end: Stopper) -> Self {
        Self { end, ..self.clone() }
    }
}

impl<S> Layer<S> for Observe {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Observed {
            inner,
            observe: self.clone(),
        }
    }
}

/// A service with the layer around it.
#[derive(Clone)]
pub(super) struct Observed<S> {
    inner: S,
    observe: Observe,
}

impl<S, B> Service<Request<Body>> for Observed<S>
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    B: HttpBody<Data = Bytes> + Unpin + Send + 'static,
{
    type Response = Response<ObservedBody<B>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let ready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, ready);
        let mut call = Call::begin(
            request.uri().path(),
            request.headers(),
            self.observe.duration.clone(),
        );
        let stopper = self.observe.stopper.clone();
        let ended: Stopped = Box::pin(self.observe.end.clone().into_stopped());
        Box::pin(async move {
            let response = inner.call(request).instrument(call.span.clone()).await?;
            // An error without a stream comes in the headers alone.
            call.note(response.headers());
            Ok(response.map(|inner| ObservedBody {
                inner,
                call,
                stopper,
                end: ended,
                ended: false,
            }))
        })
    }
}

/// One call, from its headers to its end.
struct Call {
    span: Span,
    service: String,
    method: String,
    begun: Instant,
    code: Option<Code>,
    duration: Timer,
}

impl Call {
    fn begin(path: &str, headers: &HeaderMap, duration: Timer) -> Self {
        let (service, method) = path.trim_start_matches('/').split_once('/').unwrap_or((path, ""));
        let span = span_of(service, method);
        telemetry::extract(&span, headers);
        Self {
            span,
            service: service.to_owned(),
            method: method.to_owned(),
            begun: Instant::now(),
            code: None,
            duration,
        }
    }

    fn note(&mut self, headers: &HeaderMap) {
        if let Some(status) = headers.get("grpc-status") {
            self.code = Some(Code::from_bytes(status.as_bytes()));
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // Without a status the client went away before the end.
        let code = self.code.unwrap_or(Code::Cancelled);
        self.span.record("rpc.grpc.status_code", i32::from(code));
        if is_our_fault(code) {
            self.span.record("otel.status_code", "ERROR");
        }
        // Paths that nobody serves are anybody's invention, and must not become labels.
        let known = code != Code::Unimplemented;
        let label = |text: &'_ str| {
            if known {
                text.to_owned()
            } else {
                "unknown".to_owned()
            }
        };
        self.duration.record(
            self.begun.elapsed(),
            &[
                ("rpc.service", &label(&self.service)),
                ("rpc.method", &label(&self.method)),
                ("rpc.grpc.status_code", &i32::from(code).to_string()),
            ],
        );
    }
}

fn span_of(service: &str, method: &str) -> Span {
    // Probes come every few seconds for ever, and say nothing.
    if service.starts_with("grpc.") {
        return Span::none();
    }
    tracing::info_span!(
        "grpc.server",
        otel.name = format!("{service}/{method}"),
        otel.kind = "server",
        otel.status_code = Empty,
        rpc.system = "grpc",
        rpc.service = service,
        rpc.method = method,
        rpc.grpc.status_code = Empty,
        // Methods that are about a run record it.
        run.id = Empty,
    )
}

fn is_our_fault(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}

/// An answer on its way out.
pub(super) struct ObservedBody<B> {
    inner: B,
    call: Call,
    stopper: Stopper,
    end: Stopped,
    ended: bool,
}

impl<B> HttpBody for ObservedBody<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let call = self.call.span.clone();
        let _entered = call.enter();
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(context) {
            if let Some(trailers) = frame
                .as_ref()
                .and_then(|frame| frame.as_ref().ok()?.trailers_ref())
            {
                self.call.note(trailers);
            }
            return Poll::Ready(frame);
        }
        // Nothing to send just now, and the process drains or the connection ends: a live stream would keep it until it is
        // killed.
        ready!(self.end.as_mut().poll(context));
        self.ended = true;
        let trailers = ending(&self.stopper);
        self.call.note(&trailers);
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

fn ending(stopper: &Stopper) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    let status = Status::unavailable(if stopper.is_stopped() {
        "this instance is stopping; call again to reach another"
    } else {
        "this connection has become too old; call again on a new one"
    });
    // Our own text of plain ASCII always fits into a header.
    drop(status.add_header(&mut trailers));
    trailers
}
