use std::num::NonZeroUsize;
use std::time::Duration;

use bytes::Bytes;
use rollcall_bus::streams::Limits;
use rollcall_bus::{Headers, PublishError, Publisher, subjects};

use crate::server::Server;
use crate::{PAGES, assert_quiet, message, publish_page, run, wait_for_lag};

#[tokio::test]
async fn a_repeat_under_the_same_id_is_stored_once() {
    let server = Server::start();
    let bus = server.bus().await;
    for _ in 0..3 {
        publish_page(&bus, 1).await;
    }
    publish_page(&bus, 2).await;
    let mut consumer = bus.consume(PAGES).await.unwrap();
    for expected in ["1", "2"] {
        let delivery = message(&mut consumer).await;
        assert_eq!(delivery.payload, expected);
        delivery.double_ack().await.unwrap();
    }
    assert_quiet(&mut consumer).await;
}

#[tokio::test]
async fn headers_arrive_beside_the_payload() {
    let server = Server::start();
    let bus = server.bus().await;
    let headers = Headers {
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
        run_id: Some(run().to_string()),
    };
    let payload = prost::Message::encode_to_vec(&7_u64);
    bus.publish(&subjects::page(run()), "page-1", &headers, payload.into())
        .await
        .unwrap();
    let delivery = message(&mut bus.consume(PAGES).await.unwrap()).await;
    assert_eq!(delivery.headers, headers);
    assert_eq!(delivery.message_id, "page-1");
    assert_eq!(delivery.subject, subjects::page(run()).as_str());
    assert_eq!(delivery.deliveries, 1);
    assert_eq!(delivery.decode::<u64>().unwrap(), 7);
    assert!(delivery.decode_packed::<u64>(100).is_err(), "it is not packed");
}

#[tokio::test]
async fn a_payload_over_the_limit_is_refused_with_both_sizes_and_the_way_out() {
    let server = Server::with("max_payload: 4KB");
    let bus = server.bus().await;
    let (subject, headers) = (subjects::page(run()), Headers::default());
    let most = bus.max_payload("page-1", &headers);
    let error = bus
        .publish(&subject, "page-1", &headers, vec![0; most + 1].into())
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            PublishError::TooLarge {
                size: 4097,
                limit: 4096,
                ..
            }
        ),
        "{error:?}"
    );
    let text = error.to_string();
    assert!(
        text.contains("smaller parts") && text.contains("max_payload"),
        "{text}"
    );
    bus.publish(&subject, "page-1", &headers, vec![0; most].into())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_full_stream_makes_publishing_wait_until_there_is_room() {
    let server = Server::start();
    let bus = server
        .bus_with(Limits {
            page_bytes: 64 * 1024,
            replicas: 1,
        })
        .await;
    let subject = subjects::page(run());
    let mut publisher = Publisher::new(bus.clone(), NonZeroUsize::new(4).unwrap());
    let publish_all = async {
        for number in 0..16 {
            let payload = Bytes::from(vec![number; 10 * 1024]);
            let id = format!("page-{number}");
            publisher
                .publish(subject.clone(), id, Headers::default(), payload)
                .await
                .unwrap();
        }
        publisher.flush().await.unwrap();
    };
    let mut publish_all = Box::pin(publish_all);
    let early = tokio::time::timeout(Duration::from_millis(500), &mut publish_all).await;
    assert!(early.is_err(), "160 KiB do not fit into 64 KiB");

    let consume_all = async {
        let mut consumer = bus.consume(PAGES).await.unwrap();
        let mut seen = Vec::new();
        while seen.len() < 16 {
            let delivery = message(&mut consumer).await;
            seen.push(delivery.payload[0]);
            delivery.ack().await.unwrap();
        }
        seen
    };
    let ((), mut seen) = tokio::join!(publish_all, consume_all);
    seen.sort_unstable();
    assert_eq!(seen, (0..16).collect::<Vec<u8>>());
    wait_for_lag(&bus, 0, 0).await;
}

#[tokio::test]
async fn a_publisher_reports_the_earliest_failure_and_can_go_on() {
    let server = Server::with("max_payload: 4KB");
    let bus = server.bus().await;
    let mut publisher = Publisher::new(bus.clone(), Publisher::WINDOW);
    let subject = subjects::page(run());
    let mut publish = async |number: usize, size: usize| {
        let payload = Bytes::from(vec![0; size]);
        publisher
            .publish(
                subject.clone(),
                format!("page-{number}"),
                Headers::default(),
                payload,
            )
            .await
    };
    publish(1, 10).await.unwrap();
    publish(2, 5000).await.unwrap();
    publish(3, 6000).await.unwrap();
    let error = publisher.flush().await.unwrap_err();
    assert!(
        matches!(error, PublishError::TooLarge { size, .. } if size < 6000),
        "the second's: {error:?}"
    );
    publisher
        .publish(subject, "page-4".to_owned(), Headers::default(), Bytes::new())
        .await
        .unwrap();
    publisher.flush().await.unwrap();
    bus.consume(PAGES).await.unwrap().close().await;
    wait_for_lag(&bus, 2, 0).await;
}
