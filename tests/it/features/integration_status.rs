//! Integration status: what the sync knows of each record's object, kept by the sync alone (I6).

use contracts::v1::{IntegrationStatus, Outcome};
use harness::documents::documents;
use harness::people::hire;
use harness::world::World;
use serde_json::{Value, json};

async fn status(world: &World, object: &str) -> IntegrationStatus {
    world.account_by_object(object).await.integration_status()
}

/// The logins that `account list --status` shows.
async fn logins(world: &World, status: &str) -> Vec<String> {
    let listed = world
        .cli_json(&["account", "list", "--deleted", "--status", status])
        .await;
    let accounts = listed["accounts"].as_array().cloned().unwrap_or_default();
    let login = |account: &Value| account["login"].as_str().unwrap_or_default().to_owned();
    let mut logins: Vec<String> = accounts.iter().map(login).collect();
    logins.sort();
    logins
}

#[tokio::test]
async fn i6_every_status_is_kept_shown_and_found() {
    let mapping = "criteria:\n  - [{ attribute: city, operator: notEquals, value: Bergen }]";
    let world = World::with("leavers: { gone: deactivate, outOfScope: nothing }", mapping).await;
    let people = ["ann", "bob", "cyd", "dan", "eve", "fay", "gil"];
    let ids: Vec<String> = people
        .iter()
        .map(|login| hire(&world.tenant, login, json!({"city": "Oslo"})))
        .collect();
    world.full().await;
    world.tenant.disable(&ids[1]).unwrap();
    world.tenant.soft_delete(&ids[2]).unwrap();
    world.tenant.hard_delete(&ids[3]).unwrap();
    world.tenant.update(&ids[4], "city", json!("Bergen")).unwrap();
    world.tenant.update(&ids[5], "displayName", json!("")).unwrap();
    let run = world.full().await;
    assert_eq!(
        world.change_of(&run, &ids[5]).await.outcome(),
        Outcome::Failed,
        "a name is needed: {run:#?}"
    );
    for (word, found) in [
        ("active", vec!["ann", "gil"]),
        ("disabled", vec!["bob"]),
        ("soft-deleted", vec!["cyd"]),
        ("gone", vec!["dan"]),
        ("out-of-scope", vec!["eve"]),
        ("conflict", vec!["fay"]),
    ] {
        assert_eq!(logins(&world, word).await, found, "{word}");
    }
    let shown = world.account("fay").await.id;
    let shown = world.cli().run(&["account", "show", &shown]).await.unwrap();
    assert!(shown.stdout.contains("conflict"), "{shown:?}");

    // A failed delta says so too, and it clears itself as soon as a decision stands again.
    world.tenant.update(&ids[6], "displayName", json!("")).unwrap();
    world.delta().await;
    assert_eq!(status(&world, &ids[6]).await, IntegrationStatus::Conflict);
    world.tenant.update(&ids[6], "displayName", json!("Gil")).unwrap();
    world.delta().await;
    assert_eq!(status(&world, &ids[6]).await, IntegrationStatus::Active);
    world.tenant.update(&ids[5], "displayName", json!("Fay")).unwrap();
    world.full().await;
    assert_eq!(logins(&world, "conflict").await, Vec::<String>::new());
}

#[tokio::test]
async fn i6_who_was_in_conflict_is_decided_with_everything_that_the_directory_says() {
    let world = World::start().await;
    world.import("name,login,domain\nOther,taken,contoso.com\n").await;
    let ann = hire(&world.tenant, "ann", json!({}));
    hire(&world.tenant, "taken", json!({}));
    world.full().await;
    world.tenant.disable(&ann).unwrap();
    world.delta().await;
    assert_eq!(status(&world, &ann).await, IntegrationStatus::Disabled);
    // Disabled, and in conflict; then a delta that is silent about sign-in.
    world.tenant.update(&ann, "displayName", json!("")).unwrap();
    world.delta().await;
    assert_eq!(status(&world, &ann).await, IntegrationStatus::Conflict);
    world.tenant.update(&ann, "displayName", json!("Ann")).unwrap();
    world.delta().await;
    assert_eq!(
        status(&world, &ann).await,
        IntegrationStatus::Disabled,
        "still disabled, although the last row did not say so"
    );
}

#[tokio::test]
async fn i6_a_mapping_row_for_it_is_refused() {
    let world = World::start().await;
    for name in ["integrationStatus", "integration_status"] {
        let rows = format!(
            "fields:\n  - {{ field: name, attribute: displayName }}\n  - {{ field: {name}, constant: active }}"
        );
        let yaml = documents(&world.options, &world.url(), "", &rows);
        let file = world.file("status.yaml", &yaml);
        let answer = world
            .cli()
            .run(&["apply", "-f", file.to_str().unwrap()])
            .await
            .unwrap();
        assert_eq!(answer.code, 1, "{answer:?}");
        assert!(
            answer
                .stderr
                .contains("fields[1].field: is kept by the sync itself and can't be mapped"),
            "{answer:?}"
        );
    }
}
