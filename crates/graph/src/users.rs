//! Users of the directory, all or some, with the whole attribute catalogue (I1, I3, graph-facts §2).

use domain::id::ObjectId;
use url::Url;

use crate::client::{Call, Graph};
use crate::decode::Shape;
use crate::error::Error;
use crate::key::selectable;
use crate::paging::{Pages, Source};
use crate::probe::READ_USERS;

/// The manager comes by `$expand` here and by `$select` in a delta.
const MANAGER: &str = "$expand=manager($select=id)";

/// Ids that one look-up may name: a filter takes no more clauses (graph-facts §2.4).
pub const MOST_IDS: usize = 15;

impl Graph {
    /// Every user. Nothing is sent before the first [`Pages::next`].
    pub fn users(&self) -> Pages {
        let mut url = self.endpoints.graph_url(&["users"]);
        select_whole(&mut url);
        let shape = Shape::Listing;
        Pages::new(self.clone(), Source::Listing { url, shape })
    }

    /// The users of these ids, [`MOST_IDS`] at most. Whoever is not in the directory, or so new that lists don't know them
    /// yet, is not among them. Nothing is sent before the first [`Pages::next`].
    pub fn users_by_id(&self, ids: &[ObjectId]) -> Pages {
        let mut url = self.endpoints.graph_url(&["users"]);
        select_whole(&mut url);
        let quoted: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
        let query = url.query().unwrap_or_default();
        let query = format!("{query}&$filter=id in ({})", quoted.join(","));
        url.set_query(Some(&query));
        let shape = Shape::Listing;
        Pages::new(self.clone(), Source::Listing { url, shape })
    }

    /// How many users there are, by the index, which lags a little; `None` where Graph does not count.
    pub async fn count_users(&self) -> Result<Option<u64>, Error> {
        let url = self.endpoints.graph_url(&["users", "$count"]);
        let call = Call {
            eventual: true,
            ..Call::single(url, READ_USERS)
        };
        let reply = match self.get(&call).await {
            Ok(reply) => reply,
            Err(Error::Refused { answer }) if matches!(answer.status, 400 | 404 | 501) => return Ok(None),
            Err(Error::Denied { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let text = String::from_utf8_lossy(&reply.body);
        match text.trim_start_matches('\u{FEFF}').trim().parse() {
            Ok(count) => Ok(Some(count)),
            Err(_) => Err(reply.unexpected("the count is not a number")),
        }
    }
}

/// `id` is always named: a list without it has objects without it (graph-facts §2.2).
pub(crate) fn select_whole(url: &mut Url) {
    let names: Vec<_> = selectable().collect();
    url.set_query(Some(&format!("$select={}&{MANAGER}", names.join(","))));
}
