//! Every port stands slow, greedy and oversized callers, and goes on serving the others meanwhile.
//!
//! The ports are those that the services say they listen on: a new one is in every test, and has to say here what it speaks.

mod port;
mod raw;

use std::collections::BTreeMap;
use std::time::Duration;

use harness::site::Site;
use local::stack::{Builder, Service};
use tokio::sync::OnceCell;

use port::{Port, Speaks};
use raw::Raw;

/// Connections of a port at a time.
const CONNECTIONS: usize = 32;
/// By when a slow caller has to be gone; the console gives a request's head a quarter of a minute.
const CUT: Duration = Duration::from_secs(40);
/// For a newcomer's answer, before anybody in the crowd runs out of patience.
const SOON: Duration = Duration::from_secs(9);
/// What a service may grow by under all of this, in KiB.
const GROWTH: u64 = 48 * 1024;

static SITE: OnceCell<(Site, BTreeMap<Service, u32>)> = OnceCell::const_new();

async fn ports() -> Vec<Port> {
    let (site, processes) = SITE.get_or_init(start).await;
    ports_of(site, processes)
}

fn ports_of(site: &Site, processes: &BTreeMap<Service, u32>) -> Vec<Port> {
    let ports = port::of(site, processes);
    assert_eq!(
        ports.iter().filter(|port| port.speaks == Speaks::Grpc).count(),
        4,
        "{ports:?}"
    );
    assert!(ports.iter().any(|port| port.name == "api.console"), "{ports:?}");
    ports
}

async fn start() -> (Site, BTreeMap<Service, u32>) {
    let mut site = Site::apart(builder).await;
    let processes = processes(&mut site);
    (site, processes)
}

fn processes(site: &mut Site) -> BTreeMap<Service, u32> {
    let mut process = |service| site.stack_mut().pid(service, 1).unwrap().unwrap();
    Service::ALL.map(|service| (service, process(service))).into()
}

/// With few places.
fn small() -> Builder {
    let connections = CONNECTIONS.to_string();
    let builder = Service::ALL
        .into_iter()
        .fold(Site::builder(), |builder, service| {
            builder.set(service, "grpc.connections", &connections)
        });
    builder.set(Service::Api, "console.connections", &connections)
}

/// And with little patience.
fn builder() -> Builder {
    Service::ALL.into_iter().fold(small(), |builder, service| {
        builder
            .set(service, "grpc.handshake_seconds", "2")
            .set(service, "grpc.keepalive_seconds", "2")
            .set(service, "grpc.stall_seconds", "2")
            .set(service, "grpc.request_timeout_seconds", "5")
    })
}

/// With so much patience that nobody goes who need not.
fn patient() -> Builder {
    Service::ALL.into_iter().fold(small(), |builder, service| {
        builder
            .set(service, "grpc.handshake_seconds", "60")
            .set(service, "grpc.keepalive_seconds", "60")
    })
}

/// Sends `piece` again and again, with pauses, and says whether that was ended in time. Who pauses sends too, so that it is
/// not for silence.
async fn is_cut_while_dribbling(mut raw: Raw, piece: &[u8]) -> bool {
    let dribble = async { while raw.send(piece).await && !raw.is_over().await {} };
    tokio::time::timeout(CUT, dribble).await.is_ok()
}

#[tokio::test]
async fn slow_callers_are_cut_while_others_are_served() {
    for port in ports().await {
        let mut slow = Vec::new();
        for opening in port.slow_openings() {
            let mut raw = Raw::connect(port.address).await;
            assert!(raw.send(&opening.bytes).await, "{}", port.name);
            slow.push((opening, raw));
        }
        let name = port.name.as_str();
        let cuts = slow.into_iter().map(|(opening, mut raw)| async move {
            let cut = match opening.dribble {
                None => raw.is_cut_within(CUT).await,
                Some(piece) => is_cut_while_dribbling(raw, piece).await,
            };
            assert!(cut, "{name}: {} was not cut", opening.what);
        });
        let others = async {
            for _ in 0..10 {
                port.answers().await;
            }
        };
        tokio::join!(futures::future::join_all(cuts), others);
        port.answers().await;
    }
}

#[tokio::test]
async fn more_idle_connections_than_there_are_places_keep_nobody_out() {
    let mut site = Site::start(patient()).await;
    let processes = processes(&mut site);
    for port in ports_of(&site, &processes) {
        let mut crowd = Vec::new();
        for _ in 0..CONNECTIONS + 16 {
            let mut raw = Raw::connect(port.address).await;
            raw.send(port.greeting()).await;
            crowd.push(raw);
        }
        tokio::time::timeout(SOON, port.answers())
            .await
            .unwrap_or_else(|_| panic!("{}: somebody was kept out", port.name));
        let mut gone = 0;
        for raw in &mut crowd {
            gone += usize::from(raw.is_over().await);
        }
        assert!(gone >= 16, "{}: only {gone} made way", port.name);
    }
    site.stop().await;
}

#[tokio::test]
async fn what_is_too_large_is_refused_by_name_and_takes_no_memory() {
    for port in ports().await {
        let before = port.memory();
        for _ in 0..20 {
            port.refuses_a_large_message().await;
            port.refuses_a_large_head().await;
        }
        port.answers().await;
        port.has_not_grown(before, GROWTH);
    }
}

#[tokio::test]
async fn a_flood_of_calls_taken_back_ends_its_connection_alone() {
    for port in ports().await {
        if port.speaks != Speaks::Grpc {
            continue;
        }
        let before = port.memory();
        for _ in 0..5 {
            let mut raw = Raw::connect(port.address).await;
            assert!(raw.send(port.greeting()).await);
            let mut call = 1;
            while call < 40_000 && raw.send(&raw::call_taken_back(call)).await {
                call += 2;
            }
            assert!(raw.is_cut_within(CUT).await, "{}: the flood went on", port.name);
            port.answers().await;
        }
        port.has_not_grown(before, GROWTH);
    }
}

#[tokio::test]
async fn many_unfinished_calls_take_bounded_memory() {
    for port in ports().await {
        if port.speaks != Speaks::Grpc {
            continue;
        }
        let before = port.memory();
        let mut crowd = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut raw = Raw::connect(port.address).await;
            raw.send(port.greeting()).await;
            for call in 0..200 {
                raw.send(&raw::call_begun(2 * call + 1)).await;
            }
            crowd.push(raw);
        }
        port.takes_calls().await;
        port.has_not_grown(before, GROWTH);
        drop(crowd);
        port.answers_again().await;
    }
}

#[tokio::test]
async fn garbage_ends_its_connection_alone() {
    let garbage: [(&str, Vec<u8>); 4] = [
        ("zeros", vec![0; 4096]),
        (
            "a TLS hello",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(100),
        ),
        (
            "noise",
            (0..8192_u32)
                .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
                .collect(),
        ),
        ("an HTTP/2 greeting, then noise", {
            let mut bytes = raw::GREETING.to_vec();
            bytes.extend((0..8192_u32).map(|i| (i.wrapping_mul(2_246_822_519) >> 24) as u8));
            bytes
        }),
    ];
    for port in ports().await {
        for (what, bytes) in &garbage {
            let mut raw = Raw::connect(port.address).await;
            raw.send(bytes).await;
            assert!(raw.is_cut_within(CUT).await, "{}: {what}", port.name);
        }
        port.answers().await;
    }
}
