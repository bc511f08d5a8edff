//! Deprovisions: runs that deal with leavers alone (D7).

use chrono::{DateTime, TimeDelta, Utc};
use contracts::v1::{AccountStatus, ListRunsRequest, Outcome, RunKind, RunState};
use harness::documents::CONNECTION;
use harness::moved_clock::MovedClock;
use harness::people::{hire, nobody};
use harness::site::Site;
use harness::wait::until;
use harness::world::World;
use serde_json::json;

const LEAVERS: &str = "leavers: { disabled: deactivate, softDeleted: deactivate, gone: delete }";

#[tokio::test]
async fn d7_a_deprovision_deals_with_leavers_and_leaves_the_rest_for_the_next_run() {
    let world = World::with(LEAVERS, "").await;
    let [ann, bob, cyd, _dan, eve] = ["ann", "bob", "cyd", "dan", "eve"]
        .map(|login| hire(&world.tenant, login, json!({"department": "Legal"})));
    world.tenant.disable(&eve).unwrap();
    world.full().await;
    world.tenant.enable(&eve).unwrap();
    world.full().await;
    world.tenant.disable(&eve).unwrap();
    world.full().await;

    world.tenant.update(&ann, "department", json!("Sales")).unwrap();
    world.tenant.update(&bob, "department", json!("Sales")).unwrap();
    world.tenant.disable(&bob).unwrap();
    world.tenant.hard_delete(&cyd).unwrap();
    world.tenant.enable(&eve).unwrap();
    let fay = hire(&world.tenant, "fay", json!({}));

    let started = world
        .cli_json(&["run", "start", CONNECTION, "--kind", "deprovision", "--wait"])
        .await;
    assert_eq!(started["kind"], "RUN_KIND_DEPROVISION");
    let run = world.ended(started["id"].as_str().unwrap()).await;
    let counts = run.counts.unwrap();
    assert_eq!(
        (
            counts.seen,
            counts.gone,
            counts.removed,
            counts.skipped,
            counts.unchanged
        ),
        (5, 1, 2, 3, 1),
        "{run:#?}"
    );
    assert_eq!(
        (counts.added, counts.updated, counts.reactivated, counts.failed),
        (0, 0, 0, 0)
    );
    for who in [&ann, &eve, &fay] {
        let change = world.change_of(&run, who).await;
        assert_eq!(change.outcome(), Outcome::Skipped);
        assert!(change.reason.contains("leavers alone"), "{change:#?}");
    }
    let department = async |login: &str| {
        let account = world.account(login).await;
        let fields = account.fields;
        (
            account.status,
            fields.get("department").cloned().unwrap_or_default(),
        )
    };
    let active = AccountStatus::Active as i32;
    let deactivated = AccountStatus::Deactivated as i32;
    assert_eq!(department("ann").await, (active, "Legal".into()));
    assert_eq!(department("bob").await, (deactivated, "Legal".into()));
    assert_eq!(department("eve").await.0, deactivated, "nobody is active again");
    assert!(world.accounts_of("fay").await.is_empty());

    // Twice is once.
    let again = world.run(RunKind::Deprovision).await.counts.unwrap();
    assert_eq!((again.removed, again.gone), (0, 0), "{again:?}");

    // A delta goes on from where it would have without.
    let delta = world.delta().await;
    assert_eq!(delta.reason, "");
    let counts = delta.counts.unwrap();
    assert_eq!((counts.added, counts.reactivated), (1, 1), "{delta:#?}");
    assert_eq!(department("ann").await, (active, "Sales".into()));
    assert_eq!(department("bob").await, (deactivated, "Sales".into()));
    assert_eq!(department("eve").await.0, active);
}

#[tokio::test]
async fn d7_the_next_full_run_sees_whom_a_deprovision_left() {
    let world = World::with(LEAVERS, "").await;
    let ann = hire(&world.tenant, "ann", json!({"department": "Legal"}));
    world.full().await;
    world.tenant.update(&ann, "department", json!("Sales")).unwrap();
    hire(&world.tenant, "bob", json!({}));
    world.run(RunKind::Deprovision).await;
    let full = world.full().await.counts.unwrap();
    assert_eq!((full.added, full.updated), (1, 1), "{full:?}");
}

#[tokio::test]
async fn d7_a_first_run_is_a_preview_there_too_and_lets_no_other_one_go_on() {
    let world = World::with("firstRun: preview", "").await;
    hire(&world.tenant, "ann", json!({}));
    let first = world.run_to_end(RunKind::Deprovision).await;
    assert_eq!(first.state(), RunState::Planned, "{first:#?}");
    world.apply_plan(&first.id).await;
    let full = world.run_to_end(RunKind::Full).await;
    assert_eq!(
        full.state(),
        RunState::Planned,
        "nobody has looked at who comes in"
    );
}

#[tokio::test]
async fn d7_the_nightly_toggle_is_its_own() {
    let mut clock = MovedClock::new();
    let site = Site::start(clock.of(Site::builder())).await;
    let world = World::bare(&site, nobody()).await;
    world.connect(LEAVERS, "").await;
    let ann = hire(&world.tenant, "ann", json!({}));
    hire(&world.tenant, "bob", json!({}));
    hire(&world.tenant, "cyd", json!({}));
    world.full().await;
    world.tenant.disable(&ann).unwrap();
    world
        .apply(&format!(
            "kind: Schedule\nname: nights\nconnection: {CONNECTION}\non: false\ntimeZone: Asia/Kolkata\n\
             deprovision: {{ on: true, at: \"01:30\" }}\n"
        ))
        .await;
    let told = world.cli_json(&["schedule", "show", "nights"]).await;
    let next: DateTime<Utc> = told["nextDeprovisionTime"].as_str().unwrap().parse().unwrap();
    let left = next - clock.now() + TimeDelta::seconds(2);
    clock.advance(left.to_std().unwrap());
    let run = until("a run comes by itself", async || {
        let request = world.call(ListRunsRequest::default());
        let runs = world.runs().list_runs(request).await.unwrap().into_inner().runs;
        runs.into_iter().find(|run| run.trigger == "schedule nights")
    })
    .await;
    let run = world.ended(&run.id).await;
    assert_eq!(
        (run.kind(), run.state()),
        (RunKind::Deprovision, RunState::Finished)
    );
    assert_eq!(run.counts.unwrap().removed, 1, "{run:#?}");
    assert_eq!(world.account("ann").await.status(), AccountStatus::Deactivated);
    let shown = world.cli_json(&["connection", "show", CONNECTION]).await;
    assert!(
        shown["nextFullTime"].is_null() && shown["nextDeltaTime"].is_null(),
        "{shown}"
    );
    assert!(shown["nextDeprovisionTime"].is_string() && shown["lastDeprovisionTime"].is_string());
    site.stop().await;
}
