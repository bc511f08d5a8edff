//! People and programs that use Rollcall all the time, each call under the standard retry policy and no other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use contracts::v1::accounts_client::AccountsClient;
use contracts::v1::tokens_client::TokensClient;
use contracts::v1::{
    ApplyRunRequest, CreateTokenRequest, GetRunRequest, ListAccountsRequest, ListRunsRequest,
    ListTokensRequest, Run, RunKind, RunState, StartRunRequest, TokenRole,
};
use harness::documents::CONNECTION;
use harness::people::hire;
use harness::retry::{is_unavailable, retried};
use harness::world::World;
use serde_json::json;
use tonic::Status;
use uuid::Uuid;

const RUN_LIMIT: Duration = Duration::from_secs(90);
/// People whose title changes between two runs.
const CHANGED: usize = 25;

/// Says when it is enough.
#[derive(Default)]
pub struct Over(AtomicBool);

impl Over {
    /// It is enough.
    pub fn say(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn yet(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Runs of all kinds, one after the other, each after some changes of the directory; returns how each ended.
pub async fn runs(world: &World, over: &Over) -> Vec<Run> {
    let mut ended = Vec::new();
    for kind in [RunKind::Full, RunKind::Delta, RunKind::Preview, RunKind::Delta]
        .into_iter()
        .cycle()
    {
        // The last run is a full one that nothing disturbs: it finds whatever was left out.
        let last = over.yet();
        change(world, ended.len());
        let run = run(world, if last { RunKind::Full } else { kind }).await;
        ended.push(run);
        if last {
            break;
        }
    }
    ended
}

/// Some get another title, and somebody comes.
fn change(world: &World, round: usize) {
    let users = world.tenant.users();
    for user in users.iter().skip(round * 7).step_by(users.len() / CHANGED + 1) {
        let title = json!(format!("Title {round}"));
        world.tenant.update(&user.id, "jobTitle", title).unwrap();
    }
    hire(&world.tenant, &format!("newcomer{round}"), json!({}));
}

async fn run(world: &World, kind: RunKind) -> Run {
    let request = StartRunRequest {
        connection: CONNECTION.to_owned(),
        kind: kind.into(),
        idempotency_key: Uuid::now_v7().to_string(),
        ..StartRunRequest::default()
    };
    let started = retried(async || world.runs().start_run(world.call(request.clone())).await).await;
    let id = started
        .unwrap_or_else(|status| panic!("no {kind:?} run: {status}"))
        .into_inner()
        .id;
    let run = followed(world, &id).await;
    if kind != RunKind::Preview {
        return run;
    }
    assert_eq!(run.state(), RunState::Planned, "{run:#?}");
    let request = ApplyRunRequest {
        run_id: id.clone(),
        idempotency_key: Uuid::now_v7().to_string(),
    };
    let applied = retried(async || world.runs().apply_run(world.call(request.clone())).await).await;
    applied.unwrap_or_else(|status| panic!("the plan of {id} is not applied: {status}"));
    followed(world, &id).await
}

/// Watches a run to its end. A stream that a stopping copy ends is taken up again elsewhere, as the API says.
async fn followed(world: &World, id: &str) -> Run {
    let begun = Instant::now();
    loop {
        let request = GetRunRequest {
            run_id: id.to_owned(),
        };
        let seen = async {
            let watch = async || world.runs().watch_run(world.call(request.clone())).await;
            let mut stream = retried(watch).await?.into_inner();
            let mut last = None;
            while let Some(run) = stream.message().await? {
                last = Some(run);
            }
            Ok::<_, Status>(last)
        };
        match seen.await {
            Ok(Some(run)) => return run,
            Ok(None) => panic!("the watch on {id} told nothing"),
            Err(status) if is_unavailable(&status) => {
                assert!(begun.elapsed() < RUN_LIMIT, "{id} can't be watched: {status}");
            }
            Err(status) => panic!("the watch on {id} broke: {status:?}"),
        }
        assert!(begun.elapsed() < RUN_LIMIT, "{id} does not end");
    }
}

/// Looks at lists, and asks the fetcher through api.
pub async fn looks(world: &World, over: &Over) -> usize {
    let mut calls = 0;
    while !over.yet() {
        let request = ListAccountsRequest {
            page_size: 50,
            ..ListAccountsRequest::default()
        };
        let mut accounts = AccountsClient::new(world.channel());
        let listed = retried(async || accounts.list_accounts(world.call(request.clone())).await).await;
        listed.unwrap_or_else(|status| panic!("accounts are not listed: {status:?}"));

        let request = ListRunsRequest {
            page_size: 10,
            ..ListRunsRequest::default()
        };
        let listed = retried(async || world.runs().list_runs(world.call(request.clone())).await).await;
        listed.unwrap_or_else(|status| panic!("runs are not listed: {status:?}"));

        let mut connections = contracts::v1::connections_client::ConnectionsClient::new(world.channel());
        let request = contracts::v1::TestConnectionRequest {
            connection: CONNECTION.to_owned(),
        };
        let tested = retried(async || connections.test_connection(world.call(request.clone())).await).await;
        tested.unwrap_or_else(|status| panic!("the connection is not tested: {status:?}"));
        calls += 3;
    }
    calls
}

/// Makes tokens, each once; returns how many.
pub async fn tokens(world: &World, over: &Over) -> usize {
    let mut made = 0;
    while !over.yet() {
        let request = CreateTokenRequest {
            name: format!("token-{made}"),
            role: TokenRole::Viewer.into(),
            idempotency_key: Uuid::now_v7().to_string(),
        };
        let mut tokens = TokensClient::new(world.channel());
        let created = retried(async || tokens.create_token(world.call(request.clone())).await).await;
        created.unwrap_or_else(|status| panic!("token {made} is not made: {status:?}"));
        made += 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    made
}

/// How many tokens there are, the test's own aside.
pub async fn tokens_made(world: &World) -> usize {
    let (mut found, mut page_token) = (0, String::new());
    loop {
        let request = ListTokensRequest {
            page_size: 100,
            page_token,
        };
        let mut tokens = TokensClient::new(world.channel());
        let page = tokens
            .list_tokens(world.call(request))
            .await
            .unwrap()
            .into_inner();
        let ours = |token: &&contracts::v1::Token| token.name.starts_with("token-");
        found += page.tokens.iter().filter(ours).count();
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return found;
        }
    }
}

/// Applies the same documents and imports the same file, again and again, with the command line.
pub async fn applies(world: &World, over: &Over) -> usize {
    let mut calls = 0;
    while !over.yet() {
        world.connect("", "").await;
        world
            .import("login,domain,name,email\nby.hand,contoso.org,By Hand,by.hand@contoso.org\n")
            .await;
        calls += 2;
    }
    calls
}
