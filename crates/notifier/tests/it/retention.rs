//! What was told long ago is forgotten, but never so that it is told again.

use std::time::Duration;

use rollcall_notifier::retention::{Deleted, Retention};

use crate::world::World;

const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::test]
async fn what_was_told_long_ago_is_forgotten_when_it_can_t_come_again() {
    let world = World::new().await;
    let event = world.due(&["ops@contoso.com"]).await;
    let retention = Retention {
        store: world.store.clone(),
        clock: world.clock.clone(),
        config: world.config.retention,
    };
    world.hand.advance(DAY * 89);
    assert_eq!(retention.once().await.unwrap(), Deleted::default());
    world.hand.advance(DAY * 2);

    // The mail waits to be sent, and the event is in the outbox.
    let deleted = Deleted {
        notices: 1,
        ..Deleted::default()
    };
    assert_eq!(retention.once().await.unwrap(), deleted);
    let again = world.teller().tell(&event).await.unwrap();
    assert_eq!((again.notices.len(), again.deliveries), (0, 0));

    assert_eq!(world.send_all(&world.sender()).await, 1);
    world.sql("DELETE FROM outbox").await;
    let deleted = Deleted {
        events: 1,
        notices: 0,
        deliveries: 1,
    };
    assert_eq!(retention.once().await.unwrap(), deleted);
}
