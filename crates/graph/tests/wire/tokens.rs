//! The token endpoint (graph-facts §1.1, §1.2).

use std::time::Duration;

use rollcall_graph::{Cause, Context, Disposition, Error, Limits};

use crate::server::{Answer, SECRET, Server, TENANT, client_of, client_with, quick};

async fn refused(status: u16, body: &'static str) -> Error {
    let server = Server::start(move |seen| seen.is_token().then(|| Answer::new(status, body))).await;
    let error = server.client().sign_in().await.unwrap_err();
    assert_eq!(server.tokens().len(), 1, "no second try for {error}");
    error
}

#[tokio::test]
async fn one_token_serves_all_who_wait_and_later_calls() {
    let server = Server::start(|seen| (!seen.is_token()).then(|| Answer::ok("7"))).await;
    let graph = server.client();
    let counts = tokio::join!(graph.count_users(), graph.count_users(), graph.count_users());
    assert_eq!(counts.0.unwrap(), Some(7));
    assert_eq!(graph.count_users().await.unwrap(), Some(7));
    let tokens = server.tokens();
    assert_eq!(tokens.len(), 1);
    assert_eq!(tokens[0].target, format!("/{TENANT}/oauth2/v2.0/token"));
    let host = server.origin.replace(':', "%3A").replace('/', "%2F");
    let form = format!(
        "grant_type=client_credentials&client_id=00000000-0000-0000-0000-000000002222&scope={host}%2F.default\
         &client_secret=s3cret%7Evalue"
    );
    assert_eq!(tokens[0].body, form);
    assert!(
        server
            .graph()
            .iter()
            .all(|seen| seen.header("authorization") == "Bearer token-1")
    );
    graph.forget_token().await;
    graph.sign_in().await.unwrap();
    assert_eq!(server.tokens().len(), 2);
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends() {
    let server = Server::start(|seen| {
        seen.is_token()
            .then(|| Answer::ok(r#"{"token_type":"bearer","expires_in":"0","access_token":"t"}"#))
    })
    .await;
    let graph = server.client();
    graph.sign_in().await.unwrap();
    graph.sign_in().await.unwrap();
    assert_eq!(server.tokens().len(), 2);
}

#[tokio::test]
async fn a_429_in_plain_text_is_waited_out_and_seen() {
    let server = Server::start(|seen| {
        (seen.is_token() && seen.before == 0)
            .then(|| Answer::new(429, "Too Many Requests").with("Retry-After", "1"))
    })
    .await;
    let context = Context::default();
    server.client().for_run(context.clone()).sign_in().await.unwrap();
    let counted = context.stats.snapshot();
    assert_eq!(counted.throttle_waits, 1);
    assert!(counted.throttled >= Duration::from_secs(1), "{counted:?}");
    assert_eq!(
        (counted.answers[&429], counted.answers[&200], counted.tokens),
        (1, 1, 1)
    );
    assert_eq!(counted.waiting, None);
}

#[tokio::test]
async fn a_wait_beyond_our_patience_is_not_begun() {
    let server = Server::start(|seen| {
        seen.is_token()
            .then(|| Answer::new(429, "Too Many Requests").with("Retry-After", "60"))
    })
    .await;
    let error = server.client().sign_in().await.unwrap_err();
    assert_eq!(
        error.disposition(),
        Disposition::RetryLater(Some(Duration::from_secs(60)))
    );
    assert_eq!(error.cause(), Cause::Throttled);
}

#[tokio::test]
async fn a_5xx_is_tried_again_until_the_tries_are_used_up() {
    let server = Server::start(|seen| seen.is_token().then(|| Answer::new(503, "<html>"))).await;
    let error = server.client().sign_in().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    assert_eq!(server.tokens().len(), 4);
}

#[tokio::test]
async fn each_refusal_has_its_cause_and_stops() {
    let wrong = r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided.\r\nTrace ID: t\r\n"}"#;
    let error = refused(401, wrong).await;
    assert_eq!(error.cause(), Cause::WrongSecret);
    assert_eq!(error.disposition(), Disposition::Stop);
    assert!(error.advice().next_step.contains("not its Secret ID"));

    let app = r#"{"error":"unauthorized_client","error_description":"AADSTS700016: Application not found."}"#;
    assert_eq!(refused(400, app).await.cause(), Cause::UnknownApp);
    let tenant = r#"{"error":"invalid_request","error_description":"AADSTS90002: Tenant not found."}"#;
    assert_eq!(refused(400, tenant).await.cause(), Cause::UnknownTenant);
}

#[tokio::test]
async fn a_passing_refusal_is_tried_again() {
    let server = Server::start(|seen| {
        (seen.is_token() && seen.before == 0).then(|| {
            Answer::new(
                400,
                r#"{"error":"x","error_codes":[90033],"error_description":"AADSTS90033: Busy."}"#,
            )
        })
    })
    .await;
    server.client().sign_in().await.unwrap();
}

#[tokio::test]
async fn what_is_not_entra_is_told_so() {
    for (status, body) in [
        (404, "<html>not here</html>"),
        (200, "<html>hello</html>"),
        (200, r#"{"token_type":"Bearer","access_token":"t"}"#),
        (
            200,
            r#"{"token_type":"Bearer","expires_in":"soon","access_token":"t"}"#,
        ),
        (
            200,
            r#"{"token_type":"mac","expires_in":3599,"access_token":"t"}"#,
        ),
        (
            200,
            r#"{"token_type":"Bearer","expires_in":3599,"access_token":""}"#,
        ),
    ] {
        let error = refused(status, body).await;
        assert!(matches!(error, Error::NotEntra { .. }), "{body}: {error}");
        assert!(error.advice().next_step.contains("loginUrl"));
    }
}

#[tokio::test]
async fn an_echoed_secret_is_not_repeated() {
    let long = "x".repeat(250);
    for (status, echo) in [
        (
            401,
            r#"{"error":"invalid_client","error_description":"AADSTS7000215: You sent s3cret~value."}"#
                .to_owned(),
        ),
        (
            401,
            r#"{"error":"s3cret~value","trace_id":"s3cret~value"}"#.to_owned(),
        ),
        // It begins before what is kept of a text, and ends behind that.
        (
            401,
            format!(
                r#"{{"error":"invalid_client","error_description":"{long}{} s3cret~value"}}"#,
                "x".repeat(44)
            ),
        ),
        (
            500,
            "You sent grant_type=client_credentials&client_secret=s3cret%7Evalue".to_owned(),
        ),
        (429, "s3cret~value".to_owned()),
    ] {
        let server = Server::start({
            let echo = echo.clone();
            move |seen| seen.is_token().then(|| Answer::new(status, echo.clone()))
        })
        .await;
        let error = server.client().sign_in().await.unwrap_err();
        let told = format!("{error} {error:?}");
        assert!(!told.contains(&SECRET[..4]), "{echo}: {told}");
        assert!(told.contains('…'), "{echo}: {told}");
    }
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let limits = Limits { tries: 2, ..quick() };
    let context = Context::default();
    let error = client_of(&origin, limits)
        .for_run(context.clone())
        .sign_in()
        .await
        .unwrap_err();
    assert_eq!(error.cause(), Cause::Unreachable);
    assert!(
        error.to_string().contains("127.0.0.1 can't be reached"),
        "{error}"
    );
    assert_eq!(context.stats.snapshot().unanswered, 2);
}

/// Refuses the first secret with this number, and the other one unless it is good.
async fn two_secrets(first: u32, other_is_good: bool) -> (Server, rollcall_graph::Graph) {
    let server = Server::start(move |seen| {
        let refused = |code: u32| {
            let body = format!(
                r#"{{"error":"invalid_client","error_codes":[{code}],"error_description":"AADSTS{code}: No."}}"#
            );
            Some(Answer::new(401, body))
        };
        match (seen.is_token(), seen.body.contains("client_secret=other")) {
            (false, _) => Some(Answer::ok("7")),
            (true, true) if other_is_good => None,
            (true, true) => refused(7_000_215),
            (true, false) => refused(first),
        }
    })
    .await;
    let graph = client_with(&server.origin, quick(), Some("other"));
    (server, graph)
}

#[tokio::test]
async fn b9_where_the_first_secret_is_refused_the_other_one_serves_and_that_is_known() {
    for (code, cause) in [(7_000_215, Cause::WrongSecret), (7_000_222, Cause::ExpiredSecret)] {
        let (server, graph) = two_secrets(code, true).await;
        graph.sign_in().await.unwrap();
        assert_eq!(server.tokens().len(), 2);
        assert_eq!(graph.refused_secret().await.unwrap().cause, cause);
    }
}

#[tokio::test]
async fn b9_where_neither_serves_it_is_said_of_the_first() {
    let (_server, graph) = two_secrets(7_000_222, false).await;
    let error = graph.sign_in().await.unwrap_err();
    assert_eq!(error.cause(), Cause::ExpiredSecret);
    assert_eq!(graph.refused_secret().await, None);
}

#[tokio::test]
async fn b9_what_no_other_secret_mends_is_not_tried_with_it() {
    let (server, graph) = two_secrets(700_016, true).await;
    assert_eq!(graph.sign_in().await.unwrap_err().cause(), Cause::UnknownApp);
    assert_eq!(server.tokens().len(), 1);
}
