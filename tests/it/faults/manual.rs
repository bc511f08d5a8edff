//! An import by hand outlives whoever carries it.

use contracts::v1::{Outcome, RunState};
use harness::people::{hire, nobody};
use harness::runs::tally;
use harness::site::Site;
use harness::world::World;
use local::stack::Service;
use serde_json::json;

use super::gate::{self, Gate};

const STEPS: [(Gate, Service); 4] = [
    (
        gate("manual_read", "UPDATE OF found ON run_fetch", "true"),
        Service::Fetcher,
    ),
    (
        gate("manual_decided", "INSERT ON run_page", "true"),
        Service::Reconciler,
    ),
    (
        gate("manual_applied", "UPDATE OF applied_at ON run_page", "true"),
        Service::Reconciler,
    ),
    (
        gate("manual_ended", "UPDATE OF ended_at ON run_plan", "true"),
        Service::Reconciler,
    ),
];

const fn gate(name: &'static str, before: &'static str, when: &'static str) -> Gate {
    Gate { name, before, when }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r1_an_import_by_hand_outlives_the_services_that_carry_it() {
    let builder = Site::builder()
        .set(Service::Fetcher, "fetch.lease_seconds", "2")
        .set(Service::Reconciler, "work.ack_wait_seconds", "2");
    let mut site = Site::start(builder).await;
    let world = World::bare(&site, nobody()).await;
    world.connect("", "").await;
    hire(&world.tenant, "ann", json!({}));
    let access = site.access().clone();
    gate::install(&access, &STEPS.map(|(gate, _)| gate)).await;
    for (gate, _) in &STEPS {
        gate::close(&access, gate).await;
    }
    let dying = async {
        for (gate, service) in &STEPS {
            gate::somebody_waits(&access, gate).await;
            site.stack_mut().kill(*service, 1).unwrap();
            gate::break_off_and_open(&access, gate).await;
            site.stack_mut().spawn(*service, 1).unwrap();
        }
    };
    let (answer, ()) = tokio::join!(world.try_import_users(&["ann@contoso.com"]), dying);
    let run = world.ended(&answer.unwrap().run.unwrap().id).await;
    assert_eq!(run.state(), RunState::Finished, "{run:#?}");
    assert_eq!(tally(&run), [(Outcome::Added, 1)], "{run:#?}");
    world.check_register().await;
    assert_eq!(world.accounts().await.len(), 1);
    site.stop().await;
}
