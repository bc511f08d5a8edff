//! People who leave: disabled, deleted, gone, and what each policy does about them (D1 to D6, B12).

use contracts::v1::{AccountStatus, IntegrationStatus, LeaverAction, Outcome, ReviewState};
use harness::people::{hire, hire_many};
use harness::runs::{counts, tally};
use harness::world::World;
use serde_json::json;

#[tokio::test]
async fn d3_disabled_deactivates_and_enabled_again_reactivates() {
    let world = World::start().await;
    hire_many(&world.tenant, 4);
    let ann = hire(&world.tenant, "ann", json!({}));
    world.full().await;
    let before = world.account("ann").await;

    world.tenant.disable(&ann).unwrap();
    let run = world.full().await;
    assert_eq!(
        tally(&run),
        [(Outcome::Unchanged, 4), (Outcome::Removed, 1)],
        "{run:#?}"
    );
    let change = world.change_of(&run, &ann).await;
    assert_eq!(
        (change.cause.as_str(), change.action.as_str(), change.applied),
        ("disabled", "deactivate", true)
    );
    let account = world.account("ann").await;
    assert_eq!(account.status(), AccountStatus::Deactivated);
    assert_eq!(account.integration_status(), IntegrationStatus::Disabled);
    assert_eq!(
        tally(&world.full().await),
        [(Outcome::Unchanged, 5)],
        "it is done once"
    );

    world.tenant.enable(&ann).unwrap();
    let run = world.full().await;
    assert_eq!(
        tally(&run),
        [(Outcome::Updated, 1), (Outcome::Unchanged, 4)],
        "{run:#?}"
    );
    assert_eq!(counts(&run).reactivated, 1);
    let account = world.account("ann").await;
    assert_eq!(
        (account.status(), account.integration_status()),
        (AccountStatus::Active, IntegrationStatus::Active)
    );
    assert_eq!((account.id, account.object_id), (before.id, before.object_id));
}

#[tokio::test]
async fn d4_deleted_deactivates_and_restored_reactivates_under_the_same_link() {
    let world = World::start().await;
    hire_many(&world.tenant, 4);
    let ann = hire(&world.tenant, "ann", json!({"department": "Legal"}));
    world.full().await;
    let before = world.account("ann").await;

    world.tenant.soft_delete(&ann).unwrap();
    let run = world.full().await;
    let change = world.change_of(&run, &ann).await;
    assert_eq!(
        (change.outcome(), change.cause.as_str()),
        (Outcome::Removed, "soft_deleted"),
        "{change:#?}"
    );
    let account = world.account("ann").await;
    assert_eq!(account.status(), AccountStatus::Deactivated);
    assert_eq!(account.integration_status(), IntegrationStatus::SoftDeleted);
    assert_eq!(
        (account.upn.as_str(), account.login.as_str()),
        ("ann@contoso.com", "ann"),
        "no id before the name"
    );

    world.tenant.restore(&ann).unwrap();
    let run = world.full().await;
    assert_eq!(counts(&run).reactivated, 1, "{run:#?}");
    let account = world.account("ann").await;
    assert_eq!(
        (account.status(), account.id, account.object_id.as_str()),
        (AccountStatus::Active, before.id, ann.as_str())
    );
}

#[tokio::test]
async fn d5_who_is_simply_gone_is_found_by_a_full_run() {
    let world = World::with("leavers: { gone: deactivate }", "").await;
    hire_many(&world.tenant, 4);
    let ann = hire(&world.tenant, "ann", json!({}));
    world.full().await;
    world.tenant.hard_delete(&ann).unwrap();
    let run = world.full().await;
    let counted = counts(&run);
    assert_eq!(
        (counted.seen, counted.gone, counted.removed),
        (4, 1, 1),
        "{run:#?}"
    );
    let change = world.change_of(&run, &ann).await;
    assert_eq!(
        (change.cause.as_str(), change.name.as_str(), change.upn.as_str()),
        ("gone", "Ann", "ann@contoso.com")
    );
    let account = world.account("ann").await;
    assert_eq!(
        (account.status(), account.integration_status()),
        (AccountStatus::Deactivated, IntegrationStatus::Gone)
    );
    let again = world.full().await;
    assert_eq!(
        (counts(&again).gone, counts(&again).removed),
        (0, 0),
        "once settled, not again: {again:#?}"
    );
}

#[tokio::test]
async fn d5_gone_waits_for_a_person_by_default() {
    let world = World::start().await;
    hire_many(&world.tenant, 4);
    let ann = hire(&world.tenant, "ann", json!({}));
    world.full().await;
    world.tenant.hard_delete(&ann).unwrap();
    let run = world.full().await;
    assert_eq!(
        tally(&run),
        [(Outcome::Unchanged, 4), (Outcome::Held, 1)],
        "{run:#?}"
    );
    assert_eq!(world.account("ann").await.status(), AccountStatus::Active);
    let reviews = world.reviews(ReviewState::Open).await;
    assert_eq!(reviews.len(), 1, "{reviews:#?}");
    let review = &reviews[0];
    assert_eq!(
        (review.object_id.as_str(), review.cause.as_str()),
        (ann.as_str(), "gone")
    );
    assert_eq!(review.proposed(), LeaverAction::Deactivate);
    assert!(review.reason.contains("review"), "{review:#?}");

    // A second full run asks no second time.
    world.full().await;
    assert_eq!(world.reviews(ReviewState::Open).await.len(), 1);

    let results = world.approve(&[&review.id], LeaverAction::Unspecified).await;
    assert!(results[0].resolved, "{results:#?}");
    assert_eq!(world.account("ann").await.status(), AccountStatus::Deactivated);
    let approved = world.reviews(ReviewState::Approved).await;
    assert_eq!(
        (
            approved[0].resolved_by.as_str(),
            approved[0].resolution_reason.as_str()
        ),
        ("tester", "as agreed")
    );
    let again = world.approve(&[&review.id], LeaverAction::Unspecified).await;
    assert!(
        !again[0].resolved && again[0].message.contains("already"),
        "{again:#?}"
    );
}

/// The causes, each with somebody to whom it happens.
const CAUSES: [(&str, &str); 3] = [("disabled", "off"), ("softDeleted", "bin"), ("gone", "void")];

async fn each_cause(policy: &str) -> World {
    let leavers = CAUSES.map(|(cause, _)| format!("{cause}: {policy}")).join(", ");
    let world = World::with(&format!("leavers: {{ {leavers} }}"), "").await;
    hire_many(&world.tenant, 6);
    let ids = CAUSES.map(|(_, login)| hire(&world.tenant, login, json!({})));
    world.full().await;
    world.tenant.disable(&ids[0]).unwrap();
    world.tenant.soft_delete(&ids[1]).unwrap();
    world.tenant.hard_delete(&ids[2]).unwrap();
    world
}

async fn statuses(world: &World) -> Vec<AccountStatus> {
    let mut statuses = Vec::new();
    for (_, login) in CAUSES {
        statuses.push(world.account(login).await.status());
    }
    statuses
}

#[tokio::test]
async fn d6_nothing_only_lets_the_link_know() {
    let world = each_cause("nothing").await;
    let run = world.full().await;
    // What is mapped of the disabled one follows.
    assert_eq!(
        tally(&run),
        [(Outcome::Updated, 1), (Outcome::Unchanged, 8)],
        "{run:#?}"
    );
    assert_eq!(counts(&run).gone, 1);
    assert_eq!(statuses(&world).await, [AccountStatus::Active; 3]);
    let mut known = Vec::new();
    for (_, login) in CAUSES {
        known.push(world.account(login).await.integration_status());
    }
    assert_eq!(
        known,
        [
            IntegrationStatus::Disabled,
            IntegrationStatus::SoftDeleted,
            IntegrationStatus::Gone
        ]
    );
}

#[tokio::test]
async fn d6_deactivate_takes_each_out_of_use() {
    let world = each_cause("deactivate").await;
    let run = world.full().await;
    assert_eq!(
        tally(&run),
        [(Outcome::Unchanged, 6), (Outcome::Removed, 3)],
        "{run:#?}"
    );
    assert_eq!(statuses(&world).await, [AccountStatus::Deactivated; 3]);
}

#[tokio::test]
async fn d6_delete_deletes_and_keeps_the_record() {
    let world = each_cause("delete").await;
    let run = world.full().await;
    assert_eq!(
        tally(&run),
        [(Outcome::Unchanged, 6), (Outcome::Removed, 3)],
        "{run:#?}"
    );
    assert_eq!(statuses(&world).await, [AccountStatus::Deleted; 3]);
    assert_eq!(world.account("void").await.name, "Void", "its history stays");
    let again = world.full().await;
    assert_eq!(counts(&again).removed, 0, "{again:#?}");
}

#[tokio::test]
async fn d6_review_asks_a_person_for_each() {
    let world = each_cause("review").await;
    let run = world.full().await;
    assert_eq!(
        tally(&run),
        [(Outcome::Unchanged, 6), (Outcome::Held, 3)],
        "{run:#?}"
    );
    assert_eq!(statuses(&world).await, [AccountStatus::Active; 3]);
    let mut causes: Vec<_> = world
        .reviews(ReviewState::Open)
        .await
        .into_iter()
        .map(|review| review.cause)
        .collect();
    causes.sort();
    assert_eq!(causes, ["disabled", "gone", "soft_deleted"]);
}

#[tokio::test]
async fn d6_records_that_were_never_linked_are_never_touched() {
    let world = World::with("deletionMode: automatic", "").await;
    world
        .import("name,login,domain\nOld One,old,contoso.com\nLone,lone,\n")
        .await;
    hire_many(&world.tenant, 3);
    let run = world.full().await;
    assert_eq!(tally(&run), [(Outcome::Added, 3)]);
    assert_eq!(counts(&run).gone, 0);
    for login in ["old", "lone"] {
        let account = world.account(login).await;
        assert_eq!(
            (account.status(), account.connection.as_str()),
            (AccountStatus::Active, "")
        );
    }
}

#[tokio::test]
async fn d1_manual_deletion_lists_the_deleted_and_proposes_to_delete_them() {
    let world = World::with("deletionMode: manual", "").await;
    hire_many(&world.tenant, 4);
    let (ann, bob) = (
        hire(&world.tenant, "ann", json!({})),
        hire(&world.tenant, "bob", json!({})),
    );
    world.full().await;
    world.tenant.soft_delete(&ann).unwrap();
    world.tenant.hard_delete(&bob).unwrap();
    world.full().await;
    let reviews = world.reviews(ReviewState::Open).await;
    assert_eq!(reviews.len(), 2, "{reviews:#?}");
    assert!(
        reviews
            .iter()
            .all(|review| review.proposed() == LeaverAction::Delete),
        "{reviews:#?}"
    );
    let of = |object: &str| {
        reviews
            .iter()
            .find(|review| review.object_id == object)
            .unwrap()
            .id
            .clone()
    };
    world.approve(&[&of(&ann)], LeaverAction::Unspecified).await;
    world.approve(&[&of(&bob)], LeaverAction::Deactivate).await;
    assert_eq!(world.account("ann").await.status(), AccountStatus::Deleted);
    assert_eq!(
        world.account("bob").await.status(),
        AccountStatus::Deactivated,
        "--action says otherwise"
    );
}

#[tokio::test]
async fn d2_technicians_are_never_deleted_by_a_run() {
    let world = World::with("deletionMode: automatic", "").await;
    world
        .import("name,login,domain,role\nTech,tech,contoso.com,technician\n")
        .await;
    hire_many(&world.tenant, 5);
    let (tech, user) = (
        hire(&world.tenant, "tech", json!({})),
        hire(&world.tenant, "user", json!({})),
    );
    world.full().await;
    world.tenant.hard_delete(&tech).unwrap();
    world.tenant.hard_delete(&user).unwrap();
    let run = world.full().await;
    assert_eq!(world.account("user").await.status(), AccountStatus::Deleted);
    assert_eq!(world.account("tech").await.status(), AccountStatus::Active);
    let change = world.change_of(&run, &tech).await;
    assert_eq!(change.outcome(), Outcome::Held);
    assert!(change.reason.contains("technician"), "{change:#?}");
    let reviews = world.reviews(ReviewState::Open).await;
    assert_eq!(
        (reviews.len(), reviews[0].proposed()),
        (1, LeaverAction::Delete),
        "{reviews:#?}"
    );
}

#[tokio::test]
async fn b12_the_last_owner_is_never_touched() {
    let world = World::start().await;
    world
        .import("name,login,domain,role\nOwner,owner,contoso.com,owner\n")
        .await;
    hire_many(&world.tenant, 5);
    let owner = hire(&world.tenant, "owner", json!({}));
    world.full().await;
    world.tenant.disable(&owner).unwrap();
    let run = world.full().await;
    let change = world.change_of(&run, &owner).await;
    assert_eq!(change.outcome(), Outcome::Skipped, "{change:#?}");
    assert!(change.reason.contains("last active owner"), "{change:#?}");
    assert_eq!(world.account("owner").await.status(), AccountStatus::Active);
}

#[tokio::test]
async fn d8_a_rejected_removal_may_be_asked_again_and_one_whose_cause_ended_closes_itself() {
    let world = World::with("leavers: { disabled: review }", "").await;
    hire_many(&world.tenant, 4);
    let ann = hire(&world.tenant, "ann", json!({}));
    world.full().await;
    world.tenant.disable(&ann).unwrap();
    world.full().await;
    let first = world.reviews(ReviewState::Open).await;
    let rejected = world.reject(&[&first[0].id]).await;
    assert!(rejected[0].resolved, "{rejected:#?}");
    assert_eq!(world.account("ann").await.status(), AccountStatus::Active);
    assert!(world.reviews(ReviewState::Open).await.is_empty());

    world.full().await;
    let second = world.reviews(ReviewState::Open).await;
    assert_eq!(second.len(), 1, "a later full run may ask again");
    assert_ne!(second[0].id, first[0].id);

    world.tenant.enable(&ann).unwrap();
    world.full().await;
    assert!(world.reviews(ReviewState::Open).await.is_empty());
    let obsolete = world.reviews(ReviewState::Obsolete).await;
    assert_eq!(obsolete.len(), 1, "{obsolete:#?}");
    assert_eq!(obsolete[0].id, second[0].id);
}
