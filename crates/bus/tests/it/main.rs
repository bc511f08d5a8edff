//! The bus against a real nats-server.

#![expect(clippy::unwrap_used, reason = "helpers of a test fail it by panicking")]

mod consuming;
mod publishing;
mod restarting;
mod server;
mod watching;

use std::time::Duration;

use bytes::Bytes;
use domain::id::{OrganizationId, RunId};
use rollcall_bus::consumers::ConsumerSpec;
use rollcall_bus::{Bus, Consumer, Delivery, Headers, Received, consumers};
use uuid::Uuid;

/// For what must happen.
const DEADLINE: Duration = Duration::from_secs(30);
/// For what must not.
const QUIET: Duration = Duration::from_millis(300);

fn run() -> RunId {
    RunId(Uuid::from_u128(0xabc))
}

fn organization() -> OrganizationId {
    OrganizationId(Uuid::from_u128(0xdef))
}

/// The reconcilers' pages, redelivered soon.
const PAGES: ConsumerSpec = ConsumerSpec {
    ack_wait: Duration::from_millis(500),
    max_deliver: 2,
    ..consumers::RECONCILER_PAGES
};

async fn publish_page(bus: &Bus, number: u32) {
    let id = format!("page-{number}");
    let subject = rollcall_bus::subjects::page(run());
    bus.publish(
        &subject,
        &id,
        &Headers::default(),
        Bytes::from(format!("{number}")),
    )
    .await
    .unwrap();
}

async fn received(consumer: &mut Consumer) -> Received {
    tokio::time::timeout(DEADLINE, consumer.next())
        .await
        .expect("a message comes in time")
}

async fn message(consumer: &mut Consumer) -> Delivery {
    match received(consumer).await {
        Received::Message(delivery) => delivery,
        Received::Exhausted(delivery) => panic!("exhausted: {delivery:?}"),
    }
}

async fn assert_quiet(consumer: &mut Consumer) {
    let more = tokio::time::timeout(QUIET, consumer.next()).await;
    assert!(more.is_err(), "an unexpected message: {more:?}");
}

/// Waits until the queue of pages holds `pending` undelivered and `in_flight` unacknowledged messages.
async fn wait_for_lag(bus: &Bus, pending: u64, in_flight: u64) {
    let expected = rollcall_bus::Lag { pending, in_flight };
    let reached = async {
        while bus.lag(&PAGES).await.unwrap() != expected {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(DEADLINE, reached).await;
    assert!(
        waited.is_ok(),
        "the lag is {:?}, not {expected:?}",
        bus.lag(&PAGES).await
    );
}
