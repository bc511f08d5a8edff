//! Those who come back (D3, D4): reactivated, or left out of use until a person asks for them, by the connection's policy.

use contracts::v1::{AccountStatus, IntegrationStatus, ReturnAction, RunState};
use harness::people::{hire, hire_many};
use harness::runs::counts;
use harness::world::World;
use serde_json::json;

#[tokio::test]
async fn d3_by_policy_who_is_enabled_again_stays_out_of_use_until_somebody_asks_by_hand() {
    let world = World::with("leavers: { returning: nothing }", "").await;
    hire_many(&world.tenant, 4);
    let ann = hire(&world.tenant, "ann", json!({}));
    world.full().await;
    let before = world.account("ann").await;
    world.tenant.disable(&ann).unwrap();
    world.full().await;
    world.tenant.enable(&ann).unwrap();
    world.tenant.update(&ann, "jobTitle", json!("Engineer")).unwrap();
    let run = world.delta().await;
    assert_eq!(counts(&run).reactivated, 0, "{run:#?}");
    let change = world.change_of(&run, &ann).await;
    assert!(
        change.reason.contains("policy for returning is nothing") && change.reason.contains("account sync"),
        "{change:#?}"
    );
    let left = world.account("ann").await;
    assert_eq!(
        (left.status(), left.integration_status()),
        (AccountStatus::Deactivated, IntegrationStatus::Active),
        "the link knows"
    );
    assert_eq!(harness::register::field(&left, "jobTitle"), "Engineer");
    assert_eq!(counts(&world.full().await).reactivated, 0);

    let answer = world.sync_account(&before.id).await.unwrap();
    let run = world.ended(&answer.run.unwrap().id).await;
    assert_eq!(
        (run.state(), counts(&run).reactivated),
        (RunState::Finished, 1),
        "{run:#?}"
    );
    world.full().await;
    let after = world.account("ann").await;
    assert_eq!(
        (after.status(), after.id, after.object_id),
        (AccountStatus::Active, before.id, before.object_id)
    );
}

#[tokio::test]
async fn d4_who_was_deleted_and_restored_comes_back_when_the_policy_says_so() {
    let policies = "leavers: { softDeleted: delete, returning: nothing }";
    let world = World::with(policies, "").await;
    hire_many(&world.tenant, 4);
    let ann = hire(&world.tenant, "ann", json!({}));
    world.full().await;
    let before = world.account("ann").await;
    world.tenant.soft_delete(&ann).unwrap();
    world.full().await;
    world.tenant.restore(&ann).unwrap();
    world.full().await;
    let left = world.account("ann").await;
    assert_eq!(
        (left.status(), left.object_id.as_str()),
        (AccountStatus::Deleted, ann.as_str())
    );

    // The policy is the same wherever it is read or written.
    let leavers = world.connection().await.leavers.unwrap();
    assert_eq!(leavers.returning(), ReturnAction::Nothing);
    let exported = world.cli_run(&["export"]).await.stdout;
    assert!(exported.contains("returning: nothing"), "{exported}");
    let file = world.file("exported.yaml", &exported);
    let diff = world.cli_run(&["diff", "-f", file.to_str().unwrap()]).await;
    assert!(!diff.stdout.contains("returning"), "{diff:?}");
    let card = world.cli_run(&["connection", "show", "contoso"]).await.stdout;
    assert!(card.contains("Back again"), "{card}");

    world
        .connect("leavers: { softDeleted: delete, returning: reactivate }", "")
        .await;
    let audit = world.cli_json(&["audit", "list", "--subject", "contoso"]).await;
    assert!(
        audit["entries"][0]["after"]
            .as_str()
            .unwrap()
            .contains("\"leavers.returning\":\"reactivate\""),
        "{audit}"
    );
    let run = world.delta().await;
    assert_eq!(counts(&run).reactivated, 1, "{run:#?}");
    let after = world.account("ann").await;
    assert_eq!(
        (after.status(), after.id, after.object_id),
        (AccountStatus::Active, before.id, before.object_id)
    );
    let text = "kind: Connection\nname: contoso\nleavers: { returning: delete }\n";
    let file = world.file("wrong.yaml", text);
    let wrong = world.cli_run(&["apply", "-f", file.to_str().unwrap()]).await;
    assert!(
        wrong.code != 0 && wrong.stderr.contains("returning") && wrong.stderr.contains("reactivate"),
        "{wrong:?}"
    );
}
