//! A message in a consumer's hands, until it says what became of it.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use async_nats::jetstream::AckKind;
use bytes::Bytes;
use prost::Message;

use crate::compress::{CompressionError, decompress};
use crate::headers::Headers;

/// One delivery of a message. Dropped without a word, the message comes again after the consumer's `ack_wait`.
pub struct Delivery {
    /// What was published.
    pub payload: Bytes,
    /// Its context.
    pub headers: Headers,
    /// The id it was published under.
    pub message_id: String,
    /// Its subject.
    pub subject: String,
    /// How often it has been delivered, this time included.
    pub deliveries: i64,
    pub(crate) message: async_nats::jetstream::Message,
    pub(crate) ack_wait: Duration,
}

/// Why the broker was not told. The message then comes again.
#[derive(Debug, thiserror::Error)]
#[error("could not tell the broker what became of a message on {subject}")]
pub struct AckError {
    subject: String,
    #[source]
    source: async_nats::Error,
}

/// Why a payload could not be read. It will not be readable next time either.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// It is packed wrongly.
    #[error("cannot unpack the message")]
    Unpack(#[source] CompressionError),
    /// It is not the message it should be.
    #[error("cannot decode the message")]
    Decode(#[source] prost::DecodeError),
}

// By hand: the payload holds what Entra said of people, which is nobody's business in a log.
impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("subject", &self.subject)
            .field("message_id", &self.message_id)
            .field("deliveries", &self.deliveries)
            .field("payload_bytes", &self.payload.len())
            .finish_non_exhaustive()
    }
}

impl Delivery {
    /// Decodes the payload.
    pub fn decode<M: Message + Default>(&self) -> Result<M, DecodeError> {
        M::decode(self.payload.clone()).map_err(DecodeError::Decode)
    }

    /// Unpacks a payload of at most `limit` bytes unpacked, then decodes it.
    pub fn decode_packed<M: Message + Default>(&self, limit: usize) -> Result<M, DecodeError> {
        let payload = decompress(&self.payload, limit).map_err(DecodeError::Unpack)?;
        M::decode(payload).map_err(DecodeError::Decode)
    }

    /// Done: it need not come again. Not awaited at the broker; if it is lost, the message comes again.
    pub async fn ack(self) -> Result<(), AckError> {
        self.tell(AckKind::Ack).await
    }

    /// Done, and the broker has confirmed it.
    pub async fn double_ack(self) -> Result<(), AckError> {
        let told = self.message.double_ack().await;
        told.map_err(|source| AckError {
            subject: self.subject,
            source,
        })
    }

    /// Not now: it comes again after `delay`.
    pub async fn nak(self, delay: Duration) -> Result<(), AckError> {
        self.tell(AckKind::Nak(Some(delay))).await
    }

    /// Never: it will not come again. Logged with its `reason`, since it is a loss.
    pub async fn term(self, reason: &str) -> Result<(), AckError> {
        tracing::error!(
            subject = self.subject,
            message_id = self.message_id,
            deliveries = self.deliveries,
            run.id = self.headers.run_id,
            reason,
            "message given up"
        );
        self.tell(AckKind::Term).await
    }

    /// Still at it: the broker waits once more before it gives it to another.
    pub async fn in_progress(&self) -> Result<(), AckError> {
        self.tell(AckKind::Progress).await
    }

    /// Runs `work` to its end, reporting progress often enough that the message is not given to another meanwhile.
    pub async fn keep_while<F: Future>(&self, work: F) -> F::Output {
        let every = self.ack_wait / 3;
        let mut work = std::pin::pin!(work);
        loop {
            match tokio::time::timeout(every, &mut work).await {
                Ok(output) => return output,
                Err(_) => {
                    if let Err(error) = self.in_progress().await {
                        tracing::warn!(
                            subject = self.subject,
                            error = &error as &dyn std::error::Error,
                            "no progress report"
                        );
                    }
                }
            }
        }
    }

    async fn tell(&self, what: AckKind) -> Result<(), AckError> {
        let told = self.message.ack_with(what).await;
        told.map_err(|source| AckError {
            subject: self.subject.clone(),
            source,
        })
    }
}
