//! The metrics port: plain HTTP/1 for whoever scrapes, with a limit on everything.
//!
//! It speaks no TLS and asks for no credentials, as scrapers expect; what is told there holds no name, id or secret.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus::{Registry, TextEncoder};
use tokio::net::{TcpListener, TcpStream};

use crate::config::MetricsConfig;
use crate::drain::{Stopper, Tasks};
use crate::error::chain;
use crate::listen::{self, Place, Places};

/// What a scraper may take.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Connections at a time; for one more, the oldest goes.
    connections: usize,
    /// For the head of the request to arrive.
    head: Duration,
    /// For a whole connection, which is one request and its answer.
    connection: Duration,
    /// Bytes of the request's head.
    head_bytes: usize,
    /// Headers in it.
    headers: usize,
}

const LIMITS: Limits = Limits {
    connections: 16,
    head: Duration::from_secs(5),
    connection: Duration::from_secs(15),
    head_bytes: 8 * 1024,
    headers: 32,
};

/// Why the metrics port could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {listen} (metrics.listen)")]
pub(crate) struct BindError {
    listen: SocketAddr,
    #[source]
    source: std::io::Error,
}

/// A bound port. Nobody is answered before [`MetricsPort::serve`].
#[derive(Debug)]
pub(crate) struct MetricsPort {
    listener: TcpListener,
    address: SocketAddr,
    limits: Limits,
}

impl MetricsPort {
    /// Binds the port of `config`, if it names one.
    pub(crate) async fn bind(config: &MetricsConfig) -> Result<Option<Self>, BindError> {
        let Some(listen) = config.listen else {
            return Ok(None);
        };
        let unbound = |source| BindError { listen, source };
        let listener = TcpListener::bind(listen).await.map_err(unbound)?;
        let address = listener.local_addr().map_err(unbound)?;
        Ok(Some(Self {
            listener,
            address,
            limits: LIMITS,
        }))
    }

    /// Where it listens; the port is a real one even if port 0 was asked for.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers with what `registry` gathers, as a task, until the stop.
    pub(crate) fn serve(self, registry: Registry, tasks: &Tasks, stopper: &Stopper) {
        let accepting = self.accept(registry, tasks.clone(), stopper.clone());
        tasks.spawn("metrics", accepting);
    }

    async fn accept(self, registry: Registry, tasks: Tasks, stopper: Stopper) -> Result<(), Infallible> {
        let places = Places::new("connections of the metrics port", self.limits.connections);
        while let Some((stream, place)) = listen::accept(&self.listener, &places, &stopper).await {
            let one = connection(stream, registry.clone(), self.limits, place);
            tasks.spawn("metrics-connection", one);
        }
        Ok(())
    }
}

/// One request and its answer. Scrapes come so seldom that a connection is not kept for the next, and are so short that the one
/// that has been open for the longest is slow: it makes way for a newcomer who finds no place.
async fn connection(
    stream: TcpStream,
    registry: Registry,
    limits: Limits,
    place: Place,
) -> Result<(), Infallible> {
    let answer = service_fn(|request: Request<Incoming>| {
        let response = answer(&request, &registry);
        async { Ok::<_, Infallible>(response) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .header_read_timeout(limits.head)
        .max_buf_size(limits.head_bytes)
        .max_headers(limits.headers)
        .serve_connection(TokioIo::new(stream), answer);
    let served = tokio::select! {
        served = tokio::time::timeout(limits.connection, serving) => served,
        () = place.needed() => {
            tracing::debug!("a scraper made way for another");
            return Ok(());
        }
    };
    match served {
        Ok(Ok(())) => (),
        Ok(Err(error)) => tracing::debug!(error = %chain(&error), "a scraper's connection broke"),
        Err(_) => tracing::debug!("a scraper took too long"),
    }
    Ok(())
}

fn answer<B>(request: &Request<B>, registry: &Registry) -> Response<String> {
    if request.uri().path() != "/metrics" {
        return refusal(StatusCode::NOT_FOUND, "metrics are at /metrics\n");
    }
    if request.method() != Method::GET {
        let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET"));
        return response;
    }
    match TextEncoder::new().encode_to_string(&registry.gather()) {
        Ok(text) => {
            let mut response = Response::new(text);
            let format = HeaderValue::from_static(prometheus::TEXT_FORMAT);
            response.headers_mut().insert(CONTENT_TYPE, format);
            response
        }
        Err(error) => {
            tracing::error!(error = %chain(&error), "metrics could not be written as text");
            refusal(StatusCode::INTERNAL_SERVER_ERROR, "see the log\n")
        }
    }
}

fn refusal(status: StatusCode, why: &str) -> Response<String> {
    let mut response = Response::new(why.to_owned());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use std::io;

    use opentelemetry::KeyValue;
    use opentelemetry::metrics::MeterProvider as _;
    use opentelemetry_sdk::Resource;
    use opentelemetry_sdk::metrics::SdkMeterProvider;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::telemetry::scraped;

    const SHORT: Duration = Duration::from_millis(200);
    const DEADLINE: Duration = Duration::from_secs(10);

    /// A port that serves, with a counter and a timer.
    async fn serving(limits: Limits) -> (SocketAddr, Stopper, SdkMeterProvider) {
        let (reader, registry) = scraped().unwrap();
        let resource = Resource::builder_empty().with_service_name("a-test").build();
        let provider = SdkMeterProvider::builder()
            .with_resource(resource)
            .with_reader(reader)
            .build();
        let meter = provider.meter("test");
        let pages = meter.u64_counter("test.pages").with_description("Pages.").build();
        pages.add(3, &[KeyValue::new("page.kind", "full")]);
        let took = meter.f64_histogram("test.duration").with_unit("s");
        took.with_boundaries(vec![1.0]).build().record(0.5, &[]);
        let config = MetricsConfig {
            listen: Some("127.0.0.1:0".parse().unwrap()),
        };
        let mut port = MetricsPort::bind(&config).await.unwrap().unwrap();
        port.limits = limits;
        let (address, stopper) = (port.address(), Stopper::new());
        port.serve(registry, &Tasks::new(stopper.clone()), &stopper);
        (address, stopper, provider)
    }

    /// What comes back for `request`, until the other side ends the connection.
    async fn answer_to(address: SocketAddr, request: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut text = String::new();
        let all = stream.read_to_string(&mut text);
        tokio::time::timeout(DEADLINE, all).await.expect("it ends")?;
        Ok(text)
    }

    #[tokio::test]
    async fn metrics_are_told_by_the_names_of_prometheus() {
        let (address, _stopper, _provider) = serving(LIMITS).await;
        let told = answer_to(address, "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        assert!(told.starts_with("HTTP/1.1 200 OK\r\n"), "{told}");
        assert!(told.contains("content-type: text/plain; version=0.0.4"), "{told}");
        for line in [
            "# HELP test_pages_total Pages.",
            "# TYPE test_pages_total counter",
            "test_pages_total{page_kind=\"full\",service_name=\"a-test\"} 3",
            "test_duration_seconds_bucket{service_name=\"a-test\",le=\"1\"} 1",
            "test_duration_seconds_sum{service_name=\"a-test\"} 0.5",
        ] {
            assert!(told.lines().any(|known| known == line), "{line} in {told}");
        }
        assert!(told.contains("target_info{"), "{told}");
    }

    #[tokio::test]
    async fn nothing_else_is_served() {
        let (address, _stopper, _provider) = serving(LIMITS).await;
        let told = answer_to(address, "GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        assert!(told.starts_with("HTTP/1.1 404 "), "{told}");
        let told = answer_to(address, "POST /metrics HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        assert!(told.starts_with("HTTP/1.1 405 "), "{told}");
        assert!(told.contains("allow: GET"), "{told}");
    }

    #[tokio::test]
    async fn too_large_a_head_is_refused() {
        let (address, _stopper, _provider) = serving(LIMITS).await;
        let long = "x".repeat(3 * LIMITS.head_bytes);
        let request = format!("GET /metrics HTTP/1.1\r\nhost: x\r\nlong: {long}\r\n\r\n");
        // The connection may be reset with some of it unread.
        if let Ok(told) = answer_to(address, &request).await {
            assert!(told.starts_with("HTTP/1.1 431 "), "{told}");
        }
        let many = "h: 1\r\n".repeat(LIMITS.headers + 1);
        let told = answer_to(address, &format!("GET /metrics HTTP/1.1\r\n{many}\r\n"))
            .await
            .unwrap();
        assert!(told.starts_with("HTTP/1.1 431 "), "{told}");
    }

    /// Half a head, and nothing more.
    async fn slow(address: SocketAddr) -> TcpStream {
        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(b"GET /metrics HTTP/1.1\r\nho").await.unwrap();
        slow
    }

    #[tokio::test]
    async fn whoever_is_slow_is_let_go() {
        let (address, _stopper, _provider) = serving(Limits {
            head: SHORT,
            ..LIMITS
        })
        .await;
        let (mut slow, mut left) = (slow(address).await, Vec::new());
        let end = slow.read_to_end(&mut left);
        tokio::time::timeout(DEADLINE, end)
            .await
            .expect("it was let go")
            .unwrap();
        let left = String::from_utf8(left).unwrap();
        assert!(left.is_empty() || left.starts_with("HTTP/1.1 408 "), "{left}");
    }

    #[tokio::test]
    async fn whoever_is_slow_keeps_nobody_else_out() {
        let (address, _stopper, _provider) = serving(Limits {
            connections: 1,
            head: 6 * DEADLINE,
            connection: 6 * DEADLINE,
            ..LIMITS
        })
        .await;
        let mut slow = slow(address).await;
        // There is one place, and the slow one has it.
        let told = answer_to(address, "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        assert!(told.starts_with("HTTP/1.1 200 OK\r\n"), "{told}");
        let mut left = Vec::new();
        let end = slow.read_to_end(&mut left);
        // What it had sent may be unread: then it ends by a reset.
        let let_go = tokio::time::timeout(DEADLINE, end).await;
        drop(let_go.expect("it was let go"));
        assert!(left.is_empty(), "{left:?}");
    }

    #[tokio::test]
    async fn no_port_is_opened_unasked() {
        let config = MetricsConfig { listen: None };
        assert!(MetricsPort::bind(&config).await.unwrap().is_none());
    }
}
