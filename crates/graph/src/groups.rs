//! Groups and their members, all or what has changed (I7, graph-facts §4).

use secrecy::ExposeSecret;

use crate::client::Graph;
use crate::decode::Shape;
use crate::delta::{DeltaLink, Round};
use crate::error::Error;
use crate::group_row::SELECTED;
use crate::paging::{Pages, Source, check_link};

impl Graph {
    /// All groups and their direct members (`None`), or what has changed since an earlier round ended. Nothing is sent
    /// before the first [`Round::next`]; its pages are read with [`PageBody::groups`](crate::PageBody::groups). A link
    /// that does not lead to Graph is refused.
    ///
    /// A round from the beginning says everything, but not what is gone: that is what it does not name, once it has
    /// come to its end.
    pub fn group_changes(&self, since: Option<&DeltaLink>) -> Result<Round, Error> {
        let url = match since {
            Some(link) => check_link(self, link.0.expose_secret())?,
            None => {
                let mut url = self.endpoints.graph_url(&["groups", "delta"]);
                url.set_query(Some(&format!("$select={SELECTED}")));
                url
            }
        };
        let shape = Shape::Groups;
        Ok(Round::new(Pages::new(self.clone(), Source::Round { url, shape })))
    }

    /// What a round of groups asks for. A link of another selection is of no use (graph-facts §11, trap 31).
    pub const fn group_selection() -> &'static str {
        SELECTED
    }
}
