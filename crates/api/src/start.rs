//! From configuration to a running service.

use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use bus::Bus;
use contracts::internal::v1::directory_client::DirectoryClient;
use contracts::internal::v1::register_client::RegisterClient;
use domain::id::TokenId;
use secrecy::{ExposeSecret, SecretString};
use service::Context;
use service::config::NatsConfig;
use service::grpc::{Surface, channel};
use service::retry::Policy;
use store::sealed::Kind;
use store::token::{self, Role, Token};
use store::{Store, organization};

use crate::app::App;
use crate::config::Config;
use crate::{auth, console, grpc, sweep};

/// The name of the token that is there from the start.
const BOOTSTRAP: &str = "bootstrap";
/// Characters in its secret at least.
const SHORTEST_SECRET: usize = 24;

/// What is sealed in the tables that this service writes.
const SEALED: [Kind; 4] = [
    Kind::ClientSecret,
    Kind::NextClientSecret,
    Kind::PredefinedPassword,
    Kind::TokenAnswer,
];

/// Connects, starts what goes on, and says what is offered.
pub async fn start(config: Config, context: Context) -> anyhow::Result<Surface> {
    let vault = Arc::new(keys::read(&config.vault)?);
    let store = backing::store(&config.database).await?;
    keys::check(&store, &vault, &config.vault, &context.stopper).await?;
    if let Some(secret) = &config.bootstrap.token {
        bootstrap(&store, &context, secret).await?;
    }
    let app = App {
        store,
        vault,
        clock: context.clock.clone(),
        tasks: context.tasks.clone(),
        stopper: context.stopper.clone(),
        bus: Arc::new(OnceLock::new()),
        directory: DirectoryClient::new(channel(&config.fetcher).context("fetcher can't be used")?),
        register: RegisterClient::new(channel(&config.reconciler).context("reconciler can't be used")?),
    };
    let (connecting, nats) = (app.clone(), config.nats);
    context.tasks.spawn("bus", async move {
        Box::pin(connect(connecting, nats)).await;
        Ok::<_, std::convert::Infallible>(())
    });
    context.tasks.spawn("sweep", sweep::sweep(app.clone()));
    let resealed = keys::reseal(
        app.store.clone(),
        Arc::clone(&app.vault),
        &SEALED,
        app.stopper.clone(),
    );
    context.tasks.spawn("reseal", resealed);
    let address = console::listen(&app, config.console).await?;
    context.announce("console", address);
    Ok(grpc::surface(&app))
}

/// The bus only wakes others, so answers are given while it is away.
async fn connect(app: App, config: NatsConfig) {
    let options = backing::bus_options("rollcall-api", &config);
    // By hand: the compiler can't show of `retry` that a task may do it (rust-lang/rust#102211).
    for attempt in 0.. {
        let Some(connected) = Box::pin(app.stopper.until(Bus::connect(&options))).await else {
            return;
        };
        match connected {
            Ok(bus) => {
                // Nobody else sets it.
                drop(app.bus.set(bus));
                return;
            }
            Err(error) => {
                tracing::warn!(attempt = attempt + 1, error = %service::error::chain(&error), "connecting to NATS failed; trying again");
            }
        }
        let wait = Policy::UNTIL_STOPPED.backoff.delay(attempt, rand::random());
        if app.stopper.until(tokio::time::sleep(wait)).await.is_none() {
            return;
        }
    }
}

/// The admin token that is there from the start. A changed secret replaces the one before.
async fn bootstrap(store: &Store, context: &Context, secret: &SecretString) -> anyhow::Result<()> {
    let secret = secret.expose_secret();
    anyhow::ensure!(
        secret.len() >= SHORTEST_SECRET,
        "bootstrap.token is shorter than {SHORTEST_SECRET} characters; make one with `openssl rand -hex 32`"
    );
    let made = Token {
        id: TokenId(context.clock.new_id()),
        organization: organization::DEFAULT,
        name: BOOTSTRAP.to_owned(),
        role: Role::Admin,
        created_at: context.clock.now(),
        revoked_at: None,
    };
    let mut tx = store.begin("token.bootstrap").await?;
    if token::bootstrap(tx.connection(), &made, &auth::hash(secret)).await? {
        tracing::info!("the bootstrap token is set");
    }
    tx.commit().await?;
    Ok(())
}
