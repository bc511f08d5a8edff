//! One page of a listing or round: its bytes, its users or groups, and the link it leads on with.

use domain::observed::ObservedUser;
use memchr::memmem;
use serde::Deserialize;

use crate::decode::{self, Records, Shape};
use crate::error::Error;
use crate::expect::Found;
use crate::group_row::{self, Groups};
use crate::http::Reply;
use crate::listed::{self, Page, Skipped};
use crate::text;

const NEXT: &str = "\"@odata.nextLink\"";
const DELTA: &str = "\"@odata.deltaLink\"";

/// A page as it came. Its users or groups borrow from it.
pub struct PageBody {
    number: u32,
    shape: Shape,
    text: String,
    mended: bool,
    request_id: String,
    links: Links,
}

/// Where a page leads on to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Links {
    pub next: Option<String>,
    pub delta: Option<String>,
}

impl PageBody {
    pub(crate) fn new(reply: Reply, shape: Shape, number: u32) -> Result<Self, Error> {
        let request_id = reply.request_id();
        Self::of_bytes(reply.body, shape, number, request_id)
    }

    /// A page from the bytes of an answer.
    pub fn of_bytes(body: Vec<u8>, shape: Shape, number: u32, request_id: String) -> Result<Self, Error> {
        let (text, mended) = text::of_bytes(body);
        let links = match Links::find(&text) {
            Ok(links) => links,
            Err(source) => return Err(Error::Malformed { request_id, source }),
        };
        Ok(Self {
            number,
            shape,
            text,
            mended,
            request_id,
            links,
        })
    }

    /// Which page it is, from 1, since the listing or round began.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Its length in bytes.
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    /// Whether the listing or round ends with it. Only a page whose list could be read proves that.
    pub fn is_last(&self) -> bool {
        self.links.next.is_none()
    }

    /// Its users. A page that can't be read at all is an error; a record that can't is not.
    pub fn users(&self) -> Result<Records<'_>, Error> {
        if self.shape == Shape::Groups {
            return Err(self.unexpected("it is a page of groups".to_owned()));
        }
        let page = decode::page(&self.text, self.shape, self.mended);
        Ok(self.proved(page, "users")?.records)
    }

    /// Its groups, if it is a page of [`Graph::group_changes`](crate::Graph::group_changes). A page that can't be
    /// read at all is an error; a record that can't is not.
    pub fn groups(&self) -> Result<Groups<'_>, Error> {
        if self.shape != Shape::Groups {
            return Err(self.unexpected("it is a page of users".to_owned()));
        }
        let page = group_row::page(&self.text, self.mended);
        Ok(self.proved(page, "groups")?.into_groups())
    }

    fn proved<L>(&self, page: Result<Page<'_, L>, serde_json::Error>, what: &str) -> Result<L, Error> {
        let page = page.map_err(|source| Error::Malformed {
            request_id: self.request_id.clone(),
            source,
        })?;
        if let Some(found) = page.no_list {
            return Err(self.unexpected(format!("its list of {what} is {found}")));
        }
        // The links were found by a scan that does not know where it is; this reading does.
        if Links::of(&page) != self.links {
            return Err(self.unexpected("its page link is not where it belongs".to_owned()));
        }
        Ok(page.list)
    }

    pub(crate) fn links(&self) -> &Links {
        &self.links
    }

    pub(crate) fn unexpected(&self, what: String) -> Error {
        Error::Unexpected {
            what,
            request_id: self.request_id.clone(),
        }
    }
}

impl Links {
    /// Finds the links without reading the list, so that the next request is on its way while it is read. What the
    /// quick look is not sure of is gone through in full.
    fn find(text: &str) -> Result<Self, serde_json::Error> {
        if let (Ok(next), Ok(delta)) = (scan(text, NEXT), scan(text, DELTA)) {
            return Ok(Self { next, delta });
        }
        Ok(Self::of(&listed::page(text, || Skipped)?))
    }

    fn of<L>(page: &Page<'_, L>) -> Self {
        let link = |found: &Found<'_>| match found {
            Found::Text(link) => Some(link.clone().into_owned()),
            Found::Nothing | Found::Null | Found::Wrong(_) => None,
        };
        Self {
            next: link(&page.next),
            delta: link(&page.delta),
        }
    }
}

/// The answer needs a closer look.
struct Unsure;

/// The text of the only such key, or `None` when there is no such key.
fn scan(text: &str, quoted_key: &str) -> Result<Option<String>, Unsure> {
    let mut hits = memmem::find_iter(text.as_bytes(), quoted_key.as_bytes()).filter_map(|at| {
        // A value that ends with the key's name has an escaped quote before it, and no colon after it.
        let value = text[at + quoted_key.len()..].trim_start().strip_prefix(':')?;
        (!text[..at].ends_with('\\')).then_some(value)
    });
    let Some(value) = hits.next() else {
        return Ok(None);
    };
    if hits.next().is_some() {
        return Err(Unsure);
    }
    let mut json = serde_json::Deserializer::from_str(value);
    String::deserialize(&mut json).map(Some).map_err(|_| Unsure)
}

/// One user that is the whole answer.
pub struct UserBody {
    text: String,
    mended: bool,
    request_id: String,
}

impl UserBody {
    pub(crate) fn new(reply: Reply) -> Self {
        let request_id = reply.request_id();
        let (text, mended) = text::of_bytes(reply.body);
        Self {
            text,
            mended,
            request_id,
        }
    }

    /// The user, whole.
    pub fn user(&self) -> Result<ObservedUser<'_>, Error> {
        let records = decode::single(&self.text, self.mended).map_err(|source| Error::Malformed {
            request_id: self.request_id.clone(),
            source,
        })?;
        let reason = match (
            records.users.into_iter().next(),
            records.unusable.into_iter().next(),
        ) {
            (Some(user), _) => return Ok(user),
            (None, Some(unusable)) => unusable.reason,
            (None, None) => "there is no user in it".to_owned(),
        };
        Err(Error::Unexpected {
            what: reason,
            request_id: self.request_id.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(text: &str) -> Links {
        Links::find(text).unwrap()
    }

    #[test]
    fn the_link_is_found_wherever_it_stands() {
        for text in [
            r#"{"@odata.nextLink":"https://g/x?a=1\u0026b=2","value":[]}"#,
            r#"{"value":[], "@odata.nextLink" : "https:\/\/g\/x?a=1&b=2"}"#,
            r#"{"value":[{"id":"say \"@odata.nextLink\""}],"@odata.nextLink":"https://g/x?a=1&b=2"}"#,
            r#"{"value":[{"a":{"@odata.nextLink":"https://evil/"}}],"@odata.nextLink":"https://g/x?a=1&b=2"}"#,
        ] {
            assert_eq!(links(text).next.as_deref(), Some("https://g/x?a=1&b=2"), "{text}");
        }
        for text in [
            r#"{"value":[]}"#,
            r#"{"value":[{"displayName":"\"@odata.nextLink\": \"https://evil/\""}]}"#,
            r#"{"value":[{"displayName":"\"@odata.nextLink"}]}"#,
            r#"{"value":[],"@odata.nextLink":null}"#,
        ] {
            assert_eq!(links(text).next, None, "{text}");
        }
        assert_eq!(
            links(r#"{"@odata.deltaLink":"d","value":[]}"#).delta.as_deref(),
            Some("d")
        );
    }

    #[test]
    fn a_link_inside_a_record_does_not_pass_for_the_pages() {
        let body = br#"{"value":[{"id":"x","a":{"@odata.nextLink":"https://g/"}}]}"#.to_vec();
        let page = PageBody::of_bytes(body, Shape::Listing, 1, String::new()).unwrap();
        assert!(matches!(page.users(), Err(Error::Unexpected { .. })));
    }
}
