//! What happens between a run's plan and its end (B6, D6, D8), and what belongs to one connection alone (D8, N7).

use contracts::v1::{AccountStatus, LeaverAction, Outcome, ReviewState, RunKind, RunState};
use harness::hold::{Hold, Step};
use harness::people::{hire, hire_many};
use harness::runs::counts;
use harness::site::Site;
use harness::world::World;
use serde_json::json;

/// Ann, who is gone and whom the policy deletes; and her account.
async fn leaver(holds: bool) -> (World, String, String, String) {
    let world = World::with("leavers: { gone: delete }", "").await;
    hire_many(&world.tenant, 5);
    let ann = hire(&world.tenant, "ann", json!({}));
    world.full().await;
    let account = world.account("ann").await.id;
    let asset = world.cli_json(&["asset", "add", "--name", "Laptop 7"]).await;
    let asset = asset["id"].as_str().unwrap().to_owned();
    if holds {
        world.cli_json(&["asset", "assign", &asset, &account]).await;
    }
    world.tenant.hard_delete(&ann).unwrap();
    (world, ann, account, asset)
}

#[tokio::test]
async fn b6_who_gets_an_asset_while_a_run_is_about_to_delete_them_is_not_deleted() {
    let (world, ann, account, asset) = leaver(false).await;
    let hold = Hold::at(Step::Planned, world.organization, Site::shared().await).await;
    let run = world.start_run(RunKind::Full).await;
    hold.reached().await;
    world.cli_json(&["asset", "assign", &asset, &account]).await;
    hold.release().await;
    let run = world.ended(&run.id).await;
    let change = world.change_of(&run, &ann).await;
    assert_eq!(change.outcome(), Outcome::Failed, "{change:#?}");
    assert_eq!(world.account("ann").await.status(), AccountStatus::Active);
    // The next run sees the asset, and lets the deletion wait for it.
    world.full().await;
    assert_eq!(world.account("ann").await.status(), AccountStatus::Deactivated);
    let open = world.reviews(ReviewState::Open).await;
    assert_eq!((open.len(), open[0].waits_for_assets), (1, true), "{open:#?}");
}

#[tokio::test]
async fn b6_nothing_waits_for_an_asset_that_came_back_while_the_run_was_about_to_be_applied() {
    let (world, _, _, asset) = leaver(true).await;
    let hold = Hold::at(Step::Planned, world.organization, Site::shared().await).await;
    let run = world.start_run(RunKind::Full).await;
    hold.reached().await;
    let returned = world.cli_json(&["asset", "return", &asset]).await;
    assert_eq!(returned["deletion"], "", "nothing waits yet: {returned}");
    hold.release().await;
    world.ended(&run.id).await;
    assert!(
        world.reviews(ReviewState::Open).await.is_empty(),
        "nobody would ever close it"
    );
    world.full().await;
    assert_eq!(world.account("ann").await.status(), AccountStatus::Deleted);
}

#[tokio::test]
async fn d8_what_a_person_approves_while_a_run_is_about_to_be_applied_stands() {
    let world = World::with("leavers: { disabled: review }", "").await;
    hire_many(&world.tenant, 6);
    let ann = hire(&world.tenant, "ann", json!({}));
    world.full().await;
    world.tenant.disable(&ann).unwrap();
    world.full().await;
    let review = world.reviews(ReviewState::Open).await.remove(0);
    world.connect("leavers: { disabled: deactivate }", "").await;
    let hold = Hold::at(Step::Planned, world.organization, Site::shared().await).await;
    let run = world.start_run(RunKind::Full).await;
    hold.reached().await;
    let results = world.approve(&[&review.id], LeaverAction::Delete).await;
    assert!(results[0].resolved, "{results:#?}");
    hold.release().await;
    let run = world.ended(&run.id).await;
    assert_eq!(run.state(), RunState::Finished, "{run:#?}");
    let change = world.change_of(&run, &ann).await;
    assert!(
        change.outcome() == Outcome::Failed && change.reason.contains("changed"),
        "{change:#?}"
    );
    assert_eq!(world.account("ann").await.status(), AccountStatus::Deleted);
    let again = world.full().await;
    assert_eq!(
        (counts(&again).removed, counts(&again).failed),
        (0, 0),
        "{again:#?}"
    );
    assert_eq!(world.account("ann").await.status(), AccountStatus::Deleted);
}

#[tokio::test]
async fn d6_nobody_is_purged_while_a_run_of_the_connection_works_with_the_link() {
    let (world, _, account, _) = leaver(false).await;
    world.full().await;
    assert_eq!(world.account("ann").await.status(), AccountStatus::Deleted);
    let hold = Hold::at(Step::Planned, world.organization, Site::shared().await).await;
    let run = world.start_run(RunKind::Full).await;
    hold.reached().await;
    let purge = ["account", "purge", &account, "--reason", "asked to be forgotten"];
    let refused = world.cli_run(&purge).await;
    hold.release().await;
    assert!(
        refused.code == 1 && refused.stdout.contains(&run.id) && refused.stdout.contains("active"),
        "{refused:?}"
    );
    world.ended(&run.id).await;
    let done = world.cli_run(&purge).await;
    assert_eq!(done.code, 0, "{done:?}");
    assert!(world.accounts_of("ann").await.is_empty());
    assert_eq!(counts(&world.full().await).failed, 0);
}

#[tokio::test]
async fn n7_reviews_and_the_log_are_listed_by_connection_and_kind() {
    let world = World::with("leavers: { disabled: deactivate, gone: review }", "").await;
    let ids = hire_many(&world.tenant, 8);
    world.full().await;
    world
        .apply(&format!(
            "kind: Connection\nname: second\ntenantId: {}\ncredential: contoso-app\nloginUrl: {url}\ngraphUrl: {url}\n",
            world.options.id,
            url = world.url(),
        ))
        .await;
    world.tenant.disable(&ids[0]).unwrap();
    world.tenant.hard_delete(&ids[1]).unwrap();
    world.full().await;
    let listed = async |args: &[&str], key: &str| {
        let answer = world.cli_json(args).await;
        answer[key].as_array().unwrap().len()
    };
    for (connection, some) in [("contoso", 1), ("second", 0)] {
        let entries = listed(&["log", "list", "--connection", connection], "entries").await;
        let reviews = listed(&["review", "list", "--connection", connection], "reviews").await;
        assert_eq!((entries, reviews), (some, some), "{connection}");
    }
    assert_eq!(listed(&["log", "list", "--kind", "removals"], "entries").await, 1);
    assert_eq!(listed(&["log", "list", "--kind", "purge"], "entries").await, 0);
    let runs = listed(&["run", "list", "--connection", "second"], "runs").await;
    assert_eq!(runs, 0, "the sync log is a connection's own");
    let other = World::start().await;
    let foreign = other.cli_json(&["log", "list"]).await;
    assert!(foreign["entries"].as_array().unwrap().is_empty(), "{foreign}");
}
