//! Who speaks to whom when Rollcall runs, as the kernel sees it, beside who may by the chart's policies.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use harness::people::{hire, nobody};
use harness::site::Site;
use harness::wait::until;
use harness::world::World;
use local::mail::{Action, Fault, Moment};
use local::stack::Service;
use serde_json::json;

use super::arrows::outgoing;
use super::chart::SERVICES;
use crate::trace::collector::Collector;

/// `(from, to)`.
type Line = (String, String);

/// Long enough for a mail's connection to be seen.
const SLOW_MAIL: Action = Action::Delay { milliseconds: 2_000 };

#[tokio::test]
async fn every_connection_that_services_make_is_allowed_and_every_one_allowed_is_made() {
    let collector = Collector::start().await;
    let builder = Site::builder().variable("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url());
    let mut site = Site::start(builder).await;
    let world = World::bare(&site, nobody()).await;
    let pids = Service::ALL.map(|service| {
        let pid = site.stack_mut().pid(service, 1).unwrap().expect("it runs");
        (service.name(), pid)
    });
    let places = places(&site, &world, collector.url());

    let allowed: BTreeSet<Line> = outgoing()
        .into_iter()
        .filter(|(from, to, _)| SERVICES.contains(&from.as_str()) && to != "dns")
        .map(|(from, to, _)| (from, to))
        .collect();
    let mut seen = BTreeSet::new();
    let looking = until("every connection that is allowed", async || {
        for (from, pid) in pids {
            seen.extend(connections(pid).into_iter().map(|port| {
                let to = places.get(&port).copied();
                let to = to.unwrap_or_else(|| {
                    panic!("{from} speaks to port {port}, of which the chart knows nothing")
                });
                (from.to_owned(), to.to_owned())
            }));
        }
        allowed.is_subset(&seen).then_some(())
    });
    let ((), ()) = tokio::join!(looking, everything_that_services_do(&site, &world));
    assert_eq!(seen, allowed, "what is done beside what is allowed");
    site.stop().await;
}

/// By port: what services may speak to, by its name in the chart.
fn places(site: &Site, world: &World, collector: &str) -> BTreeMap<u16, &'static str> {
    let endpoints = site.endpoints();
    let grpc = |service| site.stack().grpc_url(service, 1).unwrap();
    let urls = [
        ("postgresql", endpoints.database_url.clone()),
        ("nats", endpoints.nats_url.clone()),
        ("smtp", site.mail().smtp_address()),
        ("graph", world.url()),
        ("collector", collector.to_owned()),
        ("fetcher", grpc(Service::Fetcher)),
        ("reconciler", grpc(Service::Reconciler)),
    ];
    urls.into_iter().map(|(name, url)| (port(&url), name)).collect()
}

/// The port in an address or a URL.
fn port(url: &str) -> u16 {
    let rest = url.rsplit_once(':').expect("it has a port").1;
    let digits = rest.split('/').next().unwrap_or_default();
    digits.parse().unwrap_or_else(|_| panic!("{rest} is no port"))
}

async fn everything_that_services_do(site: &Site, world: &World) {
    site.mail()
        .add_fault(Fault::once(Moment::Recipient, SLOW_MAIL).containing(&world.mail_to));
    world.connect("", "").await;
    world.import("name,login,domain\nOld Bob,bob,contoso.com\n").await;
    world.test_connection().await;
    hire(&world.tenant, "ann", json!({}));
    world.full().await;
    world.mails_until(site, 1).await;
}

/// The ports to which a process has made connections. Those that others made to it are not among them.
fn connections(pid: u32) -> BTreeSet<u16> {
    let own = sockets(pid);
    let (mut listening, mut connected) = (BTreeSet::new(), BTreeSet::new());
    for table in ["tcp", "tcp6"] {
        let text = std::fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let port = |address: &str| {
                u16::from_str_radix(address.rsplit(':').next().unwrap_or_default(), 16).unwrap()
            };
            let (local, remote, state, inode) = (port(fields[1]), port(fields[2]), fields[3], fields[9]);
            match state {
                _ if !own.contains(inode) => (),
                "0A" => drop(listening.insert(local)),
                _ => drop(connected.insert((local, remote))),
            }
        }
    }
    let outgoing = connected
        .into_iter()
        .filter(|(local, _)| !listening.contains(local));
    outgoing.map(|(_, remote)| remote).collect()
}

/// The inodes of a process' sockets. A file that is closed while we look is none.
fn sockets(pid: u32) -> BTreeSet<String> {
    let folder = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let inode = |path: &Path| {
        let target = std::fs::read_link(path).ok()?;
        let inode = target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
        Some(inode.to_owned())
    };
    folder.filter_map(|entry| inode(&entry.ok()?.path())).collect()
}
