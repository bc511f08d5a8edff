//! What comes after a revert: the next delta and full run, and what is told of it.

use contracts::v1::accounts_client::AccountsClient;
use contracts::v1::{AccountStatus, ExplainAccountRequest, Outcome, RunKind, RunState};
use harness::hold::{Hold, Step};
use harness::people::{hire, hire_many};
use harness::register::field;
use harness::runs::{counts, tally};
use harness::site::Site;
use harness::world::World;
use serde_json::json;

use super::AT_ONCE;

#[tokio::test]
async fn b4_after_a_reverted_import_a_delta_brings_in_whole_people_and_removes_nobody() {
    let world = World::with(AT_ONCE, "").await;
    let boss = hire(&world.tenant, "boss", json!({}));
    let ann = hire(&world.tenant, "ann", json!({"jobTitle": "A"}));
    world.tenant.set_manager(&ann, Some(&boss)).unwrap();
    let run = world.full().await;
    let reports_to = field(&world.account("ann").await, "reportingTo").to_owned();
    assert_eq!(reports_to, boss);
    world.revert(&run).await;

    // Of her manager the row tells nothing, which was told long ago.
    world.tenant.update(&ann, "jobTitle", json!("B")).unwrap();
    let delta = world.delta().await;
    assert_eq!(
        (delta.kind(), tally(&delta)),
        (RunKind::Delta, vec![(Outcome::Added, 1)]),
        "{delta:#?}"
    );
    let account = world.account_by_object(&ann).await;
    assert_eq!(
        (field(&account, "jobTitle"), field(&account, "reportingTo")),
        ("B", reports_to.as_str())
    );
    let full = world.full().await;
    assert_eq!(
        tally(&full),
        [(Outcome::Added, 1), (Outcome::Unchanged, 1)],
        "{full:#?}"
    );
}

#[tokio::test]
async fn b4_a_record_s_history_names_the_revert() {
    let world = World::start().await;
    let ann = hire(&world.tenant, "ann", json!({"jobTitle": "A"}));
    world.full().await;
    world.tenant.update(&ann, "jobTitle", json!("B")).unwrap();
    let run = world.delta().await;
    let back = world.revert(&run).await;
    let request = ExplainAccountRequest {
        person: "ann@contoso.com".to_owned(),
        ..ExplainAccountRequest::default()
    };
    let told = AccountsClient::new(world.channel())
        .explain_account(world.call(request))
        .await
        .unwrap()
        .into_inner();
    let told: Vec<(RunKind, &str)> = told
        .history
        .iter()
        .map(|entry| (entry.run_kind(), entry.run_id.as_str()))
        .collect();
    assert_eq!(
        told[..2],
        [
            (RunKind::Revert, back.id.as_str()),
            (RunKind::Delta, run.id.as_str())
        ]
    );
}

#[tokio::test]
async fn b4_a_cancelled_revert_leaves_the_register_whole_and_can_be_asked_for_again() {
    let site = Site::shared().await;
    let world = World::start().await;
    hire(&world.tenant, "ann", json!({}));
    let run = world.full().await;
    let before = world.snapshot(site).await;
    let hold = Hold::at(Step::Planned, world.organization, site).await;
    let started = world.try_revert(super::refused::of(&run.id)).await.unwrap();
    hold.reached().await;
    world.cancel(&started.id).await.unwrap();
    hold.release().await;
    let ended = world.ended(&started.id).await;
    assert_eq!(ended.state(), RunState::Cancelled, "{ended:#?}");
    assert_eq!(world.snapshot(site).await, before);
    let back = world.revert(&run).await;
    assert_eq!(tally(&back), [(Outcome::Removed, 1)], "{back:#?}");
}

#[tokio::test]
async fn b4_who_lost_the_record_to_one_that_failed_gets_it_back() {
    let site = Site::shared().await;
    let world = World::start().await;
    hire_many(&world.tenant, 2);
    let old = hire(&world.tenant, "ann", json!({}));
    world.full().await;
    world.tenant.soft_delete(&old).unwrap();
    world.delta().await;
    let new = hire(&world.tenant, "ann", json!({"jobTitle": "Chief"}));
    let hold = Hold::at(Step::Planned, world.organization, site).await;
    let run = world.start_run(RunKind::Delta).await;
    hold.reached().await;
    // Somebody else writes the record just before it is taken.
    world
        .import("name,login,domain,organizational_unit\nAnn,ann,contoso.com,North\n")
        .await;
    hold.release().await;
    let run = world.ended(&run.id).await;
    assert_eq!(tally(&run), [(Outcome::Failed, 1)], "{run:#?}");
    let failed = world.change_of(&run, &new).await;
    assert!(failed.reason.contains("changed while"), "{failed:#?}");

    let back = world.revert(&run).await;
    assert_eq!(counts(&back).failed, 0, "{back:#?}");
    let account = world.account("ann").await;
    assert_eq!(
        (account.object_id.as_str(), account.status()),
        (old.as_str(), AccountStatus::Deactivated)
    );
}
