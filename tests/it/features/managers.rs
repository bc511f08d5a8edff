//! The managers of people in scope come in too, whatever the criteria say of them (I5).

use contracts::v1::{AccountStatus, IntegrationStatus, Outcome, Run};
use harness::documents::documents;
use harness::people::hire;
use harness::runs::{counts, tally};
use harness::world::World;
use serde_json::json;

const DEACTIVATE: &str = "leavers: { outOfScope: deactivate }";
const LEGAL: &str = "criteria:\n  - [{ attribute: department, operator: equals, value: Legal }]";
/// The same, and nobody reports to anybody.
const WITHOUT: &str = "fields:
  - { field: name, attribute: displayName }
  - { field: login, attribute: userPrincipalName.local }
  - { field: domain, attribute: userPrincipalName.domain }
";

fn person(world: &World, login: &str, department: &str) -> String {
    hire(&world.tenant, login, json!({ "department": department }))
}

fn report(world: &World, who: &str, to: &str) {
    world.tenant.set_manager(who, Some(to)).unwrap();
}

/// Who is in the register and in use, by login.
async fn active(world: &World) -> Vec<String> {
    let mut logins: Vec<String> = world
        .accounts()
        .await
        .into_iter()
        .filter(|account| {
            account.status() == AccountStatus::Active
                && account.integration_status() == IntegrationStatus::Active
        })
        .map(|account| account.login)
        .collect();
    logins.sort();
    logins
}

async fn reason(world: &World, run: &Run, login: &str) -> String {
    world.change_of(run, &format!("{login}@contoso.com")).await.reason
}

#[tokio::test]
async fn i5_a_chain_of_managers_out_of_criteria_comes_in_and_stays() {
    let world = World::with(DEACTIVATE, LEGAL).await;
    let ann = person(&world, "ann", "Legal");
    let [one, two, three] = ["one", "two", "three"].map(|login| person(&world, login, "Board"));
    person(&world, "stranger", "Board");
    report(&world, &ann, &one);
    report(&world, &one, &two);
    report(&world, &two, &three);
    let first = world.full().await;
    assert_eq!(
        tally(&first),
        [(Outcome::Added, 4), (Outcome::Skipped, 1)],
        "{first:#?}"
    );
    assert_eq!(active(&world).await, ["ann", "one", "three", "two"]);
    assert_eq!(reason(&world, &first, "three").await, "brought in as a manager");
    let [ann_account, one_account] = [world.account("ann").await, world.account("one").await];
    assert_eq!(ann_account.reporting_to, one_account.id);

    // They are no leavers, and nobody is looked up twice.
    world.tenant.forget_requests();
    let again = world.full().await;
    assert_eq!(
        tally(&again),
        [(Outcome::Unchanged, 4), (Outcome::Skipped, 1)],
        "{again:#?}"
    );
    let requests = world.tenant.requests();
    assert_eq!(
        requests.get("GET /v1.0/users"),
        Some(&1),
        "the listing only: {requests:?}"
    );
    world.tenant.update(&three, "city", json!("Oslo")).unwrap();
    let changed = world.full().await;
    assert_eq!(
        tally(&changed),
        [
            (Outcome::Updated, 1),
            (Outcome::Unchanged, 3),
            (Outcome::Skipped, 1)
        ],
        "{changed:#?}"
    );
    world.tenant.update(&two, "city", json!("Oslo")).unwrap();
    let delta = world.delta().await;
    assert_eq!(tally(&delta), [(Outcome::Updated, 1)], "{delta:#?}");
    assert_eq!(active(&world).await, ["ann", "one", "three", "two"]);
}

#[tokio::test]
async fn i5_a_cycle_of_managers_ends() {
    let world = World::with(DEACTIVATE, LEGAL).await;
    let ann = person(&world, "ann", "Legal");
    let [one, two] = ["one", "two"].map(|login| person(&world, login, "Board"));
    report(&world, &ann, &one);
    report(&world, &one, &two);
    report(&world, &two, &one);
    let first = world.full().await;
    assert_eq!(tally(&first), [(Outcome::Added, 3)], "{first:#?}");
    assert_eq!(active(&world).await, ["ann", "one", "two"]);
}

#[tokio::test]
async fn i5_taking_the_mapping_away_stops_it() {
    let world = World::with(DEACTIVATE, LEGAL).await;
    let ann = person(&world, "ann", "Legal");
    let [one, two] = ["one", "two"].map(|login| person(&world, login, "Board"));
    report(&world, &ann, &one);
    world.full().await;
    assert_eq!(active(&world).await, ["ann", "one"]);
    let mapping = format!("{WITHOUT}{LEGAL}");
    world
        .apply(&documents(&world.options, &world.url(), DEACTIVATE, &mapping))
        .await;
    report(&world, &ann, &two);
    world.full().await;
    assert_eq!(
        active(&world).await,
        ["ann", "one"],
        "nobody new, and who was brought in is no leaver"
    );
    world.delta().await;
    assert_eq!(world.accounts_of("two").await, []);
}

#[tokio::test]
async fn i5_a_manager_who_arrives_later_comes_in_with_a_delta() {
    let world = World::with(DEACTIVATE, LEGAL).await;
    let ann = person(&world, "ann", "Legal");
    world.full().await;
    // Only the link to the manager has changed; the row says nothing of the department.
    let [one, two] = ["one", "two"].map(|login| person(&world, login, "Board"));
    report(&world, &one, &two);
    report(&world, &ann, &one);
    let delta = world.delta().await;
    assert_eq!(delta.reason, "", "{delta:#?}");
    assert_eq!(active(&world).await, ["ann", "one", "two"], "{delta:#?}");
    assert_eq!(reason(&world, &delta, "one").await, "brought in as a manager");
    let [ann_account, one_account] = [world.account("ann").await, world.account("one").await];
    assert_eq!(ann_account.reporting_to, one_account.id);

    // A manager who was brought in gets another manager.
    let three = person(&world, "three", "Board");
    world.delta().await;
    report(&world, &two, &three);
    world.delta().await;
    assert_eq!(active(&world).await, ["ann", "one", "three", "two"]);
    // Somebody new in scope brings theirs.
    let four = person(&world, "four", "Board");
    let bob = person(&world, "bob", "Legal");
    report(&world, &bob, &four);
    world.delta().await;
    assert_eq!(
        active(&world).await,
        ["ann", "bob", "four", "one", "three", "two"]
    );
    let full = world.full().await;
    assert_eq!(counts(&full).unchanged, 6, "{full:#?}");
}

#[tokio::test]
async fn i5_a_manager_who_falls_out_of_the_criteria_stays() {
    let world = World::with(DEACTIVATE, LEGAL).await;
    let ann = person(&world, "ann", "Legal");
    let one = person(&world, "one", "Legal");
    let alone = person(&world, "alone", "Legal");
    report(&world, &ann, &one);
    world.full().await;
    for id in [&one, &alone] {
        world.tenant.update(id, "department", json!("Board")).unwrap();
    }
    let full = world.full().await;
    assert_eq!(
        tally(&full),
        [
            (Outcome::Updated, 1),
            (Outcome::Unchanged, 1),
            (Outcome::Removed, 1)
        ],
        "{full:#?}"
    );
    assert_eq!(active(&world).await, ["ann", "one"]);
}

#[tokio::test]
async fn i5_a_manager_who_falls_out_in_a_delta_waits_for_the_next_full_run() {
    let world = World::with(DEACTIVATE, LEGAL).await;
    let ann = person(&world, "ann", "Legal");
    let [one, alone] = ["one", "alone"].map(|login| person(&world, login, "Legal"));
    report(&world, &ann, &one);
    world.full().await;
    // Nothing of those who report to them is in the round.
    for id in [&one, &alone] {
        world.tenant.update(id, "department", json!("Board")).unwrap();
    }
    let delta = world.delta().await;
    assert_eq!(
        tally(&delta),
        [(Outcome::Unchanged, 1), (Outcome::Removed, 1)],
        "{delta:#?}"
    );
    assert!(
        reason(&world, &delta, "one")
            .await
            .contains("somebody in scope reports to them"),
        "{delta:#?}"
    );
    assert_eq!(active(&world).await, ["ann", "one"]);
    world.full().await;
    assert_eq!(active(&world).await, ["ann", "one"]);
}

#[tokio::test]
async fn i5_a_disabled_manager_comes_in_only_where_disabled_users_do() {
    for (mapping, expected) in [("", vec!["ann"]), ("includeDisabled: true\n", vec!["ann", "one"])] {
        let world = World::with(DEACTIVATE, &format!("{mapping}{LEGAL}")).await;
        let ann = person(&world, "ann", "Legal");
        let one = hire(
            &world.tenant,
            "one",
            json!({"department": "Board", "accountEnabled": false}),
        );
        report(&world, &ann, &one);
        world.full().await;
        let mut logins: Vec<String> = world.accounts().await.into_iter().map(|a| a.login).collect();
        logins.sort();
        assert_eq!(logins, expected);
    }
}
