//! Reviews of removals (D8): filters, CSV, decided in bulk, kept for good, closed when their cause ends.

use contracts::v1::reviews_client::ReviewsClient;
use contracts::v1::{
    AccountStatus, LeaverAction, ListReviewsRequest, Outcome, ResolveReviewsRequest, Review, ReviewState,
};
use harness::people::{hire, hire_many};
use harness::runs::counts;
use harness::world::World;
use serde_json::json;

async fn of_cause(world: &World, cause: &str) -> Vec<Review> {
    let request = ListReviewsRequest {
        cause: cause.to_owned(),
        connection: "contoso".to_owned(),
        page_size: 100,
        ..ListReviewsRequest::default()
    };
    let mut client = ReviewsClient::new(world.channel());
    let answer = client.list_reviews(world.call(request)).await.unwrap();
    answer.into_inner().reviews
}

#[tokio::test]
async fn d8_reviews_are_filtered_and_written_as_csv() {
    let world = World::with("leavers: { disabled: review, gone: review }", "").await;
    hire_many(&world.tenant, 6);
    let off = hire(&world.tenant, "off", json!({"displayName": "=1+1"}));
    let void = hire(&world.tenant, "void", json!({}));
    let first = world.full().await;
    world.tenant.disable(&off).unwrap();
    world.tenant.hard_delete(&void).unwrap();
    world.full().await;
    let gone = of_cause(&world, "gone").await;
    assert_eq!(gone.len(), 1, "{gone:#?}");
    assert_eq!(gone[0].object_id, void);
    let seen = gone[0].last_seen_time.expect("the first run saw them");
    let first_ended = first.end_time.unwrap();
    assert!(
        seen.seconds <= first_ended.seconds,
        "last seen by the first run: {seen:?} {first_ended:?}"
    );
    let disabled = of_cause(&world, "disabled").await;
    assert_eq!(disabled.len(), 1);
    assert!(
        disabled[0].last_seen_time.unwrap().seconds >= seen.seconds,
        "the second run has seen them"
    );

    let csv = world
        .cli_run(&[
            "review",
            "list",
            "--connection",
            "contoso",
            "--cause",
            "disabled",
            "--csv",
        ])
        .await;
    let lines: Vec<&str> = csv.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{csv:?}");
    assert!(lines[0].starts_with("id,connection,account_id"), "{csv:?}");
    assert!(
        lines[1].contains("'=1+1") && lines[1].contains("off@contoso.com") && lines[1].contains("disabled"),
        "{csv:?}"
    );
    let wrong = ListReviewsRequest {
        cause: "bored".to_owned(),
        ..ListReviewsRequest::default()
    };
    let refused = ReviewsClient::new(world.channel())
        .list_reviews(world.call(wrong))
        .await
        .unwrap_err();
    assert!(
        refused.message().contains("cause") && refused.message().contains("gone"),
        "{refused}"
    );
}

#[tokio::test]
async fn d8_hundreds_are_decided_at_once() {
    let world = World::with(
        "leavers: { gone: review }\nbrake: { percent: 100, count: 1000, from: 20 }",
        "",
    )
    .await;
    let ids = hire_many(&world.tenant, 320);
    world.full().await;
    for id in &ids[..300] {
        world.tenant.hard_delete(id).unwrap();
    }
    world.full().await;
    let mut client = ReviewsClient::new(world.channel());
    let request = ListReviewsRequest {
        page_size: 1_000,
        ..ListReviewsRequest::default()
    };
    let open = client
        .list_reviews(world.call(request))
        .await
        .unwrap()
        .into_inner()
        .reviews;
    assert_eq!(open.len(), 300);
    let request = ResolveReviewsRequest {
        review_ids: open.iter().map(|review| review.id.clone()).collect(),
        action: LeaverAction::Delete.into(),
        reason: "the branch was closed".to_owned(),
        ..ResolveReviewsRequest::default()
    };
    let results = client
        .approve_reviews(world.call(request))
        .await
        .unwrap()
        .into_inner()
        .results;
    assert_eq!(results.len(), 300);
    assert!(results.iter().all(|result| result.resolved), "{results:#?}");
    let accounts = world.accounts().await;
    let deleted = accounts
        .iter()
        .filter(|account| account.status() == AccountStatus::Deleted)
        .count();
    assert_eq!(deleted, 300);
    let log = world.cli_json(&["log", "list", "--kind", "reviews"]).await;
    let entry = &log["entries"][0];
    assert_eq!(
        (&entry["records"], &entry["title"], &entry["actor"]),
        (&json!(300), &json!("300 reviews approved"), &json!("tester")),
        "{log}"
    );
    let csv = world
        .cli_run(&["log", "show", entry["id"].as_str().unwrap(), "--csv"])
        .await
        .stdout;
    assert_eq!(csv.lines().count(), 301);
    assert!(
        csv.contains(",delete,gone,p300@contoso.com,P300,the branch was closed"),
        "{csv}"
    );
}

#[tokio::test]
async fn d8_of_several_owners_in_one_call_the_last_one_stays() {
    let world = World::with("leavers: { disabled: review }", "").await;
    world
        .import("name,login,domain,role\nAnn,ann,contoso.com,owner\nBob,bob,contoso.com,owner\n")
        .await;
    hire_many(&world.tenant, 6);
    let ids = [
        hire(&world.tenant, "ann", json!({})),
        hire(&world.tenant, "bob", json!({})),
    ];
    world.full().await;
    for id in &ids {
        world.tenant.disable(id).unwrap();
    }
    world.full().await;
    let open = world.reviews(ReviewState::Open).await;
    let ids: Vec<&str> = open.iter().map(|review| review.id.as_str()).collect();
    assert_eq!(ids.len(), 2, "{open:#?}");
    let results = world.approve(&ids, LeaverAction::Delete).await;
    let resolved = results.iter().filter(|result| result.resolved).count();
    assert_eq!(resolved, 1, "{results:#?}");
    let refused = results.iter().find(|result| !result.resolved).unwrap();
    assert!(refused.message.contains("last active owner"), "{refused:#?}");
    let mut statuses = [
        world.account("ann").await.status(),
        world.account("bob").await.status(),
    ];
    statuses.sort();
    assert_eq!(statuses, [AccountStatus::Active, AccountStatus::Deleted]);
}

#[tokio::test]
async fn d8_kept_records_are_not_asked_about_for_this_cause_again() {
    let world = World::with("leavers: { disabled: review, gone: review }", "").await;
    hire_many(&world.tenant, 5);
    let ann = hire(&world.tenant, "ann", json!({}));
    world.full().await;
    world.tenant.disable(&ann).unwrap();
    world.full().await;
    let review = world.reviews(ReviewState::Open).await.remove(0);
    let kept = world
        .cli_json(&["review", "keep", &review.id, "--reason", "on parental leave"])
        .await;
    assert_eq!(kept["results"][0]["resolved"], true, "{kept}");
    for _ in 0..2 {
        let run = world.full().await;
        assert_eq!(counts(&run).held, 0, "{run:#?}");
        let change = world.change_of(&run, &ann).await;
        assert_eq!(change.outcome(), Outcome::Skipped, "{change:#?}");
        assert!(change.reason.contains("kept"), "{change:#?}");
    }
    assert!(world.reviews(ReviewState::Open).await.is_empty());
    let kept = world.reviews(ReviewState::Kept).await;
    assert_eq!(
        (kept[0].resolution_reason.as_str(), kept[0].resolved_by.as_str()),
        ("on parental leave", "tester")
    );
    assert_eq!(world.account("ann").await.status(), AccountStatus::Active);

    // Another cause is another question.
    world.tenant.hard_delete(&ann).unwrap();
    world.full().await;
    assert_eq!(world.reviews(ReviewState::Open).await[0].cause, "gone");
}

#[tokio::test]
async fn d8_who_is_in_scope_again_is_asked_about_no_more() {
    let criteria = "criteria:\n  - [{ attribute: department, operator: equals, value: Legal }]";
    let world = World::with("leavers: { outOfScope: review }", criteria).await;
    for number in 0..4 {
        hire(
            &world.tenant,
            &format!("p{number}"),
            json!({"department": "Legal"}),
        );
    }
    let ann = hire(&world.tenant, "ann", json!({"department": "Legal"}));
    world.full().await;
    world.tenant.update(&ann, "department", json!("Sales")).unwrap();
    world.full().await;
    let open = world.reviews(ReviewState::Open).await;
    assert_eq!(open[0].cause, "out_of_scope", "{open:#?}");
    world.tenant.update(&ann, "department", json!("Legal")).unwrap();
    world.delta().await;
    assert!(world.reviews(ReviewState::Open).await.is_empty());
    assert_eq!(world.reviews(ReviewState::Obsolete).await[0].id, open[0].id);
}

#[tokio::test]
async fn d8_nothing_is_asked_about_a_record_that_another_object_has_taken_or_a_person_has_moved() {
    let world = World::with("leavers: { gone: review }", "").await;
    hire_many(&world.tenant, 5);
    let ann = hire(&world.tenant, "ann", json!({}));
    let bob = hire(&world.tenant, "bob", json!({}));
    world.full().await;
    world.tenant.hard_delete(&ann).unwrap();
    world.tenant.hard_delete(&bob).unwrap();
    world.full().await;
    let open = world.reviews(ReviewState::Open).await;
    assert_eq!(open.len(), 2, "{open:#?}");

    // Ann is recreated: she gets her account back, under another object.
    let again = hire(&world.tenant, "ann", json!({}));
    world.full().await;
    assert_eq!(world.account("ann").await.object_id, again);
    let open = world.reviews(ReviewState::Open).await;
    assert_eq!(open.len(), 1, "{open:#?}");
    assert_eq!(open[0].object_id, bob);

    // Bob's link is cut.
    world
        .cli_json(&["link", "cut", "contoso", &bob, "--reason", "another Bob"])
        .await;
    assert!(world.reviews(ReviewState::Open).await.is_empty());
    let late = world.approve(&[&open[0].id], LeaverAction::Delete).await;
    assert!(
        !late[0].resolved && late[0].state() == ReviewState::Obsolete,
        "{late:#?}"
    );
    assert_eq!(world.account("bob").await.status(), AccountStatus::Active);
}

#[tokio::test]
async fn d8_what_a_run_has_done_by_itself_is_asked_no_more() {
    let world = World::with("leavers: { gone: review }", "").await;
    hire_many(&world.tenant, 5);
    let ann = hire(&world.tenant, "ann", json!({}));
    world.full().await;
    world.tenant.hard_delete(&ann).unwrap();
    world.full().await;
    assert_eq!(world.reviews(ReviewState::Open).await.len(), 1);
    world.connect("leavers: { gone: delete }", "").await;
    world.full().await;
    assert_eq!(world.account("ann").await.status(), AccountStatus::Deleted);
    assert!(world.reviews(ReviewState::Open).await.is_empty());
}

#[tokio::test]
async fn d8_never_touch_stands_above_an_approval() {
    let world = World::with("leavers: { gone: review }", "").await;
    hire_many(&world.tenant, 5);
    let ann = hire(&world.tenant, "ann", json!({}));
    world.full().await;
    world.tenant.hard_delete(&ann).unwrap();
    world.full().await;
    let review = world.reviews(ReviewState::Open).await.remove(0);
    world.cli_json(&["never-touch", "add", "--upn", "ann@*"]).await;
    let results = world.approve(&[&review.id], LeaverAction::Delete).await;
    assert!(
        !results[0].resolved && results[0].message.contains("never-touch"),
        "{results:#?}"
    );
    assert_eq!(world.account("ann").await.status(), AccountStatus::Active);
}
