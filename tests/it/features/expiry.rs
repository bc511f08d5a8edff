//! Secrets that expire, two of them side by side (B9), and full runs that are long ago (R6).

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use contracts::v1::credentials_client::CredentialsClient;
use contracts::v1::{Credential, ListCredentialsRequest, Notice, NoticeKind, RunKind, RunState};
use entra_sim::{AppChange, TenantOptions};
use harness::documents::{CONNECTION, SECRET_VARIABLE};
use harness::moved_clock::{MovedClock, machine_time};
use harness::people::{hire, nobody};
use harness::site::Site;
use harness::wait::until;
use harness::world::World;
use local::stack::Service;
use serde_json::json;

const DAY: Duration = Duration::from_secs(86_400);
const NEXT_VARIABLE: &str = "NEXT_SECRET";

/// An app that may read its own registration.
fn telling() -> TenantOptions {
    let mut options = nobody();
    options.roles.push("Application.Read.All".to_owned());
    options
}

fn credential_document(world: &World, lines: &str) -> String {
    format!(
        "kind: Credential\nname: {CONNECTION}-app\ntenantId: {}\nclientId: {}\n{lines}",
        world.options.id, world.options.client_id
    )
}

/// Applies the credential with these lines; `next` is what the variable of the next secret holds.
async fn apply(world: &World, lines: &str, secret: &str, next: &str) {
    let file = world.file("credential.yaml", &credential_document(world, lines));
    let cli = world.cli().env(SECRET_VARIABLE, secret).env(NEXT_VARIABLE, next);
    cli.json(&["apply", "-f", file.to_str().unwrap()]).await.unwrap();
}

async fn credential(world: &World) -> Credential {
    let request = world.call(ListCredentialsRequest::default());
    let mut client = CredentialsClient::new(world.channel());
    let listed = client.list_credentials(request).await.unwrap().into_inner();
    let name = format!("{CONNECTION}-app");
    listed
        .credentials
        .into_iter()
        .find(|found| found.name == name)
        .unwrap()
}

async fn told(world: &World, kind: NoticeKind) -> Vec<Notice> {
    let notices = world.notices().await.notices;
    notices
        .into_iter()
        .filter(|notice| notice.kind() == kind)
        .collect()
}

/// Waits for so many notices of a kind, and sees that there are no more; the newest first.
async fn told_so_often(world: &World, kind: NoticeKind, count: usize) -> Vec<Notice> {
    let notices = until(&format!("{count} notices of {kind:?}"), async || {
        Some(told(world, kind).await).filter(|notices| notices.len() >= count)
    })
    .await;
    assert_eq!(notices.len(), count, "{notices:#?}");
    notices
}

fn day(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d").to_string()
}

fn time(at: Option<&prost_types::Timestamp>) -> DateTime<Utc> {
    DateTime::from_timestamp(at.unwrap().seconds, 0).unwrap()
}

/// A sweep of the notifier has passed, since it tells of this: a marker secret of another organization.
async fn swept(site: &Site, world: &World, round: u32) {
    let marker = World::bare(site, nobody()).await;
    marker.connect("", "").await;
    let lines = format!("clientSecret: {{ fromEnv: {SECRET_VARIABLE} }}\nexpires: 2026-01-{round:02}\n");
    apply(&marker, &lines, &marker.options.client_secret, "x").await;
    told_so_often(&marker, NoticeKind::CredentialExpires, 1).await;
    assert_ne!(marker.organization, world.organization);
}

#[tokio::test]
async fn b9_an_expiry_is_entered_shown_and_warned_of_once_for_each_threshold() {
    let mut clock = MovedClock::new();
    let site = Site::start(clock.of(Site::builder().copies(Service::Notifier, 2))).await;
    let world = World::bare(&site, nobody()).await;
    world.connect("", "").await;
    let secret = world.options.client_secret.clone();
    let shown = credential(&world).await;
    assert!(
        shown.expire_time.is_none() && shown.expiry_note.contains("Application.Read.All"),
        "{shown:#?}"
    );

    // Midnight some 40 days from now.
    let end = clock.now() + TimeDelta::days(40);
    let lines = format!(
        "clientSecret: {{ fromEnv: {SECRET_VARIABLE} }}\nexpires: {}\n",
        day(end)
    );
    apply(&world, &lines, &secret, "").await;
    let shown = credential(&world).await;
    assert_eq!(day(time(shown.expire_time.as_ref())), day(end));
    assert_eq!(
        (shown.expires.as_str(), shown.warnings.len()),
        (&*day(end), 0),
        "{shown:#?}"
    );
    swept(&site, &world, 1).await;
    assert!(told(&world, NoticeKind::CredentialExpires).await.is_empty());

    let mut notices = 0;
    // 29 days before, then 13; on the day of the threshold of 7 nothing runs: at 1 day only that is told; and when it is over.
    for (days, word) in [
        (11, "29 days"),
        (16, "13 days"),
        (12, "within a day"),
        (2, "expired on"),
    ] {
        clock.advance(DAY * days);
        notices += 1;
        let newest = told_so_often(&world, NoticeKind::CredentialExpires, notices)
            .await
            .remove(0);
        let about = newest
            .title
            .replace("in 28 days", "in 29 days")
            .replace("in 12 days", "in 13 days");
        assert!(
            about.contains(word) && newest.body.contains("nextClientSecret"),
            "{word}: {newest:#?}"
        );
        let shown = world.connection().await.warnings;
        assert!(
            shown.iter().any(|warning| warning.contains("client secret")),
            "{shown:#?}"
        );
        // Days pass in between, but not while a mail is on its way: it would count as lost, and be sent again.
        until("its mail is recorded as sent", async || {
            let sent = format!(
                "SELECT count(*) FROM delivery WHERE organization_id = '{}' AND state = 'sent'",
                world.organization
            );
            (site.sql(&sent).await.trim() == notices.to_string()).then_some(())
        })
        .await;
    }
    // Neither a clock that goes back nor another notifier tells any of it again.
    clock.turn_back(DAY * 20);
    swept(&site, &world, 2).await;
    clock.advance(DAY * 20);
    swept(&site, &world, 3).await;
    told_so_often(&world, NoticeKind::CredentialExpires, 4).await;
    assert_eq!(world.mails_until(&site, 4).await.len(), 4);
    let listed = world.cli_run(&["credential", "list"]).await.stdout;
    assert!(
        listed.contains(&day(end)) && listed.contains("warning: The client secret"),
        "{listed}"
    );
    let card = world.cli_run(&["connection", "show", CONNECTION]).await.stdout;
    assert!(card.contains("Warning") && card.contains("expired on"), "{card}");

    // A new secret starts afresh.
    let soon = clock.now() + TimeDelta::days(6);
    let lines = format!(
        "clientSecret: {{ fromEnv: {SECRET_VARIABLE} }}\nexpires: {}\n",
        day(soon)
    );
    apply(&world, &lines, "quite~another", "").await;
    let newest = told_so_often(&world, NoticeKind::CredentialExpires, 5)
        .await
        .remove(0);
    assert!(newest.title.contains(&day(soon)), "{newest:#?}");

    site.stop().await;
}

/// Makes all full runs of an organization so much older, and what was entered before them with them.
async fn age(site: &Site, world: &World, days: u32) {
    let of = format!(
        "connection_id IN (SELECT id FROM connection WHERE organization_id = '{}')",
        world.organization
    );
    site.sql(&format!(
        "UPDATE run_plan SET ended_at = ended_at - interval '{days} days' WHERE {of};
         UPDATE delta_cursor SET full_at = full_at - interval '{days} days' WHERE {of};
         UPDATE connection SET rules_changed_at = rules_changed_at - interval '{days} days'
         WHERE organization_id = '{}'",
        world.organization
    ))
    .await;
}

#[tokio::test]
async fn r6_a_connection_whose_last_full_run_is_over_thirty_days_old_warns_once() {
    let (world, site) = (World::start().await, Site::shared().await);
    hire(&world.tenant, "ann", json!({}));
    world.full().await;
    world.mails_until(site, 1).await;
    age(site, &world, 29).await;
    swept(site, &world, 1).await;
    assert_eq!(world.connection().await.warnings, Vec::<String>::new());
    assert!(told(&world, NoticeKind::FullRunOverdue).await.is_empty());
    // It reads everything, but deals with leavers alone.
    world.run(RunKind::Deprovision).await;

    age(site, &world, 2).await;
    let notice = told_so_often(&world, NoticeKind::FullRunOverdue, 1)
        .await
        .remove(0);
    assert_eq!(notice.connection, CONNECTION);
    assert!(notice.body.contains("--kind full"), "{notice:#?}");
    let warnings = world.connection().await.warnings;
    assert!(
        warnings.len() == 1 && warnings[0].contains("more than 30 days ago"),
        "{warnings:#?}"
    );
    let card = world.cli_run(&["connection", "show", CONNECTION]).await.stdout;
    assert!(card.contains("more than 30 days ago"), "{card}");
    // Deltas alone do not help, and it is said once, on the bell.
    let delta = world.delta().await;
    assert_eq!(delta.reason, "", "it read changes only: {delta:#?}");
    swept(site, &world, 2).await;
    told_so_often(&world, NoticeKind::FullRunOverdue, 1).await;
    assert_eq!(world.mails(site).len(), 1, "the full run's own");
    world.full().await;
    assert_eq!(world.connection().await.warnings, Vec::<String>::new());
}

#[tokio::test]
async fn b9_the_directory_tells_the_expiry_where_it_may_be_asked() {
    let world = World::of(telling(), "", "").await;
    world.tenant.change_app(AppChange {
        secret_expires_in_seconds: Some(20 * 86_400),
        ..AppChange::default()
    });
    assert!(world.test_connection().await.passed);
    let shown = credential(&world).await;
    let days = (time(shown.expire_time.as_ref()) - machine_time()).num_days();
    assert!((19..=20).contains(&days), "{shown:#?}");
    assert!(shown.expiry_note.contains("directory"), "{shown:#?}");
    let notice = told_so_often(&world, NoticeKind::CredentialExpires, 1)
        .await
        .remove(0);
    assert!(notice.title.contains("contoso-app expires in"), "{notice:#?}");
    let warnings = world.connection().await.warnings;
    assert!(warnings[0].contains("expires in"), "{warnings:#?}");
}

#[tokio::test]
async fn b9_without_the_permission_nothing_fails_and_it_is_said_what_would_help() {
    let world = World::start().await;
    let test = world.test_connection().await;
    assert!(
        test.passed && test.checks.iter().all(|check| check.passed),
        "{test:#?}"
    );
    let shown = credential(&world).await;
    assert!(shown.expire_time.is_none(), "{shown:#?}");
    assert!(
        shown.expiry_note.contains("enter it") && shown.expiry_note.contains("Application.Read.All"),
        "{shown:#?}"
    );
    let listed = world.cli_run(&["credential", "list"]).await.stdout;
    assert!(listed.contains("unknown"), "{listed}");
}

#[tokio::test]
async fn b9_two_secrets_side_by_side_for_an_exchange() {
    let world = World::of(telling(), "", "").await;
    hire(&world.tenant, "ann", json!({}));
    let old = world.options.client_secret.clone();
    let new = "brand~new~secret";
    let both = format!(
        "clientSecret: {{ fromEnv: {SECRET_VARIABLE} }}\nnextClientSecret: {{ fromEnv: {NEXT_VARIABLE} }}\nnextExpires: 2030-01-31\n"
    );
    // Entered before Entra knows it: the other one serves, and it is said that the new one does not.
    apply(&world, &both, &old, new).await;
    let run = world.run_to_end(RunKind::Full).await;
    assert_eq!(run.state(), RunState::Finished, "{run:#?}");
    let connection = world.connection().await;
    assert!(connection.quarantine.is_none(), "{connection:#?}");
    assert!(
        connection
            .warnings
            .iter()
            .any(|warning| warning.contains("next client secret of contoso-app was refused")),
        "{connection:#?}"
    );
    let test = world.test_connection().await;
    assert!(test.passed, "{test:#?}");
    // Now Entra has both: the warning goes.
    world.tenant.change_app(AppChange {
        other_secret: Some(new.to_owned()),
        ..AppChange::default()
    });
    assert!(world.test_connection().await.passed);
    assert_eq!(world.connection().await.warnings, Vec::<String>::new());
    let shown = credential(&world).await;
    assert!(
        shown.has_secret && shown.has_next_secret && shown.next_expire_time.is_some(),
        "{shown:#?}"
    );
    // The old one is taken away in Entra.
    world.tenant.change_app(AppChange {
        secret: Some(new.to_owned()),
        other_secret: Some(String::new()),
        ..AppChange::default()
    });
    world.tenant.revoke_tokens();
    world.delta().await;
    assert_eq!(world.connection().await.warnings, Vec::<String>::new());
    // Applying the same again changes nothing; and the export names both.
    let diff = {
        let file = world.file("same.yaml", &credential_document(&world, &both));
        let cli = world.cli().env(SECRET_VARIABLE, &old).env(NEXT_VARIABLE, new);
        cli.json(&["apply", "-f", file.to_str().unwrap()]).await.unwrap()
    };
    let changes = diff["changes"].as_array().unwrap();
    assert!(
        changes.len() == 1 && changes.iter().all(|change| change["action"] == "unchanged"),
        "{diff:#}"
    );
    let export = world.cli_run(&["export"]).await.stdout;
    assert!(
        export.contains("nextClientSecret: { fromEnv: CONTOSO_APP_SECRET_NEXT }")
            || export.contains("nextClientSecret: {fromEnv: CONTOSO_APP_SECRET_NEXT}"),
        "{export}"
    );
    assert!(
        export.contains("nextExpires:") && !export.contains(new),
        "{export}"
    );
    // The exchange ends: the new one is the only one.
    apply(
        &world,
        &format!("clientSecret: {{ fromEnv: {SECRET_VARIABLE} }}\nexpires: 2030-01-31\n"),
        new,
        "",
    )
    .await;
    let shown = credential(&world).await;
    assert!(
        shown.has_secret && !shown.has_next_secret && shown.next_expire_time.is_none(),
        "{shown:#?}"
    );
    world.delta().await;
    // Neither is accepted any more: that is a wrong secret.
    world.tenant.change_app(AppChange {
        secret: Some("yet~another".to_owned()),
        ..AppChange::default()
    });
    world.tenant.revoke_tokens();
    let run = world.run_to_end(RunKind::Delta).await;
    assert_eq!(run.state(), RunState::Failed, "{run:#?}");
}

#[tokio::test]
async fn b9_what_is_no_date_or_of_no_secret_is_refused_with_its_name() {
    let world = World::start().await;
    for (lines, field, problem) in [
        ("expires: tomorrow\n", "expires", "2027-01-31"),
        ("nextExpires: 2027-01-31\n", "nextExpires", "nextClientSecret"),
        (
            "clientSecret: { fromEnv: CONTOSO_SECRET }\nnextClientSecret: { fromEnv: CONTOSO_SECRET }\n",
            "nextClientSecret",
            "the same",
        ),
    ] {
        let file = world.file("wrong.yaml", &credential_document(&world, lines));
        let answer = world.cli_run(&["apply", "-f", file.to_str().unwrap()]).await;
        assert_ne!(answer.code, 0, "{answer:?}");
        assert!(
            answer.stderr.contains(field) && answer.stderr.contains(problem),
            "{answer:?}"
        );
    }
}
