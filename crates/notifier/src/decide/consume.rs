//! Events as the bus brings them.

use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, Consumer, Delivery, Received};
use contracts::bus::v1::RunFinished;
use domain::id::{EventId, OrganizationId, RunId};
use service::drain::Stopper;
use service::error::chain;
use service::retry::Backoff;
use tokio::sync::Notify;
use uuid::Uuid;

use super::{Event, Teller};
use crate::wake_up::wake_up;

/// The waits before an event that could not be told comes again.
const AGAIN: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));

/// Tells of the ends of runs.
#[derive(Debug)]
pub struct Decider {
    /// What does it.
    pub teller: Teller,
    /// Where the bell's watchers are woken.
    pub bus: Bus,
    /// Woken when there is something to deliver.
    pub due: Arc<Notify>,
}

impl Decider {
    /// Takes events from the queue until the stop.
    pub async fn run(self, mut finished: Consumer, stopper: Stopper) -> anyhow::Result<()> {
        while let Some(received) = stopper.until(Box::pin(finished.next())).await {
            let settled = match received {
                Received::Message(message) => self.handle(message).await,
                Received::Exhausted(message) => {
                    message
                        .term("its telling failed too often; the sweep goes on trying")
                        .await
                }
            };
            if let Err(error) = settled {
                tracing::warn!(error = %chain(&error), "an event will come again");
            }
        }
        finished.close().await;
        self.bus.flush().await;
        Ok(())
    }

    async fn handle(&self, message: Delivery) -> Result<(), bus::AckError> {
        let event = match read(&message) {
            Ok(event) => event,
            Err(problem) => return message.term(&problem).await,
        };
        match message.keep_while(self.teller.tell(&event)).await {
            Ok(told) => {
                if told.deliveries > 0 {
                    self.due.notify_one();
                }
                message
                    .keep_while(wake_up(&self.bus, event.organization, &told.notices))
                    .await;
                message.ack().await
            }
            Err(error) => {
                tracing::warn!(run.id = %event.run, error = %chain(&error), "could not tell of a run; trying again");
                let tries = u32::try_from(message.deliveries.saturating_sub(1)).unwrap_or(u32::MAX);
                message.nak(AGAIN.delay(tries, rand::random())).await
            }
        }
    }
}

/// Takes the changes of the register. Nobody is told of one by itself: what a run changed is told with its end, and whoever
/// resolves a review or imports a file has the answer.
pub async fn take_changes(mut changed: Consumer, stopper: Stopper) -> anyhow::Result<()> {
    while let Some(received) = stopper.until(Box::pin(changed.next())).await {
        let (Received::Message(message) | Received::Exhausted(message)) = received;
        if let Err(error) = message.ack().await {
            tracing::warn!(error = %chain(&error), "a change of the register will come again");
        }
    }
    changed.close().await;
    Ok(())
}

fn read(message: &Delivery) -> Result<Event, String> {
    let finished: RunFinished = message.decode().map_err(|error| chain(&error).to_string())?;
    let id = |name: &str, bytes: &[u8]| Uuid::from_slice(bytes).map_err(|error| format!("{name}: {error}"));
    Ok(Event {
        id: EventId(id("event_id", &finished.event_id)?),
        organization: OrganizationId(id("organization_id", &finished.organization_id)?),
        run: RunId(id("run_id", &finished.run_id)?),
        traceparent: message.headers.traceparent.clone(),
    })
}
