//! Who may call what.

use contracts::v1::runs_client::RunsClient;
use contracts::v1::tokens_client::TokensClient;
use contracts::v1::{
    CreateTokenRequest, GetRunRequest, ListRunsRequest, RevokeTokenRequest, RunKind, StartRunRequest, TokenRole,
};
use harness::documents::CONNECTION;
use harness::people::hire_many;
use harness::world::{World, call_as};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

#[tokio::test]
async fn a_call_without_a_known_token_gets_nothing() {
    let world = World::start().await;
    let refused = |status: Status| {
        assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
        assert_eq!(status.get_details_error_info().unwrap().reason, "UNAUTHENTICATED");
        status.message().to_owned()
    };
    let missing = world.runs().list_runs(ListRunsRequest::default()).await.unwrap_err();
    let message = refused(missing);
    assert!(message.contains("authorization: Bearer"), "it says what to send: {message}");
    for token in ["rc_0123456789", "", &world.token[..20], &"x".repeat(600)] {
        let call = call_as(token, ListRunsRequest::default());
        refused(world.runs().list_runs(call).await.unwrap_err());
    }
    let mut basic = Request::new(ListRunsRequest::default());
    basic.metadata_mut().insert("authorization", format!("Basic {}", world.token).parse().unwrap());
    refused(world.runs().list_runs(basic).await.unwrap_err());
}

#[tokio::test]
async fn a_viewer_looks_and_changes_nothing() {
    let world = World::start().await;
    hire_many(&world.tenant, 1);
    let run = world.full().await;
    let viewer = token(&world, "watcher", TokenRole::Viewer).await;

    let seen = world.runs().get_run(call_as(&viewer, GetRunRequest { run_id: run.id.clone() })).await.unwrap();
    assert_eq!(seen.into_inner().id, run.id);
    let refused = world.runs().start_run(call_as(&viewer, start())).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused:?}");
    assert_eq!(refused.get_details_error_info().unwrap().reason, "ADMIN_NEEDED");
    assert!(refused.message().contains("watcher"), "it names the token: {refused:?}");
    let request = CreateTokenRequest {
        name: "more".to_owned(),
        role: TokenRole::Admin.into(),
        ..CreateTokenRequest::default()
    };
    let refused = TokensClient::new(world.channel()).create_token(call_as(&viewer, request)).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused:?}");
    let runs = world.runs().list_runs(world.call(ListRunsRequest::default())).await.unwrap().into_inner().runs;
    assert_eq!(runs.len(), 1, "the viewer has started none");
}

#[tokio::test]
async fn a_revoked_token_is_refused_from_then_on() {
    let world = World::start().await;
    let secret = token(&world, "short-lived", TokenRole::Admin).await;
    let list = || call_as(&secret, ListRunsRequest::default());
    world.runs().list_runs(list()).await.unwrap();
    let request = RevokeTokenRequest { token: "short-lived".to_owned(), ..RevokeTokenRequest::default() };
    TokensClient::new(world.channel()).revoke_token(world.call(request)).await.unwrap();
    let refused = world.runs().list_runs(list()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused:?}");
}

#[tokio::test]
async fn one_organization_does_not_see_another_s_runs() {
    let (ours, theirs) = (World::start().await, World::start().await);
    let run = ours.full().await;
    let mut client = RunsClient::new(theirs.channel());
    let request = GetRunRequest { run_id: run.id.clone() };
    let refused = client.get_run(theirs.call(request)).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound, "{refused:?}");
    let refused = theirs.cancel(&run.id).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound, "{refused:?}");
    let runs = client.list_runs(theirs.call(ListRunsRequest::default())).await.unwrap().into_inner().runs;
    assert!(runs.is_empty(), "{runs:#?}");
}

fn start() -> StartRunRequest {
    StartRunRequest {
        connection: CONNECTION.to_owned(),
        kind: RunKind::Full.into(),
        ..StartRunRequest::default()
    }
}

async fn token(world: &World, name: &str, role: TokenRole) -> String {
    let request = CreateTokenRequest { name: name.to_owned(), role: role.into(), ..CreateTokenRequest::default() };
    TokensClient::new(world.channel()).create_token(world.call(request)).await.unwrap().into_inner().secret
}
