//! The simulator over HTTP: the token endpoint, Graph, and the control interface.
//!
//! Later kinds of requests (devices, consent, sign-in) each get a file here and a line in `endpoint`.

mod aadsts;
mod answer;
mod application;
mod control;
mod cursor;
mod deleted;
mod delta;
mod endpoint;
mod error;
mod filter;
mod front;
mod groups;
mod listing;
mod organization;
mod page;
mod query;
mod token;
mod user;
mod users;

use crate::world::World;
use axum::Router;
use std::sync::Arc;

/// Everything that can be asked.
pub fn router(world: Arc<World>) -> Router {
    Router::new()
        .nest("/sim", control::router())
        .fallback(front::answer)
        .with_state(world)
}
