//! `/users` (graph-facts §2).

use crate::support::{Reply, Visit, ids};
use serde_json::json;
use std::collections::HashSet;

const EVENTUAL: &[(&str, &str)] = &[("ConsistencyLevel", "eventual")];

#[tokio::test]
async fn a_list_gives_everybody_once_in_pages() {
    let visit = Visit::to(2_500).await;
    let pages = visit.pages("users?$select=id&$top=999").await;
    let sizes: Vec<usize> = pages.iter().map(|page| page.rows().len()).collect();
    assert_eq!(sizes, [999, 999, 502]);
    let all: HashSet<String> = pages.iter().flat_map(Reply::ids).collect();
    assert_eq!(all.len(), 2_500);
    let link = pages[0].next().unwrap();
    assert!(link.starts_with(&format!(
        "{}/v1.0/users?$select=id&$top=999&$skiptoken=",
        visit.simulator.url()
    )));
    assert_eq!(visit.get("users").await.rows().len(), 100);
}

#[tokio::test]
async fn every_answer_has_its_headers() {
    let visit = Visit::to(10).await;
    let reply = visit
        .get_with("users", &[("client-request-id", "my-own-id")])
        .await;
    assert_eq!(reply.header("client-request-id"), "my-own-id");
    assert_eq!(reply.header("request-id").len(), 36);
    assert_eq!(reply.header("odata-version"), "4.0");
    assert!(reply.header("date").ends_with(" GMT"));
    assert!(
        reply
            .header("content-type")
            .starts_with("application/json;odata.metadata=minimal")
    );
    let reply = visit.get("users").await;
    assert_eq!(reply.header("client-request-id"), reply.header("request-id"));
}

#[tokio::test]
async fn eleven_properties_by_default_and_nulls_said() {
    let visit = Visit::to(300).await;
    let rows = visit.all("users").await.0;
    let default = [
        "businessPhones",
        "displayName",
        "givenName",
        "id",
        "jobTitle",
        "mail",
        "mobilePhone",
        "officeLocation",
        "preferredLanguage",
        "surname",
        "userPrincipalName",
    ];
    for row in &rows {
        let mut keys: Vec<&str> = row.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, default);
        assert!(row["businessPhones"].is_array());
    }
    assert!(rows.iter().any(|row| row["mail"].is_null()) && rows.iter().any(|row| row["mail"].is_string()));
}

#[tokio::test]
async fn select_gives_what_is_asked_and_no_more() {
    let visit = Visit::to(200).await;
    let reply = visit
        .get("users?$select=DisplayName,employeeOrgData,accountEnabled,otherMails&$top=200")
        .await;
    let context = reply.json()["@odata.context"].as_str().unwrap().to_owned();
    assert!(
        context.ends_with("/v1.0/$metadata#users(displayName,employeeOrgData,accountEnabled,otherMails)"),
        "{context}"
    );
    let rows = reply.rows();
    assert!(
        rows.iter()
            .all(|row| row.as_object().unwrap().len() == 4 && row.get("id").is_none())
    );
    let division = |row: &serde_json::Value| row["employeeOrgData"]["costCenter"].is_string();
    assert!(rows.iter().any(division) && rows.iter().any(|row| row["employeeOrgData"].is_null()));
    let nested = visit.get("users?$select=employeeOrgData/costCenter").await.rows();
    assert!(nested.iter().any(division));
}

#[tokio::test]
async fn bad_queries_are_refused_as_graph_does() {
    let visit = Visit::to(200).await;
    let cases = [
        ("users?$top=1000", 400, "Request_BadRequest"),
        ("users?$top=0", 400, "Request_BadRequest"),
        ("users?$skip=10", 400, "Request_BadRequest"),
        ("users?$select=id,skills", 501, "NotImplemented"),
        (
            "users?$select=id,signInActivity",
            403,
            "Authentication_RequestFromNonPremiumTenantOrB2CTenant",
        ),
        ("users?$select=nonsense", 400, "Request_BadRequest"),
        ("users?$expand=photo", 400, "ExpandNotSupported"),
        ("users?$search=\"displayName:x\"", 400, "Request_UnsupportedQuery"),
        (
            "users?$filter=startswith(displayName,'a')",
            400,
            "Request_UnsupportedQuery",
        ),
        ("users?$filter=id eq 'x'", 400, "Request_BadRequest"),
        ("users?$skiptoken=nonsense", 400, "Request_BadRequest"),
        ("users/$count", 400, "Request_BadRequest"),
        ("nonsense", 400, "BadRequest"),
    ];
    for (link, status, code) in cases {
        let reply = visit.get(link).await;
        assert_eq!(reply.error(), (status, code.to_owned()), "{link}");
        assert_eq!(
            reply.json()["error"]["innerError"]["request-id"],
            reply.header("request-id"),
            "{link}"
        );
    }
    let message = &visit.get("users?$top=1000").await.json()["error"]["message"];
    assert_eq!(
        message,
        "Invalid page size specified: '1000'. Must be between 1 and 999 inclusive."
    );
}

#[tokio::test]
async fn counting_needs_the_header_on_every_page() {
    let visit = Visit::to(250).await;
    assert!(
        visit
            .get("users?$count=true")
            .await
            .json()
            .get("@odata.count")
            .is_none()
    );
    let first = visit.get_with("users?$count=true", EVENTUAL).await;
    assert_eq!(first.json()["@odata.count"], 250);
    let next = first.next().unwrap();
    let second = visit.get_with(&next, EVENTUAL).await;
    assert_eq!(second.rows().len(), 100);
    assert!(second.json().get("@odata.count").is_none());
    assert_eq!(
        visit.get(&next).await.error(),
        (400, "Directory_ExpiredPageToken".into())
    );
    let expanded = visit
        .get_with("users?$count=true&$expand=manager", EVENTUAL)
        .await;
    assert_eq!(expanded.error(), (400, "Request_UnsupportedQuery".into()));

    let count = visit.get_with("users/$count", EVENTUAL).await;
    assert_eq!(
        (count.bytes.as_slice(), count.header("content-type")),
        (b"250".as_slice(), "text/plain")
    );
    let disabled = visit
        .get_with("users/$count?$filter=accountEnabled eq false", EVENTUAL)
        .await;
    let enabled = visit
        .get_with("users/$count?$filter=accountEnabled eq true", EVENTUAL)
        .await;
    let number = |bytes: &[u8]| std::str::from_utf8(bytes).unwrap().parse::<u32>().unwrap();
    assert!(number(&disabled.bytes) > 0);
    assert_eq!(number(&disabled.bytes) + number(&enabled.bytes), 250);
}

#[tokio::test]
async fn managers_are_expanded_or_missing() {
    let visit = Visit::to(300).await;
    let rows = visit
        .all("users?$select=id,displayName&$expand=manager($select=id)&$top=100")
        .await
        .0;
    let known: HashSet<String> = ids(&rows).into_iter().collect();
    let managed: Vec<_> = rows.iter().filter(|row| row.get("manager").is_some()).collect();
    assert!(managed.len() > 200 && managed.len() < 300);
    for row in managed {
        assert_eq!(row["manager"]["@odata.type"], "#microsoft.graph.user");
        assert_eq!(row["manager"].as_object().unwrap().len(), 2);
        assert!(known.contains(row["manager"]["id"].as_str().unwrap()));
    }
    let named = visit
        .get("users?$expand=manager($select=displayName)")
        .await
        .rows();
    assert!(named.iter().any(|row| row["manager"]["displayName"].is_string()));
}

#[tokio::test]
async fn a_few_filters_work() {
    let visit = Visit::to(300).await;
    let users = visit.tenant.users();
    let (a, b) = (&users[7], &users[250]);
    let one = visit.get(&format!("users?$filter=id eq '{}'", a.id)).await.ids();
    assert_eq!(one, std::slice::from_ref(&a.id));
    let missing = "00000000-0000-4000-8000-000000000000";
    let two = visit
        .get(&format!(
            "users?$filter=id in ('{}','{}','{missing}')",
            b.id, a.id
        ))
        .await
        .ids();
    assert_eq!(two, [a.id.clone(), b.id.clone()]);
    let many = vec![format!("id eq '{missing}'"); 16].join(" or ");
    assert_eq!(
        visit.get(&format!("users?$filter={many}")).await.error(),
        (400, "Request_UnsupportedQuery".into())
    );

    let quoted = users.iter().find(|user| name(user).contains('\'')).unwrap();
    let filter = format!(
        "userPrincipalName eq '{}'",
        name(quoted).to_uppercase().replace('\'', "''")
    );
    assert_eq!(
        visit
            .get(&format!("users?$filter={}", filter.replace('#', "%23")))
            .await
            .ids(),
        std::slice::from_ref(&quoted.id)
    );

    let disabled = visit
        .all("users?$filter=accountEnabled eq false&$select=id,accountEnabled&$top=2")
        .await
        .0;
    let expected = users
        .iter()
        .filter(|user| user.attributes["accountEnabled"] == json!(false))
        .count();
    assert_eq!(disabled.len(), expected);
    assert!(disabled.iter().all(|row| row["accountEnabled"] == false));
}

fn name(user: &entra_sim::Snapshot) -> &str {
    user.attributes["userPrincipalName"].as_str().unwrap()
}

#[tokio::test]
async fn a_changed_user_shows_on_a_page_that_was_kept() {
    let visit = Visit::to(300).await;
    let links: Vec<String> = {
        let pages = visit.pages("users?$select=id,displayName&$top=100").await;
        pages.iter().filter_map(crate::support::Reply::next).collect()
    };
    let before = visit.get(&links[0]).await;
    let user = before.ids()[3].clone();
    visit
        .tenant
        .update(&user, "displayName", json!("Renamed"))
        .unwrap();
    assert_eq!(visit.get(&links[0]).await.rows()[3]["displayName"], "Renamed");
    visit.tenant.soft_delete(&user).unwrap();
    let after = visit.get(&links[0]).await;
    assert!(!after.ids().contains(&user) && after.rows().len() == 100);
    let all = visit.all("users?$select=id,displayName&$top=100").await.0;
    assert_eq!(all.len(), 299);
    let new = visit.tenant.create(attributes("new.person@contoso.com")).unwrap();
    assert_eq!(
        ids(&visit.all("users?$select=id,displayName&$top=100").await.0).last(),
        Some(&new)
    );
}

fn attributes(name: &str) -> serde_json::Map<String, serde_json::Value> {
    let value = json!({"userPrincipalName": name, "displayName": "New Person"});
    value.as_object().unwrap().clone()
}

#[tokio::test]
async fn no_two_listings_have_a_link_in_common() {
    let visit = Visit::to(250).await;
    let prerender = json!({"link": "/v1.0/users?$select=id,mail"});
    visit.control(reqwest::Method::POST, "prerender", prerender).await;
    for first in [
        "users?$select=id",
        "users?$select=id,mail",
        "users?$select=id&$filter=accountEnabled eq true&$top=50",
        "users?$select=id&$expand=manager($select=displayName)",
    ] {
        let (one, other) = (visit.pages(first).await, visit.pages(first).await);
        let links = |pages: &[Reply]| -> HashSet<String> { pages.iter().filter_map(Reply::next).collect() };
        let (of_one, of_other) = (links(&one), links(&other));
        assert_eq!((of_one.len(), of_other.len()), (one.len() - 1, other.len() - 1));
        assert!(of_one.is_disjoint(&of_other), "{first}");
        let everybody = |pages: &[Reply]| pages.iter().flat_map(Reply::ids).collect::<Vec<_>>();
        assert_eq!(everybody(&one), everybody(&other));
        let again = visit.get(&one[0].next().unwrap()).await;
        assert_eq!(again.bytes, one[1].bytes, "a link leads on within its listing");
    }
}

#[tokio::test]
async fn prerendered_pages_are_the_same_pages() {
    let visit = Visit::to(1_200).await;
    let first = "users?$select=id,displayName,manager,proxyAddresses&$expand=manager($select=id)&$top=500";
    let plain = visit.all(first).await.0;
    let link = json!({"link": format!("/v1.0/{first}")});
    let done = visit.control(reqwest::Method::POST, "prerender", link).await;
    assert_eq!(done.json()["pages"], 3);
    assert_eq!(visit.all(first).await.0, plain);
    visit.tenant.disable(plain[600]["id"].as_str().unwrap()).unwrap();
    visit
        .tenant
        .set_manager(plain[600]["id"].as_str().unwrap(), None)
        .unwrap();
    let changed = visit.all(first).await.0;
    assert!(changed[600].get("manager").is_none());
    assert_eq!(changed[601..], plain[601..]);
}
