//! Several copies, and copies that die.

use std::collections::HashSet;
use std::time::Duration;

use chrono::TimeDelta;
use futures::future::join_all;
use local::mail::{Action, Fault, Moment};
use service::drain::Tasks;

use crate::world::{DEADLINE, World};

fn addresses(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("admin{n}@contoso.com")).collect()
}

#[tokio::test]
async fn copies_share_the_work_and_nobody_gets_a_mail_twice() {
    let world = World::new().await;
    let addresses = addresses(60);
    world
        .due(&addresses.iter().map(String::as_str).collect::<Vec<_>>())
        .await;
    let senders = [world.sender(), world.sender(), world.sender()];
    let tries: usize = join_all(senders.iter().map(|sender| world.send_all(sender)))
        .await
        .into_iter()
        .sum();
    assert_eq!(tries, 60);
    let mails = world.mail.messages();
    let to: HashSet<&str> = mails.iter().map(|mail| mail.to[0].as_str()).collect();
    assert_eq!((mails.len(), to.len()), (60, 60));
    assert_eq!(
        world
            .sql("SELECT state, count(*), max(attempts) FROM delivery GROUP BY 1")
            .await,
        "sent|60|1"
    );
}

#[tokio::test]
async fn the_mail_of_a_copy_that_died_is_taken_over_when_its_lease_ends() {
    let world = World::new().await;
    world.due(&["ops@contoso.com"]).await;
    let now = world.clock.now();
    let dead = {
        let mut connection = world.store.connection().await.unwrap();
        let until = now + TimeDelta::seconds(60);
        store::delivery::lease(&mut connection, world.clock.new_id(), now, until, 10)
            .await
            .unwrap()
    };
    assert_eq!(dead.len(), 1);
    let sender = world.sender();
    assert_eq!(world.send_all(&sender).await, 0);
    world.hand.advance(Duration::from_secs(61));
    assert_eq!(world.send_all(&sender).await, 1);
    assert_eq!(world.delivery("ops@contoso.com").await, "sent|2|");
    assert_eq!(
        world
            .sql("SELECT number, coalesce(error, 'accepted') FROM delivery_attempt ORDER BY number")
            .await,
        format!("1|{}\n2|accepted", store::delivery::UNRECORDED)
    );

    // What the dead copy says after all changes nothing.
    let mut connection = world.store.connection().await.unwrap();
    let late = store::delivery::record_failure(&mut connection, &dead[0], "late", None, now)
        .await
        .unwrap();
    assert!(!late);
    assert_eq!(world.delivery("ops@contoso.com").await, "sent|2|");
}

#[tokio::test]
async fn an_accepted_mail_stays_sent_even_when_its_lease_had_gone_to_another() {
    let world = World::new().await;
    world.due(&["ops@contoso.com"]).await;
    let lease = async || {
        let mut connection = world.store.connection().await.unwrap();
        let (now, token) = (world.clock.now(), world.clock.new_id());
        let until = now + TimeDelta::seconds(60);
        store::delivery::lease(&mut connection, token, now, until, 10)
            .await
            .unwrap()
            .remove(0)
    };
    let slow = lease().await;
    world.hand.advance(Duration::from_secs(61));
    let other = lease().await;
    let mut connection = world.store.connection().await.unwrap();
    let now = world.clock.now();
    assert!(
        store::delivery::record_sent(&mut connection, &slow, now)
            .await
            .unwrap()
    );
    assert!(
        !store::delivery::record_failure(&mut connection, &other, "refused", None, now)
            .await
            .unwrap()
    );
    assert_eq!(world.delivery("ops@contoso.com").await, "sent|2|");
}

#[tokio::test]
async fn a_mail_that_kills_its_senders_is_given_up_after_its_tries() {
    let world = World::new().await;
    world.due(&["ops@contoso.com"]).await;
    for _ in 0..3 {
        let mut connection = world.store.connection().await.unwrap();
        let now = world.clock.now();
        let until = now + TimeDelta::seconds(60);
        let taken = store::delivery::lease(&mut connection, world.clock.new_id(), now, until, 10)
            .await
            .unwrap();
        assert_eq!(taken.len(), 1);
        world.hand.advance(Duration::from_secs(61));
    }
    assert_eq!(world.send_all(&world.sender()).await, 1);
    assert_eq!(world.mail.messages().len(), 0);
    assert_eq!(
        world.delivery("ops@contoso.com").await,
        format!("failed|4|{}", store::delivery::UNRECORDED)
    );
}

#[tokio::test]
async fn a_stop_lets_the_mail_under_way_arrive_and_its_record_be_made() {
    let world = World::new().await;
    world.due(&["ops@contoso.com"]).await;
    let slow = Action::Delay { milliseconds: 300 };
    world.mail.add_fault(Fault::once(Moment::Accepted, slow));
    let tasks = Tasks::new(world.stopper.clone());
    let sender = world.sender();
    let (ended, end) = tokio::sync::oneshot::channel();
    let stopper = world.stopper.clone();
    tasks.spawn("deliver", async move {
        let result = sender.run(stopper).await;
        ended.send(()).ok();
        result
    });
    world.mail.wait_for(1, DEADLINE).await.unwrap();
    world.stopper.stop();
    tokio::time::timeout(DEADLINE, end).await.unwrap().unwrap();
    assert_eq!(world.delivery("ops@contoso.com").await, "sent|1|");
}
