//! Events as they come over the bus, and the wake-up that goes out.

use std::sync::Arc;

use bus::{Headers, consumers, subjects};
use bytes::Bytes;
use contracts::bus::v1::{NoticeWritten, RunFinished};
use prost::Message;
use rollcall_notifier::decide::{Decider, Event, take_changes};
use service::drain::Tasks;
use tokio::sync::Notify;

use crate::world::{DEADLINE, FINISHED, World, organization};

fn finished(event: &Event) -> Bytes {
    let bytes = |id: uuid::Uuid| id.as_bytes().to_vec();
    let message = RunFinished {
        event_id: bytes(event.id.0),
        organization_id: bytes(event.organization.0),
        run_id: bytes(event.run.0),
    };
    Bytes::from(message.encode_to_vec())
}

#[tokio::test]
async fn what_comes_is_told_acknowledged_and_made_known() {
    let world = World::new().await;
    let mut bell = world.bus.watch(&subjects::any_notice()).await.unwrap();
    let tasks = Tasks::new(world.stopper.clone());
    let decider = Decider {
        teller: world.teller(),
        bus: world.bus.clone(),
        due: Arc::new(Notify::new()),
    };
    let queue = world.bus.consume(consumers::NOTIFIER_FINISHED).await.unwrap();
    tasks.spawn("decide", decider.run(queue, world.stopper.clone()));
    let queue = world.bus.consume(consumers::NOTIFIER_CHANGED).await.unwrap();
    tasks.spawn("changes", take_changes(queue, world.stopper.clone()));

    let event = world.end(FINISHED).await;
    let subject = subjects::run_finished(organization());
    // What can't be read is given up, what comes twice is told once, and both don't stand in the way of the next.
    let publish = async |id: &str, payload| {
        world
            .bus
            .publish(&subject, id, &Headers::default(), payload)
            .await
            .unwrap();
    };
    publish("garbage", Bytes::from_static(b"\xff\xff")).await;
    publish("once", finished(&event)).await;
    publish("again", finished(&event)).await;
    let changed = subjects::register_changed(organization());
    world
        .bus
        .publish(&changed, "changed", &Headers::default(), Bytes::new())
        .await
        .unwrap();

    // Other tests ring on the same broker.
    let rings_for_ours = async {
        loop {
            let written: NoticeWritten = bell.next().await.unwrap().decode().unwrap();
            let id = uuid::Uuid::from_slice(&written.notice_id).unwrap();
            if world.sql("SELECT id FROM notice").await == id.to_string() {
                return;
            }
        }
    };
    tokio::time::timeout(DEADLINE, rings_for_ours).await.unwrap();

    for spec in [consumers::NOTIFIER_FINISHED, consumers::NOTIFIER_CHANGED] {
        let all_settled = async {
            while world.bus.lag(&spec).await.unwrap() != bus::Lag::default() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(DEADLINE, all_settled).await.unwrap();
    }
    assert_eq!(world.sql("SELECT count(*) FROM notice").await, "1");
    world.stopper.stop();
}
