use std::time::Duration;

use rollcall_bus::Received;
use rollcall_bus::consumers::ConsumerSpec;

use crate::server::Server;
use crate::{DEADLINE, PAGES, assert_quiet, message, publish_page, received, wait_for_lag};

#[tokio::test]
async fn what_is_not_acknowledged_comes_again() {
    let server = Server::start();
    let bus = server.bus().await;
    publish_page(&bus, 1).await;
    let mut consumer = bus.consume(PAGES).await.unwrap();
    drop(message(&mut consumer).await);
    let again = message(&mut consumer).await;
    assert_eq!((again.payload.as_ref(), again.deliveries), (b"1".as_slice(), 2));
    again.double_ack().await.unwrap();
    assert_quiet(&mut consumer).await;
    wait_for_lag(&bus, 0, 0).await;
}

#[tokio::test]
async fn a_refusal_brings_it_again_after_its_delay() {
    let server = Server::start();
    let bus = server.bus().await;
    publish_page(&bus, 1).await;
    let spec = ConsumerSpec {
        ack_wait: DEADLINE,
        ..PAGES
    };
    let mut consumer = bus.consume(spec).await.unwrap();
    message(&mut consumer)
        .await
        .nak(Duration::from_millis(100))
        .await
        .unwrap();
    let again = message(&mut consumer).await;
    assert_eq!(again.deliveries, 2);
    again.term("a test has seen enough of it").await.unwrap();
    wait_for_lag(&bus, 0, 0).await;
}

#[tokio::test]
async fn work_that_takes_long_keeps_its_message() {
    let server = Server::start();
    let bus = server.bus().await;
    publish_page(&bus, 1).await;
    let mut worker = bus.consume(PAGES).await.unwrap();
    let mut other = bus.consume(PAGES).await.unwrap();
    let delivery = message(&mut worker).await;
    let long = delivery.keep_while(tokio::time::sleep(PAGES.ack_wait * 3));
    tokio::select! {
        () = long => (),
        stolen = other.next() => panic!("given to another: {stolen:?}"),
    }
    delivery.double_ack().await.unwrap();
    wait_for_lag(&bus, 0, 0).await;
}

#[tokio::test]
async fn a_message_that_is_never_acknowledged_is_exhausted_and_then_gone() {
    let server = Server::start();
    let bus = server.bus().await;
    publish_page(&bus, 1).await;
    publish_page(&bus, 2).await;
    let mut consumer = bus.consume(PAGES).await.unwrap();
    let mut exhausted = None;
    let mut handled = Vec::new();
    while exhausted.is_none() {
        match received(&mut consumer).await {
            Received::Message(delivery) if delivery.payload == "1" => drop(delivery),
            Received::Message(delivery) => {
                handled.push(delivery.payload.clone());
                delivery.ack().await.unwrap();
            }
            Received::Exhausted(delivery) => exhausted = Some(delivery),
        }
    }
    let exhausted = exhausted.unwrap();
    assert_eq!(
        (exhausted.payload.as_ref(), exhausted.deliveries),
        (b"1".as_slice(), PAGES.max_deliver + 1)
    );
    assert_eq!(handled, ["2"], "the others are handled meanwhile");
    exhausted.term("delivered too often").await.unwrap();
    wait_for_lag(&bus, 0, 0).await;
}

#[tokio::test]
async fn copies_share_a_queue_and_hold_no_message_that_they_do_not_handle() {
    let server = Server::start();
    let bus = server.bus().await;
    let spec = ConsumerSpec {
        ack_wait: DEADLINE * 10,
        ..PAGES
    };
    for number in 0..4 {
        publish_page(&bus, number).await;
    }
    let mut busy = bus.consume(spec).await.unwrap();
    let first = message(&mut busy).await;
    wait_for_lag(&bus, 3, 1).await;

    let mut other = server.bus().await.consume(spec).await.unwrap();
    for _ in 0..3 {
        message(&mut other).await.double_ack().await.unwrap();
    }
    wait_for_lag(&bus, 0, 1).await;
    first.double_ack().await.unwrap();
    wait_for_lag(&bus, 0, 0).await;
}

#[tokio::test]
async fn one_that_leaves_gives_back_what_arrived_unasked() {
    let server = Server::start();
    let bus = server.bus().await;
    let spec = ConsumerSpec {
        ack_wait: DEADLINE * 10,
        ..PAGES
    };
    let mut leaving = bus.consume(spec).await.unwrap();
    assert_quiet(&mut leaving).await;
    publish_page(&bus, 1).await;
    wait_for_lag(&bus, 0, 1).await;
    leaving.close().await;
    let mut staying = bus.consume(spec).await.unwrap();
    assert_eq!(message(&mut staying).await.deliveries, 2);
}
