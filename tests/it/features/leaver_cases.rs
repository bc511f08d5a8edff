//! Causes, policies and roles from end to end (D1, D2, D6): what each comes to, and who comes back. The whole table is held
//! against `domain::leaver`.

use contracts::v1::{AccountStatus, LeaverAction, Outcome, ReviewState};
use harness::people::{hire, hire_many};
use harness::runs::counts;
use harness::world::World;
use serde_json::json;

/// The causes, each with somebody to whom it happens.
const CAUSES: [(&str, &str); 4] = [
    ("disabled", "off"),
    ("softDeleted", "bin"),
    ("gone", "void"),
    ("outOfScope", "out"),
];

/// A world in which each cause happens to one person of this role, under one policy; with the object ids.
async fn each_cause(policy: &str, role: &str, more: &str) -> (World, [String; 4]) {
    let leavers = CAUSES.map(|(cause, _)| format!("{cause}: {policy}")).join(", ");
    let criteria = "criteria:\n  - [{ attribute: department, operator: equals, value: Legal }]";
    let world = World::with(&format!("leavers: {{ {leavers} }}\n{more}"), criteria).await;
    let rows = CAUSES.map(|(_, login)| format!("{login},{login},contoso.com,{role}\n"));
    world
        .import(&format!("name,login,domain,role\n{}", rows.concat()))
        .await;
    for number in 0..8 {
        hire(
            &world.tenant,
            &format!("p{number}"),
            json!({"department": "Legal"}),
        );
    }
    let ids = CAUSES.map(|(_, login)| hire(&world.tenant, login, json!({"department": "Legal"})));
    world.full().await;
    world.tenant.disable(&ids[0]).unwrap();
    world.tenant.soft_delete(&ids[1]).unwrap();
    world.tenant.hard_delete(&ids[2]).unwrap();
    world
        .tenant
        .update(&ids[3], "department", json!("Sales"))
        .unwrap();
    (world, ids)
}

async fn statuses(world: &World) -> Vec<AccountStatus> {
    let mut statuses = Vec::new();
    for (_, login) in CAUSES {
        statuses.push(world.account(login).await.status());
    }
    statuses
}

#[tokio::test]
async fn d2_technicians_are_asked_about_for_every_cause_before_they_are_deleted() {
    let (world, ids) = each_cause("delete", "technician", "").await;
    let run = world.full().await;
    assert_eq!((counts(&run).removed, counts(&run).held), (0, 4), "{run:#?}");
    assert_eq!(statuses(&world).await, [AccountStatus::Active; 4]);
    let reviews = world.reviews(ReviewState::Open).await;
    assert_eq!(reviews.len(), 4, "{reviews:#?}");
    for review in &reviews {
        assert_eq!(review.proposed(), LeaverAction::Delete);
        assert!(
            review.reason.contains("technician") && ids.contains(&review.object_id),
            "{review:#?}"
        );
    }
    // A person may delete them.
    let all: Vec<&str> = reviews.iter().map(|review| review.id.as_str()).collect();
    let results = world.approve(&all, LeaverAction::Unspecified).await;
    assert!(results.iter().all(|result| result.resolved), "{results:#?}");
    assert_eq!(statuses(&world).await, [AccountStatus::Deleted; 4]);
}

#[tokio::test]
async fn d2_technicians_are_deactivated_like_anyone() {
    let (world, _) = each_cause("deactivate", "technician", "").await;
    let run = world.full().await;
    assert_eq!(counts(&run).removed, 4, "{run:#?}");
    assert_eq!(statuses(&world).await, [AccountStatus::Deactivated; 4]);
}

#[tokio::test]
async fn d6_users_are_deleted_for_every_cause_that_says_so() {
    let (world, _) = each_cause("delete", "user", "").await;
    let run = world.full().await;
    assert_eq!(counts(&run).removed, 4, "{run:#?}");
    assert_eq!(statuses(&world).await, [AccountStatus::Deleted; 4]);
}

#[tokio::test]
async fn d1_manual_deletion_proposes_to_delete_only_whom_the_directory_has_deleted() {
    let (world, _) = each_cause("review", "user", "deletionMode: manual").await;
    let run = world.full().await;
    assert_eq!((counts(&run).removed, counts(&run).held), (0, 4), "{run:#?}");
    let mut proposed: Vec<(String, LeaverAction)> = world
        .reviews(ReviewState::Open)
        .await
        .into_iter()
        .map(|review| (review.cause.clone(), review.proposed()))
        .collect();
    proposed.sort();
    let told = |cause: &str, action| (cause.to_owned(), action);
    assert_eq!(
        proposed,
        [
            told("disabled", LeaverAction::Deactivate),
            told("gone", LeaverAction::Delete),
            told("out_of_scope", LeaverAction::Deactivate),
            told("soft_deleted", LeaverAction::Delete),
        ]
    );
}

#[tokio::test]
async fn d6_who_was_deleted_and_comes_back_has_the_same_account_and_link() {
    let (world, ids) = each_cause("delete", "user", "").await;
    let before = [
        world.account("off").await.id,
        world.account("bin").await.id,
        world.account("out").await.id,
    ];
    world.full().await;
    world.tenant.enable(&ids[0]).unwrap();
    world.tenant.restore(&ids[1]).unwrap();
    world
        .tenant
        .update(&ids[3], "department", json!("Legal"))
        .unwrap();
    let run = world.delta().await;
    assert_eq!(counts(&run).reactivated, 3, "{run:#?}");
    for (login, (id, object)) in ["off", "bin", "out"]
        .into_iter()
        .zip(before.into_iter().zip([&ids[0], &ids[1], &ids[3]]))
    {
        let account = world.account(login).await;
        assert_eq!(
            (account.status(), &account.id, &account.object_id),
            (AccountStatus::Active, &id, object),
            "{login}"
        );
    }
    assert_eq!(world.account("void").await.status(), AccountStatus::Deleted);
}

#[tokio::test]
async fn d6_people_leave_by_the_same_policies() {
    let world = World::bare(harness::site::Site::shared().await, harness::people::nobody()).await;
    let documents = harness::documents::documents(
        &world.options,
        &world.url(),
        "leavers: { disabled: deactivate, gone: delete, softDeleted: review }",
        "",
    );
    world
        .apply(&documents.replace(
            "target: accounts",
            "target: people\nuniqueIdentifier: email\nentity: Contoso\ncollection: Staff",
        ))
        .await;
    hire_many(&world.tenant, 6);
    let ids = ["off", "void", "bin"].map(|login| hire(&world.tenant, login, json!({})));
    world.full().await;
    world.tenant.disable(&ids[0]).unwrap();
    world.tenant.hard_delete(&ids[1]).unwrap();
    world.tenant.soft_delete(&ids[2]).unwrap();
    let run = world.full().await;
    assert_eq!((counts(&run).removed, counts(&run).held), (2, 1), "{run:#?}");
    let actions: Vec<String> = world
        .changes(&run, Outcome::Removed)
        .await
        .into_iter()
        .map(|change| format!("{} {}", change.upn, change.action))
        .collect();
    assert!(
        actions.contains(&"off@contoso.com deactivate".to_owned())
            && actions.contains(&"void@contoso.com delete".to_owned()),
        "{actions:?}"
    );
    let review = world.reviews(ReviewState::Open).await.remove(0);
    let results = world.approve(&[&review.id], LeaverAction::Delete).await;
    assert!(results[0].resolved, "{results:#?}");
    let left = world
        .cli_json(&["person", "list", "--search", "contoso.com"])
        .await;
    assert_eq!(left["people"].as_array().unwrap().len(), 7, "{left}");
}
