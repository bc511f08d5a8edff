//! Consuming: a durable queue that is shared by all copies of a service.

use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::AckKind;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use async_nats::jetstream::stream::ConsumerError as RefusedError;
use futures::{FutureExt, StreamExt};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::backoff;
use crate::connect::Bus;
use crate::consumers::ConsumerSpec;
use crate::delivery::Delivery;
use crate::headers::Headers;
use crate::metrics::{AGAIN, CONSUMER, STATE, SUBJECT, instruments, label};
use crate::subjects::kind_of;

/// A request for a message waits so long at the broker before it is renewed; one that got lost is missed after it.
const PULL_EXPIRES: Duration = Duration::from_secs(5);
/// When a request must have been answered. The client gives up waiting later than this.
const SILENCE_LIMIT: Duration = Duration::from_secs(8);
const RETRY_BASE: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// Why a consumer could not be set up or asked.
#[derive(Debug, thiserror::Error)]
pub enum ConsumerError {
    /// The broker refused it or did not answer.
    #[error("cannot set up the consumer {durable}")]
    Create {
        /// Which.
        durable: &'static str,
        /// Why.
        #[source]
        source: RefusedError,
    },
    /// Its state could not be had.
    #[error("cannot ask for the state of the consumer {durable}")]
    Info {
        /// Which.
        durable: &'static str,
        /// Why.
        #[source]
        source: RefusedError,
    },
}

/// What a consumer got.
#[derive(Debug)]
pub enum Received {
    /// A message to handle.
    Message(Delivery),
    /// A message that was delivered too often and never acknowledged. Logged and counted already; handling it again may
    /// fail again. Say what its loss means (fail its run), then [`Delivery::term`] it.
    Exhausted(Delivery),
}

/// How far behind a consumer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Not delivered yet.
    pub pending: u64,
    /// Delivered, not acknowledged.
    pub in_flight: u64,
}

/// One copy's share of a durable queue.
pub struct Consumer {
    bus: Bus,
    spec: ConsumerSpec,
    connections: watch::Receiver<u64>,
    queue: Option<PullConsumer>,
    /// A request for one message. Never more than one: a message that waits here for its turn would grow old, come to
    /// another copy again, and so use up its deliveries while nobody handles it.
    request: Option<pull::Batch>,
    asked_at: Instant,
    failures: u32,
}

/// A broker answers a request at its end at the latest; one that does not know the queue answers nothing.
#[derive(Debug, thiserror::Error)]
#[error("the broker did not answer")]
struct Silent;

impl Bus {
    /// Joins the queue `spec`, which is made if it is not there yet.
    pub async fn consume(&self, spec: ConsumerSpec) -> Result<Consumer, ConsumerError> {
        let queue = self.queue(&spec).await?;
        // So that the first one given up is seen as a rise.
        instruments()
            .exhausted
            .add(0, &[label(SUBJECT, kind_of(spec.filter))]);
        let mut connections = self.connections.clone();
        connections.mark_unchanged();
        Ok(Consumer {
            bus: self.clone(),
            spec,
            connections,
            queue: Some(queue),
            request: None,
            asked_at: Instant::now(),
            failures: 0,
        })
    }

    /// How far behind the queue `spec` is, also put into the metric `rollcall.bus.lag`.
    pub async fn lag(&self, spec: &ConsumerSpec) -> Result<Lag, ConsumerError> {
        let consumer: Result<PullConsumer, _> = self
            .jetstream
            .get_consumer_from_stream(spec.durable, spec.stream)
            .await;
        let info = match consumer {
            Ok(consumer) => consumer.cached_info().clone(),
            Err(source) => {
                return Err(ConsumerError::Info {
                    durable: spec.durable,
                    source,
                });
            }
        };
        let lag = Lag {
            pending: info.num_pending,
            in_flight: u64::try_from(info.num_ack_pending).unwrap_or(u64::MAX),
        };
        for (state, level) in [("pending", lag.pending), ("in_flight", lag.in_flight)] {
            instruments()
                .lag
                .record(level, &[label(CONSUMER, spec.durable), label(STATE, state)]);
        }
        Ok(lag)
    }

    async fn queue(&self, spec: &ConsumerSpec) -> Result<PullConsumer, ConsumerError> {
        let queue = self
            .jetstream
            .create_consumer_on_stream(config(spec), spec.stream)
            .await;
        queue.map_err(|source| ConsumerError::Create {
            durable: spec.durable,
            source,
        })
    }
}

impl Consumer {
    /// Waits for the next message, across lost connections, restarts and deleted queues.
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Received {
        loop {
            let Some(request) = &mut self.request else {
                self.ask().await;
                continue;
            };
            let answer = tokio::select! {
                // A message that has arrived goes before the news that the connection is another one.
                biased;
                answer = request.next() => answer,
                Ok(()) = self.connections.changed() => {
                    self.request = None;
                    // The broker may have lost the queue while it was away.
                    self.queue = None;
                    continue;
                }
            };
            self.request = None;
            match answer {
                Some(Ok(message)) => {
                    self.failures = 0;
                    return self.receive(message);
                }
                Some(Err(error)) => self.interrupted(&*error),
                None if self.asked_at.elapsed() > SILENCE_LIMIT => self.interrupted(&Silent),
                // The request has run out, as it should: there was nothing.
                None => self.failures = 0,
            }
        }
    }

    /// Leaves the queue: gives back a message that arrived unasked meanwhile, so that others need not wait for it, and returns
    /// when the broker has heard of all that was acknowledged.
    pub async fn close(mut self) {
        // Away, it hears of nothing, and gives to others what it does not hear of.
        if !self.bus.is_connected() {
            return;
        }
        if let Some(mut request) = self.request.take() {
            // The answer to it comes after everything that is on its way.
            self.bus.flush().await;
            while let Some(Some(Ok(message))) = request.next().now_or_never() {
                if let Err(error) = message.ack_with(AckKind::Nak(None)).await {
                    tracing::warn!(consumer = self.spec.durable, %error, "could not give back a message");
                }
            }
        }
        self.bus.flush().await;
    }

    /// Asks the broker for a message, having made sure of the queue.
    async fn ask(&mut self) {
        if self.failures > 0 {
            tokio::time::sleep(backoff::delay(self.failures, RETRY_BASE, RETRY_MAX)).await;
        }
        let asked = match &self.queue {
            Some(queue) => Self::request(queue).await,
            None => match self.bus.queue(&self.spec).await {
                Ok(queue) => {
                    self.queue = Some(queue);
                    return;
                }
                Err(error) => {
                    self.interrupted(&error);
                    return self.bus.restore_streams().await;
                }
            },
        };
        match asked {
            Ok(request) => {
                self.asked_at = Instant::now();
                self.request = Some(request);
            }
            Err(error) => self.interrupted(&error),
        }
    }

    async fn request(queue: &PullConsumer) -> Result<pull::Batch, pull::BatchError> {
        queue
            .batch()
            .max_messages(1)
            .expires(PULL_EXPIRES)
            .messages()
            .await
    }

    fn interrupted(&mut self, error: &(dyn std::error::Error + 'static)) {
        tracing::warn!(
            consumer = self.spec.durable,
            error,
            "consuming was interrupted; trying again"
        );
        self.failures = self.failures.saturating_add(1);
        // It may be gone: a broker can lose its disk, an operator can delete it.
        self.queue = None;
    }

    fn receive(&self, message: jetstream::Message) -> Received {
        let (headers, message_id) = Headers::read(message.headers.as_ref());
        let delivery = Delivery {
            payload: message.payload.clone(),
            headers,
            message_id: message_id.unwrap_or_default(),
            subject: message.subject.to_string(),
            // A message without it is none of a stream; there is no such on a pull's inbox.
            deliveries: message.info().map_or(1, |info| info.delivered),
            message,
            ack_wait: self.spec.ack_wait,
        };
        let kind = label(SUBJECT, kind_of(&delivery.subject));
        let again = if delivery.deliveries > 1 { "true" } else { "false" };
        instruments()
            .received
            .add(1, &[kind.clone(), label(AGAIN, again)]);
        if delivery.deliveries <= self.spec.max_deliver {
            return Received::Message(delivery);
        }
        instruments().exhausted.add(1, &[kind]);
        tracing::error!(
            consumer = self.spec.durable,
            subject = delivery.subject,
            message_id = delivery.message_id,
            deliveries = delivery.deliveries,
            run.id = delivery.headers.run_id,
            "message exhausted: delivered too often and never acknowledged"
        );
        Received::Exhausted(delivery)
    }
}

fn config(spec: &ConsumerSpec) -> pull::Config {
    pull::Config {
        durable_name: Some(spec.durable.to_owned()),
        filter_subject: spec.filter.to_owned(),
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::Explicit,
        ack_wait: spec.ack_wait,
        // The broker would go silent about a message after so many; we would rather be told and say so.
        max_deliver: -1,
        max_ack_pending: spec.max_ack_pending,
        ..pull::Config::default()
    }
}
