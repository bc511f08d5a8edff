//! What has changed since the last time (R5, graph-facts §3).

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::client::Graph;
use crate::decode::Shape;
use crate::error::Error;
use crate::key::selectable;
use crate::page::PageBody;
use crate::paging::{Pages, Source, check_link};

/// Where the next round begins. Opaque, and a secret: who has it can read on with the app's token.
#[derive(Clone, Debug)]
pub struct DeltaLink(pub SecretString);

/// One delta round. Its rows may name an object several times; the later one wins
/// ([`ObservedUser::merge`](domain::observed::ObservedUser::merge)).
pub struct Round(Pages);

impl Graph {
    /// A link from now on, without any user: taken before a full listing, so that nothing falls between.
    pub async fn latest_delta_link(&self) -> Result<DeltaLink, Error> {
        let mut url = self.endpoints.graph_url(&["users", "delta"]);
        let names: Vec<_> = selectable().collect();
        url.set_query(Some(&format!(
            "$deltatoken=latest&$select={},manager",
            names.join(",")
        )));
        let mut round = self.user_round(url);
        // Rows that come all the same are in the listing that follows.
        while round.next().await?.is_some() {}
        round.end().ok_or(Error::Broken)
    }

    /// Begins a round of users where the last one ended. Nothing is sent before the first [`Round::next`]. A link that does
    /// not lead to Graph is refused.
    pub fn changes(&self, since: &DeltaLink) -> Result<Round, Error> {
        let url = check_link(self, since.0.expose_secret())?;
        Ok(self.user_round(url))
    }

    fn user_round(&self, url: Url) -> Round {
        let shape = Shape::Round;
        Round::new(Pages::new(self.clone(), Source::Round { url, shape }))
    }
}

impl Round {
    pub(crate) fn new(pages: Pages) -> Self {
        Self(pages)
    }

    /// The next page, or `None` after the last one. After an error the round is void: nothing of it may count.
    /// [`Error::Resync`] means that only a full run helps.
    pub async fn next(&mut self) -> Result<Option<PageBody>, Error> {
        self.0.next().await
    }

    /// Pages given out so far.
    pub fn read(&self) -> u32 {
        self.0.read()
    }

    /// Where the next round begins; `None` before this one has ended.
    pub fn end(&self) -> Option<DeltaLink> {
        self.0.new_delta_link().cloned().map(DeltaLink)
    }
}
