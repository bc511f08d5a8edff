//! Watching: what is published from now on, seen by everyone who watches.

use async_nats::jetstream::context::AccountError;
use bytes::Bytes;
use futures::StreamExt;
use prost::Message;

use crate::connect::Bus;
use crate::headers::Headers;
use crate::subjects::Subject;

/// Why watching could not begin.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The subscription could not be sent.
    #[error("cannot watch {subject}")]
    Subscribe {
        /// What was to be watched.
        subject: String,
        /// Why.
        #[source]
        source: async_nats::SubscribeError,
    },
    /// The broker did not confirm it.
    #[error("the broker does not confirm the watch on {subject}")]
    Confirm {
        /// What was to be watched.
        subject: String,
        /// Why.
        #[source]
        source: AccountError,
    },
}

/// A message that was seen passing.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What was published.
    pub payload: Bytes,
    /// Its context.
    pub headers: Headers,
    /// Its subject.
    pub subject: String,
}

impl Seen {
    /// Decodes the payload.
    pub fn decode<M: Message + Default>(&self) -> Result<M, prost::DecodeError> {
        M::decode(self.payload.clone())
    }
}

/// A live view of a subject. Goes on after a lost connection, without what was published meanwhile.
pub struct Watch(async_nats::Subscriber);

impl Bus {
    /// Begins to watch `subject`, which may be a pattern. What is published after this returns will be seen.
    pub async fn watch(&self, subject: &Subject) -> Result<Watch, WatchError> {
        let subscriber = self.client.subscribe(subject.as_str().to_owned()).await;
        let subscriber = subscriber.map_err(|source| WatchError::Subscribe {
            subject: subject.to_string(),
            source,
        })?;
        // An answer on the same connection shows that the broker has read the subscription before it.
        let confirmed = self.jetstream.query_account().await;
        confirmed.map_err(|source| WatchError::Confirm {
            subject: subject.to_string(),
            source,
        })?;
        Ok(Watch(subscriber))
    }
}

impl Watch {
    /// Waits for the next message; `None` once the bus is closed for good. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Seen> {
        let message = self.0.next().await?;
        let (headers, _) = Headers::read(message.headers.as_ref());
        Some(Seen {
            payload: message.payload,
            headers,
            subject: message.subject.to_string(),
        })
    }
}
