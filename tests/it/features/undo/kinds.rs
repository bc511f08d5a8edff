//! Every kind of run, and every kind of record.

use contracts::v1::people_client::PeopleClient;
use contracts::v1::{
    AccountStatus, IntegrationStatus, LeaverAction, ListPeopleRequest, Outcome, ReviewState, RunKind,
};
use harness::documents::CONNECTION;
use harness::people::hire;
use harness::register::field;
use harness::runs::{counts, tally};
use harness::site::Site;
use harness::wait::until;
use harness::world::World;
use local::mail::{Action, Fault, Moment};
use serde_json::json;

#[tokio::test]
async fn b4_people_without_a_login_and_managers_are_taken_back() {
    let site = Site::shared().await;
    let legal = "criteria:\n  - [{ attribute: department, operator: equals, value: Legal }]";
    let world = World::with("leavers: { outOfScope: deactivate }", legal).await;
    let ann = hire(&world.tenant, "ann", json!({"department": "Legal"}));
    let bob = hire(&world.tenant, "bob", json!({"department": "Sales"}));
    world.tenant.set_manager(&ann, Some(&bob)).unwrap();
    world
        .apply(&format!(
            "kind: Mapping\nname: contoso-people\nconnection: {CONNECTION}\ntarget: people\n\
             uniqueIdentifier: email\nentity: Contoso\ncollection: Staff\n"
        ))
        .await;
    let before = world.snapshot(site).await;
    let run = world.full().await;
    assert_eq!(tally(&run), [(Outcome::Added, 2)], "{run:#?}");
    let after = world.snapshot(site).await;
    let back = world.revert(&run).await;
    assert_eq!(
        tally(&back),
        [(Outcome::Removed, 2)],
        "everyone counts once: {back:#?}"
    );
    before.assert_is_back(&world.snapshot(site).await, "after the revert");
    let request = ListPeopleRequest {
        page_size: 100,
        ..ListPeopleRequest::default()
    };
    let people = PeopleClient::new(world.channel())
        .list_people(world.call(request))
        .await
        .unwrap()
        .into_inner()
        .people;
    assert_eq!(people, [], "deleted ones are not listed");
    world.revert(&back).await;
    after.assert_is_back(&world.snapshot(site).await, "after the revert of the revert");
}

#[tokio::test]
async fn b4_previews_that_were_applied_and_imports_by_hand_are_taken_back() {
    let site = Site::shared().await;
    let world = World::start().await;
    hire(&world.tenant, "ann", json!({}));
    let empty = world.snapshot(site).await;
    let plan = world.preview().await;
    let run = world.apply_plan(&plan.id).await;
    let one = world.snapshot(site).await;
    hire(&world.tenant, "bob", json!({}));
    world.import_users(&["bob@contoso.com", "ann@contoso.com"]).await;
    let by_hand = world.get_run(&world.latest_run().await).await;
    assert_eq!(by_hand.kind(), RunKind::Manual);
    // Whom a person has imported since is not the first run's any more.
    let kept = world.revert(&run).await;
    assert_eq!(tally(&kept), [(Outcome::Skipped, 1)], "{kept:#?}");
    let change = world.change_of(&kept, "ann@contoso.com").await;
    assert_eq!(change.reason, "edited since: imported by hand");

    let back = world.revert(&by_hand).await;
    assert_eq!(counts(&back).removed, 1, "{back:#?}");
    one.assert_is_back(&world.snapshot(site).await, "after the import by hand");
    let back = world.revert(&run).await;
    assert_eq!(tally(&back), [(Outcome::Removed, 1)], "{back:#?}");
    empty.assert_is_back(&world.snapshot(site).await, "after the preview");
}

#[tokio::test]
async fn b4_a_failed_record_s_link_and_what_a_person_approved_since() {
    let world = World::with("leavers: { gone: review }", "").await;
    hire(&world.tenant, "boss", json!({}));
    let ann = hire(&world.tenant, "ann", json!({}));
    let bob = hire(&world.tenant, "bob", json!({}));
    world.full().await;
    world.import("name,login,domain\nOther,anne,contoso.com\n").await;
    world
        .tenant
        .update(&ann, "userPrincipalName", json!("anne@contoso.com"))
        .unwrap();
    world.tenant.hard_delete(&bob).unwrap();
    let run = world.full().await;
    assert_eq!((counts(&run).failed, counts(&run).held), (1, 1), "{run:#?}");
    let status = world.account_by_object(&ann).await.integration_status();
    assert_eq!(status, IntegrationStatus::Conflict);
    let open = world.reviews(ReviewState::Open).await;
    world.approve(&[&open[0].id], LeaverAction::Unspecified).await;

    let back = world.revert(&run).await;
    assert_eq!(counts(&back).failed, 0, "{back:#?}");
    let status = world.account_by_object(&ann).await.integration_status();
    assert_eq!(status, IntegrationStatus::Active, "as before the run");
    let bob = world.account_by_object(&bob).await;
    assert_eq!(
        bob.status(),
        AccountStatus::Deactivated,
        "a person has done that, and not the run"
    );
}

#[tokio::test]
async fn b4_who_is_deleted_again_gets_no_password_mailed() {
    let site = Site::shared().await;
    let world = World::start().await;
    let address = format!("ann-{}@contoso.com", world.organization.simple());
    let later = Action::Reply {
        code: 451,
        text: "try again later".to_owned(),
    };
    site.mail()
        .add_fault(Fault::always(Moment::Recipient, later).containing(&address));
    world
        .apply(&format!(
            "kind: Settings\nname: default\nmailTo: [\"{}\"]\npasswords: {{ mode: random, mail: true }}\n",
            world.mail_to
        ))
        .await;
    hire(&world.tenant, "ann", json!({"mail": address}));
    let run = world.full().await;
    let waiting = |table: &str| {
        format!(
            "SELECT count(*) FROM {table} WHERE organization_id = '{}'",
            world.organization
        )
    };
    until("the password waits to be mailed", async || {
        (site.sql(&waiting("password_mail")).await.trim() == "1").then_some(())
    })
    .await;
    world.revert(&run).await;
    for table in ["password_task", "password_mail"] {
        assert_eq!(site.sql(&waiting(table)).await.trim(), "0", "{table}");
    }
    assert_eq!(field(&world.accounts_of("ann").await[0], "name"), "Ann");
}

#[tokio::test]
async fn b4_what_is_not_kept_any_more_is_not_taken_back() {
    let site = Site::shared().await;
    let world = World::start().await;
    hire(&world.tenant, "ann", json!({}));
    let run = world.full().await;
    // As after an upgrade from a version that did not keep what stood there.
    site.sql(&format!(
        "UPDATE run_plan SET keeps_former = false WHERE run_id = '{}'",
        run.id
    ))
    .await;
    let answer = world.cli_run(&["run", "revert", &run.id, "--wait"]).await;
    assert_eq!(answer.code, 1, "{answer:?}");
    assert!(
        answer.stderr.contains("applied by an earlier version"),
        "{answer:?}"
    );
}
