//! What can't be taken back, and what stays whole whoever dies.

use contracts::v1::{Outcome, RevertRunRequest, RunKind, RunState, StartRunRequest};
use harness::hold::{Hold, Step};
use harness::people::{crowd, hire};
use harness::runs::{counts, tally};
use harness::site::Site;
use harness::wait::until;
use harness::world::World;
use local::stack::Service;
use serde_json::json;
use tonic::Code;

pub(super) fn of(run: &str) -> RevertRunRequest {
    RevertRunRequest {
        run_id: run.to_owned(),
        ..RevertRunRequest::default()
    }
}

#[tokio::test]
async fn b4_only_applied_runs_are_taken_back_and_none_while_another_is_active() {
    let site = Site::shared().await;
    let world = World::start().await;
    let ann = hire(&world.tenant, "ann", json!({}));
    let run = world.full().await;
    let plan = world.preview().await;
    let refused = world.try_revert(of(&plan.id)).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let message = refused.message();
    assert!(
        message.contains("runId: ")
            && message.contains("not applied")
            && message.contains("rollcall run cancel"),
        "{refused:?}"
    );
    world.cancel(&plan.id).await.unwrap();
    let refused = world.try_revert(of(&plan.id)).await.unwrap_err();
    assert!(
        refused.message().contains("did not come to its end") || refused.message().contains("not applied")
    );

    let hold = Hold::at(Step::Planned, world.organization, site).await;
    let active = world.start_run(RunKind::Full).await;
    hold.reached().await;
    let refused = world.try_revert(of(&run.id)).await.unwrap_err();
    assert!(
        refused.message().contains(&active.id) && refused.message().contains("wait for its end"),
        "{refused:?}"
    );
    let refused = world.try_revert(of(&active.id)).await.unwrap_err();
    assert!(refused.message().contains("has not ended"), "{refused:?}");
    hold.release().await;
    world.ended(&active.id).await;

    // Words that mean nothing are refused by name.
    let unknown = "01980000-0000-7000-8000-000000000000";
    let refused = world.try_revert(of(unknown)).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    let request = RevertRunRequest {
        object_ids: vec![ann, unknown.to_owned()],
        ..of(&run.id)
    };
    let refused = world.try_revert(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("objectIds[1]"), "{refused:?}");
    let request = StartRunRequest {
        connection: "contoso".to_owned(),
        kind: RunKind::Revert.into(),
        ..StartRunRequest::default()
    };
    let refused = world.runs().start_run(world.call(request)).await.unwrap_err();
    assert!(refused.message().contains("rollcall run revert"), "{refused:?}");
    let other = World::start().await;
    let refused = other.try_revert(of(&run.id)).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
}

#[tokio::test]
async fn b4_other_runs_wait_for_a_revert_and_the_same_key_asks_once() {
    let site = Site::shared().await;
    let world = World::start().await;
    hire(&world.tenant, "ann", json!({}));
    let run = world.full().await;
    let hold = Hold::at(Step::Planned, world.organization, site).await;
    let request = RevertRunRequest {
        idempotency_key: "once".to_owned(),
        ..of(&run.id)
    };
    let first = world.try_revert(request.clone()).await.unwrap();
    let second = world.try_revert(request).await.unwrap();
    assert_eq!(first.id, second.id);
    hold.reached().await;
    let waiting = world.start_run(RunKind::Full).await;
    let refused = world.try_revert(of(&run.id)).await.unwrap_err();
    assert!(refused.message().contains(&first.id), "{refused:?}");
    assert_eq!(world.get_run(&waiting.id).await.state(), RunState::Requested);
    assert_eq!(world.get_run(&first.id).await.state(), RunState::Planning);
    hold.release().await;
    assert_eq!(tally(&world.ended(&first.id).await), [(Outcome::Removed, 1)]);
    assert_eq!(tally(&world.ended(&waiting.id).await), [(Outcome::Added, 1)]);
    let fetched = format!("SELECT count(*) FROM run_fetch WHERE run_id = '{}'", first.id);
    assert_eq!(
        site.sql(&fetched).await.trim(),
        "0",
        "nothing is read for a revert"
    );
}

/// Killed again and again in the middle, it comes to the same end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b4_a_revert_goes_on_where_a_killed_reconciler_left_it() {
    let mut site = Site::start(Site::builder()).await;
    let world = World::bare(&site, crowd(3_000)).await;
    world.connect("", "").await;
    let before = world.snapshot(&site).await;
    let run = world.full().await;
    let added = counts(&run).added;
    assert!(added > 2_500, "{run:#?}");
    let back = world.try_revert(of(&run.id)).await.unwrap();
    let mut deaths = 0;
    // Killed whenever it has got further, in planning as in applying.
    let progress = format!(
        "SELECT coalesce(count(*) + count(applied_at), 0) FROM run_page WHERE run_id = '{}'",
        back.id
    );
    let mut last = -1;
    loop {
        // Each step has its own time: starting anew takes longer than the step.
        let further = until("the revert gets further", async || {
            let now: i64 = site.sql(&progress).await.trim().parse().unwrap();
            if world.get_run(&back.id).await.state() == RunState::Finished {
                return Some(None);
            }
            (now > last).then_some(Some(now))
        })
        .await;
        let Some(now) = further else { break };
        last = now;
        deaths += 1;
        site.stack_mut().kill(Service::Reconciler, 1).unwrap();
        site.stack_mut().spawn(Service::Reconciler, 1).unwrap();
    }
    assert!(deaths >= 2, "{deaths} deaths");
    let ended = world.ended(&back.id).await;
    assert_eq!(tally(&ended), [(Outcome::Removed, added)], "{ended:#?}");
    before.assert_is_back(&world.snapshot(&site).await, "after the revert");
    site.stop().await;
}
