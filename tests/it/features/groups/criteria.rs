//! Criteria that ask for membership (F1, F4, B10), by full runs and by deltas.

use contracts::v1::{AccountStatus, IntegrationStatus, Outcome};
use harness::documents::SECRET_VARIABLE;
use harness::groups::{join, nest, part, security_group};
use harness::people::{hire, hire_many};
use harness::register::field;
use harness::runs::{counts, tally};
use harness::site::Site;
use harness::world::World;
use serde_json::json;

use super::{DELTA, IN, OUT, bare, delta, keep_inventory, logins, only, remap, requests, status};

#[tokio::test]
async fn b10_direct_and_transitive_members_are_told_apart_and_circles_end() {
    let world = bare().await;
    let [ann, bob, cyd, _] = ["ann", "bob", "cyd", "dan"].map(|login| hire(&world.tenant, login, json!({})));
    let top = security_group(&world.tenant, "Top");
    let middle = security_group(&world.tenant, "Middle");
    let bottom = security_group(&world.tenant, "Bottom");
    nest(&world.tenant, &top, &middle);
    nest(&world.tenant, &middle, &bottom);
    nest(&world.tenant, &bottom, &top);
    join(&world.tenant, &top, &[ann]);
    join(&world.tenant, &middle, &[bob]);
    join(&world.tenant, &bottom, &[cyd]);
    for (operator, group, expected) in [
        ("memberOf", &top, vec!["ann"]),
        ("memberOf", &bottom, vec!["cyd"]),
        ("transitiveMemberOf", &top, vec!["ann", "bob", "cyd"]),
        ("transitiveMemberOf", &bottom, vec!["ann", "bob", "cyd"]),
    ] {
        remap(&world, &only(operator, group)).await;
        let run = world.preview().await;
        let mut added: Vec<String> = world
            .changes(&run, Outcome::Added)
            .await
            .iter()
            .map(|change| change.upn.split('@').next().unwrap().to_owned())
            .collect();
        added.sort();
        assert_eq!(added, expected, "{operator} {group}");
        let told = world.change_of(&run, "dan@contoso.com").await.reason;
        let words = if operator == "memberOf" {
            "member"
        } else {
            "transitive member"
        };
        assert_eq!(told, format!("out of scope: not {words} of {group}"));
    }
}

#[tokio::test]
async fn f1_a_group_and_an_attribute_decide_together() {
    let world = bare().await;
    let ann = hire(&world.tenant, "ann", json!({"department": "Legal"}));
    let bob = hire(&world.tenant, "bob", json!({"department": "Sales"}));
    hire(&world.tenant, "cyd", json!({"department": "Legal"}));
    let staff = security_group(&world.tenant, "Staff");
    join(&world.tenant, &staff, &[&ann, &bob]);
    let both = format!(
        "criteria:
  - - {{ operator: transitiveMemberOf, value: {staff} }}
    - {{ attribute: department, operator: equals, value: Legal }}"
    );
    remap(&world, &both).await;
    let run = world.full().await;
    assert_eq!(
        tally(&run),
        [(Outcome::Added, 1), (Outcome::Skipped, 2)],
        "{run:#?}"
    );
    assert_eq!(
        world.change_of(&run, "ann@contoso.com").await.reason,
        format!("in scope: transitive member of {staff} and department equals \"Legal\"")
    );
    // A delta's row tells of the department only, and the mirror of the group.
    world.tenant.set(|settings| settings.delta_changed_only = true);
    world.tenant.update(&bob, "department", json!("Legal")).unwrap();
    world.tenant.update(&ann, "department", json!("Sales")).unwrap();
    let run = delta(&world).await;
    assert_eq!(
        tally(&run),
        [(Outcome::Added, 1), (Outcome::Removed, 1)],
        "{run:#?}"
    );
    assert_eq!(
        (status(&world, "bob").await, status(&world, "ann").await),
        (IN, OUT)
    );

    // What is exported applies again, and changes nothing.
    let exported = world.cli_run(&["export"]).await.stdout;
    assert!(exported.contains("operator: transitiveMemberOf"), "{exported}");
    let secret = format!("clientSecret: {{ fromEnv: {SECRET_VARIABLE} }}");
    let exported: Vec<&str> = exported
        .lines()
        .map(|line| {
            if line.starts_with("clientSecret") {
                secret.as_str()
            } else {
                line
            }
        })
        .collect();
    let again = world.apply(&exported.join("\n")).await;
    let changes = again["changes"].as_array().unwrap();
    assert!(
        changes.iter().all(|change| change["action"] == "unchanged"),
        "{again:#}"
    );
}

/// Top holds middle, middle holds bottom; four people, of whom the first is in bottom, and the last in scope by name, so
/// that no run removes everyone.
async fn nested() -> (World, Vec<String>, [String; 3]) {
    let world = bare().await;
    let ids = hire_many(&world.tenant, 4);
    let groups = ["Top", "Middle", "Bottom"].map(|name| security_group(&world.tenant, name));
    nest(&world.tenant, &groups[0], &groups[1]);
    nest(&world.tenant, &groups[1], &groups[2]);
    join(&world.tenant, &groups[2], &ids[..1]);
    let criteria = format!(
        "{}\n  - [{{ attribute: userPrincipalName, operator: startsWith, value: p04 }}]",
        only("transitiveMemberOf", &groups[0])
    );
    remap(&world, &criteria).await;
    world.full().await;
    assert_eq!(logins(&world).await, ["p01", "p04"]);
    (world, ids, groups)
}

#[tokio::test]
async fn b10_a_delta_follows_people_into_nested_groups_and_out_of_them() {
    let (world, ids, [_, middle, bottom]) = nested().await;
    join(&world.tenant, &bottom, &ids[1..2]);
    let run = delta(&world).await;
    assert_eq!(tally(&run), [(Outcome::Added, 1)], "{run:#?}");
    assert_eq!(
        counts(&run).seen,
        1,
        "who is decided anew because of a group was seen"
    );
    assert_eq!(logins(&world).await, ["p01", "p02", "p04"]);

    part(&world.tenant, &bottom, &ids[..1]);
    join(&world.tenant, &middle, &ids[2..3]);
    let run = delta(&world).await;
    assert_eq!(
        tally(&run),
        [(Outcome::Added, 1), (Outcome::Removed, 1)],
        "{run:#?}"
    );
    assert_eq!(status(&world, "p01").await, OUT);
    assert_eq!(logins(&world).await, ["p02", "p03", "p04"]);

    // Back again by another way, and what changed about them meanwhile comes with it.
    world
        .tenant
        .update(&ids[0], "department", json!("Legal"))
        .unwrap();
    delta(&world).await;
    join(&world.tenant, &middle, &ids[..1]);
    let run = delta(&world).await;
    assert_eq!(counts(&run).reactivated, 1, "{run:#?}");
    assert_eq!(status(&world, "p01").await, IN);
    let account = world.account("p01").await;
    assert_eq!(field(&account, "department"), "Legal");

    // A full run finds nothing to add to that.
    let run = world.full().await;
    assert_eq!(tally(&run), [(Outcome::Unchanged, 4)], "{run:#?}");
}

#[tokio::test]
async fn b10_who_is_new_comes_with_the_group_and_who_is_deleted_leaves_with_their_own_row() {
    let (world, ids, [_, middle, bottom]) = nested().await;
    // Both rounds tell of the same people.
    let boss = hire(&world.tenant, "boss", json!({}));
    let zoe = hire(&world.tenant, "zoe", json!({"department": "Legal"}));
    hire(&world.tenant, "out", json!({}));
    world.tenant.set_manager(&zoe, Some(&boss)).unwrap();
    join(&world.tenant, &bottom, &[&zoe]);
    join(&world.tenant, &middle, &[&boss]);
    let run = delta(&world).await;
    assert_eq!(
        tally(&run),
        [(Outcome::Added, 2), (Outcome::Skipped, 1)],
        "{run:#?}"
    );
    let account = world.account("zoe").await;
    assert_eq!(
        account.reporting_to,
        world.account("boss").await.id,
        "{account:#?}"
    );

    // A soft-deleted user stays a member; when they are purged, the group may tell of it or not.
    world.tenant.soft_delete(&ids[0]).unwrap();
    let run = delta(&world).await;
    assert_eq!(tally(&run), [(Outcome::Removed, 1)], "{run:#?}");
    assert_eq!(
        status(&world, "p01").await,
        (AccountStatus::Deactivated, IntegrationStatus::SoftDeleted)
    );
    world.tenant.restore(&ids[0]).unwrap();
    let run = delta(&world).await;
    assert_eq!(counts(&run).reactivated, 1, "{run:#?}");
    assert_eq!(status(&world, "p01").await, IN);
    for (user, untold) in [(&ids[0], false), (&zoe, true)] {
        world
            .tenant
            .set(|settings| settings.purged_members_untold = untold);
        world.tenant.soft_delete(user).unwrap();
        world.tenant.purge(user).unwrap();
        let run = delta(&world).await;
        assert_eq!(
            tally(&run),
            [(Outcome::Held, 1)],
            "gone, and nothing else: {run:#?}"
        );
    }
}

#[tokio::test]
async fn b10_a_delta_follows_groups_that_are_nested_taken_out_deleted_and_restored() {
    let (world, ids, [top, middle, bottom]) = nested().await;
    let other = security_group(&world.tenant, "Other");
    join(&world.tenant, &other, &ids[1..3]);
    delta(&world).await;
    assert_eq!(logins(&world).await, ["p01", "p04"]);
    nest(&world.tenant, &bottom, &other);
    let run = delta(&world).await;
    assert_eq!(tally(&run), [(Outcome::Added, 2)], "{run:#?}");
    assert_eq!(logins(&world).await, ["p01", "p02", "p03", "p04"]);

    part(&world.tenant, &middle, &[&bottom]);
    let run = delta(&world).await;
    assert_eq!(tally(&run), [(Outcome::Removed, 3)], "{run:#?}");
    nest(&world.tenant, &top, &bottom);
    let run = delta(&world).await;
    assert_eq!(counts(&run).reactivated, 3, "{run:#?}");

    world.tenant.delete_group(&bottom).unwrap();
    let run = delta(&world).await;
    assert_eq!(tally(&run), [(Outcome::Removed, 3)], "{run:#?}");
    assert_eq!(logins(&world).await, ["p04"]);
    world.tenant.restore_group(&bottom).unwrap();
    let run = delta(&world).await;
    assert_eq!(counts(&run).reactivated, 3, "{run:#?}");

    world.tenant.delete_group(&top).unwrap();
    world.tenant.purge_group(&top).unwrap();
    let run = delta(&world).await;
    assert_eq!(tally(&run), [(Outcome::Removed, 3)], "{run:#?}");
}

#[tokio::test]
async fn b10_a_delta_without_news_of_groups_costs_the_same_whatever_there_is() {
    let mut costs = Vec::new();
    for size in [3, 300] {
        let world = bare().await;
        let ids = hire_many(&world.tenant, size);
        let staff = security_group(&world.tenant, "Staff");
        for number in 0..size {
            let team = security_group(&world.tenant, &format!("Team {number}"));
            nest(&world.tenant, &staff, &team);
            join(&world.tenant, &team, &ids[number..=number]);
        }
        remap(&world, &only("transitiveMemberOf", &staff)).await;
        world.full().await;
        world
            .tenant
            .update(&ids[0], "department", json!("Legal"))
            .unwrap();
        world.tenant.forget_requests();
        let run = delta(&world).await;
        assert_eq!(tally(&run), [(Outcome::Updated, 1)], "{run:#?}");
        assert_eq!(requests(&world.tenant, DELTA), 1);
        costs.push((
            world.tenant.requests().values().sum::<u64>(),
            run.progress.unwrap().graph_calls,
        ));
    }
    assert_eq!(costs[0], costs[1], "requests, calls");
}

#[tokio::test]
async fn b10_groups_that_a_run_read_without_being_applied_make_the_next_one_full() {
    let (world, ids, [_, _, bottom]) = nested().await;
    join(&world.tenant, &bottom, &ids[1..2]);
    // The preview reads the groups; what it found out about people is applied by nobody.
    world.preview().await;
    let run = world.delta().await;
    assert_eq!(
        run.reason, "the groups were last read by a run that was not applied to its end",
        "{run:#?}"
    );
    assert_eq!(logins(&world).await, ["p01", "p02", "p04"]);
    // And from there on changes are enough again.
    join(&world.tenant, &bottom, &ids[2..3]);
    let run = delta(&world).await;
    assert_eq!(tally(&run), [(Outcome::Added, 1)], "{run:#?}");
}

#[tokio::test]
async fn b10_a_full_run_takes_over_what_changed_about_groups_and_reads_all_of_them_once_a_day() {
    let (world, ids, [_, _, bottom]) = nested().await;
    let (site, of) = (Site::shared().await, world.organization);
    let how = async || {
        let query = format!(
            "SELECT groups_whole, groups FROM run_fetch JOIN run ON run.id = run_id WHERE organization_id = '{of}'
             ORDER BY run.created_at DESC LIMIT 1"
        );
        site.sql(&query).await
    };
    assert_eq!(how().await, "t|3");
    join(&world.tenant, &bottom, &ids[1..2]);
    world.full().await;
    assert_eq!(how().await, "f|1");
    assert_eq!(logins(&world).await, ["p01", "p02", "p04"]);
    // Deltas go on from there, and so does the next full run.
    join(&world.tenant, &bottom, &ids[2..3]);
    delta(&world).await;
    world.full().await;
    assert_eq!(how().await, "f|0");
    assert_eq!(logins(&world).await, ["p01", "p02", "p03", "p04"]);
    // The changes do not make the groups any younger.
    site.sql(&format!(
        "UPDATE delta_cursor SET full_at = full_at - interval '20 hours'
         WHERE resource = 'groups' AND connection_id IN (SELECT id FROM connection WHERE organization_id = '{of}')"
    ))
    .await;
    world.full().await;
    assert_eq!(how().await, "t|3");
}

#[tokio::test]
async fn f4_saving_criteria_tells_who_would_fall_out_of_a_group() {
    let world = bare().await;
    let ids = hire_many(&world.tenant, 3);
    let staff = security_group(&world.tenant, "Staff");
    join(&world.tenant, &staff, &ids[..1]);
    keep_inventory(&world, "").await;
    world.full().await;
    let told = remap(&world, &only("memberOf", &staff)).await;
    let warnings = told["warnings"].to_string();
    assert!(
        warnings.contains("2 of 3 linked people would fall out of scope") && !warnings.contains("at least"),
        "{told:#}"
    );
}
