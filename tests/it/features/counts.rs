//! Counts that are true (R7), progress that can be watched, and an end that can be asked for (R8).
//!
//! That seen + gone adds up, and that each tally is that of the stored outcomes, is checked at the end of every run of
//! every test: `harness::runs`.

use contracts::v1::{Outcome, Run, RunKind, RunState};
use entra_sim::{Effect, Fault, RetryAfter};
use harness::people::{crowd, hire, hire_many};
use harness::runs::{counts, times};
use harness::wait::until;
use harness::world::World;
use serde_json::{Value, json};
use tonic::Code;

/// A run in which every outcome occurs.
async fn every_outcome() -> (World, Run) {
    let world = World::with("leavers: { gone: review }", "").await;
    let ids = hire_many(&world.tenant, 12);
    let back = hire(&world.tenant, "back", json!({}));
    world.full().await;
    world.tenant.disable(&back).unwrap();
    world.full().await;
    world
        .import("name,login,domain\nOver,over,contoso.com\nThe Desk,desk,\n")
        .await;

    let tenant = &world.tenant;
    hire(tenant, "new", json!({}));
    hire(tenant, "over", json!({}));
    tenant.update(&ids[0], "city", json!("Oslo")).unwrap();
    tenant.enable(&back).unwrap();
    hire(tenant, "stranger", json!({"accountEnabled": false}));
    tenant.disable(&ids[1]).unwrap();
    tenant.hard_delete(&ids[2]).unwrap();
    hire(tenant, "desk", json!({"displayName": "=cmd|' /C calc'!A0"}));
    hire(
        tenant,
        "twin",
        json!({"userPrincipalName": "desk@fabrikam.example"}),
    );
    let run = world.full().await;
    (world, run)
}

#[tokio::test]
async fn r7_every_outcome_is_counted_and_listed() {
    let (_, run) = every_outcome().await;
    let counted = counts(&run);
    assert_eq!((counted.seen, counted.gone), (17, 1), "{run:#?}");
    assert_eq!(counted.added, 1);
    assert_eq!(
        (counted.updated, counted.overwritten, counted.reactivated),
        (3, 1, 1)
    );
    assert_eq!(counted.unchanged, 9);
    assert_eq!(
        (counted.skipped, counted.removed, counted.held, counted.failed),
        (1, 1, 1, 2)
    );
    assert!(times(&run).is_sorted(), "{run:#?}");
    assert_eq!(
        (run.kind(), run.trigger.as_str(), run.requested_by.as_str()),
        (RunKind::Full, "api", "tester")
    );
}

#[tokio::test]
async fn r7_the_command_line_lists_shows_and_explains_runs() {
    let (world, run) = every_outcome().await;
    let list = world.cli_json(&["run", "list", "--connection", "contoso"]).await;
    assert_eq!(list["runs"].as_array().unwrap().len(), 3);
    assert_eq!(list["runs"][0]["id"], run.id.as_str(), "the newest first");

    let shown = world.cli_json(&["run", "show", &run.id]).await;
    assert_eq!(shown["state"], "RUN_STATE_FINISHED");
    let number = |key: &str| shown["counts"][key].as_u64().unwrap();
    let sum: u64 = [
        "added",
        "updated",
        "unchanged",
        "skipped",
        "removed",
        "held",
        "failed",
    ]
    .map(number)
    .iter()
    .sum();
    assert_eq!(number("seen") + number("gone"), sum, "{shown}");
    let table = world.cli_run(&["run", "show", &run.id]).await.stdout;
    for word in ["seen", "gone", "added", "updated", "held", "failed", "finished"] {
        assert!(table.contains(word), "{table}");
    }

    let changes = world.cli_json(&["run", "changes", &run.id]).await;
    let of = |upn: &str| -> Value {
        let all = changes["changes"].as_array().unwrap();
        all.iter().find(|change| change["upn"] == upn).unwrap().clone()
    };
    assert_eq!(of("over@contoso.com")["rule"], 4);
    let city = of("p01@contoso.com");
    let city = city["fields"]
        .as_array()
        .unwrap()
        .iter()
        .find(|field| field["field"] == "city")
        .unwrap();
    assert_eq!(city["new"], "Oslo");

    let failed = world.cli_run(&["run", "failed", &run.id, "--csv"]).await;
    assert_eq!(failed.code, 0, "{failed:?}");
    let mut lines = failed.stdout.lines();
    assert_eq!(lines.next(), Some("upn,name,object_id,reason"));
    let desk = lines
        .clone()
        .find(|line| line.starts_with("desk@contoso.com,"))
        .unwrap();
    assert!(desk.contains(",'=cmd|"), "defused: {desk}");
    assert_eq!(lines.count(), 2);
}

#[tokio::test]
async fn r7_the_command_line_waits_and_tells_by_its_exit_code() {
    let world = World::start().await;
    hire(&world.tenant, "ann", json!({}));
    let waited = world
        .cli_run(&["run", "start", "contoso", "--kind", "full", "--wait"])
        .await;
    assert_eq!(waited.code, 0, "{waited:?}");
    assert!(waited.stdout.contains("finished"), "{waited:?}");
    // Failed records are no failure of the run, unless one is strict.
    world.import("name,login,domain\nThe Desk,desk,\n").await;
    hire(&world.tenant, "desk", json!({}));
    hire(
        &world.tenant,
        "twin",
        json!({"userPrincipalName": "desk@fabrikam.example"}),
    );
    let some_failed = world
        .cli_run(&["run", "start", "contoso", "--kind", "full", "--wait"])
        .await;
    assert_eq!(some_failed.code, 0, "{some_failed:?}");
    let strict = world
        .cli_run(&["run", "start", "contoso", "--kind", "full", "--wait", "--strict"])
        .await;
    assert_eq!(strict.code, 1, "{strict:?}");
    world.tenant.fault(Fault::on(
        "*/oauth2/v2.0/token",
        Effect::Aadsts { code: 7_000_215 },
    ));
    world.tenant.revoke_tokens();
    let failed = world
        .cli_run(&["run", "start", "contoso", "--kind", "full", "--wait"])
        .await;
    assert_eq!(failed.code, 1, "{failed:?}");
    assert!(
        failed.stdout.contains("secret") || failed.stderr.contains("secret"),
        "{failed:?}"
    );
    let unknown = world.cli_run(&["run", "start", "nobody", "--kind", "full"]).await;
    assert_eq!(unknown.code, 1);
    assert!(
        unknown.stderr.contains("contoso"),
        "it names those there are: {unknown:?}"
    );
    assert_eq!(
        world
            .cli_run(&["run", "start", "contoso", "--kind", "halfway"])
            .await
            .code,
        2
    );
}

#[tokio::test]
async fn r8_progress_is_seen_while_a_run_goes_on() {
    let world = World::of(crowd(2_500), "", "includeDisabled: true").await;
    world.tenant.set(|settings| settings.latency_ms = 400);
    let busy = Effect::Status {
        status: 429,
        code: None,
        message: None,
        retry_after: Some(RetryAfter::Seconds(1)),
    };
    world
        .tenant
        .fault(Fault::on("/v1.0/users", busy).query("$skiptoken").times(1));
    let run = world.start_run(RunKind::Full).await;
    let seen = world.watched(&run.id).await;
    let states: Vec<RunState> = seen.iter().map(Run::state).collect();
    assert!(states.is_sorted(), "a run never goes back: {states:?}");
    assert!(states.contains(&RunState::Fetching), "{states:?}");
    assert_eq!(states.last(), Some(&RunState::Finished));

    let progress: Vec<_> = seen.iter().map(|run| run.progress.unwrap()).collect();
    let reading: Vec<_> = progress
        .iter()
        .map(|progress| progress.records_read)
        .filter(|read| (1..2_500).contains(read))
        .collect();
    assert!(
        !reading.is_empty(),
        "records are told while they are read: {progress:#?}"
    );
    assert!(progress.iter().map(|progress| progress.records_read).is_sorted());
    assert!(
        progress.iter().any(|progress| progress.eta_seconds > 0),
        "{progress:#?}"
    );
    assert!(progress.iter().any(|progress| progress.records_expected == 2_500));
    let last = progress.last().unwrap();
    assert_eq!(last.records_read, 2_500);
    assert_eq!(
        (last.pages_decided, last.pages_applied),
        (last.pages_fetched, last.pages_to_apply)
    );
    assert_eq!(last.throttle_waits, 1, "{last:#?}");
    assert!(last.throttle_wait_milliseconds >= 900, "{last:#?}");
    assert!(last.resource_units > 0 && last.graph_calls >= 6, "{last:#?}");
}

/// Cancels a run as soon as `moment` has come; the register must be whole, and the next run put everything right.
async fn cancelled_at(moment: impl Fn(&Run) -> bool) -> RunState {
    let world = World::of(crowd(1_800), "", "includeDisabled: true").await;
    world.tenant.set(|settings| settings.latency_ms = 150);
    let run = world.start_run(RunKind::Full).await;
    until("the moment to cancel", async || {
        moment(&world.get_run(&run.id).await).then_some(())
    })
    .await;
    let asked = world.cancel(&run.id).await;
    let ended = world.ended(&run.id).await;
    match asked {
        Ok(_) => assert!(
            matches!(ended.state(), RunState::Cancelled | RunState::Finished),
            "{ended:#?}"
        ),
        Err(refused) => assert_eq!(
            (refused.code(), ended.state()),
            (Code::FailedPrecondition, RunState::Finished)
        ),
    }
    // Whole: each account has what the directory says, and every link its account.
    let accounts = world.accounts().await;
    let links = world.links().await;
    assert_eq!(accounts.len(), links.len());
    assert!(
        accounts
            .iter()
            .all(|account| !account.object_id.is_empty() && !account.login.is_empty())
    );
    assert_eq!(accounts.len(), counts(&ended).added as usize, "{ended:#?}");

    world.tenant.set(|settings| settings.latency_ms = 0);
    let next = world.full().await;
    assert_eq!(counts(&next).seen, 1_800, "{next:#?}");
    assert_eq!(world.accounts().await.len(), 1_800);
    ended.state()
}

#[tokio::test]
async fn r8_cancelled_before_it_began() {
    assert_eq!(cancelled_at(|_| true).await, RunState::Cancelled);
}

#[tokio::test]
async fn r8_cancelled_while_reading() {
    let reading = |run: &Run| run.progress.unwrap_or_default().records_read > 0;
    assert_eq!(cancelled_at(reading).await, RunState::Cancelled);
}

#[tokio::test]
async fn r8_cancelled_while_planning_or_applying() {
    cancelled_at(|run| run.state() >= RunState::Planning).await;
    cancelled_at(|run| run.state() >= RunState::Applying).await;
}

#[tokio::test]
async fn r8_a_plan_that_waits_can_be_discarded_and_an_ended_run_can_not_be_cancelled() {
    let world = World::start().await;
    hire(&world.tenant, "ann", json!({}));
    let plan = world.preview().await;
    world.cancel(&plan.id).await.unwrap();
    until("the plan is discarded", async || {
        (world.get_run(&plan.id).await.state() == RunState::Cancelled).then_some(())
    })
    .await;
    let refused = world.try_apply_plan(&plan.id).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
    assert!(world.accounts().await.is_empty());
    let run = world.full().await;
    let refused = world.cancel(&run.id).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("finished"), "{refused:?}");
}

#[tokio::test]
async fn r8_a_waiting_run_begins_when_the_active_one_is_cancelled() {
    let world = World::of(crowd(1_200), "", "").await;
    world.tenant.set(|settings| settings.latency_ms = 300);
    let first = world.start_run(RunKind::Full).await;
    let second = world.start_run(RunKind::Full).await;
    until("the first is read", async || {
        (world.get_run(&first.id).await.state() == RunState::Fetching).then_some(())
    })
    .await;
    assert_eq!(world.get_run(&second.id).await.state(), RunState::Requested);
    world.cancel(&first.id).await.unwrap();
    assert_eq!(world.ended(&first.id).await.state(), RunState::Cancelled);
    world.tenant.set(|settings| settings.latency_ms = 0);
    let second = world.ended(&second.id).await;
    assert_eq!(
        (second.state(), counts(&second).seen),
        (RunState::Finished, 1_200)
    );
    assert!(!world.changes(&second, Outcome::Added).await.is_empty());
}
