//! Throttling and other waits: by cause and resource, while they last and after (B16, R8).

use contracts::v1::{Run, RunKind, RunState, Wait};
use entra_sim::{Effect, Fault, RetryAfter};
use harness::hold::{Hold, Step};
use harness::people::{crowd, hire};
use harness::site::Site;
use harness::wait::until;
use harness::world::World;
use serde_json::json;

fn status(status: u16, retry_after: Option<RetryAfter>) -> Effect {
    Effect::Status {
        status,
        code: None,
        message: None,
        retry_after,
    }
}

fn of<'r>(run: &'r Run, cause: &str, resource: &str) -> &'r Wait {
    let found = run
        .waits
        .iter()
        .find(|wait| (wait.cause.as_str(), wait.resource.as_str()) == (cause, resource));
    found.unwrap_or_else(|| panic!("no {cause} on {resource}: {:#?}", run.waits))
}

#[tokio::test]
async fn b16_waits_are_told_by_cause_and_resource_while_they_last_and_after() {
    let world = World::of(crowd(1_200), "", "includeDisabled: true").await;
    world.full().await;
    let slow = status(429, Some(RetryAfter::Seconds(2)));
    let fault = |path: &str, effect| Fault::on(path, effect).times(1);
    world
        .tenant
        .fault(fault("/v1.0/users", slow.clone()).query("$skiptoken").times(2));
    world
        .tenant
        .fault(fault("/v1.0/directory/deletedItems*", status(503, None)));
    world.tenant.fault(fault(
        "/v1.0/organization*",
        status(503, Some(RetryAfter::Seconds(1))),
    ));
    let started = world.start_run(RunKind::Full).await;
    let seen = world.watched(&started.id).await;
    let told: Vec<&str> = seen.iter().map(|run| run.waiting_for.as_str()).collect();
    let wanted = "Graph: 429 with Retry-After on /users";
    assert!(
        told.iter()
            .any(|what| *what == wanted || what.ends_with(&format!(" s for {wanted}"))),
        "{told:#?}"
    );
    let run = world.ended(&started.id).await;
    assert_eq!(run.state(), RunState::Finished, "{run:#?}");
    assert_eq!(run.waiting_for, "", "nothing any more: {run:#?}");

    let users = of(&run, "429 with Retry-After", "/users");
    assert_eq!(users.count, 2, "{run:#?}");
    assert!(
        users.total_milliseconds >= 4_000 && users.longest_milliseconds >= 2_000,
        "{users:?}"
    );
    assert!(users.longest_milliseconds < users.total_milliseconds, "{users:?}");
    let organization = of(&run, "503 with Retry-After", "/organization");
    assert!(
        organization.count == 1 && organization.total_milliseconds >= 1_000,
        "{organization:?}"
    );
    let deleted = of(&run, "503", "/directory/deletedItems/microsoft.graph.user");
    assert_eq!(deleted.count, 1, "{run:#?}");
    assert!(
        run.waits
            .is_sorted_by(|one, next| one.total_milliseconds >= next.total_milliseconds),
        "the longest first: {:#?}",
        run.waits
    );
    let progress = run.progress.unwrap();
    assert!(progress.throttle_waits >= 4, "{progress:#?}");
    // Pages of users cost two each, with what is told beside: never less than a unit a call.
    assert!(
        progress.resource_units >= progress.graph_calls / 2,
        "{progress:#?}"
    );

    let card = world.cli_run(&["run", "show", &run.id]).await.stdout;
    for part in [
        "WAITED FOR",
        "429 with Retry-After",
        "/users",
        "503",
        "resource unit",
    ] {
        assert!(card.contains(part), "{part}: {card}");
    }
    let shown = world.cli_json(&["run", "show", &run.id]).await;
    assert_eq!(shown["waits"][0]["cause"], "429 with Retry-After", "{shown}");

    // The next one knows nothing of them.
    let quiet = world.full().await;
    assert!(
        quiet.waits.iter().all(|wait| wait.resource.is_empty()),
        "none of Graph: {quiet:#?}"
    );
    assert!(quiet.progress.unwrap().resource_units > 0);
}

#[tokio::test]
async fn r8_waits_are_seen_in_the_terminal_while_the_run_goes_on() {
    let world = World::start().await;
    hire(&world.tenant, "ann", json!({}));
    world
        .tenant
        .fault(Fault::on("/v1.0/users", status(429, Some(RetryAfter::Seconds(7)))).times(1));
    let answer = world
        .cli_run(&["run", "start", "contoso", "--kind", "full", "--wait"])
        .await;
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(
        answer
            .stderr
            .contains("s for Graph: 429 with Retry-After on /users"),
        "{answer:?}"
    );
    assert!(answer.stdout.contains("WAITED FOR"), "{answer:?}");
}

#[tokio::test]
async fn b16_a_run_that_waits_for_another_says_for_which() {
    let site = Site::shared().await;
    let world = World::start().await;
    hire(&world.tenant, "ann", json!({}));
    let hold = Hold::at(Step::Planned, world.organization, site).await;
    let first = world.start_run(RunKind::Full).await;
    hold.reached().await;
    let second = world.start_run(RunKind::Delta).await;
    let third = world.start_run(RunKind::Full).await;
    for waiting in [&second, &third] {
        let told = world.get_run(&waiting.id).await;
        assert_eq!(told.state(), RunState::Requested);
        assert_eq!(told.waits_for_run_id, first.id, "{told:#?}");
        assert_eq!(
            told.waiting_for,
            format!("the end of run {} of the same connection", first.id)
        );
        let card = world.cli_run(&["run", "show", &waiting.id]).await.stdout;
        assert!(card.contains(&told.waiting_for), "{card}");
    }
    // A manual run goes beside them.
    let manual = world.import_users(&["ann@contoso.com"]).await;
    assert_eq!(manual.len(), 1);
    let active = world.get_run(&first.id).await;
    assert_eq!(active.waits_for_run_id, "", "{active:#?}");
    world.cancel(&third.id).await.unwrap();
    let ended = world.get_run(&third.id).await;
    assert_eq!(
        (ended.waits_for_run_id.as_str(), ended.waiting_for.as_str()),
        ("", "")
    );
    hold.release().await;
    world.ended(&first.id).await;
    until("the second has gone on", async || {
        let told = world.get_run(&second.id).await;
        (told.state() == RunState::Finished && told.waits_for_run_id.is_empty()).then_some(())
    })
    .await;
}
