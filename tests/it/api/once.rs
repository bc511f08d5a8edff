//! Asking twice with one idempotency key does it once.

use contracts::v1::tokens_client::TokensClient;
use contracts::v1::{
    CreateTokenRequest, ListRunsRequest, ListTokensRequest, Run, RunKind, StartRunRequest, TokenRole,
};
use futures::future::join_all;
use harness::documents::CONNECTION;
use harness::world::World;
use tonic::{Code, Status};

async fn start(world: &World, kind: RunKind, key: &str) -> Result<Run, Status> {
    let request = StartRunRequest {
        connection: CONNECTION.to_owned(),
        kind: kind.into(),
        idempotency_key: key.to_owned(),
        ..StartRunRequest::default()
    };
    Ok(world.runs().start_run(world.call(request)).await?.into_inner())
}

async fn runs(world: &World) -> usize {
    let request = ListRunsRequest {
        page_size: 100,
        ..ListRunsRequest::default()
    };
    world
        .runs()
        .list_runs(world.call(request))
        .await
        .unwrap()
        .into_inner()
        .runs
        .len()
}

#[tokio::test]
async fn a_repeated_start_is_the_same_run_even_at_the_same_time() {
    let world = World::start().await;
    let answers = join_all((0..6).map(|_| start(&world, RunKind::Full, "morning"))).await;
    let mut ids: Vec<String> = answers.into_iter().map(|answer| answer.unwrap().id).collect();
    world.ended(&ids[0]).await;
    ids.push(start(&world, RunKind::Full, "morning").await.unwrap().id);
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(runs(&world).await, 1);

    let refused = start(&world, RunKind::Preview, "morning").await.unwrap_err();
    assert_eq!(
        refused.code(),
        Code::AlreadyExists,
        "another request under a used key: {refused:?}"
    );
    assert_eq!(runs(&world).await, 1);
    let other = start(&world, RunKind::Full, "evening").await.unwrap();
    assert_ne!(other.id, ids[0]);
    world.ended(&other.id).await;
}

#[tokio::test]
async fn keys_of_two_organizations_do_not_meet() {
    let (ours, theirs) = (World::start().await, World::start().await);
    let one = start(&ours, RunKind::Full, "morning").await.unwrap();
    let other = start(&theirs, RunKind::Full, "morning").await.unwrap();
    assert_ne!(one.id, other.id);
    ours.ended(&one.id).await;
    theirs.ended(&other.id).await;
}

#[tokio::test]
async fn a_token_that_is_asked_for_twice_is_made_once_and_not_kept_in_the_clear() {
    let world = World::start().await;
    let mut client = TokensClient::new(world.channel());
    let request = CreateTokenRequest {
        name: "watcher".to_owned(),
        role: TokenRole::Viewer.into(),
        idempotency_key: "make-watcher".to_owned(),
    };
    let first = client
        .create_token(world.call(request.clone()))
        .await
        .unwrap()
        .into_inner();
    let again = client
        .create_token(world.call(request))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(first, again);
    let tokens = client
        .list_tokens(world.call(ListTokensRequest::default()))
        .await
        .unwrap()
        .into_inner()
        .tokens;
    assert_eq!(
        tokens.iter().filter(|token| token.name == "watcher").count(),
        1,
        "{tokens:#?}"
    );
    let site = harness::site::Site::shared().await;
    let stored = site
        .sql(&format!(
            "SELECT count(*) FROM idempotency WHERE position(convert_to('{}', 'UTF8') IN response) > 0",
            first.secret
        ))
        .await;
    assert_eq!(
        stored.trim(),
        "0",
        "the stored answer holds the token in the clear"
    );
}
