//! Failed records are a work list, with retry and ignore (B8).

use std::sync::Arc;

use contracts::v1::{NoticeKind, Outcome};
use entra_sim::Tenant;
use harness::people::hire;
use harness::runs::{counts, tally};
use harness::site::Site;
use harness::world::World;
use serde_json::{Value, json};
use tonic::Code;

/// An account's name is the user's given name, which may be missing.
const MAPPING: &str = "fields:
  - { field: name, attribute: givenName }
  - { field: login, attribute: userPrincipalName.local }
  - { field: domain, attribute: userPrincipalName.domain }
  - { field: city, attribute: city }
";

/// Someone whose record fails: no account can be without a name.
fn nameless(tenant: &Arc<Tenant>, login: &str) -> String {
    hire(tenant, login, json!({"department": "Legal"}))
}

fn named(tenant: &Arc<Tenant>, login: &str) -> String {
    hire(tenant, login, json!({"givenName": login}))
}

fn name(tenant: &Tenant, id: &str, name: &str) {
    tenant.update(id, "givenName", json!(name)).unwrap();
}

#[tokio::test]
async fn b8_failed_records_stay_listed_until_a_run_does_not_fail_them() {
    let world = World::with("", MAPPING).await;
    for login in ["p01", "p02", "p03"] {
        named(&world.tenant, login);
    }
    assert_eq!(world.failed_records().await, []);
    let ids = ["ann", "bob", "cyd"].map(|login| nameless(&world.tenant, login));
    let first = world.full().await;
    assert_eq!(tally(&first), [(Outcome::Added, 3), (Outcome::Failed, 3)]);
    let of = async |id: &str| {
        let all = world.failed_records().await;
        all.into_iter().find(|record| record.object_id == id)
    };
    let ann = of(&ids[0]).await.unwrap();
    assert_eq!(
        (
            ann.connection.as_str(),
            ann.upn.as_str(),
            ann.attempts,
            ann.last_run_id.as_str()
        ),
        ("contoso", "ann@contoso.com", 1, first.id.as_str())
    );
    assert!(ann.reason.starts_with("name would be empty"), "{ann:#?}");

    // A run that does not look at them changes nothing; one that does counts.
    world.delta().await;
    assert_eq!(of(&ids[0]).await.unwrap().attempts, 1);
    let second = world.full().await;
    let again = of(&ids[0]).await.unwrap();
    assert_eq!(
        (again.attempts, again.first_fail_time, again.last_run_id.as_str()),
        (2, ann.first_fail_time, second.id.as_str())
    );
    // A preview is not applied, and says nothing of it.
    world.preview().await;
    assert_eq!(of(&ids[0]).await.unwrap().attempts, 2);

    // Who is mended is off the list, by a delta as well; who is gone, too.
    name(&world.tenant, &ids[0], "Ann");
    let mended = world.delta().await;
    assert_eq!(tally(&mended), [(Outcome::Added, 1)]);
    assert_eq!(of(&ids[0]).await, None);
    world.tenant.hard_delete(&ids[1]).unwrap();
    world.full().await;
    assert_eq!(of(&ids[1]).await, None);
    assert_eq!(of(&ids[2]).await.unwrap().attempts, 3);
}

#[tokio::test]
async fn b8_a_retry_decides_anew_with_the_criteria() {
    let criteria = "criteria:\n  - [{ attribute: department, operator: notEquals, value: Sales }]";
    let world = World::with("", &format!("{MAPPING}{criteria}")).await;
    let ids = ["ann", "bob", "cyd"].map(|login| nameless(&world.tenant, login));
    world.full().await;
    name(&world.tenant, &ids[0], "Ann");
    name(&world.tenant, &ids[1], "Bob");
    world
        .tenant
        .update(&ids[1], "department", json!("Sales"))
        .unwrap();

    let one = world.retry(&[&ids[0]]).await;
    assert_eq!(tally(&one), [(Outcome::Added, 1)], "{one:#?}");
    assert_eq!(world.failed_records().await.len(), 2);
    let all = world.retry(&[]).await;
    assert_eq!(
        tally(&all),
        [(Outcome::Skipped, 1), (Outcome::Failed, 1)],
        "retrying brings nobody in whom the criteria leave out: {all:#?}"
    );
    let left = world.failed_records().await;
    assert_eq!(left.len(), 1, "{left:#?}");
    assert_eq!(
        (left[0].object_id.as_str(), left[0].attempts),
        (ids[2].as_str(), 2)
    );

    let refused = world.try_retry(&[&ids[0]]).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    assert!(refused.message().contains("rollcall failed list"), "{refused:?}");
    let refused = world.try_retry(&["ann"]).await.unwrap_err();
    assert!(refused.message().contains("objectIds[0]"), "{refused:?}");
}

#[tokio::test]
async fn b8_many_are_retried_in_few_calls() {
    let world = World::with("", MAPPING).await;
    let ids: Vec<String> = (0..40)
        .map(|number| nameless(&world.tenant, &format!("n{number:02}")))
        .collect();
    world.full().await;
    assert_eq!(world.failed_records().await.len(), 40);
    for id in &ids {
        name(&world.tenant, id, "Somebody");
    }
    let run = world.retry(&[]).await;
    assert_eq!(tally(&run), [(Outcome::Added, 40)], "{run:#?}");
    let calls = run.progress.unwrap().graph_calls;
    assert!(calls <= 6, "fifteen in a call: {calls}");
    assert_eq!(world.failed_records().await, []);
    assert_eq!(world.try_retry(&[]).await.unwrap(), []);
}

#[tokio::test]
async fn b8_who_is_ignored_stays_listed_and_is_not_told_of() {
    let world = World::with("", MAPPING).await;
    named(&world.tenant, "p01");
    let ann = nameless(&world.tenant, "ann");
    world.full().await;
    let other = "00000000-0000-4000-8000-000000000001";
    let results = world
        .ignore(&[&ann, other], "a service mailbox")
        .await
        .unwrap()
        .results;
    assert_eq!([results[0].ignored, results[1].ignored], [true, false]);
    assert!(results[1].message.contains("not on the list"), "{results:#?}");
    let listed = world.failed_records().await;
    assert_eq!(
        (listed[0].ignored_by.as_str(), listed[0].ignore_reason.as_str()),
        ("tester", "a service mailbox")
    );
    assert!(listed[0].ignore_time.is_some());
    assert_eq!(
        world.try_retry(&[]).await.unwrap(),
        [],
        "nor is it retried with all"
    );

    // It counts as failed, but nobody is told of it. Somebody else is told of.
    world.tenant.update(&ann, "city", json!("Oslo")).unwrap();
    let quiet = world.delta().await;
    assert_eq!(counts(&quiet).failed, 1, "{quiet:#?}");
    nameless(&world.tenant, "bob");
    world.tenant.update(&ann, "city", json!("Bergen")).unwrap();
    let loud = world.delta().await;
    assert_eq!(counts(&loud).failed, 2, "{loud:#?}");
    world.notice(&loud.id, NoticeKind::RunFinished).await;
    let told = world.notices().await.notices;
    assert!(told.iter().all(|notice| notice.run_id != quiet.id), "{told:#?}");

    // The word holds until the record stops failing.
    name(&world.tenant, &ann, "Ann");
    world.delta().await;
    world.tenant.update(&ann, "givenName", Value::Null).unwrap();
    let again = world.full().await;
    assert_eq!(counts(&again).failed, 2, "{again:#?}");
    let listed = world.failed_records().await;
    assert!(
        listed.iter().all(|record| record.ignore_time.is_none()),
        "{listed:#?}"
    );
    let refused = world.ignore(&[&ann], " ").await.unwrap_err();
    assert!(refused.message().contains("reason"), "{refused:?}");
}

#[tokio::test]
async fn b8_the_command_line_lists_retries_and_ignores() {
    let world = World::with("", MAPPING).await;
    let ann = nameless(&world.tenant, "ann");
    let bob = nameless(&world.tenant, "bob");
    world.full().await;
    let list = world
        .cli_run(&["failed", "list", "--connection", "contoso"])
        .await;
    assert!(
        list.code == 0
            && list.stdout.contains("ann@contoso.com")
            && list.stdout.contains("name would be empty"),
        "{list:?}"
    );
    name(&world.tenant, &ann, "Ann");
    let retried = world.cli_run(&["failed", "retry", "--all", "--wait"]).await;
    assert!(
        retried.code == 0 && retried.stdout.contains("manual"),
        "{retried:?}"
    );
    let strict = world
        .cli_run(&["failed", "retry", &bob, "--wait", "--strict"])
        .await;
    assert_eq!(strict.code, 1, "{strict:?}");
    let ignored = world
        .cli_run(&["failed", "ignore", &bob, "--reason", "a mailbox"])
        .await;
    assert_eq!(ignored.code, 0, "{ignored:?}");
    let json = world.cli_json(&["failed", "list"]).await;
    assert_eq!(json["failedRecords"].as_array().unwrap().len(), 1, "{json}");
    assert_eq!(json["failedRecords"][0]["objectId"], bob);
    assert_eq!(json["failedRecords"][0]["ignoreReason"], "a mailbox");
    assert_eq!(world.cli_run(&["failed", "retry"]).await.code, 2);
    // An organization sees its own only.
    let stranger = World::bare(Site::shared().await, harness::people::nobody()).await;
    assert_eq!(stranger.failed_records().await, []);
}
