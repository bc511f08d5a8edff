//! `/users/delta` (graph-facts §3).

use crate::support::{Visit, ids};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::Duration;

const SELECT: &str = "users/delta?$select=id,displayName,jobTitle,mobilePhone,userPrincipalName,manager";

/// A link from now on.
async fn latest(visit: &Visit) -> String {
    let reply = visit.get(&format!("{SELECT}&$deltatoken=latest")).await;
    assert!(reply.rows().is_empty());
    reply.delta().unwrap()
}

/// A user with a job title and a manager.
fn somebody(visit: &Visit) -> entra_sim::Snapshot {
    let fits = |user: &entra_sim::Snapshot| {
        user.attributes.contains_key("jobTitle") && user.attributes.contains_key("manager")
    };
    visit.tenant.users().into_iter().find(fits).unwrap()
}

#[tokio::test]
async fn the_first_round_is_everybody_by_pages_of_the_servers_choice() {
    let visit = Visit::to(450).await;
    let pages = visit.pages(&format!("{SELECT}&$top=5&$expand=manager")).await;
    let sizes: Vec<usize> = pages.iter().map(|page| page.rows().len()).collect();
    assert_eq!(sizes, [200, 200, 50]);
    assert!(pages[0].next().unwrap().contains("/v1.0/users/delta?$skiptoken="));
    assert!(
        pages[2]
            .delta()
            .unwrap()
            .contains("/v1.0/users/delta?$deltatoken=")
    );
    let rows: Vec<Value> = pages.iter().flat_map(crate::support::Reply::rows).collect();
    assert_eq!(ids(&rows).into_iter().collect::<HashSet<_>>().len(), 450);
    assert!(
        rows.iter()
            .all(|row| row.as_object().unwrap().values().all(|value| !value.is_null()))
    );
    assert!(
        rows.iter().any(|row| row.get("jobTitle").is_none()),
        "never set is not there"
    );
    assert!(
        rows.iter()
            .any(|row| row["manager@delta"][0]["@odata.type"] == "#microsoft.graph.user")
    );
    assert!(rows.iter().all(|row| row.get("manager").is_none()));
}

#[tokio::test]
async fn all_its_names_work() {
    let visit = Visit::to(10).await;
    for name in [
        "users/delta",
        "users/delta()",
        "users/microsoft.graph.delta",
        "users/microsoft.graph.delta()",
    ] {
        assert_eq!(visit.get(name).await.rows().len(), 10);
    }
}

#[tokio::test]
async fn without_changes_nothing_comes_but_a_new_link() {
    let visit = Visit::to(100).await;
    let (_, link) = visit.all(SELECT).await;
    let reply = visit.get(&link.unwrap()).await;
    assert!(reply.rows().is_empty() && reply.next().is_none());
    assert!(visit.get(&reply.delta().unwrap()).await.rows().is_empty());
}

#[tokio::test]
async fn only_selected_properties_are_tracked() {
    let visit = Visit::to(100).await;
    let link = latest(&visit).await;
    let user = somebody(&visit).id;
    visit
        .tenant
        .update(&user, "department", json!("Elsewhere"))
        .unwrap();
    assert!(visit.get(&link).await.rows().is_empty());
    let everything = visit.get("users/delta?$deltatoken=latest").await.delta().unwrap();
    visit.tenant.update(&user, "department", json!("Here")).unwrap();
    let rows = visit.get(&everything).await.rows();
    assert_eq!(ids(&rows), [user]);
    assert!(
        rows[0].get("department").is_none(),
        "the body holds the default set"
    );
}

#[tokio::test]
async fn a_changed_user_comes_with_all_that_was_ever_set_and_null_for_cleared() {
    let visit = Visit::to(100).await;
    let link = latest(&visit).await;
    let user = somebody(&visit);
    visit.tenant.update(&user.id, "jobTitle", Value::Null).unwrap();
    let rows = visit.get(&link).await.rows();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["displayName"], user.attributes["displayName"]);
    assert_eq!(rows[0].get("jobTitle"), Some(&Value::Null));
    assert!(
        rows[0].get("manager@delta").is_none(),
        "the manager did not change"
    );
    assert_eq!(rows[0].get("mobilePhone"), user.attributes.get("mobilePhone"));

    let minimal = visit.get_with(&link, &[("Prefer", "return=minimal")]).await;
    assert_eq!(minimal.rows(), [json!({"id": user.id, "jobTitle": null})]);
    assert_eq!(minimal.header("preference-applied"), "return=minimal");
    visit.tenant.set(|settings| settings.delta_changed_only = true);
    assert_eq!(
        visit.get(&link).await.rows(),
        [json!({"id": user.id, "jobTitle": null})]
    );
}

#[tokio::test]
async fn each_user_comes_once_however_often_it_changed() {
    let visit = Visit::to(500).await;
    let link = latest(&visit).await;
    let users = visit.tenant.users();
    for round in 0..3 {
        for user in &users[..250] {
            visit
                .tenant
                .update(&user.id, "jobTitle", json!(format!("Title {round}")))
                .unwrap();
        }
    }
    let (rows, _) = visit.all(&link).await;
    assert_eq!(rows.len(), 250);
    assert!(rows.iter().all(|row| row["jobTitle"] == "Title 2"));
}

#[tokio::test]
async fn the_manager_comes_when_it_changed_and_says_when_it_went() {
    let visit = Visit::to(100).await;
    let user = somebody(&visit);
    let old = user.attributes["manager"].as_str().unwrap();
    let other = visit
        .tenant
        .users()
        .into_iter()
        .find(|other| other.id != user.id && other.id != old)
        .unwrap()
        .id;
    let mut link = latest(&visit).await;
    visit.tenant.set_manager(&user.id, Some(&other)).unwrap();
    let reply = visit.get(&link).await;
    let kind = "#microsoft.graph.user";
    assert_eq!(
        reply.rows()[0]["manager@delta"],
        json!([{"@odata.type": kind, "id": other}])
    );
    link = reply.delta().unwrap();
    visit.tenant.set_manager(&user.id, None).unwrap();
    let removed = json!([{"@odata.type": kind, "id": other, "@removed": {"reason": "deleted"}}]);
    assert_eq!(visit.get(&link).await.rows()[0]["manager@delta"], removed);
    // Set and taken away again within one round: nothing to tell of it.
    link = latest(&visit).await;
    visit.tenant.set_manager(&user.id, Some(&other)).unwrap();
    visit.tenant.set_manager(&user.id, None).unwrap();
    assert!(visit.get(&link).await.rows()[0].get("manager@delta").is_none());
}

#[tokio::test]
async fn a_deleted_manager_is_told_of_the_reports() {
    let visit = Visit::to(100).await;
    let user = somebody(&visit);
    let boss = user.attributes["manager"].as_str().unwrap();
    let link = latest(&visit).await;
    visit.tenant.soft_delete(boss).unwrap();
    let reply = visit.get(&link).await;
    let rows = reply.rows();
    let report = rows.iter().find(|row| row["id"] == json!(user.id)).unwrap();
    assert_eq!(report["manager@delta"][0]["@removed"]["reason"], "deleted");
    visit.tenant.restore(boss).unwrap();
    let rows = visit.get(&reply.delta().unwrap()).await.rows();
    let report = rows.iter().find(|row| row["id"] == json!(user.id)).unwrap();
    assert_eq!(report["manager@delta"][0]["id"], json!(boss));
}

#[tokio::test]
async fn leaving_and_coming_back() {
    let visit = Visit::to(100).await;
    let user = somebody(&visit);
    let mut link = latest(&visit).await;
    let removed = |reason: &str| vec![json!({"id": user.id, "@removed": {"reason": reason}})];
    visit.tenant.soft_delete(&user.id).unwrap();
    let reply = visit.get(&link).await;
    assert_eq!(own(&reply.rows(), &user.id), removed("changed"));
    link = reply.delta().unwrap();
    visit.tenant.restore(&user.id).unwrap();
    let reply = visit.get(&link).await;
    let back = own(&reply.rows(), &user.id).remove(0);
    assert!(back.get("@removed").is_none() && back.get("manager@delta").is_some());
    assert_eq!(back["userPrincipalName"], user.attributes["userPrincipalName"]);
    link = reply.delta().unwrap();
    visit.tenant.soft_delete(&user.id).unwrap();
    link = visit.get(&link).await.delta().unwrap();
    visit.tenant.advance(Duration::from_secs(6 * 86_400));
    link = refreshed(&visit, &link).await;
    visit.tenant.purge(&user.id).unwrap();
    assert_eq!(own(&visit_get(&visit, &link).await, &user.id), removed("deleted"));
}

async fn refreshed(visit: &Visit, link: &str) -> String {
    visit_reply(visit, link).await.delta().unwrap()
}

async fn visit_get(visit: &Visit, link: &str) -> Vec<Value> {
    visit_reply(visit, link).await.rows()
}

/// Asks with a token of now: the clock was moved.
async fn visit_reply(visit: &Visit, link: &str) -> crate::support::Reply {
    let token = visit.fresh_token().await;
    visit
        .get_with(link, &[("Authorization", &format!("Bearer {token}"))])
        .await
}

fn own(rows: &[Value], id: &str) -> Vec<Value> {
    rows.iter()
        .filter(|row| row["id"] == json!(id))
        .cloned()
        .collect()
}

#[tokio::test]
async fn created_and_gone_between_two_rounds_is_an_unknown_removed_one() {
    let visit = Visit::to(100).await;
    let link = latest(&visit).await;
    let attributes = json!({"userPrincipalName": "short.lived@contoso.com", "displayName": "Short Lived"});
    let id = visit
        .tenant
        .create(attributes.as_object().unwrap().clone())
        .unwrap();
    visit.tenant.hard_delete(&id).unwrap();
    assert_eq!(
        visit.get(&link).await.rows(),
        [json!({"id": id, "@removed": {"reason": "deleted"}})]
    );
}

#[tokio::test]
async fn two_users_may_swap_names_within_a_round() {
    let visit = Visit::to(100).await;
    let users = visit.tenant.users();
    let link = latest(&visit).await;
    visit
        .tenant
        .swap_principal_names(&users[1].id, &users[2].id)
        .unwrap();
    let rows = visit.get(&link).await.rows();
    let name = |index: usize| users[index].attributes["userPrincipalName"].clone();
    assert_eq!(own(&rows, &users[1].id)[0]["userPrincipalName"], name(2));
    assert_eq!(own(&rows, &users[2].id)[0]["userPrincipalName"], name(1));
    assert_eq!(
        visit.tenant.user(name(1).as_str().unwrap()).unwrap().id,
        users[2].id
    );
}

#[tokio::test]
async fn a_delta_can_be_limited_to_fifty_ids() {
    let visit = Visit::to(100).await;
    let users = visit.tenant.users();
    let filter = |count: usize| {
        let clauses: Vec<_> = users[..count]
            .iter()
            .map(|user| format!("id eq '{}'", user.id))
            .collect();
        format!("users/delta?$select=id,jobTitle&$filter={}", clauses.join(" or "))
    };
    let (rows, link) = visit.all(&filter(50)).await;
    assert_eq!(rows.len(), 50);
    assert_eq!(
        visit.get(&filter(51)).await.error(),
        (400, "Request_UnsupportedQuery".into())
    );
    let other = visit.get("users/delta?$filter=accountEnabled eq true").await;
    assert_eq!(other.error(), (400, "Request_UnsupportedQuery".into()));
    for user in [&users[10], &users[60]] {
        visit.tenant.update(&user.id, "jobTitle", json!("New")).unwrap();
    }
    assert_eq!(visit.get(&link.unwrap()).await.ids(), [users[10].id.clone()]);
}

#[tokio::test]
async fn tokens_end_after_seven_days() {
    let visit = Visit::to(100).await;
    let link = latest(&visit).await;
    visit.tenant.advance(Duration::from_secs(7 * 86_400 - 60));
    assert_eq!(visit_reply(&visit, &link).await.status, 200);
    visit.tenant.advance(Duration::from_secs(120));
    let expired = visit_reply(&visit, &link).await;
    assert_eq!(expired.error(), (400, "syncStateNotFound".into()));
    visit.tenant.set(|settings| settings.expired_delta_gone = true);
    let gone = visit_reply(&visit, &link).await;
    assert_eq!(gone.status, 410);
    let location = gone.header("location").to_owned();
    assert!(
        location.ends_with("$deltatoken=") && location.contains("$select="),
        "{location}"
    );
    let again = visit_reply(&visit, &location).await;
    assert_eq!(again.rows().len(), 100);
    assert_eq!(visit.get("users/delta?$deltatoken=nonsense").await.status, 401);
    assert_eq!(
        visit_reply(&visit, "users/delta?$deltatoken=nonsense")
            .await
            .error()
            .0,
        400
    );
}

#[tokio::test]
async fn a_token_of_another_run_is_good_only_while_nothing_changed() {
    let first = Visit::to(100).await;
    let token = |link: &str| link.split_once("deltatoken=").unwrap().1.to_owned();
    let unchanged = token(&latest(&first).await);
    first.tenant.disable(&first.tenant.users()[0].id).unwrap();
    let changed = token(&latest(&first).await);
    let second = Visit::to(100).await;
    second
        .tenant
        .update(&second.tenant.users()[5].id, "jobTitle", json!("New"))
        .unwrap();
    let reply = second.get(&format!("users/delta?$deltatoken={unchanged}")).await;
    assert_eq!(reply.rows().len(), 1);
    let reply = second.get(&format!("users/delta?$deltatoken={changed}")).await;
    assert_eq!(reply.error(), (400, "syncStateNotFound".into()));
}

#[tokio::test]
async fn changes_may_take_a_while_to_show() {
    let visit = Visit::to(100).await;
    visit
        .tenant
        .set(|settings| settings.visibility_delay_seconds = 600);
    let link = latest(&visit).await;
    let user = somebody(&visit).id;
    visit.tenant.update(&user, "jobTitle", json!("Late")).unwrap();
    let attributes = json!({"userPrincipalName": "late.comer@contoso.com", "displayName": "Late Comer"});
    let new = visit
        .tenant
        .create(attributes.as_object().unwrap().clone())
        .unwrap();
    let reply = visit.get(&link).await;
    assert!(reply.rows().is_empty());
    assert!(!visit.get("users?$top=999").await.ids().contains(&new));
    visit.tenant.advance(Duration::from_secs(601));
    assert_eq!(
        visit.get(&reply.delta().unwrap()).await.ids(),
        [user, new.clone()]
    );
    assert!(visit.get("users?$top=999").await.ids().contains(&new));
}

#[tokio::test]
async fn a_change_in_the_middle_of_a_round_comes_with_the_next() {
    let visit = Visit::to(450).await;
    let first = visit.get(SELECT).await;
    let user = first.ids()[0].clone();
    visit
        .tenant
        .update(&user, "jobTitle", json!("Meanwhile"))
        .unwrap();
    let (_, link) = visit.all(&first.next().unwrap()).await;
    let rows = visit.get(&link.unwrap()).await.rows();
    assert_eq!(
        (ids(&rows), rows[0]["jobTitle"].as_str()),
        (vec![user], Some("Meanwhile"))
    );
}

#[tokio::test]
async fn the_first_round_can_tell_of_deleted_users() {
    let visit = Visit::to(1_000).await;
    visit.tenant.set(|settings| settings.initial_delta_removed = true);
    let (rows, _) = visit.all(SELECT).await;
    let removed = rows
        .iter()
        .filter(|row| row["@removed"]["reason"] == "changed")
        .count();
    assert_eq!((rows.len(), removed), (1_005, 5));
}
