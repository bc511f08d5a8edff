//! The never-touch list: whom no sync creates, changes, links, deactivates or deletes (B18).

use contracts::v1::{AccountStatus, LeaverAction, Outcome, ReviewState, RunKind};
use harness::groups::{join, nest, part, security_group};
use harness::people::hire;
use harness::register::field;
use harness::runs::{counts, tally};
use harness::site::Site;
use harness::world::World;
use serde_json::json;

/// `never-touch add`; answers the entry's id.
async fn add(world: &World, args: &[&str]) -> String {
    let mut all = vec!["never-touch", "add"];
    all.extend_from_slice(args);
    let entry = world.cli_json(&all).await;
    entry["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn b18_nobody_on_the_list_is_created_changed_linked_or_removed_and_the_reason_names_the_entry() {
    let world = World::start().await;
    let import = "name,login,domain,role\nTec,tec,contoso.com,technician\n";
    world.import(import).await;
    let ann = hire(&world.tenant, "ann", json!({}));
    let bob = hire(&world.tenant, "bob", json!({}));
    let cyd = hire(&world.tenant, "cyd", json!({}));
    let dan = hire(&world.tenant, "dan", json!({}));
    world.full().await;
    let before = world.accounts().await;

    // One linked by a pattern, one by id, one who would match a technician, one who would be new.
    let pattern = add(&world, &["--upn", "A??@Contoso.*", "--note", "service"]).await;
    add(&world, &["--object", &bob, "--connection", "contoso"]).await;
    add(&world, &["--role", "technician"]).await;
    add(&world, &["--upn", "new@contoso.com"]).await;
    world
        .tenant
        .update(&ann, "displayName", json!("Ann Other"))
        .unwrap();
    world.tenant.soft_delete(&bob).unwrap();
    world
        .tenant
        .update(&cyd, "displayName", json!("Cyd Other"))
        .unwrap();
    let tec = hire(&world.tenant, "tec", json!({}));
    hire(&world.tenant, "new", json!({}));
    world.tenant.disable(&dan).unwrap();

    let run = world.delta().await;
    assert!(
        run.reason.contains("the never-touch list changed"),
        "the delta decides everyone anew: {run:#?}"
    );
    assert_eq!(
        tally(&run),
        [
            (Outcome::Updated, 1),
            (Outcome::Skipped, 4),
            (Outcome::Removed, 1)
        ],
        "{run:#?}"
    );
    for (who, why) in [
        (ann.as_str(), "upn A??@Contoso.* (service)".to_owned()),
        (bob.as_str(), format!("object {bob}")),
        (tec.as_str(), "role technician".to_owned()),
        ("new@contoso.com", "upn new@contoso.com".to_owned()),
    ] {
        let change = world.change_of(&run, who).await;
        assert_eq!(
            (change.outcome(), change.reason),
            (Outcome::Skipped, format!("on the never-touch list: {why}"))
        );
    }
    for login in ["ann", "bob", "tec"] {
        let was = before.iter().find(|account| account.login == login).unwrap();
        assert_eq!(&world.account(login).await, was, "not even its time of change");
    }
    assert_eq!(world.accounts_of("new").await, []);

    // Likewise in every later run, full or delta, and the rest goes on.
    world.tenant.update(&ann, "jobTitle", json!("Robot")).unwrap();
    let delta = world.delta().await;
    assert_eq!(tally(&delta), [(Outcome::Skipped, 1)], "{delta:#?}");
    let full = world.full().await;
    assert_eq!(
        tally(&full),
        [(Outcome::Unchanged, 2), (Outcome::Skipped, 4)],
        "{full:#?}"
    );
    let change = world.change_of(&full, &ann).await;
    assert_eq!(
        change.reason,
        "on the never-touch list: upn A??@Contoso.* (service)"
    );

    // Taken off the list, they are caught up with.
    let removed = world.cli_json(&["never-touch", "remove", &pattern]).await;
    assert_eq!(removed["value"], "A??@Contoso.*");
    let listed = world.cli_json(&["never-touch", "list"]).await;
    assert_eq!(listed["entries"].as_array().unwrap().len(), 3, "{listed:#}");
    let run = world.delta().await;
    assert_eq!(
        tally(&run),
        [
            (Outcome::Updated, 1),
            (Outcome::Unchanged, 2),
            (Outcome::Skipped, 3)
        ],
        "{run:#?}"
    );
    let account = world.account("ann").await;
    assert_eq!(
        (field(&account, "name"), field(&account, "jobTitle")),
        ("Ann Other", "Robot")
    );
    let audited = Site::shared().await;
    let audited = audited
        .sql(&format!(
            "SELECT action, count(*) FROM audit WHERE organization_id = '{}' AND action LIKE 'never_touch%'
             GROUP BY action ORDER BY action",
            world.organization
        ))
        .await;
    assert_eq!(audited.trim(), "never_touch.add|4\nnever_touch.remove|1");
}

#[tokio::test]
async fn b18_who_is_not_seen_any_more_stays_and_open_reviews_of_them_can_not_be_approved() {
    let world = World::start().await;
    hire(&world.tenant, "boss", json!({}));
    let ann = hire(&world.tenant, "ann", json!({}));
    world.full().await;
    world.tenant.hard_delete(&ann).unwrap();
    let run = world.full().await;
    assert_eq!(counts(&run).held, 1, "{run:#?}");
    let review = world.reviews(ReviewState::Open).await.remove(0);

    add(&world, &["--upn", "ann@contoso.com"]).await;
    let refused = world
        .approve(&[&review.id], LeaverAction::Unspecified)
        .await
        .remove(0);
    assert!(
        !refused.resolved && refused.message.contains("never-touch list: upn ann@contoso.com"),
        "{refused:#?}"
    );
    assert_eq!(world.account("ann").await.status(), AccountStatus::Active);

    let run = world.full().await;
    let counted = counts(&run);
    assert_eq!(
        (counted.seen, counted.gone, counted.skipped, counted.held),
        (1, 1, 1, 0),
        "{run:#?}"
    );
    assert_eq!(world.reviews(ReviewState::Open).await, []);
    let closed = world.reviews(ReviewState::Obsolete).await;
    assert_eq!(closed.len(), 1, "{closed:#?}");
    assert_eq!(world.account("ann").await.status(), AccountStatus::Active);
}

#[tokio::test]
async fn b18_a_plan_from_before_an_entry_is_not_applied() {
    let world = World::start().await;
    hire(&world.tenant, "ann", json!({}));
    let plan = world.preview().await;
    add(&world, &["--upn", "ann@contoso.com"]).await;
    let refused = world.try_apply_plan(&plan.id).await.unwrap_err();
    assert!(refused.message().contains("never-touch list"), "{refused:?}");
    let run = world.run(RunKind::Full).await;
    assert_eq!(tally(&run), [(Outcome::Skipped, 1)], "{run:#?}");
}

#[tokio::test]
async fn b18_what_can_not_be_an_entry_is_refused_with_the_field_and_the_next_step() {
    let world = World::start().await;
    for (args, told) in [
        (&["--upn", "*"][..], "value: would keep everyone"),
        (&["--object", "ann"], "value: is not an object id"),
        (
            &["--role", "boss"],
            "value: is no role; use user, technician, admin or owner",
        ),
        (
            &["--role", "owner", "--connection", "nowhere"],
            "there are: contoso",
        ),
        (&["--upn", "ann@contoso.com", "--note", "two\nlines"], "note: "),
    ] {
        let mut all = vec!["never-touch", "add"];
        all.extend_from_slice(args);
        let answer = world.cli().run(&all).await.unwrap();
        assert_eq!(answer.code, 1, "{answer:?}");
        assert!(answer.stderr.contains(told), "{told}: {answer:?}");
    }
    for wrong in [&["--upn", "a@b", "--role", "owner"][..], &[]] {
        let mut all = vec!["never-touch", "add"];
        all.extend_from_slice(wrong);
        assert_eq!(world.cli().run(&all).await.unwrap().code, 2, "{wrong:?}");
    }
    add(&world, &["--role", "owner"]).await;
    let again = world
        .cli()
        .run(&["never-touch", "add", "--role", "Owner"])
        .await
        .unwrap();
    assert!(
        again.code == 1 && again.stderr.contains("is on the never-touch list already"),
        "{again:?}"
    );
    // For one connection it is another entry, which that connection's list shows with those of all.
    add(&world, &["--role", "owner", "--connection", "contoso"]).await;
    let listed = world
        .cli_json(&["never-touch", "list", "--connection", "contoso"])
        .await;
    assert_eq!(listed["entries"].as_array().unwrap().len(), 2, "{listed:#}");
    let nobody = "01980000-0000-7000-8000-000000000000";
    let gone = world.cli().run(&["never-touch", "remove", nobody]).await.unwrap();
    assert!(
        gone.code == 1 && gone.stderr.contains("never-touch list"),
        "{gone:?}"
    );
}

#[tokio::test]
async fn b18_members_of_a_group_are_kept_through_nested_groups_and_the_list_alone_asks_for_it() {
    let world = World::start().await;
    let (robots, all) = (
        security_group(&world.tenant, "Robots"),
        security_group(&world.tenant, "All machines"),
    );
    nest(&world.tenant, &all, &robots);
    let ann = hire(&world.tenant, "ann", json!({}));
    hire(&world.tenant, "bob", json!({}));
    join(&world.tenant, &robots, &[&ann]);
    add(&world, &["--group", &all, "--note", "machines"]).await;
    let run = world.full().await;
    assert_eq!(
        tally(&run),
        [(Outcome::Added, 1), (Outcome::Skipped, 1)],
        "{run:#?}"
    );
    let change = world.change_of(&run, &ann).await;
    assert_eq!(
        change.reason,
        format!("on the never-touch list: group {all} (machines)")
    );
    // Out of the group they are like everyone.
    part(&world.tenant, &robots, &[&ann]);
    let run = world.delta().await;
    assert_eq!(tally(&run), [(Outcome::Added, 1)], "{run:#?}");
}
