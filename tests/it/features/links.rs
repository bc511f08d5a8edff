//! Links: how they came to be, cut and moved by hand, and people made anew (B7).

use contracts::v1::{AccountStatus, IntegrationStatus, Link, LinkOrigin, Outcome, ReviewState};
use harness::people::hire;
use harness::runs::{counts, tally};
use harness::site::Site;
use harness::world::World;
use serde_json::{Value, json};

/// The link of an object.
async fn link(world: &World, object: &str) -> Link {
    let mut links = world.links().await;
    links.retain(|link| link.object_id == object);
    assert_eq!(links.len(), 1, "links of {object}: {links:#?}");
    links.remove(0)
}

async fn cut(world: &World, object: &str) -> Value {
    let args = ["link", "cut", "contoso", object, "--reason", "the wrong Ann"];
    world.cli_json(&args).await
}

async fn give(world: &World, object: &str, account: &str) -> Value {
    let args = [
        "link", "move", "contoso", object, "--to", account, "--reason", "merged",
    ];
    world.cli_json(&args).await
}

/// What the command line says when it refuses.
async fn refused(world: &World, args: &[&str]) -> String {
    let answer = world.cli().run(args).await.unwrap();
    assert_eq!(answer.code, 1, "{answer:?}");
    answer.stderr
}

#[tokio::test]
async fn b7_a_link_tells_by_which_run_and_rule_it_came_and_later_runs_leave_that() {
    let world = World::start().await;
    world.import("name,login,domain\nOld Bob,bob,contoso.com\n").await;
    let ann = hire(&world.tenant, "ann", json!({}));
    let bob = hire(&world.tenant, "bob", json!({}));
    let first = world.full().await;
    world.tenant.update(&ann, "jobTitle", json!("Lead")).unwrap();
    world.tenant.update(&bob, "jobTitle", json!("Lead")).unwrap();
    let second = world.full().await;
    assert_eq!(counts(&second).updated, 2);
    for (object, origin, rule) in [(&ann, LinkOrigin::Created, 0), (&bob, LinkOrigin::Rule, 4)] {
        let link = link(&world, object).await;
        assert_eq!(
            (link.origin(), link.rule, link.run_id.as_str()),
            (origin, rule, first.id.as_str()),
            "{link:#?}"
        );
        assert_eq!(link.link_time, first.create_time);
    }
    // Found by words, by account and by object.
    let account = world.account("bob").await;
    for args in [
        &["--search", "bob@contoso.com"][..],
        &["--account", &account.id],
        &["--object", &bob, "--connection", "contoso"],
    ] {
        let mut all = vec!["link", "list"];
        all.extend_from_slice(args);
        let listed = world.cli_json(&all).await;
        let links = listed["links"].as_array().unwrap();
        assert_eq!(links.len(), 1, "{args:?}: {listed:#}");
        assert_eq!(links[0]["objectId"], bob.as_str());
    }
}

#[tokio::test]
async fn b7_a_cut_link_is_not_made_again_by_any_rule_and_the_account_stays() {
    let world = World::start().await;
    world
        .import("name,login,domain,email\nOld Ann,ann,contoso.com,ann@contoso.com\n")
        .await;
    let ann = hire(&world.tenant, "ann", json!({}));
    world.full().await;
    let before = world.account("ann").await;
    assert_eq!(before.object_id, ann);
    let answer = cut(&world, &ann).await;
    assert_eq!(answer["link"]["accountId"], before.id.as_str(), "{answer:#}");
    let after = world.account("ann").await;
    assert_eq!(
        (after.object_id.as_str(), after.status(), after.update_time),
        ("", AccountStatus::Active, before.update_time),
        "{after:#?}"
    );

    // The next run may not link it again; and creating another one would break the login's uniqueness.
    for run in [world.full().await, world.delta().await, world.full().await] {
        if counts(&run).seen == 0 {
            continue;
        }
        let change = world.change_of(&run, &ann).await;
        assert_eq!(change.outcome(), Outcome::Failed, "{change:#?}");
        assert!(
            change.reason.contains("ann@contoso.com") && change.reason.contains("must be unique"),
            "{change:#?}"
        );
    }
    assert_eq!(world.accounts().await.len(), 1);

    // With another login the object gets an account of its own, and the old one is nobody's.
    world
        .tenant
        .update(&ann, "userPrincipalName", json!("ann.b@contoso.com"))
        .unwrap();
    world.delta().await;
    let own = world.account("ann.b").await;
    assert_eq!(own.object_id, ann);
    assert_ne!(own.id, before.id);
    assert_eq!(world.account("ann").await.update_time, before.update_time);
    let told = refused(&world, &["link", "cut", "contoso", &before.id, "--reason", "x"]).await;
    assert!(told.contains("knows no object"), "{told}");
    let audited = Site::shared()
        .await
        .sql(&format!(
            "SELECT actor, subject, after->>'reason' FROM audit
             WHERE organization_id = '{}' AND action = 'link.cut'",
            world.organization
        ))
        .await;
    assert_eq!(
        audited.trim(),
        format!("token tester|contoso {ann}|the wrong Ann")
    );
}

#[tokio::test]
async fn b7_a_moved_link_brings_the_other_account_in_step_and_leaves_the_first() {
    let world = World::with("leavers: { gone: review }", "").await;
    world
        .import("name,login,domain\nAnn Twice,ann.old,contoso.com\n")
        .await;
    hire(&world.tenant, "boss", json!({}));
    let ann = hire(&world.tenant, "ann", json!({"jobTitle": "Lead"}));
    world.full().await;
    let (wrong, right) = (world.account("ann").await, world.account("ann.old").await);
    let answer = give(&world, &ann, &right.id).await;
    assert_eq!(answer["fromAccountId"], wrong.id.as_str(), "{answer:#}");
    let linked = link(&world, &ann).await;
    assert_eq!(
        (linked.account_id.as_str(), linked.origin()),
        (right.id.as_str(), LinkOrigin::ByHand)
    );
    assert_eq!(
        (linked.linked_by.as_str(), linked.reason.as_str()),
        ("tester", "merged")
    );

    // The one left behind keeps its login, so the other keeps its own until that is given up.
    let run = world.full().await;
    let change = world.change_of(&run, &ann).await;
    assert_eq!(
        (change.outcome(), change.account_id.as_str()),
        (Outcome::Failed, right.id.as_str()),
        "{change:#?}"
    );
    assert!(change.reason.contains("must be unique"), "{change:#?}");
    assert_eq!(
        world.account_by_object(&ann).await.integration_status(),
        IntegrationStatus::Conflict
    );
    world
        .tenant
        .update(&ann, "userPrincipalName", json!("ann.new@contoso.com"))
        .unwrap();
    let run = world.delta().await;
    let change = world.change_of(&run, &ann).await;
    assert_eq!(
        (change.outcome(), change.rule),
        (Outcome::Updated, 1),
        "{change:#?}"
    );
    let now = world.account("ann.new").await;
    assert_eq!(
        (now.id.as_str(), now.integration_status()),
        (right.id.as_str(), IntegrationStatus::Active)
    );
    assert_eq!(
        now.fields.get("jobTitle").map(String::as_str),
        Some("Lead"),
        "what the directory says"
    );
    assert_eq!(
        (
            world.account("ann").await.update_time,
            link(&world, &ann).await.origin()
        ),
        (wrong.update_time, LinkOrigin::ByHand)
    );

    // Back again, by hand: what a person gives back is not cut any more.
    give(&world, &ann, &wrong.id).await;
    assert_eq!(link(&world, &ann).await.account_id, wrong.id);
}

#[tokio::test]
async fn b7_accounts_that_may_not_get_an_object_are_refused() {
    let world = World::with("leavers: { disabled: delete }", "").await;
    let other = World::start().await;
    other.import("name,login\nTheirs,theirs\n").await;
    let theirs = other.account("theirs").await.id;
    let ann = hire(&world.tenant, "ann", json!({}));
    hire(&world.tenant, "bob", json!({}));
    let cyd = hire(&world.tenant, "cyd", json!({}));
    world.full().await;
    world.tenant.disable(&cyd).unwrap();
    world.full().await;
    let bob = world.account("bob").await.id;
    let own = world.account("ann").await.id;
    let deleted = world.account("cyd").await;
    assert_eq!(deleted.status(), AccountStatus::Deleted);
    let nobody = "01980000-0000-7000-8000-000000000000";
    for (object, to, why) in [
        (
            ann.as_str(),
            bob.as_str(),
            "which is in the directory; cut that link first",
        ),
        (&ann, &own, "already"),
        (&ann, &deleted.id, "is deleted"),
        (&ann, &theirs, "there is no account"),
        (&ann, nobody, "there is no account"),
        (nobody, &bob, "knows no object"),
    ] {
        let args = ["link", "move", "contoso", object, "--to", to, "--reason", "x"];
        let told = refused(&world, &args).await;
        assert!(told.contains(why), "{why}: {told}");
    }
    let told = refused(&world, &["link", "cut", "contoso", &ann, "--reason", " "]).await;
    assert!(told.contains("reason: is missing"), "{told}");

    // A plan that was made before does not link again what a person has cut.
    world.tenant.update(&ann, "jobTitle", json!("Lead")).unwrap();
    let plan = world.preview().await;
    cut(&world, &ann).await;
    let stale = world.try_apply_plan(&plan.id).await.unwrap_err();
    assert!(stale.message().contains("by hand"), "{stale:?}");
}

#[tokio::test]
async fn b7_reviews_that_a_link_raised_close_with_it() {
    let world = World::start().await;
    hire(&world.tenant, "boss", json!({}));
    let ann = hire(&world.tenant, "ann", json!({}));
    world.full().await;
    world.tenant.hard_delete(&ann).unwrap();
    world.full().await;
    assert_eq!(world.reviews(ReviewState::Open).await.len(), 1);
    cut(&world, &ann).await;
    assert_eq!(world.reviews(ReviewState::Open).await, []);
    let run = world.full().await;
    assert_eq!(
        tally(&run),
        [(Outcome::Unchanged, 1)],
        "nobody leaves who is linked to nothing: {run:#?}"
    );
}

/// A person soft-deleted and made anew with the same UPN keeps the account, whichever way the runs tell it.
#[tokio::test]
async fn b7_a_recreated_person_gets_the_old_account_back_in_one_full_run_or_in_deltas() {
    for way in ["one full run", "one delta", "two deltas", "delta, then full"] {
        let world = World::start().await;
        hire(&world.tenant, "boss", json!({}));
        let old = hire(&world.tenant, "ann", json!({"jobTitle": "Lead"}));
        world.full().await;
        let before = world.account("ann").await;
        let new = match way {
            "two deltas" | "delta, then full" => {
                world.tenant.soft_delete(&old).unwrap();
                let run = world.delta().await;
                assert_eq!(world.change_of(&run, &old).await.cause, "soft_deleted");
                hire(&world.tenant, "ann", json!({"jobTitle": "Chief"}))
            }
            _ => {
                world.tenant.soft_delete(&old).unwrap();
                hire(&world.tenant, "ann", json!({"jobTitle": "Chief"}))
            }
        };
        let run = match way {
            "one full run" | "delta, then full" => world.full().await,
            _ => world.delta().await,
        };
        assert_eq!(counts(&run).overwritten, 1, "{way}: {run:#?}");
        let after = world.account("ann").await;
        assert_eq!(
            (&after.id, after.object_id.as_str(), after.status()),
            (&before.id, new.as_str(), AccountStatus::Active),
            "{way}"
        );
        assert_eq!(
            after.fields.get("jobTitle").map(String::as_str),
            Some("Chief"),
            "{way}"
        );

        // The old object stays in deleted items, then is purged: neither touches the account again.
        for _ in 0..2 {
            let run = world.full().await;
            assert_eq!(counts(&run).removed + counts(&run).held, 0, "{way}: {run:#?}");
            let now = world.account("ann").await;
            assert_eq!((now.id, now.object_id), (before.id.clone(), new.clone()), "{way}");
            if world.tenant.deleted_users().iter().any(|user| user.id == old) {
                world.tenant.purge(&old).unwrap();
                let run = world.delta().await;
                assert_eq!(counts(&run).removed + counts(&run).held, 0, "{way}: {run:#?}");
            }
        }
        assert_eq!(world.accounts_of("ann").await.len(), 1, "{way}");
    }
}

/// The new object is there before the old one goes: both live for a while, and nobody is made twice.
#[tokio::test]
async fn b7_who_is_made_anew_before_the_old_one_goes_takes_the_account_when_it_is_free() {
    let world = World::start().await;
    hire(&world.tenant, "boss", json!({}));
    let old = hire(&world.tenant, "ann", json!({}));
    world.full().await;
    let before = world.account("ann").await;
    // The same person under a new id: the old object gives its name up, the new one takes it.
    world
        .tenant
        .update(&old, "userPrincipalName", json!("ann.was@contoso.com"))
        .unwrap();
    world
        .tenant
        .update(&old, "onPremisesImmutableId", json!("QW5uIEFubiBBbm4gQW5uIQ=="))
        .unwrap();
    world.delta().await;
    let new = hire(&world.tenant, "ann", json!({}));
    world.delta().await;
    let own = world.account_by_object(&new).await;
    assert_ne!(
        own.id, before.id,
        "while the old object lives it keeps its account"
    );
    world.tenant.soft_delete(&old).unwrap();
    world.delta().await;
    let run = world.full().await;
    assert_eq!(counts(&run).added, 0, "{run:#?}");
    assert_eq!(world.accounts().await.len(), 3);
    assert_eq!(world.account_by_object(&new).await.id, own.id);
}

/// A soft-deleted user's UPN carries the object id's 32 digits in front; it must not become a name in the register.
#[tokio::test]
async fn b7_tombstone_upns_never_reach_the_register() {
    let world = World::start().await;
    hire(&world.tenant, "boss", json!({}));
    let ann = hire(&world.tenant, "ann", json!({}));
    world.full().await;
    world.tenant.soft_delete(&ann).unwrap();
    for run in [world.delta().await, world.full().await] {
        let change = world.change_of(&run, &ann).await;
        assert!(
            change.upn.is_empty() || change.upn == "ann@contoso.com",
            "{change:#?}"
        );
    }
    world.tenant.restore(&ann).unwrap();
    world.delta().await;
    let account = world.account("ann").await;
    assert_eq!(
        (account.upn.as_str(), account.status(), account.object_id.as_str()),
        ("ann@contoso.com", AccountStatus::Active, ann.as_str())
    );
    assert_eq!(world.accounts().await.len(), 2);
}
