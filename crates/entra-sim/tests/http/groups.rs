//! Groups: lists, members, deltas (graph-facts §4).

use crate::support::{Reply, Visit, ids};
use entra_sim::{AppChange, Effect, Fault, GroupKind, MemberKind, Options};
use serde_json::{Map, Value, json};
use std::time::Duration;

const DEVICE: &str = "00000000-0000-4000-8000-00000000000d";
const APP: &str = "00000000-0000-4000-8000-00000000000a";

fn named(name: &str, with: Value) -> Map<String, Value> {
    let mut attributes = Map::from_iter([("displayName".to_owned(), json!(name))]);
    if let Value::Object(with) = with {
        attributes.extend(with);
    }
    attributes
}

impl Visit {
    fn group(&self, kind: GroupKind, name: &str) -> String {
        self.tenant.create_group(kind, named(name, json!({}))).unwrap()
    }

    /// Adds users to a group, and returns their ids, sorted.
    fn join(&self, group: &str, users: std::ops::Range<usize>) -> Vec<String> {
        let all = self.tenant.users();
        let mut ids: Vec<String> = all[users].iter().map(|user| user.id.clone()).collect();
        ids.sort();
        self.tenant
            .add_members(group, MemberKind::User, ids.clone())
            .unwrap();
        ids
    }

    /// The rows of a whole round, and where the next begins.
    async fn round(&self, first: &str) -> (Vec<Value>, String) {
        let (rows, delta) = self.all(first).await;
        (rows, delta.unwrap())
    }
}

/// Who came and who went by the rows of a group, in the order told.
fn moves(rows: &[Value], group: &str) -> (Vec<String>, Vec<String>) {
    let (mut came, mut went) = (Vec::new(), Vec::new());
    for row in rows.iter().filter(|row| row["id"] == *group) {
        for member in row["members@delta"].as_array().into_iter().flatten() {
            let id = member["id"].as_str().unwrap().to_owned();
            if member.get("@removed").is_some() {
                assert_eq!(member["@removed"], json!({"reason": "deleted"}));
                went.push(id);
            } else {
                came.push(id);
            }
        }
    }
    (came, went)
}

const ROUND: &str =
    "groups/delta?$select=displayName,description,groupTypes,securityEnabled,mailEnabled,members";

#[tokio::test]
async fn groups_are_listed_as_graph_lists_them() {
    let visit = Visit::to(10).await;
    let sales = visit
        .tenant
        .create_group(
            GroupKind::Microsoft365,
            named(
                "Sales",
                json!({"mail": "sales@contoso.com", "description": "Sellers"}),
            ),
        )
        .unwrap();
    let rule = json!({"membershipRule": "user.department -eq \"Legal\""});
    let legal = visit
        .tenant
        .create_group(GroupKind::Security, named("Legal", rule))
        .unwrap();
    let list = visit.group(GroupKind::Distribution, "List");
    let mail = visit.group(GroupKind::MailEnabledSecurity, "Mail");

    let first = visit.get("groups?$top=3&$select=id,displayName,mail").await;
    assert_eq!(
        first.rows()[0],
        json!({"id": sales, "displayName": "Sales", "mail": "sales@contoso.com"})
    );
    assert_eq!(first.rows()[1]["mail"], Value::Null);
    let second = visit.get(&first.next().unwrap()).await;
    assert_eq!((second.ids(), second.next()), (vec![mail.clone()], None));

    let whole = visit.get("groups").await.rows();
    let kinds: Vec<_> = whole
        .iter()
        .map(|row| (&row["groupTypes"], &row["securityEnabled"], &row["mailEnabled"]))
        .collect();
    assert_eq!(
        kinds,
        [
            (&json!(["Unified"]), &json!(false), &json!(true)),
            (&json!(["DynamicMembership"]), &json!(true), &json!(false)),
            (&json!([]), &json!(false), &json!(true)),
            (&json!([]), &json!(true), &json!(true)),
        ]
    );
    assert_eq!(whole[1]["membershipRuleProcessingState"], "On");
    assert_eq!(
        visit.get(&format!("groups/{legal}")).await.json()["displayName"],
        "Legal"
    );
    assert_eq!(visit.get(&format!("groups/{list}x")).await.status, 404);
    assert_eq!(visit.get("groups?$top=1000").await.status, 400);
    assert_eq!(visit.get("groups?$select=nonsense").await.status, 400);

    let eventual = [("ConsistencyLevel", "eventual")];
    let counted = visit.get_with("groups?$count=true&$top=1", &eventual).await;
    assert_eq!(counted.json()["@odata.count"], 4);
    assert!(
        visit
            .get("groups?$count=true")
            .await
            .json()
            .get("@odata.count")
            .is_none()
    );
    assert_eq!(visit.get_with("groups/$count", &eventual).await.bytes, b"4");
}

#[tokio::test]
async fn members_are_direct_or_of_all_levels_and_cycles_end() {
    let visit = Visit::to(20).await;
    let tenant = &visit.tenant;
    let (outer, inner) = (
        visit.group(GroupKind::Security, "Outer"),
        visit.group(GroupKind::Security, "Inner"),
    );
    let deep = visit.join(&inner, 0..3);
    let shallow = visit.join(&outer, 3..4);
    for (group, member) in [(&outer, &inner), (&inner, &outer)] {
        tenant
            .add_members(group, MemberKind::Group, vec![member.clone()])
            .unwrap();
    }
    tenant
        .add_members(&outer, MemberKind::Device, vec![DEVICE.into()])
        .unwrap();
    tenant
        .add_members(&outer, MemberKind::ServicePrincipal, vec![APP.into()])
        .unwrap();

    let direct = visit.get(&format!("groups/{outer}/members")).await.rows();
    let mut expected = [shallow[0].as_str(), &inner, DEVICE];
    expected.sort_unstable();
    assert_eq!(ids(&direct), expected, "service principals are missing in v1.0");
    let types: Vec<_> = direct
        .iter()
        .map(|row| row["@odata.type"].as_str().unwrap())
        .collect();
    assert!(types.contains(&"#microsoft.graph.group") && types.contains(&"#microsoft.graph.device"));

    let path = format!("groups/{outer}/transitiveMembers?$top=2&$select=id");
    let (all, _) = visit.all(&path).await;
    let mut expected: Vec<&str> = deep.iter().map(String::as_str).collect();
    expected.extend([shallow[0].as_str(), &inner, &outer, DEVICE]);
    expected.sort_unstable();
    assert_eq!(ids(&all), expected);

    let users = format!("groups/{outer}/transitiveMembers/microsoft.graph.user?$count=true");
    assert_eq!(visit.get(&users).await.error().1, "Request_UnsupportedQuery");
    let counted = visit.get_with(&users, &[("ConsistencyLevel", "eventual")]).await;
    assert_eq!(
        (counted.ids().len(), &counted.json()["@odata.count"]),
        (4, &json!(4))
    );

    let of = |relation: &str| visit.pages_of(format!("users/{}/{relation}", deep[0]));
    assert_eq!(of("memberOf").await, std::slice::from_ref(&inner));
    let mut both = vec![outer.clone(), inner.clone()];
    both.sort();
    assert_eq!(of("transitiveMemberOf").await, both);

    tenant.soft_delete(&shallow[0]).unwrap();
    let left = visit.get(&format!("groups/{outer}/members")).await.ids();
    assert!(!left.contains(&shallow[0]), "a deleted member is not shown");
    let holds = tenant.group(&outer).unwrap().members.contains_key(&shallow[0]);
    assert!(holds, "but is one still");
}

impl Visit {
    async fn pages_of(&self, path: String) -> Vec<String> {
        let (rows, _) = self.all(&path).await;
        ids(&rows)
    }
}

#[tokio::test]
async fn a_large_group_is_told_in_rows_on_several_pages_with_others_between() {
    let visit = Visit::to(30).await;
    let (a, large, b, empty) = (
        visit.group(GroupKind::Security, "A"),
        visit.group(GroupKind::Security, "Large"),
        visit.group(GroupKind::Microsoft365, "B"),
        visit.group(GroupKind::Security, "Empty"),
    );
    visit.join(&a, 0..2);
    let many = visit.join(&large, 0..25);
    visit.join(&b, 5..7);
    visit.tenant.set(|settings| {
        settings.delta_member_page_size = 10;
        settings.delta_page_size = 2;
    });
    let pages = visit.pages(ROUND).await;
    let told: Vec<Vec<String>> = pages.iter().map(Reply::ids).collect();
    assert_eq!(
        told,
        [
            vec![a.clone(), large.clone()],
            vec![large.clone()],
            vec![large.clone(), b.clone()],
            vec![empty.clone()],
        ]
    );
    let rows: Vec<Value> = pages.iter().flat_map(Reply::rows).collect();
    assert_eq!(moves(&rows, &large).0, many);
    assert_eq!(rows[1]["members@delta"].as_array().unwrap().len(), 10);
    assert_eq!(
        rows[0]["members@delta"][0]["@odata.type"],
        "#microsoft.graph.user"
    );
    let last = rows.last().unwrap();
    assert!(last.get("members@delta").is_none(), "{last}");
    assert!(last.get("description").is_none(), "never set: {last}");
    assert_eq!(
        (&last["displayName"], &last["groupTypes"]),
        (&json!("Empty"), &json!([]))
    );
    for page in &pages[..3] {
        assert!(page.delta().is_none() && page.next().is_some());
    }
    assert!(pages[3].delta().is_some());
}

#[tokio::test]
async fn who_comes_and_goes_meanwhile_costs_nobody_else() {
    let visit = Visit::to(40).await;
    let large = visit.group(GroupKind::Security, "Large");
    let many = visit.join(&large, 0..30);
    visit.tenant.set(|settings| settings.delta_member_page_size = 10);
    let first = visit.get(ROUND).await;
    // Those told first go: whoever counted places would now leave others out.
    visit.tenant.remove_members(&large, many[..5].to_vec()).unwrap();
    let (rest, delta) = visit.round(&first.next().unwrap()).await;
    let rows: Vec<Value> = first.rows().into_iter().chain(rest).collect();
    assert_eq!(moves(&rows, &large).0, many);
    let (rows, _) = visit.round(&delta).await;
    assert_eq!(moves(&rows, &large), (vec![], many[..5].to_vec()));
}

#[tokio::test]
async fn later_rounds_tell_what_changed() {
    let visit = Visit::to(30).await;
    let tenant = &visit.tenant;
    let (sales, other) = (
        visit.group(GroupKind::Security, "Sales"),
        visit.group(GroupKind::Security, "Other"),
    );
    let first = visit.join(&sales, 0..4);
    let (_, delta) = visit.round(ROUND).await;
    let (rows, delta) = visit.round(&delta).await;
    assert_eq!(rows, [] as [Value; 0]);

    tenant.update_group(&other, "description", json!("d")).unwrap();
    let more = visit.join(&sales, 10..12);
    tenant.remove_members(&sales, vec![first[0].clone()]).unwrap();
    // Came and went: nothing to tell.
    let passing = visit.join(&sales, 20..21);
    tenant.remove_members(&sales, passing).unwrap();
    let (rows, delta) = visit.round(&delta).await;
    assert_eq!(ids(&rows), [other.clone(), sales.clone()]);
    assert_eq!(rows[0]["description"], "d");
    assert!(rows[0].get("members@delta").is_none(), "{}", rows[0]);
    assert_eq!(moves(&rows, &sales), (more.clone(), vec![first[0].clone()]));
    assert_eq!(
        rows[1]["displayName"], "Sales",
        "the whole selected set comes along"
    );

    tenant.update_group(&other, "description", Value::Null).unwrap();
    let minimal = visit.get_with(&delta, &[("Prefer", "return=minimal")]).await;
    assert_eq!(minimal.rows(), [json!({"id": other, "description": null})]);

    // What isn't selected isn't told.
    let (_, names) = visit.round("groups/delta?$select=displayName").await;
    visit.join(&other, 0..1);
    tenant
        .update_group(&other, "mail", json!("o@contoso.com"))
        .unwrap();
    assert_eq!(visit.round(&names).await.0, [] as [Value; 0]);
    let latest = visit.get("groups/delta?$deltatoken=latest&$select=members").await;
    assert_eq!(latest.rows(), [] as [Value; 0]);
    let created = visit.group(GroupKind::Security, "New");
    visit.join(&created, 0..2);
    let (rows, _) = visit.round(&latest.delta().unwrap()).await;
    assert_eq!((rows.len(), moves(&rows, &created).0.len()), (1, 2));
}

#[tokio::test]
async fn deleted_groups_come_back_or_not() {
    let visit = Visit::to(10).await;
    let tenant = &visit.tenant;
    let kinds = [
        GroupKind::Security,
        GroupKind::Microsoft365,
        GroupKind::Distribution,
        GroupKind::MailEnabledSecurity,
    ];
    let groups = kinds.map(|kind| visit.group(kind, "x"));
    let holder = visit.group(GroupKind::Security, "Holder");
    let members = visit.join(&groups[0], 0..2);
    for group in &groups {
        tenant
            .add_members(&holder, MemberKind::Group, vec![group.clone()])
            .unwrap();
    }
    let (_, delta) = visit.round(ROUND).await;
    for group in &groups {
        tenant.delete_group(group).unwrap();
    }
    let (rows, delta) = visit.round(&delta).await;
    let reasons: Vec<_> = groups
        .iter()
        .map(|group| {
            let row = rows.iter().find(|row| row["id"] == **group).unwrap();
            row["@removed"]["reason"].as_str().unwrap()
        })
        .collect();
    assert_eq!(reasons, ["changed", "changed", "deleted", "deleted"]);
    let mut gone = groups[2..].to_vec();
    gone.sort();
    assert_eq!(
        moves(&rows, &holder),
        (vec![], gone),
        "those that may come back stay in"
    );
    let deleted = visit.get("directory/deletedItems/microsoft.graph.group").await;
    assert_eq!(deleted.error().0, 403, "GroupMember.Read.All is not enough");
    assert_eq!(visit.get(&format!("groups/{}", groups[0])).await.status, 404);

    tenant.restore_group(&groups[0]).unwrap();
    tenant.purge_group(&groups[1]).unwrap();
    let (rows, _) = visit.round(&delta).await;
    assert_eq!(moves(&rows, &groups[0]).0, members, "whole again");
    let row = rows.iter().find(|row| row["id"] == *groups[1]).unwrap();
    assert_eq!(row["@removed"]["reason"], "deleted");
    assert_eq!(moves(&rows, &holder).1, [groups[1].clone()]);
    let (initial, _) = visit.round(ROUND).await;
    assert_eq!(ids(&initial), [groups[0].clone(), holder.clone()]);
}

#[tokio::test]
async fn a_soft_deleted_user_stays_a_member_until_purged() {
    let visit = Visit::to(10).await;
    let tenant = &visit.tenant;
    let group = visit.group(GroupKind::Security, "G");
    let users = visit.join(&group, 0..3);
    let (_, delta) = visit.round(ROUND).await;
    tenant.soft_delete(&users[0]).unwrap();
    tenant.soft_delete(&users[1]).unwrap();
    let (rows, delta) = visit.round(&delta).await;
    assert_eq!(rows, [] as [Value; 0]);
    tenant.purge(&users[0]).unwrap();
    let (rows, delta) = visit.round(&delta).await;
    assert_eq!(moves(&rows, &group), (vec![], vec![users[0].clone()]));
    tenant.set(|settings| settings.purged_members_untold = true);
    tenant.purge(&users[1]).unwrap();
    let (rows, _) = visit.round(&delta).await;
    assert_eq!(rows, [] as [Value; 0], "some tenants are never told");
    assert_eq!(tenant.group(&group).unwrap().members.len(), 1);
}

#[tokio::test]
async fn rounds_end_by_age_by_reset_and_by_faults() {
    let visit = Visit::to(10).await;
    for number in 0..3 {
        visit.group(GroupKind::Security, &format!("G{number}"));
    }
    visit.tenant.set(|settings| settings.delta_page_size = 1);
    let path = "/v1.0/groups/delta";
    let (_, delta) = visit.round(ROUND).await;
    let users = visit.get("users/delta").await.next().unwrap();
    let foreign = users.replace("/users/", "/groups/");
    assert_eq!(visit.get(&foreign).await.status, 400, "a token of users");

    visit.tenant.fault(Fault::on(path, Effect::Loop).times(1));
    let looped = visit.get(ROUND).await;
    assert!(looped.next().unwrap().contains("$select="), "its own link again");
    visit.tenant.fault(Fault::on(path, Effect::EmptyPage).times(1));
    let empty = visit.get(ROUND).await;
    assert_eq!(empty.rows(), [] as [Value; 0]);
    assert_eq!(visit.round(&empty.next().unwrap()).await.0.len(), 3);
    visit
        .tenant
        .fault(Fault::on(path, Effect::Resync { gone: true }).times(1));
    let gone = visit.get(&delta).await;
    assert_eq!(gone.status, 410);
    let again = gone.header("location").to_owned();
    assert!(
        again.ends_with("$deltatoken=") && again.contains("$select="),
        "{again}"
    );
    assert_eq!(visit.round(&again).await.0.len(), 3);

    visit.tenant.advance(Duration::from_secs(8 * 86_400));
    let visit = Visit {
        token: visit.fresh_token().await,
        ..visit
    };
    assert_eq!(visit.get(&delta).await.error(), (400, "syncStateNotFound".into()));
    visit.tenant.set(|settings| settings.expired_delta_gone = true);
    assert_eq!(visit.get(&delta).await.status, 410);
    for name in ["delta()", "microsoft.graph.delta", "microsoft.graph.delta()"] {
        assert_eq!(
            visit.get(&format!("groups/{name}")).await.rows().len(),
            1,
            "{name}"
        );
    }
}

#[tokio::test]
async fn groups_take_a_permission_and_cost_units() {
    let mut visit = Visit::to(10).await;
    let group = visit.group(GroupKind::Security, "G");
    let users = visit.join(&group, 0..1);
    assert_eq!(visit.get(ROUND).await.header("x-ms-resource-unit"), "5");
    let members = format!("groups/{group}/members");
    assert_eq!(visit.get(&members).await.header("x-ms-resource-unit"), "3");
    let roles = |roles: &[&str]| AppChange {
        roles: Some(roles.iter().map(|role| (*role).to_owned()).collect()),
        ..AppChange::default()
    };
    visit.tenant.change_app(roles(&["User.Read.All"]));
    visit.token = visit.fresh_token().await;
    for path in ["groups", ROUND, &members, "groups?$top=1&$select=id"] {
        let denied = visit.get(path).await.error();
        assert_eq!(denied, (403, "Authorization_RequestDenied".into()), "{path}");
    }
    visit.tenant.change_app(roles(&["Group.Read.All"]));
    visit.token = visit.fresh_token().await;
    assert_eq!(visit.get(ROUND).await.status, 200);
    // What it may not read comes with type and id only.
    assert_eq!(
        visit.get(&members).await.rows(),
        [json!({"@odata.type": "#microsoft.graph.user", "id": users[0]})]
    );
    visit
        .tenant
        .update_group(&group, "visibility", json!("HiddenMembership"))
        .unwrap();
    assert_eq!(visit.get(&members).await.rows(), [] as [Value; 0]);
    visit
        .tenant
        .change_app(roles(&["Group.Read.All", "Member.Read.Hidden"]));
    visit.token = visit.fresh_token().await;
    assert_eq!(visit.get(&members).await.rows().len(), 1);
    visit.tenant.delete_group(&group).unwrap();
    let deleted = visit.get("directory/deletedItems/microsoft.graph.group").await;
    assert_eq!(deleted.ids(), [group]);
}

#[tokio::test]
async fn generated_groups_are_the_same_for_the_same_seed() {
    let options = || {
        let mut options = Options::generate(42, 400);
        options.tenants[0].groups = 60;
        options
    };
    let visit = Visit::of(options()).await;
    let groups = visit.tenant.groups();
    assert_eq!(groups.len(), 60);
    let by_name = |name: &str| {
        let found = groups
            .iter()
            .find(|group| group.attributes["displayName"] == name);
        found.unwrap_or_else(|| panic!("no group {name}"))
    };
    assert_eq!(by_name("Everyone").members.len(), 400);
    let sales = by_name("Sales (department)");
    let sellers = visit
        .tenant
        .users()
        .into_iter()
        .filter(|user| user.attributes.get("department") == Some(&json!("Sales")));
    let sellers: Vec<String> = sellers.map(|user| user.id).collect();
    assert!(!sellers.is_empty());
    assert_eq!(sales.members.len(), sellers.len());
    assert!(sellers.iter().all(|id| sales.members.contains_key(id)));
    let division = by_name("All of division 1");
    assert_eq!(division.members.get(&sales.id), Some(&MemberKind::Group));
    let (one, other) = (by_name("Project Möbius"), by_name("Project Klein"));
    assert!(one.members.contains_key(&other.id) && other.members.contains_key(&one.id));

    let (rows, delta) = visit.round(ROUND).await;
    assert_eq!(moves(&rows, &by_name("Everyone").id).0.len(), 400);
    let again = Visit::of(options()).await;
    assert_eq!(again.tenant.groups().len(), 60);
    let same = again
        .tenant
        .groups()
        .iter()
        .zip(&groups)
        .all(|(one, other)| one.id == other.id && one.members == other.members);
    assert!(same);
    // As long as nothing was changed, a token of the one run serves the other.
    let moved = delta.replace(&visit.simulator.url(), &again.simulator.url());
    assert_eq!(again.get(&moved).await.status, 200);
    again.group(GroupKind::Security, "New");
    let (rows, delta) = again.round(&moved).await;
    assert_eq!(rows.len(), 1);
    let back = delta.replace(&again.simulator.url(), &visit.simulator.url());
    assert_eq!(visit.get(&back).await.error().1, "syncStateNotFound");
}
