//! What a failing connection says: each known failure with its cause and the next step (C8).

use contracts::v1::{ConnectionCheck, ConnectionState, ConnectionTest, RunKind, RunState};
use entra_sim::{AppChange, Effect, Fault, Published, TenantOptions};
use harness::documents::{SECRET_VARIABLE, documents};
use harness::people::{hire, nobody};
use harness::site::Site;
use harness::world::World;
use serde_json::json;
use uuid::Uuid;

const NOWHERE: &str = "http://127.0.0.1:9";

/// The one check that failed, which must say what to do.
fn failed(test: &ConnectionTest) -> &ConnectionCheck {
    let failed: Vec<_> = test.checks.iter().filter(|check| !check.passed).collect();
    assert!(!test.passed && failed.len() == 1, "{test:#?}");
    assert!(
        !failed[0].message.is_empty() && !failed[0].next_step.is_empty(),
        "{test:#?}"
    );
    failed[0]
}

/// The test fails at this check with this cause, in the API and in the command line.
async fn fails(world: &World, at: &str, cause: &str) -> ConnectionCheck {
    let test = world.test_connection().await;
    let check = failed(&test);
    assert_eq!(
        (check.name.as_str(), check.cause.as_str()),
        (at, cause),
        "{test:#?}"
    );
    assert!(!format!("{test:?}").contains(&world.options.client_secret));
    assert_eq!(world.connection().await.state(), ConnectionState::Failing);
    check.clone()
}

fn json_type() -> (String, String) {
    ("Content-Type".to_owned(), "application/json".to_owned())
}

#[tokio::test]
async fn c8_a_wrong_secret_is_told_from_an_expired_one() {
    let world = World::start().await;
    world.tenant.change_app(AppChange {
        secret: Some("another~secret".to_owned()),
        ..AppChange::default()
    });
    let wrong = fails(&world, "token", "wrong_secret").await;
    assert!(wrong.next_step.contains("Value"), "{wrong:?}");
    let same = Some(world.options.client_secret.clone());
    world.tenant.change_app(AppChange {
        secret: same,
        ..AppChange::default()
    });
    assert!(world.test_connection().await.passed);
    world.tenant.change_app(AppChange {
        secret_expires_in_seconds: Some(-5),
        ..AppChange::default()
    });
    let expired = fails(&world, "token", "expired_secret").await;
    assert!(expired.message.contains("expired"), "{expired:?}");
    // A run fails the same way and says so.
    let run = world.run_to_end(RunKind::Full).await;
    assert_eq!(run.state(), RunState::Failed);
    assert!(
        run.error.contains("expired") && run.error.contains("Certificates & secrets"),
        "{run:#?}"
    );
}

#[tokio::test]
async fn c8_an_unknown_app() {
    let world = World::bare(Site::shared().await, nobody()).await;
    let stranger = TenantOptions {
        client_id: Uuid::now_v7().to_string(),
        ..world.options.clone()
    };
    world.apply(&documents(&stranger, &world.url(), "", "")).await;
    let check = fails(&world, "token", "unknown_app").await;
    assert!(check.next_step.contains("client id"), "{check:?}");
}

#[tokio::test]
async fn c8_an_unknown_tenant() {
    let world = World::bare(Site::shared().await, nobody()).await;
    let elsewhere = TenantOptions {
        id: Uuid::now_v7().to_string(),
        ..world.options.clone()
    };
    world.apply(&documents(&elsewhere, &world.url(), "", "")).await;
    let check = fails(&world, "token", "unknown_tenant").await;
    assert!(check.next_step.contains("tenant id"), "{check:?}");
}

#[tokio::test]
async fn c8_the_wrong_tenant_answers() {
    let world = World::start().await;
    let other = Uuid::now_v7().to_string();
    let body = json!({"value": [{"id": other, "displayName": "Fabrikam", "verifiedDomains": []}]});
    let answer = Published {
        status: 200,
        headers: std::iter::once(json_type()).collect(),
        body: body.to_string().into(),
    };
    hire(&world.tenant, "ann", json!({}));
    world
        .tenant
        .fault(Fault::on("/v1.0/organization*", Effect::Published(answer)));
    let check = fails(&world, "organization", "wrong_tenant").await;
    assert!(check.message.contains("another tenant"), "{check:?}");
    // Nobody of it comes into the register.
    let run = world.run_to_end(RunKind::Full).await;
    assert_eq!(run.state(), RunState::Failed, "{run:#?}");
    assert!(world.accounts().await.is_empty());
    let requests = world.tenant.requests();
    assert!(
        !requests.keys().any(|request| request.contains("/users")),
        "nobody is read: {requests:?}"
    );
}

#[tokio::test]
async fn c8_the_wrong_cloud() {
    for code in [90_038, 900_382] {
        let world = World::start().await;
        world.tenant.set(|settings| settings.wrong_cloud = Some(code));
        let check = fails(&world, "token", "wrong_cloud").await;
        assert!(check.next_step.contains("usGov"), "{check:?}");
    }
}

#[tokio::test]
async fn c8_a_missing_permission_is_named() {
    let world = World::start().await;
    let roles = Some(vec!["Organization.Read.All".to_owned()]);
    world.tenant.change_app(AppChange {
        roles,
        ..AppChange::default()
    });
    let test = world.test_connection().await;
    assert!(!test.passed);
    for reading in ["users", "deleted users", "changes of users"] {
        let check = test.checks.iter().find(|check| check.name == reading).unwrap();
        assert_eq!(check.cause, "missing_permission", "{test:#?}");
        assert!(
            check.message.contains("User.Read.All") && check.next_step.contains("admin consent"),
            "{check:?}"
        );
    }
    // Granted meanwhile: the next test gets a token that knows of it.
    let roles = Some(vec!["User.Read.All".to_owned()]);
    world.tenant.change_app(AppChange {
        roles,
        ..AppChange::default()
    });
    let test = world.test_connection().await;
    assert!(test.passed, "{test:#?}");
}

#[tokio::test]
async fn c8_an_admin_must_consent_first() {
    let world = World::start().await;
    world
        .tenant
        .fault(Fault::on("*/oauth2/v2.0/token", Effect::Aadsts { code: 65_001 }));
    let check = fails(&world, "token", "consent_required").await;
    assert!(check.next_step.contains("admin consent"), "{check:?}");
}

#[tokio::test]
async fn c8_unreachable() {
    let world = World::bare(Site::shared().await, nobody()).await;
    world.apply(&documents(&world.options, NOWHERE, "", "")).await;
    let check = fails(&world, "token", "unreachable").await;
    assert!(check.next_step.contains("firewall"), "{check:?}");
}

#[tokio::test]
async fn c8_throttled() {
    let world = World::start().await;
    let busy = Effect::Status {
        status: 429,
        code: None,
        message: None,
        retry_after: None,
    };
    world.tenant.fault(Fault::on("/v1.0/organization*", busy));
    fails(&world, "organization", "throttled").await;
}

#[tokio::test]
async fn c8_a_disabled_app() {
    let world = World::start().await;
    world.tenant.change_app(AppChange {
        disabled: Some(true),
        ..AppChange::default()
    });
    let check = fails(&world, "token", "app_disabled").await;
    assert!(check.next_step.contains("Enterprise applications"), "{check:?}");
}

#[tokio::test]
async fn c8_put_right_it_is_connected_again() {
    let world = World::start().await;
    hire(&world.tenant, "ann", json!({}));
    world.full().await;
    let secret = "another~secret".to_owned();
    world.tenant.change_app(AppChange {
        secret: Some(secret.clone()),
        ..AppChange::default()
    });
    world.tenant.revoke_tokens();
    let run = world.run_to_end(RunKind::Full).await;
    assert_eq!(run.state(), RunState::Failed, "{run:#?}");
    assert!(run.error.contains("secret is wrong"), "{run:#?}");
    assert_eq!(world.connection().await.state(), ConnectionState::Failing);
    let file = world.file("new.yaml", &documents(&world.options, &world.url(), "", ""));
    let cli = world.cli().env(SECRET_VARIABLE, &secret);
    cli.json(&["apply", "-f", file.to_str().unwrap()]).await.unwrap();
    let run = world.full().await;
    assert_eq!(run.reason, "");
    assert_eq!(world.connection().await.state(), ConnectionState::Connected);
}
