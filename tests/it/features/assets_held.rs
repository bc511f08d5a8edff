//! Leavers who still hold assets (B6): deactivated at once, deleted when the last one is returned.

use contracts::v1::{AccountStatus, LeaverAction, Outcome, ReviewState};
use harness::people::{hire, hire_many};
use harness::runs::{counts, tally};
use harness::world::World;
use serde_json::{Value, json};

/// Adds an asset with the command line and gives it to an account; its id.
async fn give(world: &World, name: &str, tag: &str, account: &str) -> String {
    let added = world
        .cli_json(&["asset", "add", "--name", name, "--tag", tag])
        .await;
    let id = added["id"].as_str().unwrap().to_owned();
    let assigned = world.cli_json(&["asset", "assign", &id, account]).await;
    assert_eq!(
        (&assigned["accountId"], &assigned["status"]),
        (&json!(account), &json!("ASSET_STATUS_IN_USE")),
        "{assigned}"
    );
    id
}

async fn take_back(world: &World, id: &str) -> Value {
    world.cli_json(&["asset", "return", id]).await
}

/// Somebody whom the policy deletes, who holds two assets; with the assets' ids.
async fn leaver_with_two(connection: &str) -> (World, String, [String; 2]) {
    let world = World::with(connection, "").await;
    hire_many(&world.tenant, 4);
    let ann = hire(&world.tenant, "ann", json!({}));
    world.full().await;
    let account = world.account("ann").await.id;
    let assets = [
        give(&world, "Laptop 7", "T-7", &account).await,
        give(&world, "Phone", "T-8", &account).await,
    ];
    (world, ann, assets)
}

#[tokio::test]
async fn b6_a_leaver_with_assets_is_deactivated_at_once_and_deleted_with_the_last_return() {
    let (world, ann, [laptop, phone]) = leaver_with_two("leavers: { gone: delete }").await;
    world.tenant.hard_delete(&ann).unwrap();
    let run = world.full().await;
    assert_eq!(
        tally(&run),
        [(Outcome::Unchanged, 4), (Outcome::Removed, 1)],
        "{run:#?}"
    );
    let change = world.change_of(&run, &ann).await;
    assert_eq!(
        (change.action.as_str(), change.applied),
        ("deactivate", true),
        "{change:#?}"
    );
    assert!(
        change
            .reason
            .contains("still holds 2 assets: Laptop 7 (T-7), Phone (T-8)"),
        "{change:#?}"
    );
    assert_eq!(world.account("ann").await.status(), AccountStatus::Deactivated);

    let reviews = world.reviews(ReviewState::Open).await;
    assert_eq!(reviews.len(), 1, "{reviews:#?}");
    let review = &reviews[0];
    assert_eq!(
        (review.proposed(), review.waits_for_assets, review.held_count),
        (LeaverAction::Delete, true, 2)
    );
    let held: Vec<&str> = review
        .held_assets
        .iter()
        .map(|asset| asset.tag.as_str())
        .collect();
    assert_eq!(held, ["T-7", "T-8"]);

    // Another full run asks no second time, and does nothing.
    let again = world.full().await;
    assert_eq!(counts(&again).removed, 0, "{again:#?}");
    assert_eq!(world.reviews(ReviewState::Open).await.len(), 1);

    let first = take_back(&world, &laptop).await;
    assert!(
        first["deletion"]
            .as_str()
            .unwrap()
            .contains("still holds 1 asset"),
        "{first}"
    );
    assert_eq!(world.account("ann").await.status(), AccountStatus::Deactivated);
    let last = take_back(&world, &phone).await;
    assert!(last["deletion"].as_str().unwrap().contains("deleted"), "{last}");
    assert_eq!(last["asset"]["status"], "ASSET_STATUS_IN_STOCK");
    assert_eq!(world.account("ann").await.status(), AccountStatus::Deleted);
    assert!(world.reviews(ReviewState::Open).await.is_empty());
    let approved = world.reviews(ReviewState::Approved).await;
    assert_eq!(
        (approved[0].id.as_str(), approved[0].resolution_reason.as_str()),
        (review.id.as_str(), "the last asset was returned")
    );
    let quiet = world.full().await;
    assert_eq!(
        (counts(&quiet).removed, counts(&quiet).held),
        (0, 0),
        "{quiet:#?}"
    );
    let log = world.cli_json(&["log", "list", "--kind", "returned"]).await;
    assert_eq!(log["entries"].as_array().unwrap().len(), 1, "{log}");
}

#[tokio::test]
async fn b6_who_is_deactivated_already_waits_too() {
    let (world, ann, [laptop, phone]) =
        leaver_with_two("leavers: { disabled: deactivate, gone: delete }").await;
    world.tenant.disable(&ann).unwrap();
    world.full().await;
    assert_eq!(world.account("ann").await.status(), AccountStatus::Deactivated);
    world.tenant.hard_delete(&ann).unwrap();
    let run = world.full().await;
    let change = world.change_of(&run, &ann).await;
    assert_eq!(
        (change.outcome(), change.action.as_str()),
        (Outcome::Held, "delete"),
        "{change:#?}"
    );
    take_back(&world, &laptop).await;
    take_back(&world, &phone).await;
    assert_eq!(world.account("ann").await.status(), AccountStatus::Deleted);
}

#[tokio::test]
async fn b6_who_comes_back_is_not_deleted_when_the_assets_are_returned() {
    let (world, ann, [laptop, phone]) = leaver_with_two("leavers: { softDeleted: delete }").await;
    let before = world.account("ann").await;
    world.tenant.soft_delete(&ann).unwrap();
    world.full().await;
    assert_eq!(world.reviews(ReviewState::Open).await.len(), 1);
    world.tenant.restore(&ann).unwrap();
    world.full().await;
    assert!(world.reviews(ReviewState::Open).await.is_empty());
    assert_eq!(world.reviews(ReviewState::Obsolete).await.len(), 1);
    take_back(&world, &laptop).await;
    let last = take_back(&world, &phone).await;
    assert_eq!(last["deletion"], "", "{last}");
    let after = world.account("ann").await;
    assert_eq!(
        (after.status(), after.id, after.object_id),
        (AccountStatus::Active, before.id, before.object_id)
    );
}

#[tokio::test]
async fn b6_the_rules_above_all_removals_count_when_the_last_asset_is_returned() {
    let (world, ann, [laptop, phone]) = leaver_with_two("leavers: { gone: delete }").await;
    world.tenant.hard_delete(&ann).unwrap();
    world.full().await;
    // She has become a technician meanwhile.
    world
        .import("name,login,domain,role\nAnn,ann,contoso.com,technician\n")
        .await;
    take_back(&world, &laptop).await;
    let last = take_back(&world, &phone).await;
    assert!(
        last["deletion"].as_str().unwrap().contains("technician"),
        "{last}"
    );
    assert_ne!(world.account("ann").await.status(), AccountStatus::Deleted);
    let reviews = world.reviews(ReviewState::Open).await;
    assert_eq!(
        (reviews.len(), reviews[0].waits_for_assets, reviews[0].held_count),
        (1, false, 0),
        "{reviews:#?}"
    );
}

#[tokio::test]
async fn b6_nobody_on_the_never_touch_list_is_deleted_by_a_return() {
    let (world, ann, [laptop, phone]) = leaver_with_two("leavers: { gone: delete }").await;
    world.tenant.hard_delete(&ann).unwrap();
    world.full().await;
    world
        .cli_json(&["never-touch", "add", "--upn", "ann@*", "--note", "on loan"])
        .await;
    take_back(&world, &laptop).await;
    let last = take_back(&world, &phone).await;
    assert!(
        last["deletion"].as_str().unwrap().contains("never-touch list"),
        "{last}"
    );
    assert_eq!(world.account("ann").await.status(), AccountStatus::Deactivated);
    assert!(world.reviews(ReviewState::Open).await.is_empty());
}

#[tokio::test]
async fn b6_approving_to_delete_a_holder_is_refused_with_the_assets_and_the_next_step() {
    let (world, ann, [laptop, phone]) = leaver_with_two("deletionMode: manual").await;
    world.tenant.hard_delete(&ann).unwrap();
    world.full().await;
    let review = world.reviews(ReviewState::Open).await.remove(0);
    assert_eq!(
        (review.proposed(), review.waits_for_assets, review.held_count),
        (LeaverAction::Delete, false, 2),
        "what the person holds stands with the review"
    );
    let refused = world
        .cli_run(&["review", "approve", &review.id, "--reason", "left"])
        .await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused.stdout.contains("Laptop 7 (T-7), Phone (T-8)")
            && refused.stdout.contains("--action deactivate"),
        "{refused:?}"
    );
    assert_eq!(world.account("ann").await.status(), AccountStatus::Active);
    assert_eq!(world.reviews(ReviewState::Open).await.len(), 1);

    take_back(&world, &laptop).await;
    take_back(&world, &phone).await;
    let results = world.approve(&[&review.id], LeaverAction::Unspecified).await;
    assert!(results[0].resolved, "{results:#?}");
    assert_eq!(world.account("ann").await.status(), AccountStatus::Deleted);
}

#[tokio::test]
async fn b6_a_preview_is_refused_when_a_leaver_has_got_an_asset_since() {
    let world = World::with("leavers: { gone: delete }", "").await;
    hire_many(&world.tenant, 4);
    let ann = hire(&world.tenant, "ann", json!({}));
    world.full().await;
    world.tenant.hard_delete(&ann).unwrap();
    let plan = world.preview().await;
    let account = world.account("ann").await.id;
    give(&world, "Laptop 7", "T-7", &account).await;
    let refused = world.try_apply_plan(&plan.id).await.unwrap_err();
    assert!(refused.message().contains("moved"), "{refused}");
    assert_eq!(world.account("ann").await.status(), AccountStatus::Active);
}

#[tokio::test]
async fn b6_people_without_a_login_hold_assets_and_leave_by_the_same_policies() {
    let mapping = "target: people\nuniqueIdentifier: email\nentity: Contoso\ncollection: Staff";
    let world = World::start().await;
    world
        .apply(&format!(
            "kind: Connection\nname: contoso\ntenantId: {}\ncredential: contoso-app\nloginUrl: {url}\ngraphUrl: {url}\n\
             firstRun: apply\nleavers: {{ gone: delete }}\n---\n\
             kind: Mapping\nname: contoso-people\nconnection: contoso\n{mapping}\n---\n\
             kind: Mapping\nname: contoso-staff\nconnection: contoso\ntarget: accounts\ncriteria:\n  \
             - [{{ attribute: department, operator: equals, value: Nobody }}]\n",
            world.options.id,
            url = world.url(),
        ))
        .await;
    hire_many(&world.tenant, 4);
    let ann = hire(&world.tenant, "ann", json!({}));
    world.full().await;
    let people = world.cli_json(&["person", "list", "--search", "ann"]).await;
    let person = people["people"][0]["id"].as_str().unwrap().to_owned();
    let laptop = give(&world, "Laptop 7", "T-7", &person).await;
    world.tenant.hard_delete(&ann).unwrap();
    let run = world.full().await;
    assert_eq!(counts(&run).removed, 1, "{run:#?}");
    let review = world.reviews(ReviewState::Open).await.remove(0);
    assert_eq!(
        (review.account_id.as_str(), review.waits_for_assets),
        (person.as_str(), true)
    );
    take_back(&world, &laptop).await;
    let left = world.cli_json(&["person", "list", "--search", "ann"]).await;
    assert!(left["people"].as_array().unwrap().is_empty(), "{left}");
}

#[tokio::test]
async fn b6_assets_are_added_found_given_and_taken_back() {
    let world = World::start().await;
    world.import("name,login,domain\nAnn,ann,contoso.com\n").await;
    let ann = world.account("ann").await.id;
    let laptop = give(&world, "Laptop 7", "T-7", &ann).await;
    world
        .cli_json(&[
            "asset", "add", "--name", "Phone", "--serial", "SN-1", "--model", "Pixel 9",
        ])
        .await;
    let found = world
        .cli_json(&["asset", "list", "--search", "pixel sn-1", "--limit", "5"])
        .await;
    let names = |answer: &Value| -> Vec<String> {
        let assets = answer["assets"].as_array().unwrap().iter();
        assets
            .map(|asset| asset["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&found), ["Phone"]);
    let held = world.cli_json(&["asset", "list", "--account", &ann]).await;
    assert_eq!(names(&held), ["Laptop 7"]);
    assert_eq!(held["assets"][0]["accountName"], "Ann");
    let first = world.cli_run(&["asset", "list", "--limit", "1"]).await;
    assert!(
        first.stdout.contains("Laptop 7") && first.stderr.contains("--limit"),
        "{first:?}"
    );

    for (args, told) in [
        (vec!["asset", "add", "--name", "Other", "--tag", "t-7"], "tag"),
        (vec!["asset", "assign", &laptop, &ann], "return it first"),
        (vec!["asset", "assign", &ann, &ann], "no asset"),
        (vec!["asset", "assign", &laptop, &laptop], "no account or person"),
        (vec!["asset", "return", &ann], "no asset"),
        (vec!["asset", "add", "--name", " "], "name"),
    ] {
        let refused = world.cli_run(&args).await;
        assert!(
            refused.code != 0 && refused.stderr.contains(told),
            "{args:?}: {refused:?}"
        );
    }
    take_back(&world, &laptop).await;
    let again = world.cli_run(&["asset", "return", &laptop]).await;
    assert!(
        again.code == 1 && again.stderr.contains("nobody holds"),
        "{again:?}"
    );
}
