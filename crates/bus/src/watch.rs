//! Watching: what is published from now on, seen by everyone who watches.

use bytes::Bytes;
use futures::StreamExt;
use prost::Message;

use crate::connect::{ANSWER_LIMIT, Bus};
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
    /// The broker could not be asked whether it has the subscription.
    #[error("cannot ask the broker to confirm the watch on {subject}")]
    Ask {
        /// What was to be watched.
        subject: String,
        /// Why.
        #[source]
        source: async_nats::PublishError,
    },
    /// The broker did not confirm it in time.
    #[error("the broker does not confirm the watch on {subject}")]
    Unconfirmed {
        /// What was to be watched.
        subject: String,
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
        let subscriber = self.subscribe(subject, subject.as_str().to_owned()).await?;
        // A message to ourselves on the same connection: the broker has read the subscription before it.
        let inbox = self.client.new_inbox();
        let mut echo = self.subscribe(subject, inbox.clone()).await?;
        let asked = self.client.publish(inbox, Bytes::new()).await;
        asked.map_err(|source| WatchError::Ask {
            subject: subject.to_string(),
            source,
        })?;
        let confirmed = tokio::time::timeout(ANSWER_LIMIT, echo.next()).await;
        if !matches!(confirmed, Ok(Some(_))) {
            return Err(WatchError::Unconfirmed {
                subject: subject.to_string(),
            });
        }
        Ok(Watch(subscriber))
    }

    async fn subscribe(&self, watched: &Subject, to: String) -> Result<async_nats::Subscriber, WatchError> {
        let subscriber = self.client.subscribe(to).await;
        subscriber.map_err(|source| WatchError::Subscribe {
            subject: watched.to_string(),
            source,
        })
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
