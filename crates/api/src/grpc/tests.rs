//! The services as a client sees them, against a real database.

use contracts::v1;
use contracts::v1::accounts_client::AccountsClient;
use contracts::v1::accounts_server::AccountsServer;
use contracts::v1::connections_client::ConnectionsClient;
use contracts::v1::connections_server::ConnectionsServer;
use contracts::v1::notices_client::NoticesClient;
use contracts::v1::notices_server::NoticesServer;
use contracts::v1::runs_client::RunsClient;
use contracts::v1::runs_server::RunsServer;
use contracts::v1::tokens_client::TokensClient;
use contracts::v1::tokens_server::TokensServer;
use tonic::{Code, Request};
use tonic_types::StatusExt;

use super::{accounts, connections, known, notices, runs, tokens};
use crate::auth::Authenticated;
use crate::testing::{World, hex, world};

fn runs(world: &World) -> RunsClient<Authenticated<RunsServer<runs::Service>>> {
    RunsClient::new(known(
        &world.app,
        RunsServer::new(runs::Service(world.app.clone())),
    ))
}

fn tokens(world: &World) -> TokensClient<Authenticated<TokensServer<tokens::Service>>> {
    TokensClient::new(known(
        &world.app,
        TokensServer::new(tokens::Service(world.app.clone())),
    ))
}

/// A request that carries the token.
fn with<T>(secret: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert("authorization", format!("Bearer {secret}").parse().unwrap());
    request
}

fn start(key: &str) -> v1::StartRunRequest {
    v1::StartRunRequest {
        connection: "contoso".into(),
        kind: v1::RunKind::Full.into(),
        idempotency_key: key.into(),
        ..Default::default()
    }
}

#[tokio::test]
async fn without_a_token_or_with_a_revoked_one_nobody_is_let_in() {
    let world = world().await;
    let mut runs = runs(&world);
    let list = v1::ListRunsRequest::default;
    let status = runs.list_runs(Request::new(list())).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert!(status.message().contains("authorization: Bearer"), "{status}");
    assert_eq!(status.get_details_error_info().unwrap().reason, "UNAUTHENTICATED");
    assert_eq!(
        runs.list_runs(with("rc_guess", list())).await.unwrap_err().code(),
        Code::Unauthenticated
    );
    assert!(runs.list_runs(with(&world.viewer_secret, list())).await.is_ok());
    let revoke = v1::RevokeTokenRequest {
        token: "vic".into(),
        ..Default::default()
    };
    tokens(&world)
        .revoke_token(with(&world.admin_secret, revoke))
        .await
        .unwrap();
    assert_eq!(
        runs.list_runs(with(&world.viewer_secret, list()))
            .await
            .unwrap_err()
            .code(),
        Code::Unauthenticated
    );
}

#[tokio::test]
async fn a_viewer_reads_only() {
    let world = world().await;
    world.connected().await;
    let status = runs(&world)
        .start_run(with(&world.viewer_secret, start("")))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    assert!(
        status.message().contains("vic") && status.message().contains("--role admin"),
        "{status}"
    );
}

#[tokio::test]
async fn the_same_key_gives_the_same_run_and_another_request_is_refused() {
    let world = world().await;
    world.connected().await;
    let mut runs = runs(&world);
    let mut run = async |request| runs.start_run(with(&world.admin_secret, request)).await;
    let first = run(start("k1")).await.unwrap().into_inner();
    assert_eq!(first.state(), v1::RunState::Requested);
    assert_eq!(run(start("k1")).await.unwrap().into_inner(), first);
    let other = v1::StartRunRequest {
        kind: v1::RunKind::Delta.into(),
        ..start("k1")
    };
    assert_eq!(run(other).await.unwrap_err().code(), Code::AlreadyExists);
    assert_ne!(run(start("")).await.unwrap().into_inner().id, first.id);
    assert_eq!(
        world
            .database
            .sql("SELECT count(*) FROM run")
            .await
            .unwrap()
            .trim(),
        "2"
    );
}

#[tokio::test]
async fn a_refused_mutation_leaves_its_key_free() {
    let world = world().await;
    let mut runs = runs(&world);
    let status = runs
        .start_run(with(&world.admin_secret, start("k1")))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    world.connected().await;
    runs.start_run(with(&world.admin_secret, start("k1")))
        .await
        .unwrap();
}

#[tokio::test]
async fn an_unknown_connection_is_named_with_the_ones_there_are() {
    let world = world().await;
    world.connected().await;
    let request = v1::StartRunRequest {
        connection: "contso".into(),
        ..start("")
    };
    let status = runs(&world)
        .start_run(with(&world.admin_secret, request))
        .await
        .unwrap_err();
    assert_eq!(
        status.message(),
        "connection \"contso\" is not known; there are: contoso"
    );
    assert_eq!(
        status.get_details_resource_info().unwrap().resource_name,
        "contso"
    );
}

#[tokio::test]
async fn a_run_without_a_mapping_is_refused() {
    let world = world().await;
    world.connected().await;
    world.database.sql("DELETE FROM mapping").await.unwrap();
    let status = runs(&world)
        .start_run(with(&world.admin_secret, start("")))
        .await
        .unwrap_err();
    assert_eq!(
        (
            status.code(),
            status.message().contains("has no mapping with target accounts")
        ),
        (Code::FailedPrecondition, true)
    );
}

#[tokio::test]
async fn pages_of_runs_hold_each_run_once_latest_first() {
    let world = world().await;
    world.connected().await;
    let mut runs = runs(&world);
    let mut started = Vec::new();
    for _ in 0..5 {
        let run = runs
            .start_run(with(&world.admin_secret, start("")))
            .await
            .unwrap()
            .into_inner();
        started.push(run.id);
    }
    started.reverse();
    let (mut listed, mut token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListRunsRequest {
            page_size: 2,
            page_token: token,
            ..Default::default()
        };
        let page = runs
            .list_runs(with(&world.viewer_secret, request))
            .await
            .unwrap()
            .into_inner();
        listed.extend(page.runs.into_iter().map(|run| run.id));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(listed, started);
}

#[tokio::test]
async fn a_watched_run_is_told_to_its_end() {
    let world = world().await;
    world.connected().await;
    let mut runs = runs(&world);
    let run = runs
        .start_run(with(&world.admin_secret, start("")))
        .await
        .unwrap()
        .into_inner();
    let watch = v1::GetRunRequest {
        run_id: run.id.clone(),
    };
    let mut watched = runs
        .watch_run(with(&world.viewer_secret, watch))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        watched.message().await.unwrap().unwrap().state(),
        v1::RunState::Requested
    );
    let cancel = v1::CancelRunRequest {
        run_id: run.id,
        ..Default::default()
    };
    runs.cancel_run(with(&world.admin_secret, cancel)).await.unwrap();
    let last = watched.message().await.unwrap().unwrap();
    assert_eq!(
        (last.state(), last.reason.as_str()),
        (v1::RunState::Cancelled, "cancelled by ann")
    );
    assert_eq!(watched.message().await.unwrap(), None);
}

#[tokio::test]
async fn a_token_is_shown_once_and_again_only_to_the_same_key() {
    let world = world().await;
    let mut tokens = tokens(&world);
    let request = |key: &str| v1::CreateTokenRequest {
        name: "robot".into(),
        role: v1::TokenRole::Viewer.into(),
        idempotency_key: key.into(),
    };
    let made = tokens
        .create_token(with(&world.admin_secret, request("k")))
        .await
        .unwrap()
        .into_inner();
    let again = tokens
        .create_token(with(&world.admin_secret, request("k")))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(made, again);
    let status = tokens
        .create_token(with(&world.admin_secret, request("other")))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::AlreadyExists);
    let hex = hex(&made.secret);
    for table in ["token", "idempotency", "audit"] {
        let rows = world
            .database
            .sql(&format!("SELECT t::text FROM {table} t"))
            .await
            .unwrap();
        assert!(!rows.contains(&made.secret) && !rows.contains(&hex), "{table}");
    }
    assert!(
        runs(&world)
            .list_runs(with(&made.secret, v1::ListRunsRequest::default()))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_service_that_is_away_is_named_with_when_to_try_again() {
    let world = world().await;
    world.connected().await;
    let service = ConnectionsServer::new(connections::Service(world.app.clone()));
    let mut connections = ConnectionsClient::new(known(&world.app, service));
    let request = v1::TestConnectionRequest {
        connection: "contoso".into(),
    };
    let status = connections
        .test_connection(with(&world.admin_secret, request))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(
        status.message().contains("the fetcher can't be reached"),
        "{status}"
    );
    assert!(status.get_details_retry_info().is_some());
}

#[tokio::test]
async fn an_import_with_an_unknown_column_is_refused_with_a_suggestion() {
    let world = world().await;
    let service = AccountsServer::new(accounts::Service(world.app.clone()));
    let mut accounts = AccountsClient::new(known(&world.app, service));
    let row = v1::AccountRow {
        line: 2,
        values: [("logn".to_owned(), "ann".to_owned())].into(),
    };
    let rows = v1::ImportAccountsRequest {
        rows: vec![row],
        ..Default::default()
    };
    let status = accounts
        .import_accounts(with(&world.admin_secret, tokio_stream::iter([rows])))
        .await
        .unwrap()
        .into_inner()
        .message()
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(
        status.get_details_bad_request().unwrap().field_violations[0].field,
        "rows[0].values.logn"
    );
    assert!(status.message().contains("did you mean \"login\"?"), "{status}");
}

#[tokio::test]
async fn n4_the_bell_counts_and_rings() {
    let world = world().await;
    let service = NoticesServer::new(notices::Service(world.app.clone()));
    let mut notices = NoticesClient::new(known(&world.app, service));
    let watch = with(&world.viewer_secret, v1::WatchNoticesRequest {});
    let mut bell = notices.watch_notices(watch).await.unwrap().into_inner();
    let first = bell.message().await.unwrap().unwrap();
    assert_eq!((first.notice, first.unread), (None, 0));
    let written = format!(
        "INSERT INTO notice (id, organization_id, event_id, kind, title, body, created_at) VALUES ('{}', '{}', '{}', \
         'run_finished', 'contoso: full run finished', '9 added', now())",
        world.app.clock.new_id(),
        store::organization::DEFAULT,
        world.app.clock.new_id(),
    );
    world.database.sql(&written).await.unwrap();
    let rung = bell.message().await.unwrap().unwrap();
    let notice = rung.notice.unwrap();
    assert_eq!(
        (notice.kind(), notice.read, rung.unread),
        (v1::NoticeKind::RunFinished, false, 1)
    );
    let read = v1::MarkNoticesReadRequest {
        notice_ids: vec![notice.id],
    };
    let unread = notices
        .mark_notices_read(with(&world.viewer_secret, read))
        .await
        .unwrap()
        .into_inner()
        .unread;
    assert_eq!(unread, 0);
    let list = with(&world.admin_secret, v1::ListNoticesRequest::default());
    assert_eq!(
        notices.list_notices(list).await.unwrap().into_inner().unread,
        1,
        "each reader has a bell of their own"
    );
}
