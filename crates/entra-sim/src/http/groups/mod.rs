//! What can be read of groups (graph-facts §4).

pub mod delta;
pub mod list;
mod place;
pub mod relation;
mod selection;
