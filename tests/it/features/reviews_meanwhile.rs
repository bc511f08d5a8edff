//! Reviews while others act (D8, B12): two people at once, a run in between, ids that are no review of ours, policies that
//! change.

use contracts::v1::reviews_client::ReviewsClient;
use contracts::v1::{
    AccountStatus, Outcome, ResolveReviewsRequest, ReviewResolution, ReviewState, RunKind, RunState,
};
use futures::future::join_all;
use futures::join;
use harness::hold::{Hold, Step};
use harness::people::{hire, hire_many};
use harness::runs::counts;
use harness::site::Site;
use harness::wait::until;
use harness::world::World;
use serde_json::json;
use tonic::Status;

async fn try_approve(world: &World, ids: &[&str]) -> Result<Vec<ReviewResolution>, Status> {
    let request = ResolveReviewsRequest {
        review_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        reason: "as agreed".to_owned(),
        ..ResolveReviewsRequest::default()
    };
    let mut client = ReviewsClient::new(world.channel());
    Ok(client
        .approve_reviews(world.call(request))
        .await?
        .into_inner()
        .results)
}

/// So many owners who are disabled, each with an open review.
async fn owners_asked_about(count: usize) -> (World, Vec<String>) {
    let world = World::with("leavers: { disabled: review }", "").await;
    let rows: Vec<String> = (0..count)
        .map(|number| format!("o{number},o{number},contoso.com,owner\n"))
        .collect();
    world
        .import(&format!("name,login,domain,role\n{}", rows.concat()))
        .await;
    hire_many(&world.tenant, 3);
    let ids: Vec<String> = (0..count)
        .map(|number| hire(&world.tenant, &format!("o{number}"), json!({})))
        .collect();
    world.full().await;
    for id in &ids {
        world.tenant.disable(id).unwrap();
    }
    world.full().await;
    let open = world.reviews(ReviewState::Open).await;
    assert_eq!(open.len(), count, "{open:#?}");
    (world, open.into_iter().map(|review| review.id).collect())
}

#[tokio::test]
async fn d8_what_two_people_approve_at_once_is_done_once() {
    let world = World::with("leavers: { gone: review }", "").await;
    hire_many(&world.tenant, 5);
    let ann = hire(&world.tenant, "ann", json!({}));
    world.full().await;
    world.tenant.hard_delete(&ann).unwrap();
    world.full().await;
    let review = world.reviews(ReviewState::Open).await.remove(0);
    let id = [review.id.as_str()];
    let answers = join_all((0..4).map(|_| try_approve(&world, &id))).await;
    let results: Vec<ReviewResolution> = answers
        .into_iter()
        .map(|answer| answer.unwrap().remove(0))
        .collect();
    let (done, late): (Vec<_>, Vec<_>) = results.into_iter().partition(|result| result.resolved);
    assert_eq!((done.len(), late.len()), (1, 3));
    for result in late {
        assert!(
            result.message.contains("approved already") && result.state() == ReviewState::Approved,
            "{result:#?}"
        );
    }
    let log = world.cli_json(&["log", "list", "--kind", "reviews"]).await;
    assert_eq!(log["entries"].as_array().unwrap().len(), 1, "{log}");
}

#[tokio::test]
async fn b12_of_two_owners_approved_by_two_people_at_once_one_stays() {
    let site = Site::shared().await;
    let (world, reviews) = owners_asked_about(2).await;
    // Both are held up between their look at the other owners and the end.
    let hold = Hold::at(Step::Fetched, world.organization, site).await;
    let held = format!(
        "BEGIN;
         SELECT count(*) FROM (SELECT FROM link WHERE organization_id = '{org}' FOR UPDATE) AS l;
         DO $$ BEGIN
             WHILE EXISTS (SELECT FROM held WHERE organization = '{org}') LOOP PERFORM pg_sleep(0.02); END LOOP;
         END $$;
         COMMIT",
        org = world.organization
    );
    let both = async {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'
             AND (query LIKE '-- link.forget_hashes%' OR query LIKE '-- account.lock_owners%')";
        let locked = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%{}%' AND wait_event = 'PgSleep'",
            world.organization
        );
        until("the links are held", async || {
            (site.sql(&locked).await.trim() != "0").then_some(())
        })
        .await;
        let (one, other) = ([reviews[0].as_str()], [reviews[1].as_str()]);
        let release = async {
            until("both are on their way", async || {
                (site.sql(waiting).await.trim().parse::<u32>().unwrap() >= 2).then_some(())
            })
            .await;
            hold.release().await;
        };
        let (one, other, ()) = join!(try_approve(&world, &one), try_approve(&world, &other), release);
        [one.unwrap().remove(0), other.unwrap().remove(0)]
    };
    let (_, results) = join!(site.sql(&held), both);
    let refused: Vec<&ReviewResolution> = results.iter().filter(|result| !result.resolved).collect();
    assert_eq!(refused.len(), 1, "one of them stays: {results:#?}");
    assert!(refused[0].message.contains("last active owner"), "{refused:#?}");
    let accounts = world.accounts().await;
    let owners = accounts
        .iter()
        .filter(|account| account.login.starts_with('o') && account.status() == AccountStatus::Active);
    assert_eq!(owners.count(), 1);
}

#[tokio::test]
async fn b12_an_owner_who_became_the_last_one_since_the_plan_was_made_stays() {
    let site = Site::shared().await;
    let world = World::start().await;
    world
        .import("name,login,domain,role\nAnn,ann,contoso.com,owner\nBob,bob,contoso.com,owner\n")
        .await;
    hire_many(&world.tenant, 5);
    let ann = hire(&world.tenant, "ann", json!({}));
    hire(&world.tenant, "bob", json!({}));
    world.full().await;
    world.tenant.disable(&ann).unwrap();
    let hold = Hold::at(Step::Planned, world.organization, site).await;
    let run = world.start_run(RunKind::Full).await;
    hold.reached().await;
    // Bob is demoted by hand while the run is about to be applied.
    world
        .import("name,login,domain,role\nBob,bob,contoso.com,user\n")
        .await;
    hold.release().await;
    let run = world.ended(&run.id).await;
    assert_eq!(run.state(), RunState::Finished, "{run:#?}");
    let change = world.change_of(&run, &ann).await;
    assert_eq!(change.outcome(), Outcome::Skipped, "{change:#?}");
    assert!(change.reason.contains("last active owner"), "{change:#?}");
    assert_eq!(world.account("ann").await.status(), AccountStatus::Active);
    // The next run finds the same, and does the same.
    let again = world.full().await;
    assert_eq!(
        world.change_of(&again, &ann).await.outcome(),
        Outcome::Skipped,
        "{again:#?}"
    );
}

#[tokio::test]
async fn d8_whom_a_person_keeps_while_a_run_is_about_to_remove_them_is_kept() {
    let site = Site::shared().await;
    let world = World::with("leavers: { disabled: review }", "").await;
    hire_many(&world.tenant, 6);
    let ann = hire(&world.tenant, "ann", json!({}));
    world.full().await;
    world.tenant.disable(&ann).unwrap();
    world.full().await;
    let review = world.reviews(ReviewState::Open).await.remove(0);
    world.connect("leavers: { disabled: deactivate }", "").await;
    let plan = world.preview().await;
    assert_eq!(
        world.change_of(&plan, &ann).await.outcome(),
        Outcome::Removed,
        "{plan:#?}"
    );
    let hold = Hold::at(Step::Planned, world.organization, site).await;
    let run = world.start_run(RunKind::Full).await;
    hold.reached().await;
    world
        .cli_json(&["review", "keep", &review.id, "--reason", "on parental leave"])
        .await;
    hold.release().await;
    let run = world.ended(&run.id).await;
    let change = world.change_of(&run, &ann).await;
    assert_eq!(change.outcome(), Outcome::Skipped, "{change:#?}");
    assert!(change.reason.contains("kept"), "{change:#?}");
    assert_eq!((counts(&run).removed, counts(&run).held), (0, 0), "{run:#?}");
    assert_eq!(world.account("ann").await.status(), AccountStatus::Active);
    assert!(world.reviews(ReviewState::Open).await.is_empty());
    let shown = world.preview().await;
    assert_eq!(
        world.change_of(&shown, &ann).await.outcome(),
        Outcome::Skipped,
        "a later plan knows it: {shown:#?}"
    );

    let refused = world.try_apply_plan(&plan.id).await.unwrap_err();
    assert!(refused.message().contains("moved"), "{refused}");
    assert_eq!(world.account("ann").await.status(), AccountStatus::Active);
}

#[tokio::test]
async fn d8_who_was_kept_for_one_cause_is_asked_about_for_another_and_kept_for_the_first_for_good() {
    let world = World::with("leavers: { disabled: review, softDeleted: review }", "").await;
    hire_many(&world.tenant, 5);
    let ann = hire(&world.tenant, "ann", json!({}));
    world.full().await;
    world.tenant.disable(&ann).unwrap();
    world.full().await;
    let review = world.reviews(ReviewState::Open).await.remove(0);
    world
        .cli_json(&["review", "keep", &review.id, "--reason", "on parental leave"])
        .await;
    world.tenant.soft_delete(&ann).unwrap();
    world.full().await;
    let open = world.reviews(ReviewState::Open).await;
    assert_eq!(
        (open.len(), open[0].cause.as_str()),
        (1, "soft_deleted"),
        "{open:#?}"
    );
    world.tenant.restore(&ann).unwrap();
    world.tenant.enable(&ann).unwrap();
    world.full().await;
    assert!(world.reviews(ReviewState::Open).await.is_empty());
    world.tenant.disable(&ann).unwrap();
    let run = world.full().await;
    assert_eq!(
        world.change_of(&run, &ann).await.outcome(),
        Outcome::Skipped,
        "{run:#?}"
    );
    assert!(world.reviews(ReviewState::Open).await.is_empty());
    assert_eq!(world.account("ann").await.status(), AccountStatus::Active);
}

#[tokio::test]
async fn d8_in_bulk_ids_that_are_no_review_of_ours_stop_nobody_and_are_told_each() {
    let asked = async || {
        let world = World::with("leavers: { gone: review }", "").await;
        hire_many(&world.tenant, 5);
        let ann = hire(&world.tenant, "ann", json!({}));
        world.full().await;
        world.tenant.hard_delete(&ann).unwrap();
        world.full().await;
        let review = world.reviews(ReviewState::Open).await.remove(0);
        (world, review.id)
    };
    let ((ours, own), (theirs, foreign)) = (asked().await, asked().await);
    let nobody = "00000000-0000-7000-8000-00000000abcd";
    let refused = try_approve(&ours, &[&own, "x"]).await.unwrap_err();
    assert!(refused.message().contains("reviewIds[1]"), "{refused}");
    assert_eq!(ours.reviews(ReviewState::Open).await.len(), 1, "all or nothing");

    let results = try_approve(&ours, &[&foreign, &own, nobody, &own]).await.unwrap();
    let resolved: Vec<bool> = results.iter().map(|result| result.resolved).collect();
    assert_eq!(resolved, [false, true, false, true], "{results:#?}");
    for result in [&results[0], &results[2]] {
        assert!(result.message.contains("no such review"), "{result:#?}");
    }
    assert_eq!(ours.account("ann").await.status(), AccountStatus::Deactivated);
    assert_eq!(theirs.reviews(ReviewState::Open).await[0].id, foreign);
    assert_eq!(theirs.account("ann").await.status(), AccountStatus::Active);

    // Who may only look can look.
    let viewer = theirs
        .cli_run(&["token", "create", "eyes", "--role", "viewer"])
        .await;
    let as_viewer = theirs.cli().env("ROLLCALL_TOKEN", viewer.stdout.trim());
    let seen = as_viewer.json(&["review", "list"]).await.unwrap();
    assert_eq!(seen["reviews"][0]["id"], foreign, "{seen}");
    for verdict in ["approve", "reject", "keep"] {
        let refused = as_viewer
            .run(&["review", verdict, &foreign, "--reason", "no"])
            .await
            .unwrap();
        assert!(
            refused.code == 1 && refused.stderr.contains("admin"),
            "{verdict}: {refused:?}"
        );
    }
    assert_eq!(theirs.reviews(ReviewState::Open).await.len(), 1);
}

#[tokio::test]
async fn d8_what_no_policy_asks_any_more_closes_itself() {
    let world = World::with(
        "leavers: { disabled: review, gone: review, softDeleted: review }",
        "",
    )
    .await;
    hire_many(&world.tenant, 6);
    let off = hire(&world.tenant, "off", json!({}));
    let void = hire(&world.tenant, "void", json!({}));
    let bin = hire(&world.tenant, "bin", json!({}));
    world.full().await;
    world.tenant.disable(&off).unwrap();
    world.tenant.hard_delete(&void).unwrap();
    world.tenant.soft_delete(&bin).unwrap();
    world.full().await;
    assert_eq!(world.reviews(ReviewState::Open).await.len(), 3);
    // Nobody's word has changed: they stay open.
    world.full().await;
    assert_eq!(world.reviews(ReviewState::Open).await.len(), 3);
    world
        .connect(
            "leavers: { disabled: nothing, gone: nothing, softDeleted: review }",
            "",
        )
        .await;
    world.full().await;
    let open = world.reviews(ReviewState::Open).await;
    assert_eq!(
        (open.len(), open[0].object_id.as_str()),
        (1, bin.as_str()),
        "{open:#?}"
    );
    let closed = world.reviews(ReviewState::Obsolete).await;
    assert_eq!(closed.len(), 2, "{closed:#?}");
    for login in ["off", "void", "bin"] {
        assert_eq!(
            world.account(login).await.status(),
            AccountStatus::Active,
            "{login}"
        );
    }
}

#[tokio::test]
async fn d6_what_was_purged_since_is_not_brought_back_by_taking_the_run_back() {
    let world = World::with("leavers: { gone: delete }", "").await;
    hire_many(&world.tenant, 6);
    let ann = hire(&world.tenant, "ann", json!({}));
    let bob = hire(&world.tenant, "bob", json!({}));
    world.full().await;
    world.tenant.hard_delete(&ann).unwrap();
    world.tenant.hard_delete(&bob).unwrap();
    let run = world.full().await;
    assert_eq!(counts(&run).removed, 2, "{run:#?}");
    let purged = world.account("ann").await.id;
    world
        .cli_json(&["account", "purge", &purged, "--reason", "asked to be forgotten"])
        .await;
    let back = world.revert(&run).await;
    assert_eq!(back.state(), RunState::Finished, "{back:#?}");
    assert!(world.accounts_of("ann").await.is_empty());
    assert_eq!(world.account("bob").await.status(), AccountStatus::Active);
    assert_eq!(world.account("bob").await.object_id, bob);
}

#[tokio::test]
async fn b6_who_was_deleted_with_the_last_return_and_is_restored_comes_back() {
    let world = World::with("leavers: { softDeleted: delete }", "").await;
    hire_many(&world.tenant, 5);
    let ann = hire(&world.tenant, "ann", json!({}));
    world.full().await;
    let before = world.account("ann").await;
    let asset = world.cli_json(&["asset", "add", "--name", "Laptop 7"]).await;
    let asset = asset["id"].as_str().unwrap().to_owned();
    world.cli_json(&["asset", "assign", &asset, &before.id]).await;
    world.tenant.soft_delete(&ann).unwrap();
    world.full().await;
    // Restored in the directory, which no run has seen yet.
    world.tenant.restore(&ann).unwrap();
    world.cli_json(&["asset", "return", &asset]).await;
    assert_eq!(world.account("ann").await.status(), AccountStatus::Deleted);
    world.delta().await;
    let after = world.account("ann").await;
    assert_eq!(
        (after.status(), after.id, after.object_id),
        (AccountStatus::Active, before.id, before.object_id)
    );
}
