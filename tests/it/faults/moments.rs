//! Services, the broker and the database die at random moments, run after run.

use std::time::Duration;

use local::stack::Service;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

use super::people;
use super::scene::{Reads, Scene};

/// Runs of `make test`; `ROLLCALL_FAULT_RUNS` asks for more.
const RUNS: usize = 2;
/// Deaths while a run goes on; after them it may end in peace.
const DEATHS: usize = 8;
/// Deaths of those who tell, when it has ended.
const LATE_DEATHS: usize = 2;
/// Most of a run is theirs.
const BUSY: [Service; 7] = [
    Service::Fetcher,
    Service::Fetcher,
    Service::Reconciler,
    Service::Reconciler,
    Service::Reconciler,
    Service::Notifier,
    Service::Api,
];
const TELLERS: [Service; 2] = [Service::Notifier, Service::Reconciler];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_service_may_die_at_any_moment() {
    let seed = from_environment("ROLLCALL_FAULT_SEED").unwrap_or(1);
    let runs = from_environment("ROLLCALL_FAULT_RUNS").map_or(RUNS, |runs| usize::try_from(runs).unwrap());
    println!("ROLLCALL_FAULT_SEED={seed} ROLLCALL_FAULT_RUNS={runs}");
    // Apart, so that the same seed makes the same people whoever dies when.
    let (mut fate, mut dice) = (StdRng::seed_from_u64(seed), StdRng::seed_from_u64(seed));
    let mut scene = Scene::start(seed, 3_000, 250).await;
    for round in 0..runs {
        let reads = if round % 2 == 0 {
            Reads::Everything
        } else {
            Reads::Changes
        };
        if round > 0 {
            // Now and then more leave than the brake lets go.
            people::change(scene.tenant(), &mut fate, round, round % 3 != 2);
        }
        let run = scene.start_run(reads).await;
        for _ in 0..DEATHS {
            moment(&mut dice, 400).await;
            if scene.has_ended(run).await {
                break;
            }
            one_death(&mut scene, &mut dice, &BUSY).await;
        }
        for _ in 0..LATE_DEATHS {
            one_death(&mut scene, &mut dice, &TELLERS).await;
            moment(&mut dice, 200).await;
        }
        scene.check(run, reads).await;
    }
    scene.stop().await;
}

async fn one_death(scene: &mut Scene, dice: &mut StdRng, of: &[Service]) {
    let service = *of.choose(dice).unwrap();
    match dice.random_range(0..10) {
        0 => {
            println!("NATS dies");
            scene.restart_nats().await;
        }
        1 => {
            println!("PostgreSQL dies");
            scene.restart_postgres().await;
        }
        2..=4 => {
            println!("every {service} dies");
            scene.kill(service);
            moment(dice, 300).await;
            scene.spawn(service);
        }
        _ => {
            let copy = dice.random_range(1..=2);
            println!("{service} {copy} dies");
            scene.stack().kill(service, copy).unwrap();
            moment(dice, 300).await;
            scene.stack().spawn(service, copy).unwrap();
        }
    }
}

/// Lets some time pass: the moments of dying are what is tried here, nothing is waited for.
async fn moment(dice: &mut StdRng, most_ms: u64) {
    tokio::time::sleep(Duration::from_millis(dice.random_range(0..most_ms))).await;
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test has no chassis to be configured by"
)]
fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|value| value.parse().expect("a number"))
}
