//! Takes pages from the bus, decides them, and acknowledges them when their decisions are stored.

use std::sync::Arc;
use std::time::Duration;

use bus::{Consumer, Delivery, Received};
use contracts::bus::v1::Page;
use service::drain::Stopper;
use service::error::chain;
use service::telemetry::{TraceContext, set_parent};
use tokio::sync::Notify;
use tracing::Instrument;

use crate::cancel;
use crate::decide::{Batch, Decider};
use crate::error::Error;
use crate::plan;

/// A page unpacked is at most so large; the fetcher divides earlier.
const LARGEST: usize = 8 << 20;
/// Before a page is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Decides pages until it is told to stop.
pub async fn run(
    mut consumer: Consumer,
    decider: Decider,
    wake: Arc<Notify>,
    stopper: Stopper,
) -> Result<(), std::convert::Infallible> {
    while let Some(received) = stopper.until(Box::pin(consumer.next())).await {
        match received {
            Received::Message(delivery) => take(&decider, delivery).await,
            Received::Exhausted(delivery) => give_up(&decider, delivery).await,
        }
        wake.notify_one();
    }
    consumer.close().await;
    Ok(())
}

async fn take(decider: &Decider, delivery: Delivery) {
    let span = tracing::info_span!("page.decide", run.id = delivery.headers.run_id);
    if let Some(parent) = delivery
        .headers
        .traceparent
        .as_deref()
        .and_then(TraceContext::parse)
    {
        set_parent(&span, &parent);
    }
    let decided = async {
        let page: Page = delivery
            .decode_packed(LARGEST)
            .map_err(|error| Error::Page(chain(&error).to_string()))?;
        let batch = Batch::new(page)?;
        decider.decide(&batch).await
    };
    let told = match delivery.keep_while(decided.instrument(span)).await {
        Ok(()) => delivery.ack().await,
        Err(error) if error.is_retryable() => {
            tracing::warn!(error = %chain(&error), "a page waits for another try");
            delivery.nak(AGAIN).await
        }
        Err(error) => {
            let why = chain(&error).to_string();
            fail_run(decider, &delivery, &why).await;
            delivery.term(&why).await
        }
    };
    if let Err(error) = told {
        // The page comes again, and changes nothing the second time.
        tracing::debug!(error = %chain(&error), "the broker was not told of a page");
    }
}

async fn give_up(decider: &Decider, delivery: Delivery) {
    let why = "a page of the run was delivered too often and never decided";
    fail_run(decider, &delivery, why).await;
    if let Err(error) = delivery.term(why).await {
        tracing::debug!(error = %chain(&error), "the broker was not told of a page");
    }
}

async fn fail_run(decider: &Decider, delivery: &Delivery, why: &str) {
    let Some(run) = delivery.headers.run_id.as_deref().and_then(|id| id.parse().ok()) else {
        return;
    };
    let failed = async {
        match plan::work(&decider.store, run).await? {
            Some(work) => cancel::fail(&decider.store, &work, why, &decider.clock).await,
            None => Ok(()),
        }
    };
    if let Err(error) = failed.await {
        tracing::error!(run.id = %run, error = %chain(&error), "a run could not be failed");
    }
}
