//! What people do with the command line, from the first run to the last review.

use contracts::v1::{AccountStatus, ReviewState};
use harness::people::{hire, hire_many};
use harness::world::World;
use serde_json::{Value, json};

/// A command that must do what it was asked.
async fn done(world: &World, args: &[&str]) -> local::cli::Answer {
    let answer = world.cli_run(args).await;
    assert_eq!(answer.code, 0, "{args:?}: {answer:?}");
    answer
}

#[tokio::test]
async fn b1_a_first_run_says_that_it_stopped_and_how_to_go_on() {
    let world = World::with("firstRun: preview", "").await;
    hire(&world.tenant, "ann", json!({"department": "Legal"}));
    let first = done(&world, &["run", "start", "contoso", "--kind", "full", "--wait"]).await;
    assert!(first.stderr.contains("Nothing was applied"), "{first:?}");
    let after = first.stderr.rsplit("rollcall run apply ").next().unwrap();
    let id = after.split_whitespace().next().unwrap();
    let plan = done(&world, &["run", "changes", id]).await.stdout;
    assert!(
        plan.contains("ann@contoso.com") && plan.contains("Legal") && plan.contains("added"),
        "{plan}"
    );
    let applied = done(&world, &["run", "apply", id, "--wait"]).await;
    assert!(applied.stdout.contains("finished"), "{applied:?}");
    assert_eq!(world.account("ann").await.status(), AccountStatus::Active);
    let again = world.cli_run(&["run", "apply", id]).await;
    assert!(
        again.code == 1 && again.stderr.contains("applied already"),
        "{again:?}"
    );
}

#[tokio::test]
async fn d8_reviews_are_listed_approved_and_rejected() {
    let world = World::with("leavers: { disabled: review }", "").await;
    let ids = hire_many(&world.tenant, 5);
    world.full().await;
    for id in &ids[..3] {
        world.tenant.disable(id).unwrap();
    }
    let held = done(&world, &["run", "start", "contoso", "--kind", "delta", "--wait"]).await;
    assert!(held.stderr.contains("3 removals are held"), "{held:?}");
    let list = world
        .cli_json(&["review", "list", "--connection", "contoso"])
        .await;
    let of = |login: &str| -> String {
        let all = list["reviews"].as_array().unwrap();
        let found = all
            .iter()
            .find(|review| review["upn"] == format!("{login}@contoso.com"))
            .unwrap();
        found["id"].as_str().unwrap().to_owned()
    };
    let (first, second, third) = (of("p01"), of("p02"), of("p03"));
    done(&world, &["review", "approve", &first, "--reason", "left"]).await;
    done(
        &world,
        &[
            "review",
            "approve",
            &second,
            "--action",
            "delete",
            "--reason",
            "left for good",
        ],
    )
    .await;
    done(&world, &["review", "reject", &third, "--reason", "on leave"]).await;
    let mut statuses = Vec::new();
    for login in ["p01", "p02", "p03"] {
        statuses.push(world.account(login).await.status());
    }
    assert_eq!(
        statuses,
        [
            AccountStatus::Deactivated,
            AccountStatus::Deleted,
            AccountStatus::Active
        ]
    );
    assert!(world.reviews(ReviewState::Open).await.is_empty());
    let twice = world
        .cli_run(&["review", "approve", &first, "--reason", "again"])
        .await;
    assert!(twice.code == 1, "it did not happen: {twice:?}");
    assert_eq!(
        world.cli_run(&["review", "approve", &first]).await.code,
        2,
        "a reason is needed"
    );
}

#[tokio::test]
async fn the_register_is_searched_and_shown() {
    let world = World::start().await;
    hire(
        &world.tenant,
        "ann",
        json!({"displayName": "Ann Ōtani \u{202e}gpj", "city": "Tórshavn"}),
    );
    hire(&world.tenant, "bob", json!({}));
    world.full().await;
    let found = world
        .cli_json(&["account", "list", "--search", "ann contoso"])
        .await;
    assert_eq!(found["accounts"].as_array().unwrap().len(), 1, "{found}");
    let id = found["accounts"][0]["id"].as_str().unwrap();
    let shown = done(&world, &["account", "show", id]).await.stdout;
    assert!(
        shown.contains("Tórshavn") && shown.contains("Ann Ōtani"),
        "{shown}"
    );
    assert!(
        !shown.contains('\u{202e}'),
        "what turns the direction is escaped: {shown}"
    );
    let links = world.cli_json(&["link", "list", "--connection", "contoso"]).await;
    assert_eq!(links["links"].as_array().unwrap().len(), 2, "{links}");
    let yaml = done(&world, &["account", "list", "--output", "yaml"])
        .await
        .stdout;
    assert!(yaml.contains("login: bob"), "{yaml}");
}

#[tokio::test]
async fn n4_the_bell_is_read_in_the_terminal() {
    let world = World::start().await;
    hire(&world.tenant, "ann", json!({}));
    let run = world.full().await;
    world
        .notice(&run.id, contracts::v1::NoticeKind::RunFinished)
        .await;
    let list = done(&world, &["notice", "list"]).await.stdout;
    assert!(list.contains("1 added"), "{list}");
}

#[tokio::test]
async fn tokens_are_made_listed_and_revoked() {
    let world = World::start().await;
    let secret = done(&world, &["token", "create", "ci", "--role", "viewer"])
        .await
        .stdout
        .trim()
        .to_owned();
    let viewer = world.cli().env("ROLLCALL_TOKEN", &secret);
    assert_eq!(viewer.run(&["connection", "list"]).await.unwrap().code, 0);
    let list: Value = world.cli_json(&["token", "list"]).await;
    let names: Vec<_> = list["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .map(|token| token["name"].as_str().unwrap())
        .collect();
    assert!(
        names.contains(&"ci") && !list.to_string().contains(&secret),
        "{list}"
    );
    done(&world, &["token", "revoke", "ci"]).await;
    let refused = viewer.run(&["connection", "list"]).await.unwrap();
    assert!(
        refused.code == 1 && refused.stderr.contains("token"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn without_an_api_it_says_what_to_do() {
    let world = World::start().await;
    let lost = world.cli().env("ROLLCALL_API", "http://127.0.0.1:9");
    let answer = lost.run(&["connection", "list"]).await.unwrap();
    assert_eq!(answer.code, 1);
    assert!(
        answer.stderr.contains("http://127.0.0.1:9") && answer.stderr.contains("make run"),
        "{answer:?}"
    );
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            done(&world, &["completion", shell])
                .await
                .stdout
                .contains("rollcall"),
            "{shell}"
        );
    }
}
