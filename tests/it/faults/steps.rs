//! Every service is killed between any two steps of a run's life (design §3).

use local::stack::Service;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::gate::{self, Gate};
use super::scene::{Reads, Scene};
use super::{people, told};

/// What dies while somebody waits at a step.
#[derive(Clone, Copy, Debug)]
enum Victim {
    /// Every copy of a service.
    All(Service),
    /// The broker, which comes back with what is on its disk.
    Nats,
    /// The database, likewise.
    Postgres,
}

/// A step, and what dies just before it.
struct Step {
    gate: Gate,
    victims: &'static [Victim],
    /// Whether a delta comes to it; those tell only of failures.
    of_deltas: bool,
}

const FETCHER: Victim = Victim::All(Service::Fetcher);
const RECONCILER: Victim = Victim::All(Service::Reconciler);
const NOTIFIER: Victim = Victim::All(Service::Notifier);
const API: Victim = Victim::All(Service::Api);

/// In the order in which a run comes to them.
const STEPS: [Step; 13] = [
    step("taken", "INSERT ON run_fetch", "true", &[API, FETCHER]),
    step("read", "UPDATE OF reason ON run_fetch", "true", &[FETCHER]),
    step("decided", "INSERT ON run_page", "NEW.number > 1", &[RECONCILER]),
    step(
        "fetched",
        "UPDATE OF state ON run_fetch",
        "NEW.state = 'fetched'",
        &[FETCHER, Victim::Nats],
    ),
    step(
        "settled",
        "UPDATE OF planned_at ON run_plan",
        "true",
        &[RECONCILER, FETCHER],
    ),
    step(
        "applied",
        "UPDATE OF applied_at ON run_page",
        "NEW.number = 1",
        &[RECONCILER],
    ),
    step(
        "half_applied",
        "UPDATE OF applied_at ON run_page",
        "NEW.number = 2",
        &[Victim::Postgres],
    ),
    step(
        "ended",
        "UPDATE OF ended_at ON run_plan",
        "true",
        &[RECONCILER, API],
    ),
    step(
        "published",
        "UPDATE OF published_at ON outbox",
        "true",
        &[RECONCILER],
    ),
    step("told", "INSERT ON inbox", "true", &[NOTIFIER, Victim::Nats]),
    step(
        "sent",
        "UPDATE OF lease_token ON delivery",
        "NEW.state = 'due'",
        &[NOTIFIER],
    )
    .of_full_runs(),
    step(
        "recorded",
        "UPDATE OF state ON delivery",
        "NEW.state = 'sent'",
        &[NOTIFIER],
    )
    .of_full_runs(),
    // What the dead sender left is taken over, with a note that nobody knows how its try went.
    step(
        "taken_over",
        "INSERT ON delivery_attempt",
        "true",
        &[Victim::Postgres],
    )
    .of_full_runs(),
];

const fn step(
    name: &'static str,
    before: &'static str,
    when: &'static str,
    victims: &'static [Victim],
) -> Step {
    Step {
        gate: Gate { name, before, when },
        victims,
        of_deltas: true,
    }
}

impl Step {
    const fn of_full_runs(mut self) -> Self {
        self.of_deltas = false;
        self
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_service_may_die_between_any_two_steps() {
    let mut scene = Scene::start(11, 3_000, 20).await;
    gate::install(&scene.access, &STEPS.map(|step| step.gate)).await;
    let mut dice = StdRng::seed_from_u64(11);
    for (round, reads) in [Reads::Everything, Reads::Changes].into_iter().enumerate() {
        if round > 0 {
            people::change(scene.tenant(), &mut dice, round, true);
        }
        let steps: Vec<&Step> = STEPS
            .iter()
            .filter(|step| step.of_deltas || reads == Reads::Everything)
            .collect();
        for step in &steps {
            gate::close(&scene.access, &step.gate).await;
        }
        let run = scene.start_run(reads).await;
        for step in steps {
            die_before(&mut scene, step).await;
        }
        scene.check(run, reads).await;
    }
    assert!(
        told::came_twice(&scene),
        "nobody died between a mail's acceptance and its record"
    );
    scene.stop().await;
}

async fn die_before(scene: &mut Scene, step: &Step) {
    gate::somebody_waits(&scene.access, &step.gate).await;
    for victim in step.victims {
        match victim {
            Victim::All(service) => scene.kill(*service),
            Victim::Nats => scene.restart_nats().await,
            Victim::Postgres => scene.restart_postgres().await,
        }
    }
    gate::break_off_and_open(&scene.access, &step.gate).await;
    for victim in step.victims {
        if let Victim::All(service) = victim {
            scene.spawn(*service);
        }
    }
}
