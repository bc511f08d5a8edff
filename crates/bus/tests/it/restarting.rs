use std::collections::BTreeSet;

use bytes::Bytes;
use rollcall_bus::{Headers, subjects};

use crate::server::Server;
use crate::{DEADLINE, PAGES, message, organization, publish_page, run, wait_for_lag};

#[tokio::test]
async fn messages_survive_a_killed_broker_and_consuming_goes_on_by_itself() {
    let mut server = Server::start();
    let bus = server.bus().await;
    let mut consumer = bus.consume(PAGES).await.unwrap();
    publish_page(&bus, 1).await;
    message(&mut consumer).await.double_ack().await.unwrap();
    publish_page(&bus, 2).await;
    server.kill();

    // Published while nobody is there: stored as soon as somebody is, once.
    let publishing = publish_page(&bus, 3);
    let restarting = async {
        server.start_again();
    };
    tokio::join!(publishing, restarting);

    // What the old broker had handed out comes again: at least once, not exactly once.
    let mut seen = BTreeSet::new();
    while seen.len() < 2 {
        let delivery = message(&mut consumer).await;
        seen.insert(delivery.payload.clone());
        delivery.double_ack().await.unwrap();
    }
    assert!(seen.iter().eq(["2", "3"]), "{seen:?}");
    wait_for_lag(&bus, 0, 0).await;
}

#[tokio::test]
async fn a_broker_that_lost_its_disk_is_set_up_anew_by_whoever_uses_it() {
    let mut server = Server::start();
    let bus = server.bus().await;
    let mut consumer = bus.consume(PAGES).await.unwrap();
    server.kill();
    server.forget_everything();
    server.start_again();
    let publishing = publish_page(&bus, 1);
    let (delivery, ()) = tokio::join!(message(&mut consumer), publishing);
    assert_eq!(delivery.payload, "1");
    delivery.double_ack().await.unwrap();
    wait_for_lag(&bus, 0, 0).await;
}

#[tokio::test]
async fn a_watch_goes_on_after_a_restart() {
    let mut server = Server::start();
    let bus = server.bus().await;
    let mut watch = bus.watch(&subjects::any_run_finished()).await.unwrap();
    server.kill();
    server.start_again();
    let publisher = server.bus().await;
    let subject = subjects::run_finished(organization());
    // The watcher may come back later than this publisher: say it until it is heard.
    let say = async {
        for number in 0.. {
            let id = format!("{}-{number}", run());
            publisher
                .publish(&subject, &id, &Headers::default(), Bytes::from_static(b"done"))
                .await
                .unwrap();
        }
    };
    let hear = async {
        tokio::select! {
            seen = watch.next() => seen.unwrap(),
            () = say => unreachable!("it is said for ever"),
        }
    };
    let heard = tokio::time::timeout(DEADLINE, Box::pin(hear)).await;
    assert_eq!(heard.unwrap().payload, "done");
}
