//! Connections: made, tested and kept secret (C1, C5, C8, C12).

use std::fmt::Write as _;

use contracts::v1::{ConnectionCheck, ConnectionState, ConnectionTest, RunKind, RunState};
use entra_sim::{AppChange, Effect, Fault, Published, TenantOptions};
use harness::documents::{CONNECTION, SECRET_VARIABLE, documents};
use harness::people::{hire, nobody};
use harness::site::Site;
use harness::world::World;
use serde_json::json;
use uuid::Uuid;

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
    assert!(
        check.message.contains(&other) || check.message.contains("another tenant"),
        "{check:?}"
    );
    // Nobody of it comes into the register.
    let run = world.run_to_end(RunKind::Full).await;
    assert_eq!(run.state(), RunState::Failed, "{run:#?}");
    assert!(world.accounts().await.is_empty());
    assert!(
        !world.tenant.requests().contains_key("GET /v1.0/users/delta"),
        "{:?}",
        world.tenant.requests()
    );
}

fn json_type() -> (String, String) {
    ("Content-Type".to_owned(), "application/json".to_owned())
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
async fn c12_the_secret_and_tokens_stand_nowhere_in_the_clear() {
    let site = Site::shared().await;
    let secret = format!("Aq~{}", Uuid::now_v7().simple());
    let world = World::bare(
        site,
        TenantOptions {
            client_secret: secret.clone(),
            ..nobody()
        },
    )
    .await;
    world.connect("", "").await;
    hire(&world.tenant, "ann", json!({}));
    world.full().await;
    world.delta().await;
    world.test_connection().await;
    // A failure repeats what was sent at times.
    world.tenant.change_app(AppChange {
        secret: Some("another".to_owned()),
        ..AppChange::default()
    });
    world.test_connection().await;
    let run = world.run_to_end(RunKind::Full).await;
    assert_eq!(run.state(), RunState::Failed);
    world.mails_until(site, 1).await;

    let mut answers = String::new();
    for command in [
        &["export"][..],
        &["connection", "list"],
        &["connection", "show", CONNECTION],
        &["run", "list", "--connection", CONNECTION],
        &["token", "list"],
    ] {
        for output in ["table", "json", "yaml"] {
            let answer = world.cli_run(&[command, &["--output", output]].concat()).await;
            assert_eq!(answer.code, 0, "{command:?}: {answer:?}");
            write!(answers, "{}{}", answer.stdout, answer.stderr).unwrap();
        }
    }
    let (tables, logs) = (rows(site).await, logs(site));
    assert!(tables.contains(&world.options.client_id), "the tables were read");
    assert!(logs.contains("run"), "the logs were read");
    let token = world.token.clone();
    let mails: String = world.mails(site).iter().map(|mail| mail.text()).collect();
    for (place, text) in [
        ("answers", answers),
        ("tables", tables),
        ("logs", logs),
        ("mails", mails),
    ] {
        for hidden in [&secret, &hex(&secret), &token, &hex(&token)] {
            assert!(
                !text.contains(hidden.as_str()),
                "{hidden} in the {place}: {}",
                around(&text, hidden)
            );
        }
        for hidden in ["$deltatoken=", "%24deltatoken=", "access_token"] {
            assert!(
                !text.contains(hidden),
                "{hidden} in the {place}: {}",
                around(&text, hidden)
            );
        }
    }

    // Sealed for its row, with a key that has a name.
    let stored = format!(
        "SELECT secret_key_id, octet_length(secret_ciphertext) FROM credential WHERE client_id = '{}' AND \
                          organization_id = '{}'",
        world.options.client_id, world.organization
    );
    let stored = site.sql(&stored).await;
    let (key, length) = stored.trim().split_once('|').unwrap();
    assert!(
        !key.is_empty() && length.parse::<usize>().unwrap() > secret.len(),
        "{stored}"
    );
}

/// Every row of every table, as text.
async fn rows(site: &Site) -> String {
    let mut text = String::new();
    let tables = site
        .sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        .await;
    for table in tables.lines().map(str::trim).filter(|table| !table.is_empty()) {
        text.push_str(&site.sql(&format!("SELECT t::text FROM \"{table}\" t")).await);
    }
    text
}

/// What all services have logged.
fn logs(site: &Site) -> String {
    let log = site.stack().home().log("api");
    let files = std::fs::read_dir(log.parent().unwrap()).unwrap();
    files
        .map(|file| String::from_utf8_lossy(&std::fs::read(file.unwrap().path()).unwrap()).into_owned())
        .collect()
}

fn hex(text: &str) -> String {
    text.bytes().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

fn around(text: &str, hidden: &str) -> String {
    let at = text.find(hidden).unwrap_or_default();
    text.chars()
        .skip(text[..at].chars().count().saturating_sub(200))
        .take(400)
        .collect()
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

#[tokio::test]
async fn c9_disconnecting_wipes_the_secret_and_stops_everything_but_keeps_the_accounts() {
    let world = World::start().await;
    hire(&world.tenant, "ann", json!({}));
    world.full().await;
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
