//! Secrets and tokens stay secret (C12, invariant 6).

use std::fmt::Write as _;

use contracts::v1::{RunKind, RunState};
use entra_sim::{AppChange, TenantOptions};
use harness::documents::CONNECTION;
use harness::people::{hire, nobody};
use harness::site::Site;
use harness::world::World;
use serde_json::json;
use uuid::Uuid;

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
