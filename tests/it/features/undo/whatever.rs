//! Whatever a run does, taking it back leaves the register as it was.

use entra_sim::Tenant;
use harness::people::hire;
use harness::runs::counts;
use harness::site::Site;
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
    let done = match dice.random_range(0..11) {
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
        9 => tenant.update(&who, "department", json!(["Sales", "Legal"].choose(dice))),
        _ => tenant.update(&who, "jobTitle", json!(["A", "B", "C"].choose(dice))),
    };
    // Some changes are refused, such as giving back a name that somebody has taken meanwhile.
    drop(done);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b4_whatever_a_run_did_taking_it_back_leaves_the_register_as_it_was() {
    let site = Site::shared().await;
    let mut dice = StdRng::seed_from_u64(7);
    let legal_and_sales = "includeDisabled: true
criteria:
  - [{ attribute: department, operator: equals, value: Sales }]
  - [{ attribute: department, operator: isNull }]";
    let world = World::with(AT_ONCE, legal_and_sales).await;
    world
        .import("name,login,domain\nOld,p03,contoso.com\nOlder,renamed5,contoso.com\n")
        .await;
    for number in 1..=40 {
        hire(&world.tenant, &format!("p{number:02}"), json!({"jobTitle": "A"}));
    }
    world.full().await;
    let mut number = 0;
    let mut changed = 0;
    for round in 0..ROUNDS {
        for _ in 0..25 {
            number += 1;
            change(&world.tenant, &mut dice, number);
        }
        let before = world.snapshot(site).await;
        let run = if round % 2 == 0 {
            world.full().await
        } else {
            world.delta().await
        };
        let after = world.snapshot(site).await;
        let back = world.revert(&run).await;
        let when = format!("round {round}, run {}, revert {}", run.id, back.id);
        assert_eq!(
            counts(&back).failed + counts(&back).skipped,
            0,
            "{when}: {back:#?}"
        );
        before.assert_is_back(&world.snapshot(site).await, &when);
        changed += counts(&back).updated + counts(&back).removed;

        // And forth again, so that the next round begins elsewhere.
        let forth = world.revert(&back).await;
        let when = format!("round {round}, revert {} of revert {}", forth.id, back.id);
        assert_eq!(
            counts(&forth).failed + counts(&forth).skipped,
            0,
            "{when}: {forth:#?}"
        );
        after.assert_is_back(&world.snapshot(site).await, &when);
    }
    assert!(changed > 40, "{changed} records");
}
