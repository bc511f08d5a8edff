//! Users in deleted items, who can be restored for 30 days (graph-facts §5).

use crate::client::Graph;
use crate::decode::Shape;
use crate::key::selectable;
use crate::paging::{Pages, Source};

impl Graph {
    /// Every soft-deleted user, under the name it had before. Nothing is sent before the first [`Pages::next`].
    ///
    /// The manager is not asked for, so these users are partial: what they do not mention is as it was.
    pub fn deleted_users(&self) -> Pages {
        let mut url = self
            .endpoints
            .graph_url(&["directory", "deletedItems", "microsoft.graph.user"]);
        let names: Vec<_> = selectable().collect();
        url.set_query(Some(&format!("$select={}", names.join(","))));
        let shape = Shape::Deleted;
        Pages::new(self.clone(), Source::Listing { url, shape })
    }
}
