//! What a connection may not do.

use std::pin::Pin;

use bytes::Bytes;
use http_body::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

/// The preface, and a SETTINGS frame that sets nothing.
const GREETING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
/// The head of `POST /rollcall.test.Flood/Ask`, as call 1.
const CALL: &[u8] = b"\x00\x00\x1f\x01\x05\x00\x00\x00\x01\x83\x86\x04\x18/rollcall.test.Flood/Ask\x01\x01a";

fn config_with(change: impl FnOnce(&mut GrpcServerConfig)) -> GrpcServerConfig {
    let mut config = config("127.0.0.1:0".parse().unwrap(), None);
    change(&mut config);
    config
}

fn one() -> std::num::NonZeroU64 {
    1.try_into().unwrap()
}

async fn raw(served: &Served) -> TcpStream {
    let address = served.url.strip_prefix("http://localhost:").unwrap();
    TcpStream::connect(("127.0.0.1", address.parse().unwrap()))
        .await
        .unwrap()
}

/// Reads until the other side ends the connection.
async fn cut(mut stream: TcpStream) {
    let end = async {
        let mut bytes = [0; 4096];
        while stream.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
    };
    tokio::time::timeout(DEADLINE, end).await.expect("it was not cut");
}

#[tokio::test]
async fn who_does_not_greet_in_time_is_cut() {
    let served = served_by(
        config_with(|config| config.handshake_seconds = one()),
        Surface::new(),
    )
    .await;
    cut(raw(&served).await).await;
    let mut half = raw(&served).await;
    half.write_all(&GREETING[..20]).await.unwrap();
    cut(half).await;
    assert_eq!(served.health_of("").await, Ok(ServingStatus::NotServing));
}

#[tokio::test]
async fn who_greets_and_falls_silent_is_cut() {
    let served = served_by(
        config_with(|config| config.keepalive_seconds = one()),
        Surface::new(),
    )
    .await;
    let mut silent = raw(&served).await;
    silent.write_all(GREETING).await.unwrap();
    cut(silent).await;
    let mut inside = raw(&served).await;
    inside.write_all(&[GREETING, &CALL[..20]].concat()).await.unwrap();
    cut(inside).await;
}

#[tokio::test]
async fn an_idle_connection_ends_and_its_caller_does_not_notice() {
    let served = served_by(config_with(|config| config.idle_seconds = one()), Surface::new()).await;
    let channel = served.channel(None);
    assert_eq!(check(channel.clone(), "").await, Ok(ServingStatus::NotServing));
    let mut idle = raw(&served).await;
    idle.write_all(GREETING).await.unwrap();
    cut(idle).await;
    assert_eq!(check(channel, "").await, Ok(ServingStatus::NotServing));
}

#[tokio::test]
async fn a_connection_of_age_takes_no_more_calls_and_its_streams_are_told() {
    let aged =
        |config: &mut GrpcServerConfig| (config.age_seconds, config.age_grace_seconds) = (one(), one());
    let served = served_by(config_with(aged), Surface::new()).await;
    let channel = served.channel(None);
    let request = HealthCheckRequest {
        service: String::new(),
    };
    let mut statuses = HealthClient::new(channel.clone())
        .watch(request)
        .await
        .unwrap()
        .into_inner();
    statuses.message().await.unwrap().unwrap();
    let end = tokio::time::timeout(DEADLINE, statuses.message())
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(end.code(), Code::Unavailable);
    assert_eq!(
        end.message(),
        "this connection has become too old; call again on a new one"
    );
    assert_eq!(check(channel, "").await, Ok(ServingStatus::NotServing));
}

#[tokio::test]
async fn idle_connections_beyond_the_limit_make_way() {
    let served = served_by(
        config_with(|config| config.connections = 2.try_into().unwrap()),
        Surface::new(),
    )
    .await;
    let channel = served.channel(None);
    let request = HealthCheckRequest {
        service: String::new(),
    };
    let mut working = HealthClient::new(channel.clone())
        .watch(request)
        .await
        .unwrap()
        .into_inner();
    working.message().await.unwrap().unwrap();
    let mut idle = Vec::new();
    for _ in 0..4 {
        let mut stream = raw(&served).await;
        stream.write_all(GREETING).await.unwrap();
        idle.push(stream);
    }
    assert_eq!(served.health_of("").await, Ok(ServingStatus::NotServing));
    cut(idle.remove(0)).await;
    served.health.release(STARTING).await;
    let status = working.message().await.unwrap().unwrap().status();
    assert_eq!(status, ServingStatus::Serving, "who works stays");
}

/// A body that gives what it is told to.
struct Pieces(Box<dyn FnMut() -> Poll<Option<Bytes>> + Send>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        (self.0)().map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

/// A service that answers without an end.
#[derive(Clone)]
struct Flood;

impl tonic::server::NamedService for Flood {
    const NAME: &'static str = "rollcall.test.Flood";
}

impl Service<http::Request<Body>> for Flood {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<Body>) -> Self::Future {
        let piece = Bytes::from(vec![7; 1 << 20]);
        let body = Body::new(Pieces(Box::new(move || Poll::Ready(Some(piece.clone())))));
        std::future::ready(Ok(http::Response::new(body)))
    }
}

#[tokio::test]
async fn who_asks_for_much_and_takes_nothing_is_cut() {
    let surface = Surface::new().with(Flood);
    let served = served_by(config_with(|config| config.stall_seconds = one()), surface).await;
    let mut reader = raw(&served).await;
    reader.write_all(&[GREETING, CALL].concat()).await.unwrap();
    // Without a WINDOW_UPDATE, 64 KiB are all that may come.
    cut(reader).await;
}

/// A request that says how long its message is, sends that much of it, and then waits.
async fn begin_request(served: &Served, length: u32, sent: usize) -> http::Response<Body> {
    let mut bytes = vec![0];
    bytes.extend(length.to_be_bytes());
    bytes.resize(5 + sent, 7);
    let mut bytes = Some(Bytes::from(bytes));
    let body = Body::new(Pieces(Box::new(move || {
        bytes
            .take()
            .map_or(Poll::Pending, |bytes| Poll::Ready(Some(bytes)))
    })));
    let request = http::Request::post("/grpc.health.v1.Health/Check")
        .header("content-type", "application/grpc")
        .body(body)
        .unwrap();
    let mut channel = served.channel(None);
    let answer = async { channel.ready().await.unwrap().call(request).await.unwrap() };
    let answer = tokio::time::timeout(DEADLINE, answer).await.expect("no answer");
    answer.map(Body::new)
}

fn status_of(response: &http::Response<Body>) -> (Code, String) {
    let status = tonic::Status::from_header_map(response.headers()).unwrap();
    (status.code(), status.message().to_owned())
}

#[tokio::test]
async fn a_message_that_says_it_is_too_large_is_refused_before_it_comes() {
    let served = served(None).await;
    let answer = begin_request(&served, 64 * 1024 + 1, 10).await;
    assert_eq!(
        status_of(&answer),
        (
            Code::ResourceExhausted,
            "a message of 65537 bytes is larger than the 65536 allowed here; send less at once".to_owned()
        )
    );
}

#[tokio::test]
async fn a_request_that_stops_half_way_is_given_up() {
    let served = served_by(config_with(|config| config.stall_seconds = one()), Surface::new()).await;
    let answer = begin_request(&served, 1000, 10).await;
    assert_eq!(
        status_of(&answer),
        (
            Code::DeadlineExceeded,
            "nothing more of the request came within 1s (grpc.stall_seconds)".to_owned()
        )
    );
    let quick = |config: &mut GrpcServerConfig| config.request_timeout_seconds = one();
    let served = served_by(config_with(quick), Surface::new()).await;
    let (code, message) = status_of(&begin_request(&served, 1000, 10).await);
    assert_eq!(code, Code::DeadlineExceeded);
    assert!(message.starts_with("no answer had begun within 1s"), "{message}");
}

#[tokio::test]
async fn unfinished_requests_share_a_bounded_memory() {
    let small = |config: &mut GrpcServerConfig| config.memory_mib = 1.try_into().unwrap();
    let served = served_by(config_with(small), Surface::new()).await;
    // Each waits for the rest of its message, and so keeps what it has.
    let waiting = (0..40).map(|_| begin_request(&served, 60_000, 50_000));
    let refused = futures::future::select_all(waiting.map(Box::pin)).await.0;
    let (code, message) = status_of(&refused);
    assert_eq!(code, Code::ResourceExhausted);
    assert!(
        message.contains("holds 1 MiB of messages already (grpc.memory_mib)"),
        "{message}"
    );
    assert_eq!(served.health_of("").await, Ok(ServingStatus::NotServing));
}
