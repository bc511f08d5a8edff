//! Undo: a finished run, or some records of it, can be taken back; what was edited since stays, and is told (B4).

mod above;
mod kinds;
mod next;
mod refused;
mod since;
mod whatever;

use contracts::v1::{Account, AccountStatus, IntegrationStatus, NoticeKind, Outcome, ReviewState, RunKind};
use harness::people::{hire, hire_many};
use harness::register::field;
use harness::runs::{counts, tally};
use harness::site::Site;
use harness::world::World;
use serde_json::json;

/// Everybody who leaves is dealt with at once.
const AT_ONCE: &str =
    "leavers: { disabled: deactivate, softDeleted: delete, gone: delete, outOfScope: deactivate }
brake: { percent: 100, count: 1000, from: 1000 }";

#[tokio::test]
async fn b4_an_import_taken_back_leaves_nobody_and_frees_the_logins() {
    let site = Site::shared().await;
    let world = World::start().await;
    world.import("name,login,domain\nOld Bob,bob,contoso.com\n").await;
    let before = world.snapshot(site).await;
    let ann = hire(&world.tenant, "ann", json!({"jobTitle": "Lead"}));
    hire(&world.tenant, "bob", json!({"jobTitle": "Chief"}));
    hire_many(&world.tenant, 5);
    let run = world.full().await;
    assert_eq!(tally(&run), [(Outcome::Added, 6), (Outcome::Updated, 1)]);

    let back = world.revert(&run).await;
    assert_eq!(
        tally(&back),
        [(Outcome::Updated, 1), (Outcome::Removed, 6)],
        "{back:#?}"
    );
    assert_eq!(counts(&back).seen, 7);
    assert_eq!(
        (back.kind(), back.reverts.as_str()),
        (RunKind::Revert, run.id.as_str())
    );
    assert_eq!(world.get_run(&run.id).await.reverted_by, [back.id.as_str()]);
    assert!(
        back.note.contains("the next full run decides these records anew"),
        "{back:#?}"
    );
    before.assert_is_back(&world.snapshot(site).await, "after the revert");
    let change = world.change_of(&back, &ann).await;
    assert_eq!(
        (change.outcome(), change.action.as_str(), change.applied),
        (Outcome::Removed, "delete", true)
    );
    let gone = world.accounts_of("ann").await;
    assert_eq!((gone.len(), gone[0].status()), (1, AccountStatus::Deleted));
    let bob = world.account("bob").await;
    assert_eq!(
        (
            bob.object_id.as_str(),
            field(&bob, "jobTitle"),
            field(&bob, "name")
        ),
        ("", "", "Old Bob")
    );

    // History stays, and tells both; so does the audit, and the bell.
    let audited = site
        .sql(&format!(
            "SELECT actor, action, after->>'run' FROM audit WHERE organization_id = '{}' AND action = 'run.revert'",
            world.organization
        ))
        .await;
    assert_eq!(audited.trim(), format!("token tester|run.revert|{}", back.id));
    world.notice(&back.id, NoticeKind::RunFinished).await;

    // The next full run does it again: a new account for Ann, whose login is free.
    let again = world.full().await;
    assert_eq!(
        tally(&again),
        [(Outcome::Added, 6), (Outcome::Updated, 1)],
        "{again:#?}"
    );
    assert_ne!(world.account_by_object(&ann).await.id, gone[0].id);
}

#[tokio::test]
async fn b4_updates_renames_and_swapped_logins_are_taken_back() {
    let site = Site::shared().await;
    let world = World::with(AT_ONCE, "").await;
    let ann = hire(&world.tenant, "ann", json!({"jobTitle": "Lead"}));
    let bob = hire(&world.tenant, "bob", json!({"jobTitle": "Chief"}));
    hire(&world.tenant, "cyd", json!({}));
    world.full().await;
    let before = world.snapshot(site).await;
    world.tenant.swap_principal_names(&ann, &bob).unwrap();
    world.tenant.update(&ann, "jobTitle", json!("Boss")).unwrap();
    world.tenant.update(&bob, "jobTitle", json!(null)).unwrap();
    hire(&world.tenant, "dan", json!({}));
    let run = world.delta().await;
    assert_eq!(
        tally(&run),
        [(Outcome::Added, 1), (Outcome::Updated, 2)],
        "{run:#?}"
    );
    let after = world.snapshot(site).await;

    let back = world.revert(&run).await;
    assert_eq!(
        tally(&back),
        [(Outcome::Updated, 2), (Outcome::Removed, 1)],
        "{back:#?}"
    );
    before.assert_is_back(&world.snapshot(site).await, "after the revert");
    let change = world.change_of(&back, &ann).await;
    let title = change
        .fields
        .iter()
        .find(|field| field.field == "jobTitle")
        .unwrap();
    assert_eq!(
        (title.old.as_deref(), title.new.as_deref()),
        (Some("Boss"), Some("Lead"))
    );

    // A revert can be taken back like any run: then everything is as the run left it.
    let forth = world.revert(&back).await;
    assert_eq!(counts(&forth).failed + counts(&forth).skipped, 0, "{forth:#?}");
    after.assert_is_back(&world.snapshot(site).await, "after the revert of the revert");
    world.check_register().await;
}

#[tokio::test]
async fn b4_a_login_given_up_comes_back_only_when_nobody_holds_it() {
    let world = World::start().await;
    let ann = hire(&world.tenant, "ann", json!({}));
    world.full().await;
    world
        .tenant
        .update(&ann, "userPrincipalName", json!("anne@contoso.com"))
        .unwrap();
    let renamed = world.delta().await;
    let new = hire(&world.tenant, "ann", json!({"mail": "ann2@contoso.com"}));
    let added = world.delta().await;
    assert_eq!(tally(&added), [(Outcome::Added, 1)], "{added:#?}");
    let back = world.revert(&renamed).await;
    assert_eq!(tally(&back), [(Outcome::Failed, 1)], "{back:#?}");
    assert_eq!(world.account_by_object(&ann).await.login, "anne");
    assert_eq!(world.account_by_object(&new).await.login, "ann");
    world.revert(&added).await;
    let back = world.revert(&renamed).await;
    assert_eq!(tally(&back), [(Outcome::Updated, 1)], "{back:#?}");
    assert_eq!(world.account_by_object(&ann).await.login, "ann");
}

#[tokio::test]
async fn b4_deactivated_deleted_and_reactivated_ones_stand_as_before() {
    let site = Site::shared().await;
    let world = World::with(AT_ONCE, "").await;
    hire(&world.tenant, "boss", json!({}));
    let ann = hire(&world.tenant, "ann", json!({}));
    let bob = hire(&world.tenant, "bob", json!({}));
    let cyd = hire(&world.tenant, "cyd", json!({}));
    let dan = hire(&world.tenant, "dan", json!({}));
    world.full().await;
    world.tenant.disable(&cyd).unwrap();
    world.tenant.soft_delete(&dan).unwrap();
    world.full().await;
    let before = world.snapshot(site).await;
    world.tenant.disable(&ann).unwrap();
    world.tenant.hard_delete(&bob).unwrap();
    world.tenant.enable(&cyd).unwrap();
    world.tenant.restore(&dan).unwrap();
    let run = world.full().await;
    assert_eq!(
        (counts(&run).removed, counts(&run).reactivated),
        (2, 2),
        "{run:#?}"
    );
    let after = world.snapshot(site).await;

    let back = world.revert(&run).await;
    assert_eq!(
        (
            counts(&back).removed,
            counts(&back).reactivated,
            counts(&back).failed
        ),
        (2, 2, 0),
        "{back:#?}"
    );
    before.assert_is_back(&world.snapshot(site).await, "after the revert");
    for (who, outcome, action) in [
        (&ann, Outcome::Updated, "reactivate"),
        (&bob, Outcome::Updated, "reactivate"),
        (&cyd, Outcome::Removed, "deactivate"),
        (&dan, Outcome::Removed, "delete"),
    ] {
        let change = world.change_of(&back, who).await;
        assert_eq!(
            (change.outcome(), change.action.as_str()),
            (outcome, action),
            "{change:#?}"
        );
    }
    let account = world.account_by_object(&cyd).await;
    assert_eq!(
        (account.status(), account.integration_status()),
        (AccountStatus::Deactivated, IntegrationStatus::Disabled)
    );
    let forth = world.revert(&back).await;
    assert_eq!(counts(&forth).failed, 0, "{forth:#?}");
    after.assert_is_back(&world.snapshot(site).await, "after the revert of the revert");

    // The next full run decides all of them anew, and does the same again.
    world.revert(&run).await;
    let again = world.full().await;
    assert_eq!(
        (counts(&again).removed, counts(&again).reactivated),
        (2, 2),
        "{again:#?}"
    );
}

#[tokio::test]
async fn b4_who_was_deleted_fails_when_somebody_holds_the_login_and_both_are_named() {
    let world = World::with(AT_ONCE, "").await;
    hire(&world.tenant, "boss", json!({}));
    let ann = hire(&world.tenant, "ann", json!({}));
    let bob = hire(&world.tenant, "bob", json!({}));
    world.full().await;
    world.tenant.hard_delete(&ann).unwrap();
    world.tenant.hard_delete(&bob).unwrap();
    let run = world.full().await;
    assert_eq!(counts(&run).removed, 2);
    world
        .import("name,login,domain\nOther Ann,ann,contoso.com\n")
        .await;
    let back = world.revert(&run).await;
    assert_eq!(
        tally(&back),
        [(Outcome::Updated, 1), (Outcome::Failed, 1)],
        "{back:#?}"
    );
    let change = world.change_of(&back, &ann).await;
    assert!(
        change.upn == "ann@contoso.com"
            && change.reason.contains("the login ann@contoso.com must be unique")
            && change.reason.contains("Other Ann"),
        "{change:#?}"
    );
    assert_eq!(world.account("bob").await.status(), AccountStatus::Active);
    let in_use: Vec<Account> = world.accounts_of("ann").await;
    let in_use: Vec<&str> = in_use
        .iter()
        .filter(|account| account.status() == AccountStatus::Active)
        .map(|account| account.name.as_str())
        .collect();
    assert_eq!(in_use, ["Other Ann"]);
    assert_eq!(
        world.failed_records().await,
        [],
        "what can't be taken back is no failure of the directory's"
    );
}

#[tokio::test]
async fn b4_a_recreated_person_gives_the_account_back_to_the_old_object() {
    let site = Site::shared().await;
    for one_run in [true, false] {
        let world = World::start().await;
        hire(&world.tenant, "boss", json!({}));
        let old = hire(&world.tenant, "ann", json!({"jobTitle": "Lead"}));
        world.full().await;
        let mut before = world.snapshot(site).await;
        world.tenant.soft_delete(&old).unwrap();
        if !one_run {
            world.delta().await;
            before = world.snapshot(site).await;
        }
        hire(&world.tenant, "ann", json!({"jobTitle": "Chief"}));
        let run = if one_run {
            world.full().await
        } else {
            world.delta().await
        };
        assert_eq!(counts(&run).overwritten, 1, "{run:#?}");
        let after = world.snapshot(site).await;
        let back = world.revert(&run).await;
        assert_eq!(counts(&back).failed, 0, "{back:#?}");
        before.assert_is_back(&world.snapshot(site).await, "after the revert");
        assert_eq!(world.account("ann").await.object_id, old);
        let forth = world.revert(&back).await;
        assert_eq!(counts(&forth).failed, 0, "{forth:#?}");
        after.assert_is_back(&world.snapshot(site).await, "after the revert of the revert");
    }
}

#[tokio::test]
async fn b4_one_record_of_a_run_is_taken_back_and_reviews_close() {
    let world = World::with("leavers: { gone: review }", "").await;
    hire(&world.tenant, "boss", json!({}));
    let ann = hire(&world.tenant, "ann", json!({"jobTitle": "Lead"}));
    let bob = hire(&world.tenant, "bob", json!({"jobTitle": "Lead"}));
    let cyd = hire(&world.tenant, "cyd", json!({}));
    world.full().await;
    for who in [&ann, &bob] {
        world.tenant.update(who, "jobTitle", json!("Chief")).unwrap();
    }
    world.tenant.hard_delete(&cyd).unwrap();
    let run = world.full().await;
    assert_eq!(
        tally(&run),
        [(Outcome::Updated, 2), (Outcome::Unchanged, 1), (Outcome::Held, 1)]
    );
    let args = [
        "run", "revert", &run.id, "--object", &ann, "--reason", "not her", "--wait",
    ];
    let back = world.cli_json(&args).await;
    assert_eq!(back["counts"]["updated"], 1, "{back:#}");
    assert_eq!(back["kind"], "RUN_KIND_REVERT");
    assert_eq!(back["revertReason"], "not her");
    assert_eq!(back["counts"]["seen"], 1, "{back:#}");
    assert_eq!(field(&world.account("ann").await, "jobTitle"), "Lead");
    assert_eq!(field(&world.account("bob").await, "jobTitle"), "Chief");
    assert_eq!(world.reviews(ReviewState::Open).await.len(), 1);

    let back = world.revert_of(&run, &[&cyd]).await;
    assert_eq!(tally(&back), [(Outcome::Updated, 1)], "{back:#?}");
    assert_eq!(world.reviews(ReviewState::Open).await, []);
    let closed = world.reviews(ReviewState::Obsolete).await;
    assert_eq!(closed.len(), 1, "{closed:#?}");
    assert_eq!(
        world.account_by_object(&cyd).await.integration_status(),
        IntegrationStatus::Active,
        "what the link said before the run"
    );
    let shown = world.cli_run(&["run", "show", &run.id]).await;
    assert!(
        shown.stdout.contains("Reverted by") && shown.stdout.contains(&back.id),
        "{}",
        shown.stdout
    );
}
