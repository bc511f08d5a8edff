//! Reading page after page (graph-facts §2.1): the next link verbatim and only to Graph, each once, the next request on
//! its way while a page is decoded, and an end that is proved.

use std::collections::HashSet;

use secrecy::{ExposeSecret, SecretString};
use tokio::task::JoinSet;
use tracing::Instrument;
use url::Url;

use crate::answer::Part;
use crate::client::{Call, Graph};
use crate::decode::Shape;
use crate::error::Error;
use crate::http::Reply;
use crate::page::PageBody;

/// Page sizes, from the largest that Graph allows; a smaller one when pages are too much for it or for us
/// (graph-facts §7.4).
const SIZES: [u16; 3] = [999, 500, 100];
/// How often a listing may begin again.
const RESTARTS: u32 = 5;
/// How many gateway timeouts a page may have before a smaller page is tried.
const GATEWAY_TIMEOUTS: u32 = 2;

/// The pages of a listing or of a delta round.
///
/// Dropping it ends the request that is on its way.
pub struct Pages {
    graph: Graph,
    source: Source,
    /// Into [`SIZES`].
    size: usize,
    restarts: u32,
    read: u32,
    seen: HashSet<Url>,
    state: State,
    in_flight: JoinSet<Result<Reply, Error>>,
}

/// Where the first page is.
pub(crate) enum Source {
    /// A listing; the page size is added.
    Listing { url: Url, shape: Shape },
    /// A delta round.
    Round { url: Url, shape: Shape },
}

impl Source {
    fn shape(&self) -> Shape {
        match self {
            Self::Listing { shape, .. } | Self::Round { shape, .. } => *shape,
        }
    }
}

enum State {
    /// Nothing has been asked for.
    Start,
    /// A page is on its way.
    Reading,
    /// The last page has been given out.
    Ended { delta: Option<SecretString> },
    /// An error was given out.
    Broken,
}

impl Pages {
    pub(crate) fn new(graph: Graph, source: Source) -> Self {
        Self {
            graph,
            source,
            size: 0,
            restarts: 0,
            read: 0,
            seen: HashSet::new(),
            state: State::Start,
            in_flight: JoinSet::new(),
        }
    }

    /// The next page, or `None` after the last one, which proves the end. After an error the listing is over, unless
    /// it is [`Error::RestartListing`].
    ///
    /// It may be dropped and called again without losing a page.
    pub async fn next(&mut self) -> Result<Option<PageBody>, Error> {
        loop {
            match &self.state {
                State::Start => {
                    let first = self.first();
                    self.ask(first)?;
                }
                State::Reading => {}
                State::Ended { .. } => return Ok(None),
                State::Broken => return Err(Error::Broken),
            }
            let reply = self.arrived().await;
            match reply.and_then(|reply| self.take(reply)) {
                Ok(page) => return Ok(Some(page)),
                Err(error) => self.give_way(error)?,
            }
        }
    }

    /// Begins a listing again after [`Error::RestartListing`]; what was read before comes again. A few times only.
    pub fn restart(&mut self) -> Result<(), Error> {
        if self.restarts >= RESTARTS {
            return Err(Error::TooManyRestarts {
                restarts: self.restarts,
            });
        }
        self.restarts += 1;
        self.begin();
        Ok(())
    }

    /// Pages given out since the beginning or the last restart.
    pub fn read(&self) -> u32 {
        self.read
    }

    /// How often it began again.
    pub fn restarts(&self) -> u32 {
        self.restarts
    }

    /// Whether the last page has been given out.
    pub fn ended(&self) -> bool {
        matches!(self.state, State::Ended { .. })
    }

    /// A round's new delta link, once it has ended.
    pub(crate) fn new_delta_link(&self) -> Option<&SecretString> {
        match &self.state {
            State::Ended { delta } => delta.as_ref(),
            State::Start | State::Reading | State::Broken => None,
        }
    }

    fn begin(&mut self) {
        self.in_flight.abort_all();
        self.in_flight = JoinSet::new();
        self.read = 0;
        self.seen.clear();
        self.state = State::Start;
    }

    fn first(&self) -> Url {
        match &self.source {
            Source::Round { url, .. } => url.clone(),
            Source::Listing { url, .. } => {
                let mut url = url.clone();
                let query = url.query().unwrap_or_default();
                let query = format!("$top={}&{query}", SIZES[self.size]);
                url.set_query(Some(&query));
                url
            }
        }
    }

    /// Sends a request and goes on; the answer is awaited later.
    fn ask(&mut self, url: Url) -> Result<(), Error> {
        let limit = self.graph.transport.limits().pages;
        if self.read >= limit {
            return Err(Error::TooManyPages { limit });
        }
        if !self.seen.insert(url.clone()) {
            return Err(Error::RepeatedLink { page: self.read });
        }
        let graph = self.graph.clone();
        let call = self.call(url);
        let span = tracing::debug_span!("graph.page", page = self.read + 1);
        self.in_flight
            .spawn(async move { graph.get(&call).await }.instrument(span));
        self.state = State::Reading;
        Ok(())
    }

    fn call(&self, url: Url) -> Call {
        let part = match self.source {
            Source::Listing { .. } => Part::Listing,
            Source::Round { .. } => Part::Round,
        };
        let smaller = part == Part::Listing && self.size + 1 < SIZES.len();
        Call {
            part,
            gateway_timeouts: if smaller { GATEWAY_TIMEOUTS } else { u32::MAX },
            ..Call::single(url, self.source.shape().permission())
        }
    }

    async fn arrived(&mut self) -> Result<Reply, Error> {
        match self.in_flight.join_next().await {
            Some(Ok(reply)) => reply,
            // The runtime is shutting down, or the request panicked: either way there is no page.
            Some(Err(_)) | None => Err(Error::Broken),
        }
    }

    /// Makes a page of an answer and sends the next request.
    fn take(&mut self, reply: Reply) -> Result<PageBody, Error> {
        let page = PageBody::new(reply, self.source.shape(), self.read + 1)?;
        self.read += 1;
        let links = page.links();
        match (&links.next, &links.delta, &self.source) {
            (Some(_), Some(_), Source::Round { .. }) => {
                return Err(page.unexpected("it has both a next link and a delta link".to_owned()));
            }
            (None, None, Source::Round { .. }) => {
                return Err(page.unexpected("it has neither a next link nor a delta link".to_owned()));
            }
            (Some(next), _, _) => {
                let next = self.checked(next)?;
                self.ask(next)?;
            }
            (None, delta, _) => {
                let delta = delta.clone().map(SecretString::from);
                if let Some(delta) = &delta {
                    self.checked(delta.expose_secret())?;
                }
                self.state = State::Ended { delta };
            }
        }
        Ok(page)
    }

    /// A link goes to Graph or nowhere.
    fn checked(&self, link: &str) -> Result<Url, Error> {
        check_link(&self.graph, link)
    }

    /// What an error means to the listing: a smaller first page, a new beginning by the caller's leave, or the end.
    fn give_way(&mut self, error: Error) -> Result<(), Error> {
        let listing = matches!(self.source, Source::Listing { .. });
        let too_big = matches!(error, Error::TooLarge { .. })
            || matches!(&error, Error::Unavailable { answer } if answer.status == 504);
        let smaller = listing && too_big && self.size + 1 < SIZES.len();
        let expired = listing && matches!(error, Error::ExpiredPage { .. });
        self.state = State::Broken;
        if smaller {
            self.size += 1;
            tracing::warn!(page_size = SIZES[self.size], reason = %error, "graph.smaller_pages");
        }
        if smaller && self.read == 0 {
            self.begin();
            return Ok(());
        }
        if smaller || expired {
            return Err(Error::RestartListing {
                page: self.read,
                reason: Box::new(error),
            });
        }
        Err(error)
    }
}

/// A link as an address, if it stays at Graph (design §6).
pub(crate) fn check_link(graph: &Graph, link: &str) -> Result<Url, Error> {
    let endpoints = graph.endpoints();
    let foreign = |found: String| Error::ForeignLink {
        found,
        expected: endpoints.graph_origin(),
    };
    let url = Url::parse(link).map_err(|_| foreign("no address at all".to_owned()))?;
    if !endpoints.is_graph(&url) {
        return Err(foreign(url.origin().ascii_serialization()));
    }
    Ok(url)
}
