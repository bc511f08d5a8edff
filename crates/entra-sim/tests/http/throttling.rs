//! Resource units (graph-facts §7).

use crate::support::Visit;
use entra_sim::Throttling;
use std::time::Duration;

#[tokio::test]
async fn every_answer_names_its_price() {
    let visit = Visit::to(10).await;
    let cases = [
        ("users", "2"),
        ("users?$select=id", "1"),
        ("users?$select=id&$expand=manager($select=id)", "2"),
        ("users?$top=10", "1"),
        ("users/delta", "1"),
        ("organization", "1"),
    ];
    for (link, units) in cases {
        assert_eq!(
            visit.get(link).await.header("x-ms-resource-unit"),
            units,
            "{link}"
        );
    }
}

#[tokio::test]
async fn a_budget_ends_with_429_and_refills_with_time() {
    let visit = Visit::to(10).await;
    visit
        .tenant
        .set(|settings| settings.throttling = Some(Throttling { budget: Some(20) }));
    let mut warned = false;
    let refused = loop {
        let reply = visit.get("users").await;
        if reply.status == 429 {
            break reply;
        }
        warned |= !reply.header("x-ms-throttle-limit-percentage").is_empty();
        assert!(visit.tenant.requests()["GET /v1.0/users"] < 100);
    };
    assert!(warned, "a warning comes before the limit");
    assert_eq!(refused.error(), (429, "TooManyRequests".into()));
    assert_eq!(refused.json()["error"]["innerError"]["code"], "429");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=10).contains(&wait));
    assert_eq!(
        refused.header("x-ms-throttle-information"),
        "ResourceUnitLimitExceeded"
    );
    let scope = format!(
        "Tenant_Application/ReadWrite/66666666-7777-8888-9999-000000000000/{}",
        visit.tenant.id()
    );
    assert_eq!(refused.header("x-ms-throttle-scope"), scope);
    let part: f64 = refused.header("x-ms-throttle-limit-percentage").parse().unwrap();
    assert!((1.0..=1.8).contains(&part), "{part}");
    visit.tenant.advance(Duration::from_secs(wait));
    assert_eq!(visit.get("users").await.status, 200);
}

#[tokio::test]
async fn refused_queries_are_free() {
    let visit = Visit::to(10).await;
    visit
        .tenant
        .set(|settings| settings.throttling = Some(Throttling { budget: Some(10) }));
    for _ in 0..50 {
        assert_eq!(visit.get("users?$top=1000").await.status, 400);
    }
    assert_eq!(visit.get("users").await.status, 200);
}
