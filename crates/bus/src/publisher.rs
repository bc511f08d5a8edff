//! Publishing with several messages in flight.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use bytes::Bytes;
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::connect::Bus;
use crate::headers::Headers;
use crate::publish::{Obstacle, PublishError};
use crate::subjects::Subject;

/// Publishes without waiting for each acknowledgement, but never with more than a window of them outstanding.
///
/// Messages may be stored in another order than published. Dropping it abandons what is in flight, so [`flush`] first.
///
/// [`flush`]: Publisher::flush
#[derive(Debug)]
pub struct Publisher {
    bus: Bus,
    window: NonZeroUsize,
    in_flight: JoinSet<(u64, Result<(), PublishError>)>,
    next: u64,
    /// The failure of the earliest message that failed.
    failure: Option<(u64, PublishError)>,
    hindrance: Hindrance,
}

/// What keeps a publisher's messages from being stored, for whoever wants to tell. Clones show the same.
#[derive(Clone, Debug, Default)]
pub struct Hindrance(Arc<AtomicU8>);

impl Hindrance {
    const NONE: u8 = 0;
    const FULL: u8 = 1;
    const UNAVAILABLE: u8 = 2;

    pub(crate) fn note(&self, obstacle: Obstacle) {
        let number = match obstacle {
            Obstacle::Full => Self::FULL,
            Obstacle::Unavailable => Self::UNAVAILABLE,
        };
        self.0.store(number, Ordering::Relaxed);
    }

    /// Forgets what was in the way.
    pub fn clear(&self) {
        self.0.store(Self::NONE, Ordering::Relaxed);
    }

    /// What was in the way since it was cleared: a full stream, whose consumers are behind, or a broker that does not answer.
    /// Neither: the broker takes its time.
    pub fn obstacle(&self) -> Option<Obstacle> {
        match self.0.load(Ordering::Relaxed) {
            Self::FULL => Some(Obstacle::Full),
            Self::UNAVAILABLE => Some(Obstacle::Unavailable),
            _ => None,
        }
    }
}

impl Publisher {
    /// In flight by default: enough to hide the broker's latency, few enough to keep memory small.
    pub const WINDOW: NonZeroUsize = NonZeroUsize::new(8).expect("8 is not 0");

    /// A publisher with at most `window` messages in flight.
    pub fn new(bus: Bus, window: NonZeroUsize) -> Self {
        Self {
            bus,
            window,
            in_flight: JoinSet::new(),
            next: 0,
            failure: None,
            hindrance: Hindrance::default(),
        }
    }

    /// What is in the way of its messages.
    pub fn hindrance(&self) -> Hindrance {
        self.hindrance.clone()
    }

    /// Publishes as [`Bus::publish`] does, but returns as soon as there is room in the window.
    ///
    /// # Errors
    /// The first failure, in the order of publishing, of this or an earlier message; `self` is then empty again.
    pub async fn publish(
        &mut self,
        subject: Subject,
        message_id: String,
        headers: Headers,
        payload: Bytes,
    ) -> Result<(), PublishError> {
        while self.in_flight.len() >= self.window.get() {
            self.settle_one().await;
        }
        if self.failure.is_some() {
            return self.flush().await;
        }
        let (bus, number, hindrance) = (self.bus.clone(), self.next, self.hindrance.clone());
        self.next += 1;
        let publish = async move {
            (
                number,
                bus.publish_noting(&subject, &message_id, &headers, payload, &hindrance)
                    .await,
            )
        };
        self.in_flight.spawn(publish.in_current_span());
        Ok(())
    }

    /// Waits until everything published is stored.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub async fn flush(&mut self) -> Result<(), PublishError> {
        while !self.in_flight.is_empty() {
            self.settle_one().await;
        }
        match self.failure.take() {
            Some((_, error)) => Err(error),
            None => Ok(()),
        }
    }

    async fn settle_one(&mut self) {
        let (number, error) = match self.in_flight.join_next().await {
            None | Some(Ok((_, Ok(())))) => return,
            Some(Ok((number, Err(error)))) => (number, error),
            // Which one it was is not known; that it broke comes before anything else.
            Some(Err(error)) => (0, PublishError::BrokenOff(error)),
        };
        if self
            .failure
            .as_ref()
            .is_none_or(|(earliest, _)| number < *earliest)
        {
            self.failure = Some((number, error));
        }
    }
}
