//! The web console: pages made on the server, which work without JavaScript.

mod assets;
mod changes;
mod connection;
mod headers;
mod layout;
mod log;
mod notices;
mod overview;
mod respond;
mod reviews;
mod reviews_csv;
mod run;
mod run_actions;
mod runs;
mod serve;
mod session;
mod sign_in;
mod words;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};
use tokio::net::TcpListener;

use crate::app::App;
use crate::config;
use session::Limiter;

/// Bytes of a form at most.
const LARGEST_FORM: usize = 64 * 1024;

/// What every page is made with. Cheap to clone.
#[derive(Clone)]
struct Console {
    app: App,
    config: config::Console,
    limiter: Arc<Limiter>,
}

/// Serves the console; its address.
pub async fn listen(app: &App, config: config::Console) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("console.listen {} can't be bound", config.listen))?;
    let address = listener
        .local_addr()
        .context("the console's address can't be read")?;
    let limiter = Arc::new(Limiter::new(config.sign_ins_per_minute));
    let connections = config.connections;
    let router = router(Console {
        app: app.clone(),
        config,
        limiter,
    });
    app.tasks.spawn(
        "console",
        serve::serve(app.clone(), listener, router, connections),
    );
    Ok(address)
}

fn router(console: Console) -> Router {
    Router::new()
        .route("/", get(overview::page))
        .route("/sign-in", get(sign_in::page).post(sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/connections/{name}", get(connection::page))
        .route("/connections/{name}/release", post(connection::release))
        .route("/connections/{name}/schedule", post(connection::switch_schedule))
        .route("/runs", get(runs::page).post(run_actions::start))
        .route("/runs/{id}", get(run::page))
        .route("/runs/{id}/live", get(run::live))
        .route("/runs/{id}/changes", get(changes::page))
        .route("/runs/{id}/changes.csv", get(changes::csv))
        .route("/runs/{id}/failed.csv", get(run_actions::failed_csv))
        .route("/runs/{id}/cancel", post(run_actions::cancel))
        .route("/runs/{id}/apply", post(run_actions::apply))
        .route("/runs/{id}/revert", post(run_actions::revert))
        .route("/reviews", get(reviews::page).post(reviews::resolve))
        .route("/reviews.csv", get(reviews::csv))
        .route("/log", get(log::page))
        .route("/log/{id}", get(log::entry))
        .route("/log/{id}/records.csv", get(log::csv))
        .route("/notices", get(notices::page))
        .route("/notices/read", post(notices::mark_read))
        .route("/notices/unread", get(notices::unread))
        .route("/assets/{version}/{name}", get(assets::asset))
        .fallback(respond::nothing_here)
        .layer(DefaultBodyLimit::max(LARGEST_FORM))
        .layer(middleware::from_fn_with_state(console.clone(), headers::guard))
        .with_state(console)
}
