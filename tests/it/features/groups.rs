//! Groups: as an inventory (I7), nested ones flattened for criteria (B10), and only where they are needed (C11).

mod criteria;

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
