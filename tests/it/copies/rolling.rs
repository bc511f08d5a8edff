//! Three copies of everything, restarted one by one under load, while the broker loses a server and the database is migrated
//! for the next version: nobody notices.

use std::time::Instant;

use entra_sim::TenantOptions;
use harness::people::crowd;
use harness::site::Site;
use harness::world::World;
use local::Durability;
use local::nats::NatsCluster;
use local::postgres::Access;
use local::stack::{Builder, Service};

use super::load::{self, Over};
use super::{next_version, settled};

const COPIES: usize = 3;
const NATS_SERVERS: usize = 3;
/// Connections, each an organization's with a tenant of its own.
const CONNECTIONS: u64 = 3;
const USERS: u32 = 2_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_restarted_one_by_one_under_load_and_nobody_notices() {
    let mut cluster = NatsCluster::start_temporary(NATS_SERVERS, Durability::Fast)
        .await
        .unwrap();
    let url = cluster.url();
    let mut site = Site::start(builder(&url)).await;
    let mut worlds = Vec::new();
    for number in 0..CONNECTIONS {
        let tenant = TenantOptions {
            deleted: 0,
            ..TenantOptions::generate(number + 1, USERS)
        };
        let world = World::bare(&site, tenant).await;
        world.connect("", "").await;
        worlds.push(world);
    }
    // One more, which nothing but the command line writes to.
    let by_hand = World::bare(&site, crowd(1)).await;
    by_hand.connect("", "").await;

    let access = site.access().clone();
    let over = Over::default();
    let disturbed = async {
        disturb(&mut site, &mut cluster, &access).await;
        over.say();
    };
    let (one, two, three) = (&worlds[0], &worlds[1], &worlds[2]);
    let ((), first, second, third, looks, tokens, applies) = tokio::join!(
        disturbed,
        load::runs(one, &over),
        load::runs(two, &over),
        load::runs(three, &over),
        load::looks(two, &over),
        load::tokens(three, &over),
        load::applies(&by_hand, &over),
    );
    let runs = [first, second, third];
    println!(
        "{:?} runs, {looks} looks, {tokens} tokens, {applies} calls of the command line",
        runs.each_ref().map(Vec::len)
    );
    // Less would be no load for twelve restarts.
    assert!(runs.iter().all(|runs| runs.len() > 2) && looks > 50 && tokens > 30 && applies > 4);

    settled::rest(&site).await;
    for (world, runs) in worlds.iter().zip(&runs) {
        settled::check_runs(runs);
        world.check_register().await;
        let last = runs.last().expect("there were several");
        world.ended(&last.id).await;
    }
    assert_eq!(load::tokens_made(three).await, tokens);
    assert_eq!(by_hand.accounts_of("by.hand").await.len(), 1);
    settled::check_told(&site, &worlds).await;
    settled::check_bus(&site, &url).await;
    drop((worlds, by_hand));
    site.stop().await;
}

/// Restarts every copy as Kubernetes does it; meanwhile a NATS server is lost, and comes back later.
async fn disturb(site: &mut Site, cluster: &mut NatsCluster, access: &Access) {
    for copy in 1..=COPIES {
        for service in Service::ALL {
            restart(site, service, copy).await;
        }
        match copy {
            1 => cluster.kill(0),
            2 => {
                cluster.restart(0).await.unwrap();
                // What is restarted from here on does not know all of the schema.
                next_version::expand(access).await;
            }
            _ => (),
        }
    }
}

async fn restart(site: &mut Site, service: Service, copy: usize) {
    let begun = Instant::now();
    let stack = site.stack_mut();
    let ended = stack.drain(service, copy).await.unwrap();
    let ended = ended.unwrap_or_else(|| panic!("{service} {copy} did not end in time"));
    assert_eq!(ended.code(), Some(0), "{service} {copy}");
    let drained = begun.elapsed();
    stack.spawn(service, copy).unwrap();
    stack.ready(service, copy).await.unwrap();
    println!(
        "{service} {copy}: drained in {drained:.1?}, back after {:.1?}",
        begun.elapsed()
    );
}

fn builder(nats: &str) -> Builder {
    let mut builder = Site::builder().balanced().nats_url(Some(nats.to_owned()));
    for service in Service::ALL {
        builder = builder
            .copies(service, COPIES)
            .set(service, "nats.replicas", "3")
            .set(service, "database.max_connections", "6");
    }
    builder
}
