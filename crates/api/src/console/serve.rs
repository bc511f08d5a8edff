//! The console's HTTP/1 server, with a limit on everything.

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use service::listen::{self, Counted, Limits, Place, Places, drive};
use tokio::net::{TcpListener, TcpStream};

use crate::app::App;

/// For the head of a request to arrive, and for the next one on an idle connection.
const HEAD_LIMIT: Duration = Duration::from_secs(15);
/// Bytes of a request's head at most.
const LARGEST_HEAD: usize = 32 * 1024;
/// Headers in it at most.
const MOST_HEADERS: usize = 64;
/// Longer than for a head: the last answer's end may still be on its way. A large file may be read slowly, but not left.
const LIMITS: Limits = Limits {
    idle: Duration::from_secs(60),
    stall: Duration::from_secs(60),
    age: None,
};

/// Serves until the stop.
pub async fn serve(
    app: App,
    listener: TcpListener,
    router: Router,
    connections: NonZeroUsize,
) -> Result<(), Infallible> {
    let places = Places::new("console.connections", connections.get());
    while let Some((stream, place)) = listen::accept(&listener, &places, &app.stopper).await {
        let one = connection(app.clone(), stream, router.clone(), place);
        app.tasks.spawn("console-connection", one);
    }
    Ok(())
}

async fn connection(app: App, stream: TcpStream, router: Router, place: Place) -> Result<(), Infallible> {
    let service = TowerToHyperService::new(Counted::new(router, &place));
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_buf_size(LARGEST_HEAD)
        .max_headers(MOST_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    match drive(serving, place, LIMITS, app.stopper.clone(), app.stopper).await {
        Ok(Ok(())) => (),
        Ok(Err(error)) => {
            tracing::debug!(error = %service::error::chain(&error), "a browser's connection broke");
        }
        Err(cut) => tracing::debug!("a browser's connection was cut: {cut}"),
    }
    Ok(())
}
