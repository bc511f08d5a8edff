//! What every listener has: places, and an end for each connection that only takes one up.
//!
//! A listener accepts with [`accept`], serves what comes through [`Counted`], and lets [`drive`] end the connection: when
//! the process stops, when the connection has been idle or a reader has taken nothing for too long, when it has become too
//! old, or when all places are taken and a newcomer needs the one that has been idle the longest.

mod counted;
mod drive;
mod places;

pub use counted::{Counted, CountedBody};
pub use drive::{Cut, Limits, Served, drive};
pub use places::{Place, Places};

use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use crate::drain::Stopper;

/// After a failed accept: most often there are no file descriptors left.
const PAUSE: Duration = Duration::from_millis(200);

/// The next connection with a place for it; `None` at the stop.
pub async fn accept(
    listener: &TcpListener,
    places: &Places,
    stopper: &Stopper,
) -> Option<(TcpStream, Place)> {
    let next = async {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => return (stream, places.take().await),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    };
    let (stream, place) = stopper.until(next).await?;
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a caller has gone already");
    }
    Some((stream, place))
}
