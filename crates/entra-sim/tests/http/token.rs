//! Tokens and the ways to be refused one (graph-facts §1.1, §1.2, §1.7, §9).

use crate::support::{Visit, credentials};
use entra_sim::{AppChange, Effect, Fault, RetryAfter};
use serde_json::Value;
use std::time::Duration;

fn with(field: &'static str, value: &'static str) -> Vec<(&'static str, &'static str)> {
    let others = credentials().into_iter().filter(|(name, _)| *name != field);
    others
        .chain([(field, value)])
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

fn number(body: &Value) -> u64 {
    body["error_codes"][0].as_u64().unwrap()
}

#[tokio::test]
async fn a_token_is_opaque_and_lasts_an_hour_or_so() {
    let visit = Visit::to(10).await;
    for tenant in [visit.tenant.id(), "contoso.com", "CONTOSO.onmicrosoft.com"] {
        let reply = visit.post_token(tenant, &credentials()).await;
        let body = reply.json();
        assert_eq!((reply.status, body["token_type"].as_str()), (200, Some("Bearer")));
        assert!((3_599..=5_399).contains(&body["expires_in"].as_u64().unwrap()));
        assert!(body.get("refresh_token").is_none());
    }
    assert_ne!(visit.fresh_token().await, visit.token);
}

#[tokio::test]
async fn the_secret_may_come_as_basic_authorization_and_the_scope_be_ours() {
    let visit = Visit::to(10).await;
    let url = format!("{}/contoso.com/oauth2/v2.0/token", visit.simulator.url());
    let scope = format!("{}/.default", visit.simulator.url());
    let request = visit
        .http
        .post(url)
        .basic_auth(
            "66666666-7777-8888-9999-000000000000",
            Some("demo-secret-value~not-a-guid"),
        )
        .form(&[("grant_type", "client_credentials"), ("scope", scope.as_str())]);
    assert_eq!(request.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn every_refusal_has_its_number_status_and_shape() {
    let visit = Visit::to(10).await;
    let own = visit.tenant.id().to_owned();
    let cases = [
        (
            own.as_str(),
            with("client_secret", "wrong"),
            401,
            "invalid_client",
            7_000_215,
        ),
        (&own, with("client_secret", ""), 401, "invalid_client", 7_000_218),
        (
            &own,
            with("client_id", "00000000-0000-0000-0000-000000000001"),
            400,
            "unauthorized_client",
            700_016,
        ),
        (
            "00000000-0000-0000-0000-000000000002",
            credentials(),
            400,
            "invalid_request",
            90_002,
        ),
        ("nowhere.example", credentials(), 400, "invalid_request", 90_002),
        (
            &own,
            with("scope", "https://graph.microsoft.com/User.Read.All"),
            400,
            "invalid_scope",
            70_011,
        ),
        (
            &own,
            with("scope", "https://graph.microsoft.us/.default"),
            400,
            "invalid_resource",
            500_011,
        ),
        (&own, with("scope", ""), 400, "invalid_request", 900_144),
        (
            &own,
            with("grant_type", "password"),
            400,
            "unsupported_grant_type",
            70_003,
        ),
        (&own, with("grant_type", ""), 400, "invalid_request", 900_144),
    ];
    for (tenant, form, status, error, code) in cases {
        let reply = visit.post_token(tenant, &form).await;
        let body = reply.json();
        assert_eq!(
            (reply.status, body["error"].as_str(), number(&body)),
            (status, Some(error), code),
            "{body}"
        );
        let description = body["error_description"].as_str().unwrap();
        assert!(
            description.starts_with(&format!("AADSTS{code}: ")),
            "{description}"
        );
        for part in ["\r\nTrace ID: ", "\r\nCorrelation ID: ", "\r\nTimestamp: "] {
            assert!(description.contains(part), "{description}");
        }
        assert!(body["trace_id"].is_string() && body["timestamp"].as_str().unwrap().ends_with('Z'));
    }
}

#[tokio::test]
async fn the_app_can_change() {
    let visit = Visit::to(10).await;
    let own = visit.tenant.id().to_owned();
    let expired = AppChange {
        secret_expires_in_seconds: Some(60),
        ..AppChange::default()
    };
    visit.tenant.change_app(expired);
    assert_eq!(visit.post_token(&own, &credentials()).await.status, 200);
    visit.tenant.advance(Duration::from_secs(61));
    let reply = visit.post_token(&own, &credentials()).await;
    assert_eq!((reply.status, number(&reply.json())), (401, 7_000_222));

    visit.tenant.change_app(AppChange {
        secret: Some("another".into()),
        ..AppChange::default()
    });
    assert_eq!(
        number(&visit.post_token(&own, &credentials()).await.json()),
        7_000_215
    );
    assert_eq!(
        visit
            .post_token(&own, &with("client_secret", "another"))
            .await
            .status,
        200
    );

    visit.tenant.change_app(AppChange {
        disabled: Some(true),
        ..AppChange::default()
    });
    assert_eq!(
        number(&visit.post_token(&own, &credentials()).await.json()),
        7_000_112
    );
}

#[tokio::test]
async fn a_tenant_can_live_in_another_cloud() {
    let visit = Visit::to(10).await;
    for code in [90_038, 900_382] {
        visit.tenant.set(|settings| settings.wrong_cloud = Some(code));
        let reply = visit.post_token(visit.tenant.id(), &credentials()).await;
        assert_eq!((reply.status, number(&reply.json())), (400, u64::from(code)));
    }
}

#[tokio::test]
async fn the_token_endpoint_throttles_in_plain_text() {
    let visit = Visit::to(10).await;
    let status = |retry_after| Effect::Status {
        status: 429,
        code: None,
        message: None,
        retry_after,
    };
    visit
        .tenant
        .fault(Fault::on("*/oauth2/v2.0/token", status(None)).times(1));
    let reply = visit.post_token(visit.tenant.id(), &credentials()).await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, "60"));
    assert_eq!(reply.bytes, b"Too Many Requests");
    visit
        .tenant
        .fault(Fault::on("*/oauth2/v2.0/token", status(Some(RetryAfter::Seconds(1)))).times(1));
    assert_eq!(
        visit
            .post_token("contoso.com", &credentials())
            .await
            .header("retry-after"),
        "1"
    );
    visit
        .tenant
        .fault(Fault::on("*/oauth2/v2.0/token", Effect::Aadsts { code: 53_003 }).times(1));
    assert_eq!(
        number(&visit.post_token("contoso.com", &credentials()).await.json()),
        53_003
    );
    assert_eq!(visit.post_token("contoso.com", &credentials()).await.status, 200);
}

#[tokio::test]
async fn graph_wants_a_token_that_is_good() {
    let mut visit = Visit::to(10).await;
    let good = std::mem::take(&mut visit.token);
    let bare = visit
        .http
        .get(format!("{}/v1.0/users", visit.simulator.url()))
        .send()
        .await
        .unwrap();
    assert_eq!(bare.status(), 401);
    visit.token = "nonsense".into();
    assert_eq!(
        visit.get("users").await.error(),
        (401, "InvalidAuthenticationToken".into())
    );
    visit.token = good;
    assert_eq!(visit.get("users").await.status, 200);
    visit.tenant.advance(Duration::from_secs(5_400));
    let reply = visit.get("users").await;
    assert_eq!(reply.error(), (401, "InvalidAuthenticationToken".into()));
    assert_eq!(
        reply.json()["error"]["message"],
        "Lifetime validation failed, the token is expired."
    );
    visit.token = visit.fresh_token().await;
    assert_eq!(visit.get("users").await.status, 200);
    visit.tenant.revoke_tokens();
    assert_eq!(visit.get("users").await.status, 401);
}

#[tokio::test]
async fn a_missing_permission_shows_at_graph_with_the_next_token() {
    let mut visit = Visit::to(10).await;
    let roles = |roles: &[&str]| AppChange {
        roles: Some(roles.iter().map(|role| (*role).to_owned()).collect()),
        ..AppChange::default()
    };
    visit.tenant.change_app(roles(&["User.ReadBasic.All"]));
    assert_eq!(
        visit.get("users/delta").await.status,
        200,
        "a token keeps its permissions"
    );
    visit.token = visit.fresh_token().await;
    let denied = (403, "Authorization_RequestDenied".to_owned());
    for link in [
        "users/delta",
        "users",
        "directory/deletedItems/microsoft.graph.user",
        "organization",
    ] {
        assert_eq!(visit.get(link).await.error(), denied, "{link}");
    }
    assert_eq!(visit.get("users?$select=id,displayName,mail").await.status, 200);
    visit.tenant.change_app(roles(&["User.Read.All"]));
    visit.token = visit.fresh_token().await;
    assert_eq!(visit.get("users").await.status, 200);
    let organization = visit.get("organization").await.rows().remove(0);
    assert!(organization["tenantType"].is_null() && organization["displayName"] == "Contoso");
    visit.tenant.change_app(roles(&[]));
    visit.token = visit.fresh_token().await;
    assert_eq!(visit.get("users?$select=id").await.error(), denied);
}

#[tokio::test]
async fn the_organization_is_the_tenant() {
    let visit = Visit::to(10).await;
    let listed = visit.get("organization").await.rows();
    assert_eq!(listed.len(), 1);
    let one = visit
        .get(&format!("organization/{}", visit.tenant.id()))
        .await
        .json();
    for organization in [&listed[0], &one] {
        assert_eq!(organization["id"], visit.tenant.id());
        assert_eq!(
            (&organization["displayName"], &organization["tenantType"]),
            (&"Contoso".into(), &"AAD".into())
        );
        let domains = organization["verifiedDomains"].as_array().unwrap();
        assert_eq!(
            (&domains[0]["name"], &domains[0]["isDefault"]),
            (&"contoso.com".into(), &true.into())
        );
        assert_eq!(domains[1]["isInitial"], true);
    }
    let other = visit
        .get("organization/00000000-0000-0000-0000-000000000000")
        .await;
    assert_eq!(other.error(), (404, "Request_ResourceNotFound".into()));
}
