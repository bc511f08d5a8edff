//! Whatever a run does, taking it back leaves the register as it was.

use contracts::v1::Run;
use entra_sim::Tenant;
use harness::documents::CONNECTION;
use harness::people::hire;
use harness::runs::counts;
use harness::site::Site;
use harness::undo::Snapshot;
use harness::world::World;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;
use std::sync::Arc;

use super::AT_ONCE;

const ROUNDS: u64 = 6;

/// One change to the directory, of the kinds that runs know.
fn change(tenant: &Arc<Tenant>, dice: &mut StdRng, number: u64) {
    let here: Vec<String> = tenant.users().iter().map(|user| user.id.clone()).collect();
    let away: Vec<String> = tenant
        .deleted_users()
        .iter()
        .map(|user| user.id.clone())
        .collect();
    let who = here.choose(dice).cloned().unwrap();
    let done = match dice.random_range(0..12) {
        0 => tenant.disable(&who),
        1 => tenant.enable(&who),
        2 => tenant.soft_delete(&who),
        3 => tenant.hard_delete(&who),
        4 => match away.choose(dice) {
            Some(who) => tenant.restore(who),
            None => Ok(()),
        },
        5 => {
            let other = here.choose(dice).unwrap();
            if *other == who {
                Ok(())
            } else {
                tenant.swap_principal_names(&who, other)
            }
        }
        6 => tenant.recreate(&who).map(|_| ()),
        7 => tenant.update(
            &who,
            "userPrincipalName",
            json!(format!("renamed{number}@contoso.com")),
        ),
        8 => {
            hire(tenant, &format!("new{number}"), json!({}));
            Ok(())
        }
        9 => tenant.set_manager(&who, here.choose(dice).map(String::as_str)),
        10 => tenant.update(&who, "department", json!(["Sales", "Legal"].choose(dice))),
        _ => tenant.update(&who, "jobTitle", json!(["A", "B", "C"].choose(dice))),
    };
    // Some changes are refused, such as giving back a name that somebody has taken meanwhile.
    drop(done);
}

/// Rounds of changes and runs, full, delta and by hand; after each run everything is taken back, and the taking back, too.
async fn check(world: &World, seed: u64) {
    let site = Site::shared().await;
    let mut dice = StdRng::seed_from_u64(seed);
    world
        .import("name,login,domain\nOld,p03,contoso.com\nOlder,renamed5,contoso.com\n")
        .await;
    for number in 1..=40 {
        hire(&world.tenant, &format!("p{number:02}"), json!({"jobTitle": "A"}));
    }
    let first = world.snapshot(site).await;
    let run = world.full().await;
    let made = world.snapshot(site).await;
    let mut changed = there_and_back(world, &run, (&first, &made)).await;
    let mut number = 0;
    for round in 0..ROUNDS {
        for _ in 0..25 {
            number += 1;
            change(&world.tenant, &mut dice, number);
        }
        let before = world.snapshot(site).await;
        let run = match round % 3 {
            0 => world.full().await,
            1 => world.delta().await,
            _ => by_hand(world, &mut dice).await,
        };
        let after = world.snapshot(site).await;
        changed += there_and_back(world, &run, (&before, &after)).await;
    }
    assert!(changed > 80, "{changed} records");
}

/// A run that imports five people, whoever they are.
async fn by_hand(world: &World, dice: &mut StdRng) -> Run {
    let users = world.tenant.users();
    let names: Vec<&str> = users
        .choose_multiple(dice, 5)
        .filter_map(|user| user.attributes["userPrincipalName"].as_str())
        .collect();
    world.import_users(&names).await;
    world.get_run(&world.latest_run().await).await
}

/// Takes the run back, and the taking back, so that the next round begins elsewhere. Answers how many records that were.
async fn there_and_back(world: &World, run: &Run, (before, after): (&Snapshot, &Snapshot)) -> u32 {
    let site = Site::shared().await;
    let back = world.revert(run).await;
    let when = format!("run {}, revert {}", run.id, back.id);
    assert_eq!(
        counts(&back).failed + counts(&back).skipped,
        0,
        "{when}: {back:#?}"
    );
    before.assert_is_back(&world.snapshot(site).await, &when);
    let twice = world.revert(run).await;
    assert_eq!(
        counts(&twice).unchanged,
        counts(&twice).seen,
        "{when}, twice: {twice:#?}"
    );
    let forth = world.revert(&back).await;
    let when = format!("revert {} of revert {}", forth.id, back.id);
    assert_eq!(
        counts(&forth).failed + counts(&forth).skipped,
        0,
        "{when}: {forth:#?}"
    );
    after.assert_is_back(&world.snapshot(site).await, &when);
    counts(&back).updated + counts(&back).removed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b4_whatever_a_run_did_taking_it_back_leaves_the_register_as_it_was() {
    let legal_and_sales = "includeDisabled: true
criteria:
  - [{ attribute: department, operator: equals, value: Sales }]
  - [{ attribute: department, operator: isNull }]";
    let world = World::with(AT_ONCE, legal_and_sales).await;
    check(&world, 7).await;
}

/// With reviews and the brake, in a role that is never removed by itself, and with records of the second kind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b4_whatever_a_run_asked_about_technicians_and_people_is_taken_back_likewise() {
    let world = World::with(
        "leavers: { disabled: deactivate, softDeleted: delete, gone: review, outOfScope: review }",
        "role: technician
criteria:
  - [{ attribute: department, operator: equals, value: Sales }]
  - [{ attribute: department, operator: isNull }]",
    )
    .await;
    world
        .apply(&format!(
            "kind: Mapping\nname: contoso-people\nconnection: {CONNECTION}\ntarget: people\n\
             uniqueIdentifier: objectId\nentity: Contoso\ncollection: Staff\n"
        ))
        .await;
    check(&world, 11).await;
}
