//! One connection of the gRPC port, from its handshake to its end.

use std::convert::Infallible;
use std::io::{self, Cursor};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tonic::body::Body;
use tower::{Layer, Service};

use super::deadline::Deadline;
use super::late::Late;
use super::memory::{Bounded, Memory};
use super::observe::Observe;
use crate::config::GrpcServerConfig;
use crate::drain::Stopper;
use crate::listen::{Counted, Cut, Limits, Place, drive};

/// With which every HTTP/2 connection begins.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// For an answer to a sign of life.
const KEEPALIVE_ANSWER: Duration = Duration::from_secs(10);
/// Bytes that a call may send before it is read, and all calls of a connection together. Twice that is on its way between
/// two regions within a tenth of a second.
const CALL_WINDOW: u32 = 128 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;
/// Bytes of a call's metadata.
const METADATA: u32 = 16 * 1024;
/// Calls that were taken back before we looked at them: a flood of these ends the connection (CVE-2023-44487).
const TAKEN_BACK: usize = 20;
/// Calls that we took back because they broke the protocol.
const BROKEN: usize = 64;
/// Bytes of answers that a call's connection takes before its reader does.
const ANSWER_BUFFER: usize = 64 * 1024;

/// What all connections of a port share.
#[derive(Clone)]
pub(super) struct Common {
    pub(super) config: Arc<GrpcServerConfig>,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) routes: Late,
    pub(super) observe: Observe,
    pub(super) memory: Memory,
    /// Ends answers that go on.
    pub(super) stopper: Stopper,
    /// Then no connection takes calls any more.
    pub(super) closing: Stopper,
}

/// Why a connection came to nothing. Nobody's fault but the caller's.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("it did not say within {0:?} that it speaks HTTP/2 (grpc.handshake_seconds)")]
    Slow(Duration),
    #[error("TLS failed")]
    Tls(#[source] io::Error),
    #[error("it does not speak HTTP/2")]
    Protocol(#[source] io::Error),
    #[error("{0}")]
    Cut(Cut),
    #[error("it broke")]
    Broke(#[source] hyper::Error),
}

impl Common {
    /// Serves one connection to its end.
    pub(super) async fn serve(self, stream: TcpStream, place: Place) -> Result<(), Infallible> {
        if let Err(error) = self.serve_fallibly(stream, place).await {
            tracing::debug!(error = %crate::error::chain(&error), "a connection was given up");
        }
        Ok(())
    }

    async fn serve_fallibly(self, stream: TcpStream, place: Place) -> Result<(), Unusable> {
        let limit = Duration::from_secs(self.config.handshake_seconds.get());
        let Some(tls) = self.tls.clone() else {
            return self.greeted(stream, place, limit).await;
        };
        let begun = Instant::now();
        let encrypted = tokio::select! {
            accepted = tokio::time::timeout(limit, tls.accept(stream)) => match accepted {
                Ok(accepted) => accepted.map_err(Unusable::Tls)?,
                Err(_) => return Err(Unusable::Slow(limit)),
            },
            () = place.needed() => return Err(Unusable::Cut(Cut::Needed)),
            () = self.closing.stopped() => return Ok(()),
        };
        let left = limit.saturating_sub(begun.elapsed());
        self.greeted(encrypted, place, left).await
    }

    /// Waits for the preface, and serves.
    async fn greeted<S>(self, mut stream: S, place: Place, limit: Duration) -> Result<(), Unusable>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let preface = tokio::select! {
            read = tokio::time::timeout(limit, preface(&mut stream)) => match read {
                Ok(read) => read.map_err(Unusable::Protocol)?,
                Err(_) => return Err(Unusable::Slow(limit)),
            },
            () = place.needed() => return Err(Unusable::Cut(Cut::Needed)),
            () = self.closing.stopped() => return Ok(()),
        };
        self.speak(stream, preface, place).await
    }

    /// Serves what speaks HTTP/2.
    fn speak<S>(self, stream: S, preface: Vec<u8>, place: Place) -> BoxFuture<'static, Result<(), Unusable>>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (read, write) = tokio::io::split(stream);
        let stream = tokio::io::join(Cursor::new(preface).chain(read), write);
        let end = self.stopper.child();
        let stall = Duration::from_secs(self.config.stall_seconds.get());
        let limit = Duration::from_secs(self.config.request_timeout_seconds.get());
        let service = Bounded::new(self.routes.clone(), self.memory.clone(), stall);
        let service = self
            .observe
            .of_connection(end.clone())
            .layer(Deadline::new(service, limit));
        let service = Counted::new(service, &place);
        let service =
            service_fn(move |request: Request<Incoming>| service.clone().call(request.map(Body::new)));
        let connection = self.builder().serve_connection(TokioIo::new(stream), service);
        let ended = drive(connection, place, self.limits(), self.closing.clone(), end);
        Box::pin(async move { ended.await.map_err(Unusable::Cut)?.map_err(Unusable::Broke) })
    }

    fn builder(&self) -> http2::Builder<TokioExecutor> {
        let keepalive = Duration::from_secs(self.config.keepalive_seconds.get());
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.config.concurrency_per_connection.get())
            .initial_stream_window_size(CALL_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(METADATA)
            .max_pending_accept_reset_streams(TAKEN_BACK)
            .max_local_error_reset_streams(BROKEN)
            .max_send_buf_size(ANSWER_BUFFER)
            .keep_alive_interval(keepalive)
            .keep_alive_timeout(KEEPALIVE_ANSWER.min(keepalive));
        builder
    }

    /// Connections of one caller should not all become old at once.
    fn limits(&self) -> Limits {
        let seconds = Duration::from_secs;
        let jitter = 0.9 + 0.2 * rand::random::<f64>();
        Limits {
            idle: seconds(self.config.idle_seconds.get()),
            stall: seconds(self.config.stall_seconds.get()),
            age: Some((
                seconds(self.config.age_seconds.get()).mul_f64(jitter),
                seconds(self.config.age_grace_seconds.get()),
            )),
        }
    }
}

/// Reads the preface, or as much as shows that it is none.
async fn preface<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Vec<u8>> {
    let mut read = Vec::with_capacity(PREFACE.len());
    while read.len() < PREFACE.len() {
        let mut piece = [0; PREFACE.len()];
        let room = PREFACE.len() - read.len();
        let count = stream.read(&mut piece[..room]).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        read.extend_from_slice(&piece[..count]);
        if !PREFACE.starts_with(&read) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "not the preface of HTTP/2",
            ));
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_no_preface_shows_with_its_first_wrong_byte() {
        let (mut ours, theirs) = tokio::io::duplex(64);
        tokio::io::AsyncWriteExt::write_all(&mut ours, b"PRY")
            .await
            .unwrap();
        let mut stream = theirs;
        let error = preface(&mut stream).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        drop(ours);
        let (mut ours, mut stream) = tokio::io::duplex(64);
        tokio::io::AsyncWriteExt::write_all(&mut ours, PREFACE)
            .await
            .unwrap();
        assert_eq!(preface(&mut stream).await.unwrap(), PREFACE);
    }
}
