//! What was edited since a run stays as it is, and is told.

use contracts::v1::{AccountStatus, Outcome, RevertRunRequest, RunState};
use harness::people::hire;
use harness::register::field;
use harness::runs::{counts, tally};
use harness::site::Site;
use harness::world::World;
use serde_json::json;

#[tokio::test]
async fn b4_what_another_run_has_changed_since_is_kept_and_told() {
    let world = World::start().await;
    let ann = hire(
        &world.tenant,
        "ann",
        json!({"jobTitle": "A", "officeLocation": "1"}),
    );
    let bob = hire(&world.tenant, "bob", json!({"jobTitle": "A"}));
    world.full().await;
    world.tenant.update(&ann, "jobTitle", json!("B")).unwrap();
    world.tenant.update(&ann, "officeLocation", json!("2")).unwrap();
    world.tenant.update(&bob, "jobTitle", json!("B")).unwrap();
    let first = world.delta().await;
    for who in [&ann, &bob] {
        world.tenant.update(who, "jobTitle", json!("C")).unwrap();
    }
    let second = world.delta().await;
    assert_eq!(counts(&second).updated, 2);

    let back = world.revert(&first).await;
    assert_eq!(
        tally(&back),
        [(Outcome::Updated, 1), (Outcome::Skipped, 1)],
        "{back:#?}"
    );
    let change = world.change_of(&back, &bob).await;
    assert_eq!(
        (change.outcome(), change.reason.as_str()),
        (Outcome::Skipped, "edited since: jobTitle")
    );
    let change = world.change_of(&back, &ann).await;
    assert_eq!(
        (change.outcome(), change.reason.as_str(), change.fields.len()),
        (Outcome::Updated, "edited since: jobTitle", 1),
        "{change:#?}"
    );
    let account = world.account("ann").await;
    assert_eq!(
        (field(&account, "jobTitle"), field(&account, "office")),
        ("C", "1")
    );

    // The later one first, then the earlier one: all is back.
    let back = world.revert(&second).await;
    assert_eq!(tally(&back), [(Outcome::Updated, 2)], "{back:#?}");
    assert_eq!(field(&world.account("bob").await, "jobTitle"), "B");
    let back = world.revert(&first).await;
    assert_eq!(tally(&back), [(Outcome::Updated, 2)], "{back:#?}");
    assert_eq!(field(&world.account("ann").await, "jobTitle"), "A");
}

#[tokio::test]
async fn b4_whom_somebody_has_edited_since_the_import_is_kept_as_a_whole() {
    let world = World::start().await;
    let ann = hire(&world.tenant, "ann", json!({}));
    let bob = hire(&world.tenant, "bob", json!({}));
    let cyd = hire(&world.tenant, "cyd", json!({}));
    hire(&world.tenant, "dan", json!({}));
    let run = world.full().await;
    world
        .import("name,login,domain,organizational_unit\nAnn,ann,contoso.com,North\n")
        .await;
    world
        .import("name,login,domain,role\nBob,bob,contoso.com,technician\n")
        .await;
    world
        .cli_json(&["link", "cut", "contoso", &cyd, "--reason", "the wrong one"])
        .await;
    let back = world.revert(&run).await;
    assert_eq!(
        tally(&back),
        [(Outcome::Skipped, 3), (Outcome::Removed, 1)],
        "{back:#?}"
    );
    for (who, why) in [
        (&ann, "edited since: organizationalUnit"),
        (&bob, "edited since: its role"),
        (&cyd, "edited since: its link"),
    ] {
        let change = world.change_of(&back, who).await;
        assert_eq!(
            (change.outcome(), change.reason.as_str()),
            (Outcome::Skipped, why),
            "{change:#?}"
        );
    }
    for login in ["ann", "bob", "cyd"] {
        assert_eq!(
            world.account(login).await.status(),
            AccountStatus::Active,
            "{login}"
        );
    }
    assert_eq!(world.account("ann").await.object_id, ann);
}

#[tokio::test]
async fn b4_the_last_owner_is_never_touched() {
    let world = World::with("leavers: { disabled: deactivate }", "role: owner").await;
    let ann = hire(&world.tenant, "ann", json!({}));
    let run = world.full().await;
    let back = world.revert(&run).await;
    assert_eq!(tally(&back), [(Outcome::Skipped, 1)], "{back:#?}");
    let change = world.change_of(&back, &ann).await;
    assert!(change.reason.contains("last active owner"), "{change:#?}");

    // The one owner left was reactivated by the run that is taken back.
    let bob = hire(&world.tenant, "bob", json!({}));
    world.full().await;
    world.tenant.disable(&ann).unwrap();
    world.delta().await;
    world.tenant.enable(&ann).unwrap();
    let run = world.delta().await;
    assert_eq!(counts(&run).reactivated, 1, "{run:#?}");
    world.tenant.disable(&bob).unwrap();
    world.delta().await;
    assert_eq!(world.account("bob").await.status(), AccountStatus::Deactivated);
    let back = world.revert(&run).await;
    assert_eq!(tally(&back), [(Outcome::Skipped, 1)], "{back:#?}");
    let change = world.change_of(&back, &ann).await;
    assert!(change.reason.contains("last active owner"), "{change:#?}");
    assert_eq!(world.account("ann").await.status(), AccountStatus::Active);
}

#[tokio::test]
async fn b4_taking_back_twice_changes_nothing_and_says_so() {
    let site = Site::shared().await;
    let world = World::start().await;
    let ann = hire(&world.tenant, "ann", json!({"jobTitle": "A"}));
    world.full().await;
    world.tenant.update(&ann, "jobTitle", json!("B")).unwrap();
    hire(&world.tenant, "bob", json!({}));
    let run = world.delta().await;
    world.revert(&run).await;
    let versions = format!(
        "SELECT string_agg(version::text, ',' ORDER BY id) FROM account WHERE organization_id = '{}'",
        world.organization
    );
    let before = (world.snapshot(site).await, site.sql(&versions).await);
    let again = world.revert(&run).await;
    assert_eq!(tally(&again), [(Outcome::Unchanged, 2)], "{again:#?}");
    assert!(again.note.contains("nothing was left to take back"), "{again:#?}");
    assert_eq!((world.snapshot(site).await, site.sql(&versions).await), before);
    assert_eq!(world.get_run(&run.id).await.reverted_by.len(), 2);
}

#[tokio::test]
async fn b4_a_dry_run_shows_what_it_would_do_and_can_be_applied() {
    let site = Site::shared().await;
    let world = World::start().await;
    hire(&world.tenant, "ann", json!({}));
    let run = world.full().await;
    let before = world.snapshot(site).await;
    let plan = world
        .cli_json(&["run", "revert", &run.id, "--dry-run", "--wait"])
        .await;
    assert_eq!(
        (&plan["state"], &plan["counts"]["removed"]),
        (&json!("RUN_STATE_PLANNED"), &json!(1)),
        "{plan:#}"
    );
    assert!(
        plan["note"]
            .as_str()
            .unwrap()
            .contains("nothing is taken back yet"),
        "{plan:#}"
    );
    assert_eq!(world.snapshot(site).await, before);
    assert!(world.get_run(&run.id).await.reverted_by.is_empty());

    // The register moves: the plan is refused, and a new one is made.
    let request = RevertRunRequest {
        run_id: run.id.clone(),
        dry_run: true,
        ..RevertRunRequest::default()
    };
    let id = plan["id"].as_str().unwrap();
    world
        .import("name,login,domain,organizational_unit\nAnn,ann,contoso.com,North\n")
        .await;
    let stale = world.try_apply_plan(id).await.unwrap_err();
    assert!(stale.message().contains("the register has moved"), "{stale:?}");
    let plan = world
        .ended(&world.try_revert(request.clone()).await.unwrap().id)
        .await;
    assert_eq!(
        (plan.state(), tally(&plan)),
        (RunState::Planned, vec![(Outcome::Skipped, 1)]),
        "{plan:#?}"
    );

    hire(&world.tenant, "bob", json!({}));
    let run = world.delta().await;
    let request = RevertRunRequest {
        run_id: run.id.clone(),
        ..request
    };
    let plan = world.ended(&world.try_revert(request).await.unwrap().id).await;
    let done = world.apply_plan(&plan.id).await;
    assert_eq!(tally(&done), [(Outcome::Removed, 1)], "{done:#?}");
    assert_eq!(world.accounts_of("bob").await[0].status(), AccountStatus::Deleted);
    assert_eq!(world.get_run(&run.id).await.reverted_by, [plan.id]);
}
