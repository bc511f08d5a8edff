//! Groups made through `/sim`.

use crate::support::Visit;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn another_process_makes_groups() {
    let visit = Visit::to(50).await;
    let id = "2e5807ce-58f3-4a94-9b37-ffff2e085957";
    let users: Vec<String> = visit.tenant.users().into_iter().map(|user| user.id).collect();
    let devices: Vec<String> = (0..20_000)
        .map(|number| format!("00000000-0000-4000-8000-{number:012x}"))
        .collect();
    let operations = json!([
        {"op": "createGroup", "id": id, "kind": "security", "attributes": {"displayName": "G"}},
        {"op": "createGroup", "kind": "microsoft365", "attributes": {"displayName": "H", "mail": "h@contoso.com"}},
        {"op": "addMembers", "group": id, "members": users},
        {"op": "addMembers", "group": id, "kind": "device", "members": devices},
        {"op": "removeMembers", "group": id, "members": [users[0]]},
        {"op": "updateGroup", "group": id, "attributes": {"description": "d"}},
    ]);
    let results = visit.control(Method::POST, "operations", operations).await.json();
    assert_eq!(results[0]["id"], id, "{results}");
    let group = visit
        .control(Method::GET, &format!("groups/{id}"), Value::Null)
        .await
        .json();
    assert_eq!(group["attributes"]["description"], "d");
    assert_eq!(group["members"].as_object().unwrap().len(), 20_049);
    let counts = visit.control(Method::GET, "counts", Value::Null).await.json();
    assert_eq!(counts["groups"], 2);
    let listed = visit
        .control(Method::GET, "groups?skip=1&limit=1", Value::Null)
        .await
        .json();
    assert_eq!(
        (listed.as_array().unwrap().len(), &listed[0]["id"]),
        (1, &results[1]["id"])
    );
    let other = results[1]["id"].as_str().unwrap();
    let refused = [
        (
            json!({"op": "addMembers", "group": other, "kind": "group", "members": [id]}),
            "can't hold groups",
        ),
        (
            json!({"op": "addMembers", "group": id, "members": [devices[0]]}),
            "no live user",
        ),
        (
            json!({"op": "addMembers", "group": id, "members": ["x"]}),
            "x is no object id",
        ),
        (json!({"op": "deleteGroup", "group": devices[0]}), "no live group"),
        (
            json!({"op": "restoreGroup", "group": id}),
            "no soft-deleted group",
        ),
        (
            json!({"op": "createGroup", "id": id, "kind": "security", "attributes": {"displayName": "G"}}),
            "is taken",
        ),
        (
            json!({"op": "createGroup", "kind": "security", "attributes": {}}),
            "displayName must be given",
        ),
        (
            json!({"op": "updateGroup", "group": id, "attributes": {"groupTypes": []}}),
            "groupTypes must be given",
        ),
        (
            json!({"op": "updateGroup", "group": id, "attributes": {"color": "red"}}),
            "no property color",
        ),
    ];
    for (operation, words) in refused {
        let reply = visit.control(Method::POST, "operations", operation.clone()).await;
        let error = reply.json()["error"].as_str().unwrap().to_owned();
        assert!(
            reply.status == 409 && error.contains(words),
            "{operation}: {error}"
        );
    }
}
