//! Publishing: done when the broker has stored the message.

use std::error::Error;
use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{PublishError as RefusedError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::backoff;
use crate::connect::Bus;
use crate::headers::Headers;
use crate::metrics::{REASON, SUBJECT, instruments, label};
use crate::publisher::Hindrance;
use crate::subjects::Subject;

/// For so long a publish is repeated while the broker does not answer. Well within the duplicate window.
const UNAVAILABLE_LIMIT: Duration = Duration::from_secs(2 * 60);
/// For so long a publish waits for room in a full stream.
const FULL_LIMIT: Duration = Duration::from_secs(30 * 60);
const RETRY_BASE: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(2);

/// Why a message is not stored.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The broker takes no message of this size.
    #[error(
        "a message of {size} bytes on {subject} is over the broker's limit of {limit}; send it in smaller parts, or raise \
         max_payload in the NATS configuration"
    )]
    TooLarge {
        /// The subject.
        subject: String,
        /// Payload and headers.
        size: usize,
        /// The broker's `max_payload`.
        limit: usize,
    },
    /// Nobody took messages out of the full stream for too long.
    #[error("the stream of {subject} stayed full for {waited_seconds} s; is its consumer running?")]
    Full {
        /// The subject.
        subject: String,
        /// How long it was tried.
        waited_seconds: u64,
        /// The last answer.
        #[source]
        source: RefusedError,
    },
    /// The broker did not answer for too long. The message may be stored all the same.
    #[error("the broker stored no message on {subject} within {waited_seconds} s")]
    Unavailable {
        /// The subject.
        subject: String,
        /// How long it was tried.
        waited_seconds: u64,
        /// The last failure.
        #[source]
        source: RefusedError,
    },
    /// Publishing was broken off, by a panic or the runtime's end.
    #[error("publishing was broken off")]
    BrokenOff(#[source] tokio::task::JoinError),
}

/// Why an attempt failed, as far as it matters for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The stream is full: its consumers are behind.
    Full,
    /// The broker does not answer.
    Unavailable,
}

impl Bus {
    /// Publishes `payload` on `subject` and waits until the broker has stored it.
    ///
    /// `message_id` names the message for ever: a repeat under it within five minutes is dropped by the broker, so that
    /// trying again is safe, here and by the caller. A full stream makes it wait, with backoff; so does a broker that is
    /// away, for two minutes.
    pub async fn publish(
        &self,
        subject: &Subject,
        message_id: &str,
        headers: &Headers,
        payload: Bytes,
    ) -> Result<(), PublishError> {
        self.publish_noting(subject, message_id, headers, payload, &Hindrance::default())
            .await
    }

    /// The same, and notes what is in the way.
    pub(crate) async fn publish_noting(
        &self,
        subject: &Subject,
        message_id: &str,
        headers: &Headers,
        payload: Bytes,
        hindrance: &Hindrance,
    ) -> Result<(), PublishError> {
        self.check_size(subject, headers.wire_size(message_id) + payload.len())?;
        let message = PublishMessage::build()
            .headers(headers.to_map(message_id))
            .payload(payload);
        let mut connections = self.connections.clone();
        let begun = Instant::now();
        let mut attempt = 0;
        loop {
            self.wait_for_connection(&mut connections, begun).await;
            // Boxed: the client's future is of many kilobytes, in every future that publishes.
            let attempted = Box::pin(self.try_publish(subject, message.clone(), &mut connections)).await;
            let Err(error) = attempted else {
                instruments().published.add(1, &[label(SUBJECT, subject.kind())]);
                return Ok(());
            };
            let obstacle = obstacle(&error);
            if begun.elapsed() >= obstacle.limit() {
                return Err(obstacle.give_up(subject, begun.elapsed(), error));
            }
            hindrance.note(obstacle);
            note_retry(subject, obstacle, attempt, &error);
            if error.kind() == PublishErrorKind::StreamNotFound {
                self.restore_streams().await;
            }
            tokio::time::sleep(backoff::delay(attempt, RETRY_BASE, RETRY_MAX)).await;
            attempt += 1;
        }
    }

    /// The largest payload, in bytes, that the broker takes with `headers` under `message_id`.
    pub fn max_payload(&self, message_id: &str, headers: &Headers) -> usize {
        self.client
            .max_payload()
            .saturating_sub(headers.wire_size(message_id))
    }

    fn check_size(&self, subject: &Subject, size: usize) -> Result<(), PublishError> {
        let limit = self.client.max_payload();
        if size <= limit {
            return Ok(());
        }
        Err(PublishError::TooLarge {
            subject: subject.to_string(),
            size,
            limit,
        })
    }

    /// Waits while the broker is away. The client would take the message all the same and keep it in memory, once for
    /// every attempt.
    async fn wait_for_connection(&self, connections: &mut watch::Receiver<u64>, begun: Instant) {
        connections.mark_unchanged();
        while !self.is_connected() && begun.elapsed() < UNAVAILABLE_LIMIT {
            // The limit: a connection may be announced before it shows in the client's state.
            if let Ok(Err(_closed)) = tokio::time::timeout(RETRY_MAX, connections.changed()).await {
                return;
            }
        }
    }

    async fn try_publish(
        &self,
        subject: &Subject,
        message: PublishMessage,
        connections: &mut watch::Receiver<u64>,
    ) -> Result<(), RefusedError> {
        let stored = async {
            self.jetstream
                .send_publish(subject.as_str().to_owned(), message)
                .await?
                .await
        };
        tokio::select! {
            biased;
            stored = stored => stored.map(drop),
            // The answer was lost with the old connection; the repeat is dropped if the message was stored.
            Ok(()) = connections.changed() => Err(RefusedError::new(PublishErrorKind::BrokenPipe)),
        }
    }
}

impl Obstacle {
    const fn limit(self) -> Duration {
        match self {
            Self::Full => FULL_LIMIT,
            Self::Unavailable => UNAVAILABLE_LIMIT,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Unavailable => "unavailable",
        }
    }

    fn give_up(self, subject: &Subject, waited: Duration, source: RefusedError) -> PublishError {
        let (subject, waited_seconds) = (subject.to_string(), waited.as_secs());
        match self {
            Self::Full => PublishError::Full {
                subject,
                waited_seconds,
                source,
            },
            Self::Unavailable => PublishError::Unavailable {
                subject,
                waited_seconds,
                source,
            },
        }
    }
}

/// "maximum bytes exceeded" and its like come as a failure to store; everything else may pass by itself.
fn obstacle(error: &RefusedError) -> Obstacle {
    let answer = (error.kind() == PublishErrorKind::Other)
        .then(|| error.source()?.downcast_ref::<async_nats::jetstream::Error>())
        .flatten();
    match answer {
        Some(answer) if answer.error_code() == ErrorCode::STREAM_STORE_FAILED => Obstacle::Full,
        _ => Obstacle::Unavailable,
    }
}

fn note_retry(subject: &Subject, obstacle: Obstacle, attempt: u32, error: &RefusedError) {
    instruments().publish_retries.add(
        1,
        &[label(SUBJECT, subject.kind()), label(REASON, obstacle.name())],
    );
    // Back-pressure is normal, and a short absence too: say so once in a while.
    if attempt.is_multiple_of(16) {
        tracing::warn!(%subject, attempt, %error, "publishing has to wait: {}", obstacle.name());
    }
}
