//! Publishes the outbox. An event is marked when the broker has it; one that is published twice carries the same id.

use std::sync::Arc;
use std::time::Duration;

use bus::subjects::{self, Subject};
use bus::{Bus, Headers};
use service::drain::Stopper;
use service::error::chain;
use store::Store;
use store::outbox::{self, Event};
use tokio::sync::Notify;

use crate::metrics::{Metrics, SUBJECT};

/// Events published in one transaction.
const MOST: i64 = 64;

/// Publishes events.
pub struct Relay {
    /// The database.
    pub store: Store,
    /// The bus.
    pub bus: Bus,
    /// The time.
    pub clock: service::Clock,
    /// What is counted.
    pub metrics: Metrics,
    /// Wakes it.
    pub wake: Arc<Notify>,
    /// Between two looks.
    pub every: Duration,
}

/// An event that could not be published now.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Store(#[from] store::StoreError),
    #[error(transparent)]
    Publish(#[from] bus::PublishError),
    #[error("the outbox holds an event with the unknown subject {0}")]
    Subject(String),
}

impl Relay {
    /// Publishes until it is told to stop.
    pub async fn run(self, stopper: Stopper) -> Result<(), std::convert::Infallible> {
        while !stopper.is_stopped() {
            match stopper.until(Box::pin(self.round())).await {
                Some(Ok(0)) | None => {
                    stopper
                        .until(tokio::time::timeout(self.every, self.wake.notified()))
                        .await;
                }
                Some(Ok(_)) => (),
                Some(Err(error)) => {
                    tracing::warn!(error = %chain(&error), "events wait for another try");
                    stopper.until(tokio::time::sleep(self.every)).await;
                }
            }
        }
        Ok(())
    }

    async fn round(&self) -> Result<usize, Error> {
        let mut tx = self.store.begin("relay").await?;
        let events = outbox::take_due(tx.connection(), MOST).await?;
        if events.is_empty() {
            return Ok(0);
        }
        for event in &events {
            let headers = Headers {
                traceparent: event.traceparent.clone(),
                run_id: event.run.map(|run| run.to_string()),
            };
            let subject = subject(event)?;
            self.bus
                .publish(
                    &subject,
                    &event.id.to_string(),
                    &headers,
                    event.payload.clone().into(),
                )
                .await?;
            self.metrics.events.add(1, &[(SUBJECT, subject.kind())]);
        }
        let ids: Vec<_> = events.iter().map(|event| event.id.0).collect();
        outbox::set_published(tx.connection(), &ids, self.clock.now()).await?;
        tx.commit().await?;
        Ok(events.len())
    }
}

fn subject(event: &Event) -> Result<Subject, Error> {
    [
        subjects::run_finished(event.organization),
        subjects::register_changed(event.organization),
    ]
    .into_iter()
    .find(|subject| subject.as_str() == event.subject)
    .ok_or_else(|| Error::Subject(event.subject.clone()))
}
