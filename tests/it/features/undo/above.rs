//! What stands above every removal and every sync stands above a revert, too: assets, the never-touch list, the last
//! owner; and what has been removed for good does not come back.

use contracts::v1::{AccountStatus, Outcome, RevertRunRequest, ReviewState, Run, RunState};
use harness::people::{hire, hire_many};
use harness::register::field;
use harness::runs::{counts, tally};
use harness::site::Site;
use harness::world::World;
use serde_json::json;

use super::AT_ONCE;

/// Gives an asset to an account; the asset's id.
async fn give(world: &World, account: &str) -> String {
    let added = world
        .cli_json(&["asset", "add", "--name", "Laptop 7", "--tag", "T-7"])
        .await;
    let id = added["id"].as_str().unwrap().to_owned();
    world.cli_json(&["asset", "assign", &id, account]).await;
    id
}

/// Asks for the plan of a revert.
async fn plan(world: &World, run: &Run) -> Run {
    let request = RevertRunRequest {
        run_id: run.id.clone(),
        dry_run: true,
        ..RevertRunRequest::default()
    };
    let planned = world.try_revert(request).await.unwrap();
    let planned = world.ended(&planned.id).await;
    assert_eq!(planned.state(), RunState::Planned, "{planned:#?}");
    planned
}

#[tokio::test]
async fn b4_a_deletion_that_waited_for_assets_waits_no_more_after_the_revert() {
    let world = World::with("leavers: { gone: delete }", "").await;
    hire_many(&world.tenant, 4);
    let ann = hire(&world.tenant, "ann", json!({}));
    world.full().await;
    let laptop = give(&world, &world.account("ann").await.id).await;
    world.tenant.hard_delete(&ann).unwrap();
    let run = world.full().await;
    assert_eq!(world.account("ann").await.status(), AccountStatus::Deactivated);
    assert_eq!(world.reviews(ReviewState::Open).await.len(), 1);

    let back = world.revert(&run).await;
    assert_eq!(tally(&back), [(Outcome::Updated, 1)], "{back:#?}");
    assert_eq!(world.account("ann").await.status(), AccountStatus::Active);
    assert_eq!(world.reviews(ReviewState::Open).await, []);
    // Nothing is left that would delete her then.
    world.cli_json(&["asset", "return", &laptop]).await;
    assert_eq!(world.account("ann").await.status(), AccountStatus::Active);
}

#[tokio::test]
async fn b4_who_has_got_assets_since_the_import_is_kept_until_they_are_returned() {
    let world = World::start().await;
    let ann = hire(&world.tenant, "ann", json!({}));
    hire(&world.tenant, "bob", json!({}));
    let run = world.full().await;
    let laptop = give(&world, &world.account("ann").await.id).await;
    let back = world.revert(&run).await;
    assert_eq!(
        tally(&back),
        [(Outcome::Skipped, 1), (Outcome::Removed, 1)],
        "{back:#?}"
    );
    let change = world.change_of(&back, &ann).await;
    assert_eq!(
        change.reason,
        "not deleted: still holds 1 asset: Laptop 7 (T-7); return them, then revert again"
    );
    let account = world.account_by_object(&ann).await;
    assert_eq!(account.status(), AccountStatus::Active);
    world.cli_json(&["asset", "return", &laptop]).await;
    let back = world.revert(&run).await;
    assert_eq!(counts(&back).removed, 1, "{back:#?}");
    assert_eq!(world.accounts_of("ann").await[0].status(), AccountStatus::Deleted);
}

#[tokio::test]
async fn b4_whom_nobody_may_touch_is_left_alone_until_the_entry_is_removed() {
    let world = World::start().await;
    let ann = hire(&world.tenant, "ann", json!({"jobTitle": "A"}));
    let bob = hire(&world.tenant, "bob", json!({"jobTitle": "A"}));
    world.full().await;
    for who in [&ann, &bob] {
        world.tenant.update(who, "jobTitle", json!("B")).unwrap();
    }
    let run = world.delta().await;
    let planned = plan(&world, &run).await;
    assert_eq!(tally(&planned), [(Outcome::Updated, 2)], "{planned:#?}");
    let entry = world
        .cli_json(&["never-touch", "add", "--object", &ann, "--note", "hers"])
        .await;
    let stale = world.try_apply_plan(&planned.id).await.unwrap_err();
    assert!(stale.message().contains("never-touch list"), "{stale:?}");

    let back = world.revert(&run).await;
    assert_eq!(
        tally(&back),
        [(Outcome::Updated, 1), (Outcome::Skipped, 1)],
        "{back:#?}"
    );
    let change = world.change_of(&back, &ann).await;
    assert_eq!(
        change.reason,
        format!("on the never-touch list: object {ann} (hers)")
    );
    assert_eq!(field(&world.account("ann").await, "jobTitle"), "B");
    assert_eq!(field(&world.account("bob").await, "jobTitle"), "A");
    world
        .cli_json(&["never-touch", "remove", entry["id"].as_str().unwrap()])
        .await;
    world.revert(&run).await;
    assert_eq!(field(&world.account("ann").await, "jobTitle"), "A");
}

#[tokio::test]
async fn b4_a_plan_after_which_nobody_would_own_the_organization_is_refused() {
    let world = World::with("leavers: { disabled: deactivate }", "role: owner").await;
    let ann = hire(&world.tenant, "ann", json!({}));
    let bob = hire(&world.tenant, "bob", json!({}));
    world.full().await;
    world.tenant.disable(&ann).unwrap();
    world.delta().await;
    world.tenant.enable(&ann).unwrap();
    let run = world.delta().await;
    assert_eq!(counts(&run).reactivated, 1, "{run:#?}");
    let planned = plan(&world, &run).await;
    assert_eq!(tally(&planned), [(Outcome::Removed, 1)], "{planned:#?}");
    world.tenant.disable(&bob).unwrap();
    world.delta().await;
    assert_eq!(world.account("bob").await.status(), AccountStatus::Deactivated);
    let refused = world.try_apply_plan(&planned.id).await.unwrap_err();
    assert!(
        refused.message().contains("no active owner would be left"),
        "{refused:?}"
    );
    assert_eq!(world.account("ann").await.status(), AccountStatus::Active);
}

#[tokio::test]
async fn b4_technicians_that_a_run_added_are_taken_back_and_of_owners_one_stays() {
    let site = Site::shared().await;
    for (role, stay) in [("technician", 0), ("owner", 1)] {
        let world = World::with("", &format!("role: {role}")).await;
        hire_many(&world.tenant, 3);
        let before = world.snapshot(site).await;
        let run = world.full().await;
        let after = world.snapshot(site).await;
        let back = world.revert(&run).await;
        assert_eq!(
            (counts(&back).removed, counts(&back).skipped),
            (3 - stay, stay),
            "{back:#?}"
        );
        if stay == 0 {
            before.assert_is_back(&world.snapshot(site).await, "after the revert");
        } else {
            let left = world.changes(&back, Outcome::Skipped).await;
            assert!(left[0].reason.contains("last active owner"), "{left:#?}");
        }
        let forth = world.revert(&back).await;
        assert_eq!(counts(&forth).failed, 0, "{forth:#?}");
        after.assert_is_back(&world.snapshot(site).await, "role and link are back");
    }
}

#[tokio::test]
async fn b4_a_record_that_was_purged_since_is_given_back_to_nobody() {
    let site = Site::shared().await;
    let world = World::with(AT_ONCE, "").await;
    hire_many(&world.tenant, 3);
    let ann = hire(&world.tenant, "ann", json!({}));
    let run = world.full().await;
    let back = world.revert(&run).await;
    assert_eq!(tally(&back), [(Outcome::Removed, 4)], "{back:#?}");
    let account = world.accounts_of("ann").await.remove(0);
    let purged = world
        .cli_json(&[
            "account",
            "purge",
            &account.id,
            "--reason",
            "asked to be forgotten",
        ])
        .await;
    assert_eq!(purged["results"][0]["purged"], true, "{purged}");

    let forth = world.revert(&back).await;
    assert_eq!(tally(&forth), [(Outcome::Updated, 3)], "{forth:#?}");
    let links_to_nobody = format!(
        "SELECT count(*) FROM link WHERE organization_id = '{}' AND account_id IS NOT NULL
             AND NOT EXISTS (SELECT FROM account WHERE id = link.account_id)",
        world.organization
    );
    assert_eq!(site.sql(&links_to_nobody).await.trim(), "0");
    let again = world.full().await;
    assert_eq!(
        tally(&again),
        [(Outcome::Added, 1), (Outcome::Unchanged, 3)],
        "{again:#?}"
    );
    assert_ne!(world.account_by_object(&ann).await.id, account.id);
}
