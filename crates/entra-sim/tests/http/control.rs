//! `/sim`: what another process can do.

use crate::support::Visit;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn operations_change_the_tenant() {
    let visit = Visit::to(300).await;
    let users = visit
        .control(Method::GET, "users?skip=5&limit=2", Value::Null)
        .await
        .json();
    assert_eq!(users.as_array().unwrap().len(), 2);
    let (a, b) = (users[0]["id"].as_str().unwrap(), users[1]["id"].as_str().unwrap());
    let operations = json!([
        {"op": "create", "attributes": {"userPrincipalName": "n@contoso.com", "displayName": "N", "manager": a}},
        {"op": "update", "user": a, "attributes": {"department": "Ops", "jobTitle": null, "otherMails": null}},
        {"op": "setManager", "user": b, "manager": null},
        {"op": "disable", "user": b},
        {"op": "enable", "user": b},
        {"op": "swapPrincipalNames", "user": a, "other": b},
        {"op": "softDelete", "user": a},
        {"op": "restore", "user": a},
        {"op": "recreate", "user": b},
        {"op": "changeMany", "count": 30},
        {"op": "corrupt", "user": a, "corruption": {"kind": "huge", "bytes": 10}},
    ]);
    let results = visit.control(Method::POST, "operations", operations).await.json();
    assert_eq!(results.as_array().unwrap().len(), 11);
    assert_eq!(results[9]["changes"], 30);
    let created = visit
        .control(Method::GET, "users/n@contoso.com", Value::Null)
        .await
        .json();
    assert_eq!(created["id"], results[0]["id"]);
    assert_eq!(created["attributes"]["manager"], json!(a));
    let changed = visit.tenant.user(a).unwrap();
    assert!(changed.attributes.get("jobTitle").is_none() && changed.corrupt);
    let counts = visit.control(Method::GET, "counts", Value::Null).await.json();
    assert_eq!(counts, json!({"live": 301, "deleted": 2, "groups": 0}));
    let one = json!({"op": "hardDelete", "user": "n@contoso.com"});
    assert_eq!(visit.control(Method::POST, "operations", one).await.status, 200);
}

#[tokio::test]
async fn mistakes_are_told_and_change_nothing() {
    let visit = Visit::to(50).await;
    let id = visit.tenant.users()[0].id.clone();
    let name = visit.tenant.users()[1].attributes["userPrincipalName"].clone();
    let cases = [
        (json!({"op": "fly"}), 400, "unknown variant"),
        (
            json!({"op": "disable", "user": "nobody@contoso.com"}),
            409,
            "no live user nobody@contoso.com",
        ),
        (json!({"op": "purge", "user": id}), 409, "no soft-deleted user"),
        (
            json!({"op": "update", "user": id, "attributes": {"nonsense": 1}}),
            409,
            "no property nonsense",
        ),
        (
            json!({"op": "update", "user": id, "attributes": {"displayName": 1}}),
            409,
            "displayName can't be 1",
        ),
        (
            json!({"op": "update", "user": id, "attributes": {"id": "x"}}),
            409,
            "id must be given",
        ),
        (
            json!({"op": "update", "user": id, "attributes": {"userPrincipalName": name}}),
            409,
            "is taken",
        ),
        (
            json!({"op": "update", "user": id, "attributes": {"userPrincipalName": "x"}}),
            409,
            "x is no user principal name",
        ),
        (
            json!({"op": "create", "attributes": {"displayName": "x"}}),
            409,
            "userPrincipalName must be given",
        ),
    ];
    let before = visit.tenant.users();
    for (operation, status, words) in cases {
        let reply = visit.control(Method::POST, "operations", operation.clone()).await;
        let error = reply.json()["error"].as_str().unwrap().to_owned();
        assert_eq!(reply.status, status, "{operation}");
        assert!(error.contains(words), "{operation}: {error}");
    }
    assert_eq!(visit.tenant.users(), before);
}

#[tokio::test]
async fn settings_faults_clock_and_requests() {
    let visit = Visit::to(300).await;
    let settings = json!({"deltaPageSize": 7, "throttling": {"budget": 5000}});
    let changed = visit.control(Method::PUT, "settings", settings).await.json();
    assert_eq!(
        (&changed["deltaPageSize"], &changed["throttling"]["budget"]),
        (&json!(7), &json!(5000))
    );
    assert_eq!(visit.get("users/delta").await.rows().len(), 7);
    assert_eq!(
        visit
            .control(Method::PUT, "settings", json!({"nonsense": 1}))
            .await
            .status,
        400
    );

    let fault = json!({"path": "/v1.0/users", "times": 1,
        "effect": {"kind": "status", "status": 429, "retryAfter": {"seconds": 3}}});
    assert_eq!(visit.control(Method::POST, "faults", fault).await.status, 200);
    let listed = visit.control(Method::GET, "faults", Value::Null).await.json();
    assert_eq!(listed[0]["fault"]["path"], "/v1.0/users");
    assert_eq!(visit.get("users").await.header("retry-after"), "3");
    visit
        .control(
            Method::POST,
            "faults",
            json!({"path": "*", "effect": {"kind": "loop"}}),
        )
        .await;
    visit.control(Method::DELETE, "faults", Value::Null).await;
    assert_eq!(
        visit.control(Method::GET, "faults", Value::Null).await.json(),
        json!([])
    );

    let requests = visit.control(Method::GET, "requests", Value::Null).await.json();
    assert_eq!(
        requests,
        json!({"GET /v1.0/users": 1, "GET /v1.0/users/delta": 1, "POST /oauth2/v2.0/token": 1})
    );
    visit.control(Method::DELETE, "requests", Value::Null).await;
    assert_eq!(visit.tenant.requests().len(), 0);

    let before = visit.tenant.now();
    visit
        .control(Method::POST, "clock", json!({"advanceSeconds": 86400}))
        .await;
    assert!((visit.tenant.now() - before).num_hours() >= 24);
    assert_eq!(visit.get("users").await.status, 401);
    let roles = json!({"roles": ["Directory.Read.All"], "secret": "other"});
    assert_eq!(visit.control(Method::PUT, "app", roles).await.status, 200);
    assert_eq!(
        visit
            .post_token("contoso.com", &crate::support::credentials())
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn published_files_are_replayed() {
    let visit = Visit::to(10).await;
    let file = std::env::temp_dir().join(format!("error-404-{}.json", std::process::id()));
    std::fs::write(&file, br#"{"error":{"code":"Request_ResourceNotFound"}}"#).unwrap();
    let replay = json!({"path": "/v1.0/users/*", "file": file, "times": 1});
    assert_eq!(visit.control(Method::PUT, "replay", replay).await.status, 200);
    assert_eq!(
        visit.get("users/anybody").await.error(),
        (404, "Request_ResourceNotFound".into())
    );
    std::fs::remove_file(&file).unwrap();
    let missing = json!({"path": "/v1.0/users/*", "file": file});
    assert_eq!(visit.control(Method::PUT, "replay", missing).await.status, 400);
}

#[tokio::test]
async fn tenants_are_apart() {
    let mut options = entra_sim::Options::generate(1, 50);
    let mut second = entra_sim::TenantOptions::generate(2, 70);
    second.id = "99999999-2222-3333-4444-555555555555".into();
    second.domains = vec!["adventure.example".into()];
    options.tenants.push(second);
    let mut visit = Visit::of(options).await;
    let tenants = visit.control(Method::GET, "tenants", Value::Null).await.json();
    assert_eq!(tenants.as_array().unwrap().len(), 2);
    assert_eq!(visit.get("users?$top=999").await.rows().len(), 50);
    visit.tenant = visit.simulator.tenant("adventure.example").unwrap();
    let other = visit.fresh_token().await;
    visit.token = other;
    assert_eq!(visit.get("users?$top=999").await.rows().len(), 70);
    let counts = visit
        .control(Method::GET, "counts?tenant=adventure.example", Value::Null)
        .await
        .json();
    assert_eq!(counts["live"], 70);
    assert_eq!(
        visit
            .control(Method::GET, "counts?tenant=nowhere", Value::Null)
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn a_stopped_simulator_answers_no_more() {
    let visit = Visit::to(10).await;
    let url = visit.simulator.url();
    let Visit { simulator, http, .. } = visit;
    simulator.stop().await;
    assert!(http.get(format!("{url}/sim/counts")).send().await.is_err());
}
