//! Connections: made, tested, several side by side, and disconnected (C1, C4, C5, C9).

use contracts::v1::{ConnectionState, RunKind};
use entra_sim::AppChange;
use harness::documents::{CONNECTION, documents};
use harness::people::{hire, nobody};
use harness::site::Site;
use harness::world::World;
use serde_json::json;

const NOWHERE: &str = "http://127.0.0.1:9";

#[tokio::test]
async fn c1_a_connection_from_name_client_id_secret_and_token_address() {
    let world = World::bare(Site::shared().await, nobody()).await;
    let token_url = format!("{}/{}/oauth2/v2.0/token", world.url(), world.options.id);
    // The sign-in of this cloud is not there: the token address alone leads to the token.
    let yaml = documents(
        &world.options,
        &world.url(),
        &format!("tokenUrl: {token_url}"),
        "",
    )
    .replace(
        &format!("loginUrl: {}", world.url()),
        &format!("loginUrl: {NOWHERE}"),
    );
    world.apply(&yaml).await;
    let made = world.connection().await;
    assert_eq!(
        (made.name.as_str(), made.state()),
        (CONNECTION, ConnectionState::New),
        "{made:#?}"
    );
    assert_eq!(
        (made.tenant_id, made.token_url),
        (world.options.id.clone(), token_url)
    );
    let test = world.test_connection().await;
    assert!(test.passed, "{test:#?}");

    // Without one it follows from the tenant and where one signs in.
    let derived = World::start().await;
    assert_eq!(derived.connection().await.token_url, "");
    assert!(derived.test_connection().await.passed);
    let token = format!("POST /{}/oauth2/v2.0/token", derived.options.id);
    let requests = derived.tenant.requests();
    assert!(
        requests
            .keys()
            .any(|request| request.contains("/oauth2/v2.0/token")),
        "{token}: {requests:?}"
    );
}

#[tokio::test]
async fn c4_connections_have_mappings_and_policies_of_their_own() {
    let world = World::with("leavers: { disabled: nothing }", "role: technician").await;
    let second = documents(
        &world.options,
        &world.url(),
        "leavers: { disabled: delete }",
        "role: user",
    );
    world.apply(&second.replace("contoso", "second")).await;
    let export = world.cli_run(&["export"]).await.stdout;
    for name in ["contoso-staff", "second-staff"] {
        assert!(export.contains(&format!("name: {name}")), "{export}");
    }
    let shown = world.cli_json(&["connection", "list"]).await;
    let all = shown["connections"].as_array().unwrap();
    let policies: Vec<_> = all
        .iter()
        .map(|connection| connection["leavers"]["disabled"].as_str().unwrap())
        .collect();
    assert_eq!(policies, ["LEAVER_ACTION_NOTHING", "LEAVER_ACTION_DELETE"]);
}

#[tokio::test]
async fn c5_the_test_gets_a_token_reads_the_organization_and_probes_what_runs_read() {
    let world = World::start().await;
    let test = world.test_connection().await;
    assert!(
        test.passed && test.checks.iter().all(|check| check.passed),
        "{test:#?}"
    );
    let names: Vec<_> = test.checks.iter().map(|check| check.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "token",
            "organization",
            "users",
            "deleted users",
            "changes of users"
        ]
    );
    assert_eq!(test.display_name, "Contoso");
    assert_eq!(
        test.verified_domains.len(),
        world.options.domains.len(),
        "{test:#?}"
    );
    let requests = world.tenant.requests();
    for asked in [
        "/oauth2/v2.0/token",
        "/organization",
        "/users",
        "/deletedItems",
        "/users/delta",
    ] {
        assert!(
            requests.keys().any(|request| request.contains(asked)),
            "{asked}: {requests:?}"
        );
    }
    let writes: Vec<_> = requests
        .keys()
        .filter(|request| !request.starts_with("GET "))
        .collect();
    assert!(
        writes
            .iter()
            .all(|request| request.contains("/oauth2/v2.0/token")),
        "{writes:?}"
    );

    // Alone, later; what it found is shown with the connection.
    let shown = world.connection().await;
    assert_eq!(
        (shown.state(), shown.display_name.as_str()),
        (ConnectionState::Connected, "Contoso")
    );
    let answer = world.cli_run(&["connection", "test", CONNECTION]).await;
    assert_eq!(answer.code, 0, "{answer:?}");
    world.tenant.change_app(AppChange {
        disabled: Some(true),
        ..AppChange::default()
    });
    let answer = world.cli_run(&["connection", "test", CONNECTION]).await;
    assert_eq!(answer.code, 1, "{answer:?}");
    let shown = world.connection().await;
    assert_eq!(shown.state(), ConnectionState::Failing, "{shown:#?}");
    assert!(shown.last_test.is_some_and(|test| !test.passed));
}

#[tokio::test]
async fn c9_disconnecting_wipes_the_secret_and_stops_everything_but_keeps_the_accounts() {
    let world = World::start().await;
    hire(&world.tenant, "ann", json!({}));
    world.full().await;
    let unasked = world.cli_run(&["connection", "disconnect", CONNECTION]).await;
    assert_eq!(unasked.code, 2, "{unasked:?}");
    assert!(unasked.stderr.contains("add --yes"), "{unasked:?}");
    assert_ne!(world.connection().await.state(), ConnectionState::Disconnected);
    let done = world
        .cli_run(&["connection", "disconnect", CONNECTION, "--yes"])
        .await;
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(world.connection().await.state(), ConnectionState::Disconnected);
    let refused = world.try_start(CONNECTION, RunKind::Full).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition, "{refused:?}");
    assert_eq!(world.accounts().await.len(), 1);
    let left = format!(
        "SELECT count(*) FROM credential WHERE organization_id = '{}' AND secret_ciphertext IS NOT NULL",
        world.organization
    );
    assert_eq!(Site::shared().await.sql(&left).await, "0");
}
