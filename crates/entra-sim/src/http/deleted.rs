//! `GET /directory/deletedItems/microsoft.graph.user` (graph-facts §5).

use super::answer::Answer;
use super::error::GraphError;
use super::front::Call;
use super::listing::{self, Source};

/// A page of soft-deleted users.
pub fn list(call: &Call<'_>) -> Result<Answer, GraphError> {
    listing::page(call, Source::Deleted)
}

/// Without a type nothing is listed.
pub fn untyped() -> GraphError {
    GraphError::unsupported("A type cast is required to list deleted items.")
}
