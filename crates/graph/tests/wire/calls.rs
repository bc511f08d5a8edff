//! Single calls: retries, renewal, cancellation, permissions, the tenant, one user.

use std::time::{Duration, Instant};

use domain::attribute::Attribute;
use domain::id::ObjectId;
use rollcall_graph::{Cause, Context, Disposition, Error, Limits, Reading, UserKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::server::{Answer, Server, TENANT, client_of, quick};

/// What the first answers are; after them, the count 7.
async fn counting(first: Vec<Answer>) -> Server {
    Server::start(move |seen| {
        (!seen.is_token()).then(|| {
            first
                .get(seen.before)
                .cloned()
                .unwrap_or_else(|| Answer::ok("\u{FEFF}7"))
        })
    })
    .await
}

#[tokio::test]
async fn passing_faults_are_tried_again_and_counted() {
    let faults = [500, 502, 504].map(|status| Answer::error(status, "UnknownError"));
    let server = counting(faults.to_vec()).await;
    let context = Context::default();
    let graph = server.client().for_run(context.clone());
    assert_eq!(graph.count_users().await.unwrap(), Some(7));
    let counted = context.stats.snapshot();
    assert_eq!((counted.retry_waits, counted.throttle_waits), (3, 0));
    let seen = server.graph();
    assert_eq!(seen.len(), 4);
    assert_eq!(seen[0].target, "/v1.0/users/$count");
    assert_eq!(seen[0].header("consistencylevel"), "eventual");
    assert_eq!(seen[0].header("x-ms-throttle-priority"), "Low");
    assert!(seen[0].header("user-agent").starts_with("Rollcall/"));
    let ids: Vec<Uuid> = seen
        .iter()
        .map(|one| one.header("client-request-id").parse().unwrap())
        .collect();
    assert!(ids.iter().all(|id| id.get_version_num() == 4) && ids[0] != ids[1]);
}

#[tokio::test]
async fn retry_after_is_kept_in_both_forms() {
    let date = |time: &str| format!("Sat, 21 Nov 2026 {time} GMT");
    for asked in [
        Answer::error(429, "TooManyRequests").with("retry-after", "1"),
        Answer::error(503, "serviceNotAvailable")
            .with("date", date("10:00:00"))
            .with("retry-after", date("10:00:01")),
    ] {
        let server = counting(vec![asked.with("x-ms-resource-unit", "3")]).await;
        let context = Context::default();
        let began = Instant::now();
        server
            .client()
            .for_run(context.clone())
            .count_users()
            .await
            .unwrap();
        assert!(began.elapsed() >= Duration::from_secs(1));
        let counted = context.stats.snapshot();
        assert_eq!(counted.throttle_waits + counted.retry_waits, 1);
        assert_eq!(counted.resource_units, 3);
    }
}

#[tokio::test]
async fn throttling_without_end_is_given_up_with_its_ids() {
    let throttled = Answer::new(
        429,
        r#"{"error":{"code":"TooManyRequests","message":"Later.","innerError":{"date":"2020-08-18T12:51:51","request-id":"r-1"}}}"#,
    );
    let server = counting(vec![throttled; 9]).await;
    let error = server.client().count_users().await.unwrap_err();
    assert!(error.is_throttled() && error.disposition() == Disposition::RetryLater(None));
    assert!(
        error
            .to_string()
            .contains("request-id r-1, date 2020-08-18T12:51:51"),
        "{error}"
    );
    assert_eq!(server.graph().len(), 4);
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let expired = || Answer::error(401, "InvalidAuthenticationToken");
    let server = counting(vec![expired()]).await;
    assert_eq!(server.client().count_users().await.unwrap(), Some(7));
    let seen = server.graph();
    assert_eq!(seen[0].header("authorization"), "Bearer token-1");
    assert_eq!(seen[1].header("authorization"), "Bearer token-2");

    let server = counting(vec![expired(), expired(), expired()]).await;
    let error = server.client().count_users().await.unwrap_err();
    assert!(matches!(error, Error::Unauthorized { .. }), "{error}");
    assert_eq!((server.graph().len(), server.tokens().len()), (2, 2));
}

#[tokio::test]
async fn a_wait_is_seen_and_ends_when_cancelled() {
    let server = counting(vec![
        Answer::error(429, "TooManyRequests").with("retry-after", "9"),
    ])
    .await;
    let context = Context::default();
    let graph = server.client().for_run(context.clone());
    let mut calls = JoinSet::new();
    calls.spawn(async move { graph.count_users().await });
    let deadline = Instant::now() + Duration::from_secs(5);
    let wait = loop {
        if let Some(wait) = context.stats.snapshot().waiting {
            break wait;
        }
        assert!(Instant::now() < deadline, "it never waits");
        tokio::task::yield_now().await;
    };
    assert!(
        wait.throttled && wait.length >= Duration::from_secs(9) && wait.reason.contains("429"),
        "{wait:?}"
    );
    let began = Instant::now();
    context.cancel.cancel();
    let result = calls.join_next().await.unwrap().unwrap();
    assert!(matches!(result, Err(Error::Cancelled)));
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(context.stats.snapshot().waiting, None);
}

#[tokio::test]
async fn a_cancelled_run_sends_nothing() {
    let server = counting(Vec::new()).await;
    let context = Context::default();
    context.cancel.cancel();
    let result = server.client().for_run(context).count_users().await;
    assert!(matches!(result, Err(Error::Cancelled)));
    assert!(server.graph().is_empty() && server.tokens().is_empty());
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let server = counting(vec![Answer::new(302, "").with("location", "/v1.0/elsewhere")]).await;
    let error = server.client().count_users().await.unwrap_err();
    assert!(matches!(error, Error::Redirected { status: 302, .. }), "{error}");
    assert_eq!(server.graph().len(), 1);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_asked_for_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let mut task = JoinSet::new();
    task.spawn(async move {
        let token = r#"{"token_type":"Bearer","expires_in":3599,"access_token":"t"}"#;
        for (length, body) in [(token.len(), token), (999, "1"), (1, "7")] {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            assert!(socket.read(&mut request).await.unwrap() > 0);
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
            socket.write_all(head.as_bytes()).await.unwrap();
            socket.shutdown().await.unwrap();
        }
    });
    let graph = client_of(&origin, quick());
    assert_eq!(graph.count_users().await.unwrap(), Some(7));
    task.join_next().await.unwrap().unwrap();
}

#[tokio::test]
async fn silence_ends_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let limits = Limits {
        call: Duration::from_millis(50),
        tries: 1,
        ..quick()
    };
    let error = client_of(&origin, limits).sign_in().await.unwrap_err();
    assert!(error.to_string().contains("did not answer in time"), "{error}");
}

#[tokio::test]
async fn counting_where_graph_does_not_count_is_no_failure() {
    for (status, code) in [
        (400, "Request_BadRequest"),
        (403, "Authorization_RequestDenied"),
        (404, "Request_ResourceNotFound"),
        (501, "NotImplemented"),
    ] {
        let server = counting(vec![Answer::error(status, code)]).await;
        assert_eq!(server.client().count_users().await.unwrap(), None, "{status}");
    }
    let server = counting(vec![Answer::ok("many")]).await;
    assert!(matches!(
        server.client().count_users().await,
        Err(Error::Unexpected { .. })
    ));
}

#[tokio::test]
async fn the_tenant_is_read_and_must_be_the_connections() {
    let body = |id: &str| {
        format!(
            r#"{{"value":[{{"id":"{id}","displayName":"Contoso","tenantType":"AAD","verifiedDomains":[
            {{"capabilities":"Email","isDefault":true,"isInitial":false,"name":"contoso.com","type":"Managed"}}]}}]}}"#
        )
    };
    let own = body(&TENANT.to_string());
    let server = Server::start(move |seen| (!seen.is_token()).then(|| Answer::ok(own.clone()))).await;
    let organization = server.client().organization().await.unwrap();
    assert_eq!(
        (organization.id, organization.display_name.as_str()),
        (TENANT, "Contoso")
    );
    assert!(organization.verified_domains[0].is_default && organization.offers_delta());
    assert_eq!(
        server.graph()[0].target,
        "/v1.0/organization?$select=id,displayName,tenantType,verifiedDomains"
    );

    let other = body("99999999-0000-0000-0000-000000000000");
    let server = Server::start(move |seen| (!seen.is_token()).then(|| Answer::ok(other.clone()))).await;
    let error = server.client().organization().await.unwrap_err();
    assert_eq!(
        (error.cause(), error.disposition()),
        (Cause::WrongTenant, Disposition::Stop)
    );

    let server = Server::start(|seen| (!seen.is_token()).then(|| Answer::ok(r#"{"value":[]}"#))).await;
    assert!(matches!(
        server.client().organization().await,
        Err(Error::Unexpected { .. })
    ));
}

#[tokio::test]
async fn probes_name_the_missing_permission() {
    let server = Server::start(|seen| match seen.target.as_str() {
        target if target.starts_with("/v1.0/users?") => Some(Answer::ok(r#"{"value":[{"id":"x"}]}"#)),
        target if target.starts_with("/v1.0/users/delta") => {
            Some(Answer::error(403, "Authorization_RequestDenied"))
        }
        target if target.starts_with("/v1.0/directory") => Some(Answer::ok(r#"{"value":[]}"#)),
        _ => None,
    })
    .await;
    let probes = server.client().probe(&Reading::USERS).await;
    assert_eq!(probes.len(), 3);
    for probe in probes {
        let cause = probe.result.map_err(|error| error.cause());
        let expected = match probe.reading {
            Reading::DeletedUsers => Ok(()),
            _ => Err(Cause::MissingPermission {
                permission: "User.Read.All",
            }),
        };
        assert_eq!(cause, expected, "{:?}", probe.reading);
    }
}

#[tokio::test]
async fn probes_of_groups_are_small_and_name_either_permission() {
    let server = Server::start(|seen| match seen.target.as_str() {
        target if target.starts_with("/v1.0/groups?") => Some(Answer::ok(r#"{"value":[{"id":"x"}]}"#)),
        target if target.starts_with("/v1.0/groups/delta") => {
            Some(Answer::error(403, "Authorization_RequestDenied"))
        }
        _ => None,
    })
    .await;
    let probes = server.client().probe(&Reading::GROUPS).await;
    let [groups, changes] = probes.as_slice() else {
        panic!("{probes:?}")
    };
    assert!(groups.result.is_ok() && groups.reading == Reading::Groups);
    let advice = changes.result.as_ref().unwrap_err().advice();
    assert_eq!(
        advice.summary,
        "The app lacks the application permission GroupMember.Read.All (or Group.Read.All)."
    );
    let targets: Vec<_> = server.graph().into_iter().map(|seen| seen.target).collect();
    assert_eq!(
        targets,
        [
            "/v1.0/groups?$top=1&$select=id",
            "/v1.0/groups/delta?$deltatoken=latest&$select=members"
        ]
    );
}

#[tokio::test]
async fn one_user_is_read_by_id_or_name() {
    let id = "6ea91a8d-e32e-41a1-b7bd-d2d185eed0e0";
    let server = Server::start(move |seen| {
        let found = seen.target.contains(id) || seen.target.contains("EXT") || seen.target.contains("$x");
        found.then(|| Answer::ok(format!(r#"{{"id":"{id}","city":"Oslo"}}"#)))
    })
    .await;
    let graph = server.client();
    let body = graph
        .get_user(UserKey::Id(ObjectId(id.parse().unwrap())))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(body.user().unwrap().value(Attribute::City), Some("Oslo"));
    let guest = UserKey::PrincipalName("al/i ce_h.com#EXT#@t.com");
    assert!(graph.get_user(guest).await.unwrap().is_some());
    assert!(
        graph
            .get_user(UserKey::PrincipalName("$x'y@t.com"))
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        graph
            .get_user(UserKey::PrincipalName("nobody@t.com"))
            .await
            .unwrap()
            .is_none()
    );
    let targets: Vec<_> = server.graph().into_iter().map(|seen| seen.target).collect();
    assert!(
        targets[0].starts_with(&format!("/v1.0/users/{id}?$select=id,userPrincipalName,")),
        "{}",
        targets[0]
    );
    assert!(
        targets[0].ends_with("&$expand=manager($select=id)"),
        "{}",
        targets[0]
    );
    assert!(
        targets[1].starts_with("/v1.0/users/al%2Fi%20ce_h.com%23EXT%23@t.com?"),
        "{}",
        targets[1]
    );
    assert!(
        targets[2].starts_with("/v1.0/users('$x''y@t.com')?"),
        "{}",
        targets[2]
    );
}
