//! Plan, guard, apply (B1), and the brake (B2).

use contracts::v1::{AccountStatus, LeaverAction, Outcome, ReviewState, Run, RunKind, RunState};
use harness::people::{hire, hire_many};
use harness::runs::{counts, tally};
use harness::site::Site;
use harness::world::World;
use serde_json::json;
use tonic::Code;

#[tokio::test]
async fn b1_a_preview_shows_who_what_by_which_rule_and_changes_nothing() {
    let world = World::start().await;
    world.import("name,login,domain\nOld Bob,bob,contoso.com\n").await;
    hire(&world.tenant, "ann", json!({"department": "Legal"}));
    hire(&world.tenant, "bob", json!({"department": "Sales"}));
    hire(&world.tenant, "off", json!({"accountEnabled": false}));
    let before = world.accounts().await;
    let run = world.preview().await;
    assert_eq!(
        tally(&run),
        [(Outcome::Added, 1), (Outcome::Updated, 1), (Outcome::Skipped, 1)],
        "{run:#?}"
    );
    assert_eq!(world.accounts().await, before);
    assert!(world.links().await.is_empty());

    let ann = world.change_of(&run, "ann@contoso.com").await;
    assert!(!ann.applied && ann.rule == 0, "{ann:#?}");
    let department = ann
        .fields
        .iter()
        .find(|field| field.field == "department")
        .unwrap();
    assert_eq!(
        (department.old.as_deref(), department.new.as_deref()),
        (None, Some("Legal"))
    );
    let bob = world.change_of(&run, "bob@contoso.com").await;
    assert_eq!((bob.rule, bob.account_id.as_str()), (4, before[0].id.as_str()));
    let name = bob.fields.iter().find(|field| field.field == "name").unwrap();
    assert_eq!(
        (name.old.as_deref(), name.new.as_deref()),
        (Some("Old Bob"), Some("Bob"))
    );
}

#[tokio::test]
async fn b1_a_plan_is_applied_exactly_as_shown_whatever_the_directory_did_since() {
    let world = World::start().await;
    let ann = hire(&world.tenant, "ann", json!({"department": "Legal"}));
    hire(&world.tenant, "bob", json!({}));
    let plan = world.preview().await;
    world.tenant.update(&ann, "department", json!("Sales")).unwrap();
    world.tenant.hard_delete("bob@contoso.com").unwrap();
    hire(&world.tenant, "late", json!({}));
    world.tenant.forget_requests();
    let run = world.apply_plan(&plan.id).await;
    assert_eq!(counts(&run), counts(&plan));
    let read = world.tenant.requests();
    // How long the secret is valid may be looked up at any time.
    let nobody = read.keys().all(|request| !request.contains("/users"));
    assert!(nobody, "nothing is read again: {read:?}");
    let mut names: Vec<_> = world
        .accounts()
        .await
        .into_iter()
        .map(|account| account.name)
        .collect();
    names.sort();
    assert_eq!(names, ["Ann", "Bob"]);
    assert_eq!(
        harness::register::field(&world.account("ann").await, "department"),
        "Legal"
    );
    let shown = world.changes(&plan, Outcome::Added).await;
    assert!(shown.iter().all(|change| change.applied), "{shown:#?}");

    // Once is enough.
    let again = world.try_apply_plan(&plan.id).await.unwrap_err();
    assert_eq!(again.code(), Code::FailedPrecondition);
    assert!(again.message().contains("applied already"), "{again:?}");

    // The delta goes on from where the preview read.
    let run = world.delta().await;
    assert_eq!(run.reason, "", "{run:#?}");
    assert_eq!(
        harness::register::field(&world.account("ann").await, "department"),
        "Sales"
    );
    assert_eq!(world.accounts_of("late").await.len(), 1);
}

#[tokio::test]
async fn b1_a_plan_is_refused_when_the_register_has_moved() {
    let world = World::start().await;
    world
        .import("name,login,domain\nOld Bob,bob,contoso.com\nStranger,stranger,contoso.com\n")
        .await;
    hire(&world.tenant, "bob", json!({}));
    hire(&world.tenant, "ann", json!({}));
    let plan = world.preview().await;
    // What the plan does not touch may change.
    world
        .import("name,login,domain\nSomebody Else,stranger,contoso.com\n")
        .await;
    world.import("name,login,domain\nBobby,bob,contoso.com\n").await;
    let refused = world.try_apply_plan(&plan.id).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
    assert!(
        refused.message().contains("moved") && refused.message().contains("bob"),
        "{refused:?}"
    );
    assert_eq!(world.account("bob").await.name, "Bobby");
    assert!(
        world.accounts_of("ann").await.is_empty(),
        "nothing of it is applied"
    );

    let plan = world.preview().await;
    world
        .import("name,login,domain\nYet Another,stranger,contoso.com\n")
        .await;
    world.apply_plan(&plan.id).await;
    assert_eq!(world.account("bob").await.name, "Bob");
}

#[tokio::test]
async fn b1_a_plan_is_refused_when_a_login_that_it_would_give_has_been_taken() {
    let world = World::start().await;
    hire(&world.tenant, "ann", json!({}));
    let plan = world.preview().await;
    world
        .import("name,login,domain\nOther Ann,ann,contoso.com\n")
        .await;
    let refused = world.try_apply_plan(&plan.id).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
    assert!(refused.message().contains("ann"), "{refused:?}");
    assert_eq!(world.account("ann").await.name, "Other Ann");
}

#[tokio::test]
async fn b1_a_connection_s_first_run_is_a_preview_unless_asked_otherwise() {
    for kind in [RunKind::Full, RunKind::Delta] {
        let world = World::with("firstRun: preview", "").await;
        hire(&world.tenant, "ann", json!({}));
        let run = world.run_to_end(kind).await;
        assert_eq!((run.state(), run.preview), (RunState::Planned, true), "{run:#?}");
        assert!(run.reason.contains("first run"), "{run:#?}");
        assert!(world.accounts().await.is_empty());
        world.apply_plan(&run.id).await;
        assert_eq!(world.accounts().await.len(), 1);
        hire(&world.tenant, "bob", json!({}));
        let second = world.run(kind).await;
        assert_eq!((second.preview, counts(&second).added), (false, 1), "{second:#?}");
    }
}

#[tokio::test]
async fn b1_a_plan_expires_after_a_day() {
    let world = World::start().await;
    hire(&world.tenant, "ann", json!({}));
    let plan = world.preview().await;
    // Nobody can wait for a day.
    let age = format!(
        "UPDATE run_plan SET planned_at = planned_at - interval '25 hours' WHERE run_id = '{}'",
        plan.id
    );
    Site::shared().await.sql(&age).await;
    let refused = world.try_apply_plan(&plan.id).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("day"), "{refused:?}");
    harness::wait::until("the plan expires", async || {
        (world.get_run(&plan.id).await.state() == RunState::Expired).then_some(())
    })
    .await;
    assert!(world.accounts().await.is_empty());
}

/// `people` in the register, `leavers` of them disabled since, and somebody new.
async fn leaving(people: usize, leavers: usize, connection: &str) -> (World, Run) {
    let world = World::with(connection, "").await;
    let ids = hire_many(&world.tenant, people);
    world.full().await;
    for id in &ids[..leavers] {
        world.tenant.disable(id).unwrap();
    }
    hire(&world.tenant, "new", json!({}));
    world
        .tenant
        .update(ids.last().unwrap(), "displayName", json!("Renamed"))
        .unwrap();
    let run = world.full().await;
    (world, run)
}

async fn out_of_use(world: &World) -> usize {
    let accounts = world.accounts().await;
    accounts
        .iter()
        .filter(|account| account.status() != AccountStatus::Active)
        .count()
}

#[tokio::test]
async fn b2_beyond_the_share_all_removals_are_held_and_the_rest_goes_on() {
    let (world, run) = leaving(25, 3, "").await;
    let counted = counts(&run);
    assert_eq!(
        (counted.held, counted.removed, counted.added, counted.updated),
        (3, 0, 1, 1),
        "{run:#?}"
    );
    assert!(
        run.removals_note.contains("3 of 25") && run.removals_note.contains("10 %"),
        "{run:#?}"
    );
    assert_eq!(out_of_use(&world).await, 0);
    assert_eq!(world.account("p25").await.name, "Renamed");
    let reviews = world.reviews(ReviewState::Open).await;
    assert_eq!(reviews.len(), 3);
    assert!(
        reviews
            .iter()
            .all(|review| review.reason.contains("brake") && review.cause == "disabled"),
        "{reviews:#?}"
    );

    // Item by item.
    world.approve(&[&reviews[0].id], LeaverAction::Unspecified).await;
    world.reject(&[&reviews[1].id]).await;
    assert_eq!(out_of_use(&world).await, 1);
    assert_eq!(world.reviews(ReviewState::Open).await.len(), 1);
}

#[tokio::test]
async fn b2_at_the_share_it_lets_go() {
    let (world, run) = leaving(25, 2, "").await;
    assert_eq!((counts(&run).held, counts(&run).removed), (0, 2), "{run:#?}");
    assert_eq!((run.removals_note.as_str(), out_of_use(&world).await), ("", 2));
}

#[tokio::test]
async fn b2_below_the_floor_shares_do_not_count() {
    let (_, run) = leaving(19, 12, "").await;
    assert_eq!((counts(&run).held, counts(&run).removed), (0, 12), "{run:#?}");
}

#[tokio::test]
async fn b2_everyone_is_too_many_however_few_they_are() {
    let world = World::start().await;
    let ids = hire_many(&world.tenant, 3);
    world.full().await;
    for id in &ids {
        world.tenant.disable(id).unwrap();
    }
    let run = world.full().await;
    assert_eq!((counts(&run).held, counts(&run).removed), (3, 0), "{run:#?}");
    assert!(run.removals_note.contains("all 3"), "{run:#?}");
    assert_eq!(out_of_use(&world).await, 0);
}

#[tokio::test]
async fn b2_the_count_is_a_limit_of_its_own_and_both_can_be_set() {
    let (_, run) = leaving(24, 3, "brake: { percent: 50, count: 2 }").await;
    assert_eq!((counts(&run).held, counts(&run).removed), (3, 0), "{run:#?}");
    assert!(run.removals_note.contains("more than 2"), "{run:#?}");
    let (_, run) = leaving(24, 3, "brake: { percent: 50, count: 3 }").await;
    assert_eq!((counts(&run).held, counts(&run).removed), (0, 3), "{run:#?}");
}

#[tokio::test]
async fn b2_the_brake_weighs_a_delta_too() {
    let world = World::start().await;
    let ids = hire_many(&world.tenant, 20);
    world.full().await;
    for id in &ids[..5] {
        world.tenant.soft_delete(id).unwrap();
    }
    let run = world.delta().await;
    assert_eq!((counts(&run).held, counts(&run).removed), (5, 0), "{run:#?}");
    assert_eq!(out_of_use(&world).await, 0);
}

#[tokio::test]
async fn b2_what_goes_to_review_anyway_is_not_weighed() {
    let world = World::with("leavers: { softDeleted: review }", "").await;
    let ids = hire_many(&world.tenant, 20);
    world.full().await;
    for id in &ids[..5] {
        world.tenant.soft_delete(id).unwrap();
    }
    world.tenant.disable(&ids[10]).unwrap();
    let run = world.full().await;
    assert_eq!((counts(&run).held, counts(&run).removed), (5, 1), "{run:#?}");
    assert_eq!(run.removals_note, "", "the brake rests");
}
