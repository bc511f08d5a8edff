//! Purging (D6): a person's word removes a deleted record for good, and what is said of it; ids and counts stay.

use contracts::v1::{AccountStatus, Outcome, ReviewState};
use harness::people::{hire, hire_many};
use harness::register::field;
use harness::runs::{counts, tally};
use harness::site::Site;
use harness::world::World;
use serde_json::json;

/// A world in which Ann, whose name nobody else has, was deleted by a run.
async fn with_deleted() -> (World, String, String) {
    let world = World::with("leavers: { softDeleted: delete, gone: delete }", "").await;
    hire_many(&world.tenant, 5);
    let ann = hire(
        &world.tenant,
        "ann",
        json!({"displayName": "Xanthippe Quill", "jobTitle": "Sphinx keeper"}),
    );
    world.full().await;
    world.tenant.soft_delete(&ann).unwrap();
    world.full().await;
    let account = world.account("ann").await;
    assert_eq!(account.status(), AccountStatus::Deleted);
    (world, ann, account.id)
}

#[tokio::test]
async fn d6_purging_forgets_the_person_and_keeps_ids_and_counts() {
    let (world, ann, account) = with_deleted().await;
    let runs = world.cli_json(&["run", "list", "--connection", "contoso"]).await;
    let answer = world
        .cli_json(&["account", "purge", &account, "--reason", "asked to be forgotten"])
        .await;
    assert_eq!(answer["results"][0]["purged"], true, "{answer}");
    assert!(world.accounts_of("ann").await.is_empty());

    // Nothing that is kept of the register says who it was.
    for run in runs["runs"].as_array().unwrap() {
        let id = run["id"].as_str().unwrap();
        let changes = world.cli_json(&["run", "changes", id]).await.to_string();
        for word in ["Xanthippe", "Sphinx", "ann@contoso.com"] {
            assert!(!changes.contains(word), "{word} in {changes}");
        }
    }
    let again = world.cli_json(&["run", "list", "--connection", "contoso"]).await;
    let tallies = |runs: &serde_json::Value| -> Vec<serde_json::Value> {
        let runs = runs["runs"].as_array().unwrap().iter();
        runs.map(|run| run["counts"].clone()).collect()
    };
    assert_eq!(tallies(&runs), tallies(&again), "what happened stays counted");
    let log = world.cli_json(&["log", "list", "--kind", "removals"]).await;
    let entry = log["entries"][0]["id"].as_str().unwrap();
    let csv = world.cli_run(&["log", "show", entry, "--csv"]).await.stdout;
    assert!(csv.contains(&account) && csv.contains(&ann), "{csv}");
    assert!(
        !csv.contains("Xanthippe") && !csv.contains("ann@contoso.com"),
        "{csv}"
    );
    let purges = world.cli_json(&["log", "list", "--kind", "purge"]).await;
    assert_eq!(purges["entries"][0]["title"], "1 record purged", "{purges}");
    let audit = world.cli_json(&["audit", "list", "--subject", &account]).await;
    assert_eq!(audit["entries"][0]["action"], "account.purge", "{audit}");
    assert!(
        audit["entries"][0]["after"]
            .as_str()
            .unwrap()
            .contains("asked to be forgotten"),
        "{audit}"
    );
    let left = Site::shared()
        .await
        .sql(&format!(
            "SELECT count(*) FROM link WHERE account_id = '{account}'"
        ))
        .await;
    assert_eq!(left.trim(), "0");
}

#[tokio::test]
async fn d6_who_was_purged_comes_in_anew_only_while_in_scope() {
    let (world, ann, account) = with_deleted().await;
    let plan = world.preview().await;
    world
        .cli_json(&["account", "purge", &account, "--reason", "a mistake"])
        .await;
    let refused = world.try_apply_plan(&plan.id).await.unwrap_err();
    assert!(
        refused.message().contains("preview"),
        "a plan from before is not applied: {refused}"
    );
    // Still in deleted items: left out.
    let run = world.full().await;
    assert_eq!(
        tally(&run),
        [(Outcome::Unchanged, 5), (Outcome::Skipped, 1)],
        "{run:#?}"
    );
    assert!(world.accounts_of("ann").await.is_empty());
    // Restored: a new record, told whole also by a delta.
    world.tenant.restore(&ann).unwrap();
    let run = world.delta().await;
    assert_eq!(counts(&run).added, 1, "{run:#?}");
    let anew = world.account("ann").await;
    assert_ne!(anew.id, account);
    assert_eq!(
        (anew.status(), anew.name.as_str(), field(&anew, "jobTitle")),
        (AccountStatus::Active, "Xanthippe Quill", "Sphinx keeper")
    );
}

#[tokio::test]
async fn d6_purging_is_refused_with_the_reason() {
    let world = World::with("leavers: { disabled: review, gone: review }", "").await;
    let ids = hire_many(&world.tenant, 6);
    world.full().await;
    let active = world.account("p01").await.id;
    world.tenant.hard_delete(&ids[1]).unwrap();
    world.full().await;
    let review = world.reviews(ReviewState::Open).await.remove(0);
    let unknown = "00000000-0000-7000-8000-00000000abcd";
    let refused = world
        .cli_run(&["account", "purge", &active, unknown, "--reason", "tidy"])
        .await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused.stdout.contains("only deleted records") && refused.stdout.contains("no such record"),
        "{refused:?}"
    );
    // Deleted, while an asset and a review still hang on it.
    let deleted = review.account_id;
    let site = Site::shared().await;
    let asset = world.cli_json(&["asset", "add", "--name", "Laptop 7"]).await;
    let asset = asset["id"].as_str().unwrap().to_owned();
    world.cli_json(&["asset", "assign", &asset, &deleted]).await;
    site.sql(&format!(
        "UPDATE account SET status = 3, login_key = NULL WHERE id = '{deleted}'"
    ))
    .await;
    let why = async || {
        let args = ["account", "purge", &deleted, "--reason", "tidy"];
        world.cli_run(&args).await.stdout
    };
    assert!(why().await.contains("still holds 1 asset: Laptop 7"));
    world.cli_json(&["asset", "return", &asset]).await;
    assert!(why().await.contains("review of it is open"));
    world.reject(&[&review.id]).await;
    assert!(why().await.contains("yes"));
    let viewer = world
        .cli_run(&["token", "create", "eyes", "--role", "viewer"])
        .await;
    let as_viewer = world
        .cli()
        .env("ROLLCALL_TOKEN", viewer.stdout.trim())
        .run(&["account", "purge", &active, "--reason", "tidy"])
        .await
        .unwrap();
    assert!(
        as_viewer.code == 1 && as_viewer.stderr.contains("admin"),
        "{as_viewer:?}"
    );
}
