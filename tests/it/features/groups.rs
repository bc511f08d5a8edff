//! Groups: as an inventory (I7), nested ones flattened for criteria (B10), and only where they are needed (C11).

use std::collections::BTreeSet;
use std::sync::Arc;

use contracts::v1::{AccountStatus, IntegrationStatus, Outcome, Run, RunKind, RunState};
use entra_sim::{GroupKind, MemberKind, Tenant};
use harness::documents::{CONNECTION, documents};
use harness::groups::{forbid_groups, group, join, nest, part, security_group};
use harness::people::{hire, hire_many, nobody};
use harness::runs::{counts, tally};
use harness::site::Site;
use harness::world::World;
use serde_json::{Value, json};

const IN: (AccountStatus, IntegrationStatus) = (AccountStatus::Active, IntegrationStatus::Active);
const OUT: (AccountStatus, IntegrationStatus) = (AccountStatus::Deactivated, IntegrationStatus::OutOfScope);
const DELTA: &str = "GET /v1.0/groups/delta";
/// Whoever falls out of scope is deactivated at once, however many they are.
const LEAVERS: &str = "leavers: { outOfScope: deactivate }\nbrake: { percent: 100, count: 1000, from: 1000 }";

/// A tenant with nobody in it yet, and nothing applied.
async fn bare() -> World {
    World::bare(Site::shared().await, nobody()).await
}

/// A mapping of groups behind the usual documents.
async fn keep_inventory(world: &World, mapping: &str) {
    let documents = documents(&world.options, &world.url(), LEAVERS, mapping);
    let inventory =
        format!("---\nkind: Mapping\nname: inventory\nconnection: {CONNECTION}\ntarget: groups\n");
    world.apply(&format!("{documents}{inventory}")).await;
}

/// A filter of one clause about a group.
fn only(operator: &str, group: &str) -> String {
    format!("criteria:\n  - [{{ operator: {operator}, value: {group} }}]")
}

async fn remap(world: &World, mapping: &str) -> Value {
    world
        .apply(&documents(&world.options, &world.url(), LEAVERS, mapping))
        .await
}

/// A delta that read changes, not everything.
async fn delta(world: &World) -> Run {
    let run = world.delta().await;
    assert_eq!(run.reason, "", "{run:#?}");
    run
}

async fn status(world: &World, login: &str) -> (AccountStatus, IntegrationStatus) {
    let account = world.account(login).await;
    (account.status(), account.integration_status())
}

async fn logins(world: &World) -> Vec<String> {
    let accounts = world.accounts().await.into_iter();
    let active = accounts.filter(|account| account.status() == AccountStatus::Active);
    let mut logins: Vec<String> = active.map(|account| account.login).collect();
    logins.sort();
    logins
}

/// The object ids that the command line lists for a group.
async fn members(world: &World, group: &str, more: &[&str]) -> BTreeSet<String> {
    let args = [&["group", "members", group, "--limit", "5000"], more].concat();
    let answer = world.cli_json(&args).await;
    let listed = answer["members"].as_array().cloned().unwrap_or_default();
    let ids: BTreeSet<String> = listed.iter().map(|member| text(&member["objectId"])).collect();
    assert_eq!(ids.len(), listed.len(), "each once: {answer:#}");
    ids
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn set<S: AsRef<str>>(ids: &[S]) -> BTreeSet<String> {
    ids.iter().map(|id| id.as_ref().to_owned()).collect()
}

fn requests(tenant: &Arc<Tenant>, what: &str) -> u64 {
    let requests = tenant.requests();
    let found = requests.iter().filter(|(request, _)| request.contains(what));
    found.map(|(_, count)| count).sum()
}

#[tokio::test]
async fn i7_groups_are_listed_with_direct_and_transitive_members() {
    let world = bare().await;
    let ids = hire_many(&world.tenant, 6);
    let device = "dddddddd-0000-4000-8000-000000000001";
    let with = json!({"description": "All of Sales", "mail": "sales@contoso.com"});
    let sales = group(&world.tenant, GroupKind::Microsoft365, "Sales", with);
    let north = security_group(&world.tenant, "North");
    let deep = security_group(&world.tenant, "Deep north");
    let top = security_group(&world.tenant, "Top");
    join(&world.tenant, &sales, &ids[..2]);
    join(&world.tenant, &north, &ids[1..4]);
    join(&world.tenant, &deep, &ids[4..5]);
    nest(&world.tenant, &top, &north);
    nest(&world.tenant, &north, &deep);
    // A circle, and a device at its far end.
    nest(&world.tenant, &deep, &top);
    let add = |kind, member: &str| world.tenant.add_members(&deep, kind, vec![member.to_owned()]);
    add(MemberKind::Device, device).unwrap();
    keep_inventory(&world, "").await;
    let run = world.full().await;
    assert_eq!(counts(&run).seen, 6, "groups are counted apart: {run:#?}");
    assert_eq!(run.progress.unwrap().groups_read, 4, "{run:#?}");

    let listed = world.cli_json(&["group", "list"]).await;
    let names: Vec<String> = listed["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| text(&one["name"]))
        .collect();
    assert_eq!(names, ["Deep north", "North", "Sales", "Top"]);
    let found = world.cli_json(&["group", "list", "--search", "of SALES"]).await;
    assert_eq!(
        found["groups"],
        json!([{
            "id": sales, "connection": CONNECTION, "name": "Sales", "description": "All of Sales",
            "mail": "sales@contoso.com", "kind": "GROUP_KIND_MICROSOFT_365", "dynamic": false, "membershipRule": "",
            "visibility": "Public", "memberCount": 2,
            "memberCounts": {"users": 2, "groups": 0, "devices": 0, "others": 0},
        }]),
        "{found:#}"
    );
    let deepest = world
        .cli_json(&["group", "list", "--search", "deep", "--connection", CONNECTION])
        .await;
    assert_eq!(
        deepest["groups"][0]["memberCounts"],
        json!({"users": 1, "groups": 1, "devices": 1, "others": 0}),
        "{deepest:#}"
    );

    assert_eq!(
        members(&world, &top, &[]).await,
        set(&[&north]),
        "as Entra gives them"
    );
    let everyone = set(&[&ids[1], &ids[2], &ids[3], &ids[4], &device.to_owned()]);
    assert_eq!(members(&world, &top, &["--transitive"]).await, everyone);
    // A page may end anywhere.
    let first = world
        .cli_json(&["group", "members", &top, "--transitive", "--limit", "3"])
        .await;
    assert_eq!(first["members"].as_array().unwrap().len(), 3);
    let direct = world.cli_json(&["group", "members", &north]).await;
    let named = direct["members"].as_array().unwrap();
    let of = |id: &str| named.iter().find(|member| member["objectId"] == id).unwrap();
    let account = world.account_by_object(&ids[2]).await;
    assert_eq!(
        of(&ids[2]),
        &json!({"objectId": ids[2], "kind": "MEMBER_KIND_USER", "direct": true, "name": account.name,
            "accountId": account.id})
    );
    assert_eq!(
        of(&deep),
        &json!({"objectId": deep, "kind": "MEMBER_KIND_GROUP", "direct": true, "name": "Deep north", "accountId": ""})
    );
    let table = world
        .cli_run(&["group", "members", &north, "--output", "table"])
        .await;
    assert!(table.stdout.contains("Deep north"), "{table:?}");
    let nowhere = world.cli_run(&["group", "members", device]).await;
    assert_eq!(nowhere.code, 1, "{nowhere:?}");
    assert!(nowhere.stderr.contains("rollcall group list"), "{nowhere:?}");
}

#[tokio::test]
async fn i7_a_delta_brings_what_has_changed_and_an_unchanged_full_run_writes_nothing() {
    let world = bare().await;
    let ids = hire_many(&world.tenant, 4);
    let sales = security_group(&world.tenant, "Sales");
    let legal = security_group(&world.tenant, "Legal");
    join(&world.tenant, &sales, &ids[..3]);
    join(&world.tenant, &legal, &ids[3..]);
    keep_inventory(&world, "").await;
    world.full().await;
    let rows = |table: &str, key: &str| {
        format!(
            "SELECT string_agg(t.xmin || t.ctid::text, ',' ORDER BY {key}) FROM {table} t
             JOIN connection ON connection.id = t.connection_id
             WHERE connection.organization_id = '{}'",
            world.organization
        )
    };
    let site = Site::shared().await;
    let written = async || {
        let groups = site.sql(&rows("directory_group", "t.object_id")).await;
        let edges = site.sql(&rows("group_edge", "t.group_id, t.member_id")).await;
        (groups, edges)
    };
    let before = written().await;
    world.full().await;
    assert_eq!(written().await, before, "an unchanged tenant writes nothing");

    join(&world.tenant, &legal, &ids[..1]);
    part(&world.tenant, &sales, &ids[1..2]);
    world
        .tenant
        .update_group(&sales, "displayName", json!("Sales force"))
        .unwrap();
    let late = security_group(&world.tenant, "Late");
    join(&world.tenant, &late, &ids[2..3]);
    let run = delta(&world).await;
    assert_eq!(run.progress.unwrap().groups_read, 3, "{run:#?}");
    assert_eq!(counts(&run).seen, 0, "nobody asks who is in them: {run:#?}");
    assert_eq!(members(&world, &sales, &[]).await, set(&[&ids[0], &ids[2]]));
    assert_eq!(members(&world, &legal, &[]).await, set(&[&ids[3], &ids[0]]));
    assert_eq!(members(&world, &late, &["--transitive"]).await, set(&[&ids[2]]));
    let found = world.cli_json(&["group", "list", "--search", "force"]).await;
    assert_eq!(found["groups"][0]["id"], json!(sales), "{found:#}");

    world.tenant.delete_group(&legal).unwrap();
    delta(&world).await;
    let names = async || {
        let listed = world.cli_json(&["group", "list"]).await;
        let groups = listed["groups"].as_array().unwrap().clone();
        groups.iter().map(|one| text(&one["name"])).collect::<Vec<_>>()
    };
    assert_eq!(names().await, ["Late", "Sales force"]);
    world.tenant.restore_group(&legal).unwrap();
    delta(&world).await;
    assert_eq!(names().await, ["Late", "Legal", "Sales force"]);
    assert_eq!(members(&world, &legal, &[]).await, set(&[&ids[3], &ids[0]]));
    world.tenant.delete_group(&legal).unwrap();
    world.tenant.purge_group(&legal).unwrap();
    delta(&world).await;
    assert_eq!(names().await, ["Late", "Sales force"]);
}

#[tokio::test]
async fn i7_a_large_group_comes_in_parts() {
    let world = bare().await;
    world.tenant.set(|settings| {
        settings.delta_member_page_size = 7;
        settings.delta_page_size = 2;
    });
    let ids = hire_many(&world.tenant, 40);
    let all = security_group(&world.tenant, "All");
    let few = security_group(&world.tenant, "Few");
    join(&world.tenant, &all, &ids);
    join(&world.tenant, &few, &ids[..3]);
    keep_inventory(&world, &only("memberOf", &all)).await;
    let run = world.full().await;
    assert_eq!(tally(&run), [(Outcome::Added, 40)], "{run:#?}");
    assert!(
        requests(&world.tenant, DELTA) > 5,
        "{:?}",
        world.tenant.requests()
    );
    assert_eq!(members(&world, &all, &[]).await, set(&ids));
    assert_eq!(members(&world, &few, &[]).await, set(&ids[..3]));
}

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
    let secret = format!(
        "clientSecret: {{ fromEnv: {} }}",
        harness::documents::SECRET_VARIABLE
    );
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
    assert_eq!(harness::register::field(&account, "department"), "Legal");

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
    assert_eq!(account.reporting_to, world.account("boss").await.id, "{account:#?}");

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
        world.tenant.set(|settings| settings.purged_members_untold = untold);
        world.tenant.soft_delete(user).unwrap();
        world.tenant.purge(user).unwrap();
        let run = delta(&world).await;
        assert_eq!(counts(&run).seen, 1, "{run:#?}");
    }
    assert_eq!(logins(&world).await, ["boss", "p04"]);
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

#[tokio::test]
async fn c11_only_what_needs_groups_needs_the_permission_for_them() {
    let world = World::start().await;
    hire(&world.tenant, "ann", json!({}));
    let staff = security_group(&world.tenant, "Staff");
    forbid_groups(&world.tenant);
    world.full().await;
    delta(&world).await;
    let test = world.test_connection().await;
    assert!(test.passed, "{test:#?}");
    assert_eq!(
        requests(&world.tenant, "/groups"),
        0,
        "{:?}",
        world.tenant.requests()
    );

    remap(&world, &only("memberOf", &staff)).await;
    let test = world.test_connection().await;
    assert!(!test.passed, "{test:#?}");
    let refused: Vec<_> = test.checks.iter().filter(|check| !check.passed).collect();
    assert!(
        refused.iter().all(|check| {
            check.cause == "missing_permission"
                && check.message.contains("GroupMember.Read.All")
                && check.name.contains("groups")
        }) && !refused.is_empty(),
        "{test:#?}"
    );
    for kind in [RunKind::Delta, RunKind::Full] {
        let run = world.run_to_end(kind).await;
        assert_eq!(run.state(), RunState::Failed, "{run:#?}");
        assert!(
            run.error.contains("GroupMember.Read.All") && run.error.contains("grant admin consent"),
            "{run:#?}"
        );
    }
    // Nobody fell out of scope by that.
    assert_eq!(status(&world, "ann").await, IN);
}

#[tokio::test]
async fn i7_a_connection_that_only_keeps_groups_is_refused_with_what_is_missing() {
    let world = bare().await;
    let documents = documents(&world.options, &world.url(), "", "");
    world
        .apply(&documents.replace("target: accounts", "target: groups"))
        .await;
    let refused = world.try_start(CONNECTION, RunKind::Full).await.unwrap_err();
    assert!(
        refused.message().contains("no mapping with target accounts"),
        "{refused:?}"
    );
    let file = world.file(
        "wrong.yaml",
        &documents.replace("target: accounts", "target: groups\nrole: admin"),
    );
    let answer = world.cli_run(&["apply", "-f", file.to_str().unwrap()]).await;
    assert_eq!(answer.code, 1, "{answer:?}");
    assert!(
        answer.stderr.contains("role: can't go with target: groups"),
        "{answer:?}"
    );
}
