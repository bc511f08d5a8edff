//! Who may call: tokens, roles, organizations.

use contracts::v1::connections_client::ConnectionsClient;
use contracts::v1::tokens_client::TokensClient;
use contracts::v1::{
    CreateTokenRequest, GetConnectionRequest, GetRunRequest, ListConnectionsRequest, ListRunsRequest,
    RevokeTokenRequest, RunKind, StartRunRequest, TokenRole,
};
use harness::people::hire;
use harness::site::Site;
use harness::world::{World, call_as};
use serde_json::json;
use tonic::{Code, Request, Status};

async fn list_with(world: &World, token: Option<&str>) -> Result<(), Status> {
    let message = ListConnectionsRequest::default();
    let request = match token {
        Some(token) => call_as(token, message),
        None => Request::new(message),
    };
    ConnectionsClient::new(world.channel())
        .list_connections(request)
        .await
        .map(drop)
}

async fn token(world: &World, name: &str, role: TokenRole) -> String {
    let create = CreateTokenRequest {
        name: name.to_owned(),
        role: role.into(),
        ..CreateTokenRequest::default()
    };
    let mut tokens = TokensClient::new(world.channel());
    tokens
        .create_token(world.call(create))
        .await
        .unwrap()
        .into_inner()
        .secret
}

#[tokio::test]
async fn a_token_is_needed_known_and_not_revoked() {
    let world = World::start().await;
    let refused = list_with(&world, None).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert!(
        refused.message().contains("authorization"),
        "the next step: {refused:?}"
    );
    for wrong in ["rc_wrong", "", "x y"] {
        assert_eq!(
            list_with(&world, Some(wrong)).await.unwrap_err().code(),
            Code::Unauthenticated,
            "{wrong:?}"
        );
    }
    let secret = token(&world, "robot", TokenRole::Admin).await;
    list_with(&world, Some(&secret)).await.unwrap();
    let revoke = RevokeTokenRequest {
        token: "robot".to_owned(),
        ..RevokeTokenRequest::default()
    };
    TokensClient::new(world.channel())
        .revoke_token(world.call(revoke))
        .await
        .unwrap();
    let refused = list_with(&world, Some(&secret)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let site = Site::shared().await;
    let count = site
        .sql(&format!(
            "SELECT count(*) FROM token WHERE token::text LIKE '%{secret}%'"
        ))
        .await;
    assert_eq!(count, "0", "only its hash is stored");
}

#[tokio::test]
async fn a_viewer_reads_and_changes_nothing() {
    let world = World::start().await;
    let viewer = token(&world, "eyes", TokenRole::Viewer).await;
    list_with(&world, Some(&viewer)).await.unwrap();
    let start = StartRunRequest {
        connection: "contoso".into(),
        kind: RunKind::Full.into(),
        ..Default::default()
    };
    let refused = world.runs().start_run(call_as(&viewer, start)).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert!(
        refused.message().contains("eyes") && refused.message().contains("admin"),
        "{refused:?}"
    );
    let create = CreateTokenRequest {
        name: "more".to_owned(),
        role: TokenRole::Admin.into(),
        ..Default::default()
    };
    let refused = TokensClient::new(world.channel())
        .create_token(call_as(&viewer, create))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let runs = ListRunsRequest::default();
    assert!(
        world
            .runs()
            .list_runs(world.call(runs))
            .await
            .unwrap()
            .into_inner()
            .runs
            .is_empty()
    );
    // The command line says the same.
    let cli = world.cli().env("ROLLCALL_TOKEN", &viewer);
    let answer = cli
        .run(&["run", "start", "contoso", "--kind", "full"])
        .await
        .unwrap();
    assert_eq!(answer.code, 1);
    assert!(answer.stderr.contains("viewer"), "{answer:?}");
}

#[tokio::test]
async fn organizations_see_nothing_of_each_other() {
    let (ours, theirs) = (World::start().await, World::start().await);
    hire(&ours.tenant, "ann", json!({}));
    let run = ours.full().await;
    assert!(theirs.accounts().await.is_empty());
    let request = GetRunRequest {
        run_id: run.id.clone(),
    };
    assert_eq!(
        theirs
            .runs()
            .get_run(theirs.call(request))
            .await
            .unwrap_err()
            .code(),
        Code::NotFound
    );
    let refused = theirs.cancel(&run.id).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    let request = GetConnectionRequest {
        connection: ours.connection().await.id,
    };
    let mut connections = ConnectionsClient::new(theirs.channel());
    assert_eq!(
        connections
            .get_connection(theirs.call(request))
            .await
            .unwrap_err()
            .code(),
        Code::NotFound
    );
    hire(&theirs.tenant, "ann", json!({}));
    theirs.full().await;
    assert_eq!(
        (ours.accounts().await.len(), theirs.accounts().await.len()),
        (1, 1),
        "the same login twice"
    );
    assert!(
        theirs
            .notices()
            .await
            .notices
            .iter()
            .all(|notice| notice.run_id != run.id)
    );
}
