//! Configuration as code (B15), and who may do it (C14).

use harness::documents::documents;
use harness::people::hire;
use harness::register::field;
use harness::runs::counts;
use harness::site::Site;
use harness::world::World;
use serde_json::{Value, json};

fn actions(answer: &Value) -> Vec<String> {
    let changes = answer["changes"].as_array().unwrap();
    changes
        .iter()
        .map(|change| change["action"].as_str().unwrap().to_owned())
        .collect()
}

async fn audited(world: &World) -> String {
    let query = format!(
        "SELECT action || ' ' || subject || ' ' || coalesce(before::text, '') || ' ' || coalesce(after::text, '')
         FROM audit WHERE organization_id = '{}' ORDER BY id",
        world.organization
    );
    Site::shared().await.sql(&query).await
}

#[tokio::test]
async fn b15_applying_the_same_twice_changes_nothing() {
    let world = World::start().await;
    hire(&world.tenant, "ann", json!({}));
    world.full().await;
    let before = audited(&world).await;
    let again = world
        .apply(&documents(&world.options, &world.url(), "", ""))
        .await;
    assert_eq!(
        actions(&again),
        ["unchanged", "unchanged", "unchanged"],
        "{again}"
    );
    assert_eq!(audited(&world).await, before, "nothing is audited");
    let run = world.delta().await;
    assert_eq!(run.reason, "", "and the next delta stays a delta: {run:#?}");
}

#[tokio::test]
async fn b15_a_diff_shows_old_and_new_and_changes_nothing() {
    let world = World::start().await;
    let wanted = documents(
        &world.options,
        &world.url(),
        "brake: { percent: 5 }",
        "role: technician",
    );
    let file = world.file("wanted.yaml", &wanted);
    let diff = || async { world.cli_json(&["diff", "-f", file.to_str().unwrap()]).await };
    for _ in 0..2 {
        let told = diff().await;
        assert_eq!(actions(&told), ["unchanged", "updated", "updated"], "{told}");
        let connection = &told["changes"][1]["properties"];
        assert_eq!(connection[0]["path"], "brake.percent");
        assert_eq!(
            (&connection[0]["old"], &connection[0]["new"]),
            (&json!("10"), &json!("5"))
        );
    }
    let table = world.cli_run(&["diff", "-f", file.to_str().unwrap()]).await;
    assert!(table.stdout.contains("brake.percent: 10 → 5"), "{table:?}");
    world.apply(&wanted).await;
    assert_eq!(actions(&diff().await), ["unchanged", "unchanged", "unchanged"]);
}

#[tokio::test]
async fn b15_what_is_exported_applies_again_and_changes_nothing() {
    let fields = "overrideByEmail: true
role: technician
fields:
  - { field: name, attribute: displayName, authority: onCreate, clear: false }
  - { field: login, attribute: userPrincipalName.local }
  - { field: jobTitle, attribute: jobTitle, default: \"none: at all\" }
  - { field: company, constant: \"Contoso, Ltd\" }
  - { field: reportingTo, attribute: manager }";
    let connection =
        "deletionMode: manual\nleavers: { disabled: review }\nbrake: { percent: 7, count: 9, from: 11 }";
    let world = World::with(connection, fields).await;
    let export = world.cli_run(&["export"]).await;
    assert_eq!(export.code, 0, "{export:?}");
    assert!(export.stdout.contains("CONTOSO_APP_SECRET"), "{export:?}");
    let file = world.file("export.yaml", &export.stdout);
    let cli = world
        .cli()
        .env("CONTOSO_APP_SECRET", &world.options.client_secret);
    let again = cli.json(&["apply", "-f", file.to_str().unwrap()]).await.unwrap();
    assert_eq!(actions(&again), ["unchanged"; 4], "{again}\n{}", export.stdout);

    // Somewhere else it makes the same.
    let other = World::bare(Site::shared().await, world.options.clone()).await;
    let cli = other
        .cli()
        .env("CONTOSO_APP_SECRET", &world.options.client_secret);
    let made = cli.json(&["apply", "-f", file.to_str().unwrap()]).await.unwrap();
    assert!(
        actions(&made)
            .iter()
            .all(|action| action == "created" || action == "updated"),
        "{made}"
    );
    assert_eq!(other.cli_run(&["export"]).await.stdout, export.stdout);
}

#[tokio::test]
async fn b15_everything_is_applied_or_nothing() {
    let world = World::bare(Site::shared().await, harness::people::nobody()).await;
    let broken =
        documents(&world.options, &world.url(), "", "").replace("connection: contoso", "connection: nobody");
    let file = world.file("broken.yaml", &broken);
    let refused = world.cli_run(&["apply", "-f", file.to_str().unwrap()]).await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused.stderr.contains("\"nobody\" is no connection"),
        "{refused:?}"
    );
    let list = world.cli_json(&["connection", "list"]).await;
    assert_eq!(list["connections"], json!([]));
}

#[tokio::test]
async fn c14_changes_are_audited_without_secrets() {
    let world = World::start().await;
    world.connect("brake: { percent: 5 }", "").await;
    let audit = audited(&world).await;
    assert!(
        audit.contains("contoso-staff") && audit.contains("brake"),
        "{audit}"
    );
    assert!(!audit.contains(&world.options.client_secret), "{audit}");
}

#[tokio::test]
async fn f4_a_changed_mapping_makes_the_next_delta_full_and_the_run_says_so() {
    let world = World::start().await;
    hire(&world.tenant, "ann", json!({"jobTitle": "Clerk"}));
    hire(&world.tenant, "bob", json!({}));
    world.full().await;
    assert_eq!(counts(&world.delta().await).seen, 0);
    let rows = "fields:
  - { field: name, attribute: displayName }
  - { field: login, attribute: userPrincipalName.local }
  - { field: jobTitle, attribute: jobTitle, default: \"unknown\" }";
    world
        .apply(&documents(&world.options, &world.url(), "", rows))
        .await;
    let announced = world.connection().await.next_full_reason;
    assert!(announced.contains("contoso-staff"), "{announced:?}");
    assert_eq!(
        field(&world.account("bob").await, "jobTitle"),
        "",
        "not before a run"
    );

    // Nobody changed in the directory, so a delta alone would see nobody.
    let run = world.delta().await;
    assert!(run.reason.contains("mapping contoso-staff changed"), "{run:#?}");
    assert!(announced.starts_with(&run.reason), "{announced:?}: {run:#?}");
    assert_eq!(counts(&run).seen, 2, "{run:#?}");
    assert_eq!(field(&world.account("bob").await, "jobTitle"), "unknown");
    assert_eq!(field(&world.account("ann").await, "jobTitle"), "Clerk");

    // Once is enough.
    assert_eq!(world.connection().await.next_full_reason, "");
    let run = world.delta().await;
    assert_eq!((run.reason.as_str(), counts(&run).seen), ("", 0), "{run:#?}");
}
