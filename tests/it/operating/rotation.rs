//! Keys are rotated while everything runs (C12), and a ring that lacks a key is refused before anything is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use contracts::v1::runs_client::RunsClient;
use contracts::v1::tokens_client::TokensClient;
use contracts::v1::{CreateTokenRequest, GetRunRequest, ListRunsRequest, Run, RunKind, RunState, TokenRole};
use harness::documents::CONNECTION;
use harness::groups::{join, security_group};
use harness::people::{hire, hire_many, nobody};
use harness::site::Site;
use harness::told::part;
use harness::wait::until;
use harness::world::{World, call_as};
use local::mail::{Action, Fault, Moment};
use local::stack::Service;
use serde_json::{Value, json};
use tonic::transport::{Channel, Endpoint};

use super::ring::{Ring, entry, key, restart_one_by_one, secrets};

const COPIES: usize = 2;
/// The order that the document gives.
const ORDER: [Service; 4] = [
    Service::Api,
    Service::Fetcher,
    Service::Reconciler,
    Service::Notifier,
];

/// Calls one copy of api after the other's, always one that is not being restarted, as a Kubernetes Service does; every call
/// must succeed.
struct Caller {
    copy: Arc<AtomicUsize>,
    calls: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Caller {
    #[expect(
        clippy::disallowed_methods,
        reason = "the test waits for its end, and looks at it between"
    )]
    fn start(world: &World, urls: Vec<String>) -> Self {
        let (copy, calls, over) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let token = world.token.clone();
        let (at, counted, stop) = (Arc::clone(&copy), Arc::clone(&calls), Arc::clone(&over));
        let task = tokio::spawn(async move {
            let channels: Vec<Channel> = urls
                .into_iter()
                .map(|url| Endpoint::from_shared(url).unwrap().connect_lazy())
                .collect();
            while !stop.load(Ordering::SeqCst) {
                let channel = channels[at.load(Ordering::SeqCst)].clone();
                let request = call_as(&token, ListRunsRequest::default());
                RunsClient::new(channel).list_runs(request).await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
            }
        });
        Self {
            copy,
            calls,
            over,
            task,
        }
    }

    /// Calls this copy, from 1, and has done so when it returns.
    async fn turn_to(&self, copy: usize) {
        self.copy.store(copy - 1, Ordering::SeqCst);
        let before = self.calls.load(Ordering::SeqCst);
        until("calls go to the other copy", async || {
            assert!(!self.task.is_finished(), "a call failed");
            (self.calls.load(Ordering::SeqCst) >= before + 2).then_some(())
        })
        .await;
    }

    async fn end(self) -> usize {
        self.over.store(true, Ordering::SeqCst);
        self.task.await.unwrap();
        self.calls.load(Ordering::SeqCst)
    }
}

/// Restarts every copy of every service, one by one, while calls and runs go on; the runs that ended meanwhile.
async fn restart_all(site: &mut Site, world: &World, caller: &Caller) -> Vec<Run> {
    let mut runs = Vec::new();
    for service in ORDER {
        // An api that was restarted has closed the connection that we have to it.
        let run = until("a run is started", async || {
            world.try_start(CONNECTION, RunKind::Delta).await.ok()
        })
        .await;
        if service == Service::Api {
            for copy in 1..=COPIES {
                caller.turn_to(COPIES + 1 - copy).await;
                let stack = site.stack_mut();
                assert!(stack.stop_one(service, copy).await.unwrap());
                stack.spawn(service, copy).unwrap();
                stack.ready(service, copy).await.unwrap();
            }
            caller.turn_to(1).await;
        } else {
            restart_one_by_one(site, service, COPIES).await;
        }
        runs.push(ended(world, &run.id).await);
    }
    runs
}

/// A run to its good end; the stream of an api that is restarted breaks off, so it is asked for.
async fn ended(world: &World, id: &str) -> Run {
    let request = || {
        world.call(GetRunRequest {
            run_id: id.to_owned(),
        })
    };
    let run = until("the run's end", async || {
        let run = world.runs().get_run(request()).await.ok()?.into_inner();
        run.end_time.is_some().then_some(run)
    })
    .await;
    assert_eq!(run.state(), RunState::Finished, "{run:#?}");
    run
}

fn settings(world: &World) -> String {
    format!(
        "kind: Settings\nname: default\nmailTo: [\"{}\"]\npasswords: {{ mode: predefined, predefined: {{ fromEnv: \
         CONTOSO_SECRET }} }}\n",
        world.mail_to
    )
}

/// What there is of each kind in the test, the next client secret aside, of which there is none.
const KINDS: [&str; 7] = [
    "1 client secret",
    "1 predefined password",
    "1 answer with a new token",
    "1 delta link of an open run",
    "1 groups' delta link of an open run",
    "2 delta links",
    "1 password to be mailed",
];

/// What a key has sealed, as the command line's table has it.
fn kinds(key: &Value) -> Vec<String> {
    let sealed = key["sealed"].as_array().into_iter().flatten();
    sealed
        .map(|sealed| format!("{} {}", sealed["count"], sealed["kind"].as_str().unwrap()))
        .collect()
}

fn create_token() -> CreateTokenRequest {
    CreateTokenRequest {
        name: "ci".to_owned(),
        role: TokenRole::Viewer.into(),
        idempotency_key: "the same".to_owned(),
    }
}

async fn token(world: &World) -> String {
    let mut client = TokensClient::new(world.channel());
    let answer = client.create_token(world.call(create_token())).await.unwrap();
    answer.into_inner().secret
}

#[tokio::test]
async fn c12_keys_are_rotated_while_everything_runs_and_the_old_one_can_go() {
    let (old, new) = (entry("k1"), entry("k2"));
    let ring = Ring::new(&old);
    let builder = Service::ALL
        .into_iter()
        .fold(ring.of(Site::builder()), |builder, service| {
            builder.copies(service, COPIES)
        })
        .set(Service::Fetcher, "fetch.lease_seconds", "2")
        .set(Service::Notifier, "delivery.max_attempts", "1000");
    let mut site = Site::start(builder).await;
    let password = "Cor-rect7horse";
    let mut tenant = nobody();
    tenant.client_secret = password.to_owned();
    let world = World::bare(&site, tenant).await;
    let people = hire_many(&world.tenant, 3);
    let group = security_group(&world.tenant, "staff");
    join(&world.tenant, &group, &people);
    world
        .connect(
            "",
            &format!("criteria:\n  - [{{ operator: memberOf, value: {group} }}]"),
        )
        .await;

    // Something of every kind is sealed with the old key: mails wait, a plan waits, a new secret waits for its turn.
    site.mail().add_fault(Fault::always(
        Moment::Recipient,
        Action::Reply {
            code: 451,
            text: "later".to_owned(),
        },
    ));
    world.full().await;
    world.apply(&settings(&world)).await;
    let eve = hire(&world.tenant, "eve", json!({}));
    join(&world.tenant, &group, &[&eve]);
    world.delta().await;
    let secret = token(&world).await;
    let preview = world.preview().await;
    let told = until("one of every kind is sealed", async || {
        let told = key(&world, "k1").await.unwrap();
        (kinds(&told) == KINDS).then_some(told)
    })
    .await;
    assert_eq!(told["state"], "KEY_STATE_CURRENT", "{told:#}");

    let urls = (1..=COPIES)
        .map(|copy| site.stack().grpc_url(Service::Api, copy).unwrap())
        .collect();
    let caller = Caller::start(&world, urls);

    // 1. The new key comes in below the old one: everybody can open what it will seal, and nobody seals with it yet.
    ring.set(&format!("{old}\n{new}\n"));
    restart_all(&mut site, &world, &caller).await;
    let told = key(&world, "k2").await.unwrap();
    assert_eq!(told["state"], "KEY_STATE_OLDER", "{told:#}");
    assert_eq!(secrets(&world, "k2").await, 0, "{told:#}");

    // 2. It goes to the top: it seals, and what the old one has sealed is sealed anew.
    ring.set(&format!("{new}\n{old}\n"));
    restart_all(&mut site, &world, &caller).await;
    until("nothing is sealed with the old key", async || {
        (secrets(&world, "k1").await == 0).then_some(())
    })
    .await;
    let told = world.cli_run(&["key", "list"]).await.stdout;
    for kind in KINDS {
        assert!(told.contains(kind), "{kind}: {told}");
    }

    // 3. The old one goes.
    ring.set(&new);
    let runs = restart_all(&mut site, &world, &caller).await;
    assert!(caller.end().await > 100, "calls went on all the time");
    for run in &runs {
        assert_eq!(run.reason, "", "a delta from where the last one ended: {run:#?}");
    }
    assert_eq!(key(&world, "k1").await, None);
    assert_eq!(token(&world).await, secret, "the same answer as before");
    let applied = world.apply(&settings(&world)).await;
    assert_eq!(
        applied["changes"][0]["action"], "unchanged",
        "the password opens, and is the same: {applied:#}"
    );
    world.apply_plan(&preview.id).await;
    let delta = world.delta().await;
    assert_eq!(delta.reason, "", "{delta:#?}");
    site.mail().clear_faults();
    until("the mail with the password", async || {
        let mails = site.mail().messages();
        let letters = mails.iter().filter_map(|mail| part(mail, "text/plain"));
        letters
            .into_iter()
            .any(|text| text.contains(password))
            .then_some(())
    })
    .await;
    site.stop().await;
}

/// What every start says that is refused.
async fn refused(site: &mut Site, service: Service) -> String {
    site.stack_mut().spawn(service, 1).unwrap();
    let told = site.stack_mut().ready(service, 1).await.unwrap_err().to_string();
    assert!(told.contains("ended by itself"), "{told}");
    told
}

#[tokio::test]
async fn c12_a_ring_that_lacks_a_key_or_has_another_is_refused_with_what_it_would_cost() {
    let (own, other) = (entry("k1"), entry("k2"));
    let ring = Ring::new(&own);
    let mut site = Site::start(ring.of(Site::builder())).await;
    let world = World::bare(&site, nobody()).await;
    world.connect("", "").await;
    hire(&world.tenant, "ann", json!({}));
    world.full().await;
    let sealed = "SELECT (SELECT string_agg(c::text, ';') FROM credential c) || (SELECT string_agg(d::text, ';') FROM delta_cursor d)";
    let before = site.sql(sealed).await;
    for service in Service::ALL {
        assert!(site.stack_mut().stop_one(service, 1).await.unwrap());
    }

    ring.set(&other);
    for service in Service::ALL {
        let told = refused(&mut site, service).await;
        for part in [
            "the key ring lacks key \"k1\"",
            "1 client secret, 1 delta link",
            "below the current one",
            "ROLLCALL_VAULT__LOST_KEYS=k1",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }
    ring.set(&other.replacen("k2", "k1", 1));
    let told = refused(&mut site, Service::Api).await;
    assert!(
        told.contains("key \"k1\" of the key ring is not the one that sealed"),
        "{told}"
    );
    let key = other.split(':').nth(1).unwrap();
    assert!(!told.contains(key), "{told}");
    assert_eq!(site.sql(sealed).await, before, "nothing was changed");

    ring.set(&own);
    for service in Service::ALL {
        site.stack_mut().spawn(service, 1).unwrap();
        site.stack_mut().ready(service, 1).await.unwrap();
    }
    let delta = world.delta().await;
    assert_eq!(delta.reason, "", "{delta:#?}");
    site.stop().await;
}

#[tokio::test]
async fn c12_with_a_key_that_is_lost_for_good_everything_starts_and_the_secret_is_entered_again() {
    let ring = Ring::new(&entry("k1"));
    let builder = Service::ALL
        .into_iter()
        .fold(ring.of(Site::builder()), |builder, service| {
            builder.set(service, "vault.lost_keys", "k0, k1")
        });
    let mut site = Site::start(builder).await;
    let world = World::bare(&site, nobody()).await;
    world.connect("", "").await;
    hire(&world.tenant, "ann", json!({}));
    world.full().await;
    ring.set(&entry("k2"));
    for service in ORDER {
        restart_one_by_one(&mut site, service, 1).await;
    }
    let told = key(&world, "k1").await.unwrap();
    assert_eq!(told["state"], "KEY_STATE_MISSING", "{told:#}");
    let run = world.run_to_end(RunKind::Delta).await;
    assert_eq!(run.state(), RunState::Failed, "{run:#?}");
    assert!(run.error.contains("\"k1\""), "{run:#?}");

    world.connect("", "").await;
    let run = world.delta().await;
    assert!(
        run.reason.contains("the delta link can't be opened"),
        "a full run makes up for it: {run:#?}"
    );
    assert_eq!(key(&world, "k1").await, None);
    let delta = world.delta().await;
    assert_eq!(delta.reason, "", "{delta:#?}");
    site.stop().await;
}
