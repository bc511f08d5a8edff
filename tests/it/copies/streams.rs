//! Streams kept by several servers of a NATS cluster (`nats.replicas`).

use bus::consumers::ALL;
use bus::streams::{EVENTS, Limits, PAGES, RUNS};
use bus::{Bus, ConnectError, Headers, Options, Received, subjects};
use bytes::Bytes;
use domain::id::RunId;
use harness::wait::until;
use local::Durability;
use local::nats::{Nats, NatsCluster};
use uuid::Uuid;

use super::settled;

async fn connect(url: &str, replicas: usize) -> Result<Bus, ConnectError> {
    let options = Options {
        url: url.to_owned().into(),
        name: "test".to_owned(),
        credentials: None,
        tls: None,
        limits: Limits {
            replicas,
            ..Limits::default()
        },
    };
    Bus::connect(&options).await
}

/// Connects as soon as the cluster can make streams.
async fn connected(url: &str, replicas: usize) -> Bus {
    until("the bus is connected", async || connect(url, replicas).await.ok()).await
}

/// How many servers keep each stream, its leader included.
async fn keepers(jetstream: &async_nats::jetstream::Context) -> Vec<usize> {
    let mut kept = Vec::new();
    for stream in [RUNS, PAGES, EVENTS] {
        let stream = jetstream.get_stream(stream).await.unwrap();
        let cluster = stream.cached_info().cluster.as_ref().unwrap();
        kept.push(cluster.replicas.len() + usize::from(cluster.leader.is_some()));
    }
    kept
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_number_of_replicas_changes_the_streams_and_their_queues() {
    let cluster = NatsCluster::start_temporary(3, Durability::Fast).await.unwrap();
    let client = settled::client(&cluster.url()).await;
    let jetstream = async_nats::jetstream::new(client);
    let one = connected(&cluster.url(), 1).await;
    for spec in ALL {
        drop(one.consume(spec).await.unwrap());
    }
    assert_eq!(keepers(&jetstream).await, [1, 1, 1]);

    let three = connected(&cluster.url(), 3).await;
    until("three servers keep each stream", async || {
        (keepers(&jetstream).await == [3, 3, 3]).then_some(())
    })
    .await;
    until("three servers keep each queue", async || {
        for spec in ALL {
            let stream = jetstream.get_stream(spec.stream).await.ok()?;
            let info = stream.consumer_info(spec.durable).await.ok()?;
            let cluster = info.cluster?;
            if cluster.leader.is_none() || cluster.replicas.len() != 2 {
                return None;
            }
        }
        Some(())
    })
    .await;
    drop(three);

    let one = connected(&cluster.url(), 1).await;
    until("one server keeps each stream", async || {
        (keepers(&jetstream).await == [1, 1, 1]).then_some(())
    })
    .await;
    drop(one);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_three_servers_keep_outlives_any_of_them() {
    let mut cluster = NatsCluster::start_temporary(3, Durability::Fast).await.unwrap();
    let bus = connected(&cluster.url(), 3).await;
    let mut consumer = bus.consume(bus::consumers::RECONCILER_PAGES).await.unwrap();
    let run = RunId(Uuid::from_u128(7));
    for node in 0..3 {
        let text = format!("before the loss of {node}");
        let payload = Bytes::from(text.clone());
        bus.publish(&subjects::page(run), &text, &Headers::default(), payload.clone())
            .await
            .unwrap();
        cluster.kill(node);
        let id = format!("after the loss of {node}");
        let during = Bytes::from(id.clone());
        bus.publish(&subjects::page(run), &id, &Headers::default(), during.clone())
            .await
            .unwrap();
        let mut came = Vec::new();
        while came.len() < 2 {
            let Received::Message(delivery) = consumer.next().await else {
                panic!("a message was delivered too often");
            };
            // An acknowledgement that was lost with its server brings an earlier one again.
            let new = [&payload, &during].contains(&&delivery.payload) && !came.contains(&delivery.payload);
            if new {
                came.push(delivery.payload.clone());
            }
            delivery.double_ack().await.ok();
        }
        came.sort();
        assert_eq!(came, [during, payload]);
        cluster.restart(node).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_replicas_than_servers_are_refused_by_the_key() {
    let alone = Nats::start_temporary(Durability::Fast).await.unwrap();
    let error = connect(&alone.url(), 3).await.unwrap_err().to_string();
    assert!(
        error.contains("nats.replicas") && error.contains("3 copies"),
        "{error}"
    );
    let cluster = NatsCluster::start_temporary(3, Durability::Fast).await.unwrap();
    let error = until("the cluster refuses", async || {
        match connect(&cluster.url(), 5).await.unwrap_err() {
            ConnectError::Replicas { replicas, .. } => Some(replicas),
            _ => None,
        }
    })
    .await;
    assert_eq!(error, 5);
}
