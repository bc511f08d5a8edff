//! One user (graph-facts §2.5, §2.6).

use crate::support::Visit;
use serde_json::json;

#[tokio::test]
async fn a_user_is_found_by_id_and_by_principal_name() {
    let visit = Visit::to(500).await;
    let users = visit.tenant.users();
    let guest = users
        .iter()
        .find(|user| user.attributes["userType"] == "Guest")
        .unwrap();
    let name = guest.attributes["userPrincipalName"].as_str().unwrap();
    assert!(name.contains("#EXT#@contoso.onmicrosoft.com"), "{name}");
    for key in [guest.id.clone(), name.replace('#', "%23").to_uppercase()] {
        let user = visit.get(&format!("users/{key}")).await.json();
        assert_eq!(
            (&user["id"], &user["userPrincipalName"]),
            (&json!(guest.id), &json!(name))
        );
        assert!(
            user["@odata.context"]
                .as_str()
                .unwrap()
                .ends_with("#users/$entity")
        );
    }
    let quoted = visit.get(&format!("users('{}')", guest.id)).await;
    assert_eq!(quoted.json()["id"], json!(guest.id));
}

#[tokio::test]
async fn select_and_expand_work_and_lists_are_not_the_limit() {
    let visit = Visit::to(500).await;
    let users = visit.tenant.users();
    let report = users
        .iter()
        .find(|user| user.attributes.contains_key("manager"))
        .unwrap();
    let user = visit
        .get(&format!(
            "users/{}?$select=id,skills,department&$expand=manager($select=id)",
            report.id
        ))
        .await;
    let user = user.json();
    assert_eq!(user["skills"], json!([]));
    assert_eq!(user["manager"]["id"], report.attributes["manager"]);
    let manager = visit
        .get(&format!("users/{}/manager?$select=id,displayName", report.id))
        .await
        .json();
    assert_eq!(manager["id"], report.attributes["manager"]);
    assert_eq!(manager["@odata.type"], "#microsoft.graph.user");
    visit.tenant.set_manager(&report.id, None).unwrap();
    let none = visit.get(&format!("users/{}/manager", report.id)).await;
    assert_eq!(none.error(), (404, "Request_ResourceNotFound".into()));
}

#[tokio::test]
async fn who_is_not_there_is_not_found() {
    let visit = Visit::to(50).await;
    let gone = visit.tenant.users()[0].id.clone();
    visit.tenant.soft_delete(&gone).unwrap();
    for key in [
        gone.as_str(),
        "00000000-0000-4000-8000-000000000000",
        "nobody@contoso.com",
    ] {
        let reply = visit.get(&format!("users/{key}")).await;
        assert_eq!(reply.error(), (404, "Request_ResourceNotFound".into()));
        let message = reply.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(
            message.starts_with(&format!("Resource '{key}' does not exist")),
            "{message}"
        );
    }
}

#[tokio::test]
async fn nothing_can_be_written() {
    let visit = Visit::to(50).await;
    let url = format!("{}/v1.0/users", visit.simulator.url());
    let reply = visit
        .http
        .post(url)
        .bearer_auth(&visit.token)
        .json(&json!({}))
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), 405);
    assert_eq!(visit.tenant.requests()["POST /v1.0/users"], 1);
}
