//! `GET /users` and `GET /users/$count` (graph-facts §2).

use super::answer::Answer;
use super::error::GraphError;
use super::filter;
use super::front::Call;
use super::listing::{self, Source};
use crate::held::read;
use axum::http::StatusCode;

/// A page of users.
pub fn list(call: &Call<'_>) -> Result<Answer, GraphError> {
    listing::page(call, Source::Live)
}

/// How many users there are, as text; needs `ConsistencyLevel: eventual` (§2.4).
pub fn count(call: &Call<'_>) -> Result<Answer, GraphError> {
    if !call.eventual() {
        return Err(GraphError::bad("$count is not currently supported."));
    }
    let filter = call.query.get("filter").map(filter::of_list).transpose()?;
    let count = listing::count(
        &read(&call.tenant.directory),
        filter.as_ref(),
        listing::seen(call),
    );
    Ok(Answer::text(StatusCode::OK, count.to_string()))
}
