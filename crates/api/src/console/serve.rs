//! The console's HTTP/1 server, with a limit on everything.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::app::App;

/// Browsers' connections at a time; more wait.
const MOST_CONNECTIONS: usize = 512;
/// For the head of a request to arrive, and for the next one on an idle connection.
const HEAD_LIMIT: Duration = Duration::from_secs(15);
/// Bytes of a request's head at most.
const LARGEST_HEAD: usize = 32 * 1024;
/// Headers in it at most.
const MOST_HEADERS: usize = 64;
/// After a failed accept: most often there are no file descriptors left.
const PAUSE: Duration = Duration::from_millis(200);

/// Serves until the stop.
pub async fn serve(app: App, listener: TcpListener, router: Router) -> Result<(), Infallible> {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let next = async {
            let place = Arc::clone(&places)
                .acquire_owned()
                .await
                .expect("the semaphore is never closed");
            (place, listener.accept().await)
        };
        let Some((place, accepted)) = app.stopper.until(next).await else {
            return Ok(());
        };
        match accepted {
            Ok((stream, _)) => {
                let one = connection(app.clone(), stream, router.clone(), place);
                app.tasks.spawn("console-connection", one);
            }
            Err(error) => {
                tracing::warn!(%error, "a browser's connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn connection(
    app: App,
    stream: TcpStream,
    router: Router,
    _place: OwnedSemaphorePermit,
) -> Result<(), Infallible> {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a browser has gone already");
    }
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_buf_size(LARGEST_HEAD)
        .max_headers(MOST_HEADERS)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = app.stopper.stopped() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = %service::error::chain(&error), "a browser's connection broke");
    }
    Ok(())
}
