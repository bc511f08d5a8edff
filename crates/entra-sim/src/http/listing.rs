//! Lists of users, page by page: live ones and deleted ones (graph-facts §2.1, §5).

use super::answer::Answer;
use super::cursor::{Cursor, Kind};
use super::error::GraphError;
use super::filter::{self, Filter};
use super::front::Call;
use super::page::{Link, Page, Rows};
use crate::cache::Kept;
use crate::directory::Directory;
use crate::fault::Effect;
use crate::held::{lock, read};
use crate::property::Property;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use std::sync::atomic::Ordering;

/// Users on a page when `$top` isn't given.
const DEFAULT_PAGE: u32 = 100;

/// Which users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `/users`
    Live,
    /// `/directory/deletedItems/microsoft.graph.user`
    Deleted,
}

/// A listing that was asked for.
struct Listing {
    source: Source,
    properties: Vec<Property>,
    manager: Option<Vec<Property>>,
    filter: Option<Filter>,
    size: u32,
    advanced: bool,
    seen: DateTime<Utc>,
    /// The link up to the page token.
    stem: String,
    context: String,
}

/// Answers one page.
pub fn page(call: &Call<'_>, source: Source) -> Result<Answer, GraphError> {
    let listing = Listing::asked(call, source)?;
    let directory = read(&call.tenant.directory);
    let cursor = match call.query.get("skiptoken") {
        None => Cursor {
            advanced: listing.advanced,
            listing: call.tenant.listings.fetch_add(1, Ordering::Relaxed) + 1,
            ..Cursor::default()
        },
        Some(token) => Listing::resumed(call, &directory, token)?,
    };
    if !listing.keepable(call) {
        let (page, _) = listing.render(call, &directory, &cursor);
        return Ok(Answer::json(page.body(&call.effects)));
    }
    let plain = Cursor {
        listing: 0,
        ..cursor.clone()
    };
    let link = if call.query.get("skiptoken").is_none() {
        call.link.clone()
    } else {
        listing.link(&directory, &plain)
    };
    let kept = lock(&call.tenant.cache).get(&link).cloned();
    let kept = kept.unwrap_or_else(|| listing.keep(call, &directory, &link, &plain));
    Ok(Answer::json(listing.told(&directory, &kept, cursor.listing)))
}

/// Renders every page of a listing that isn't kept yet. Returns how many pages it has.
pub fn prerender(call: &Call<'_>) -> Result<u32, GraphError> {
    let listing = Listing::asked(call, Source::Live)?;
    let directory = read(&call.tenant.directory);
    Ok(listing.keep_all(call, &directory).1)
}

/// How many users a list with this filter holds.
pub fn count(directory: &Directory, filter: Option<&Filter>, seen: DateTime<Utc>) -> u64 {
    match filter {
        None => u64::from(directory.live()),
        Some(_) => live(directory, filter, 0, seen).count() as u64,
    }
}

/// Users created after this time are not in lists yet.
pub fn seen(call: &Call<'_>) -> DateTime<Utc> {
    call.tenant.now() - TimeDelta::seconds(i64::from(call.settings.visibility_delay_seconds))
}

impl Listing {
    fn asked(call: &Call<'_>, source: Source) -> Result<Self, GraphError> {
        let query = &call.query;
        query.check()?;
        let size = query.top()?.unwrap_or(DEFAULT_PAGE);
        let selection = query.selection()?;
        selection.check_list()?;
        if call.basic_only() && !selection.basic() {
            return Err(GraphError::denied());
        }
        let manager = query.expand()?;
        let advanced = call.eventual() && query.count();
        if advanced && manager.is_some() {
            return Err(GraphError::unsupported(
                "$expand is not supported together with $count.",
            ));
        }
        let filter = query.get("filter").map(filter::of_list).transpose()?;
        if filter.is_some() && source == Source::Deleted {
            return Err(GraphError::unsupported("Deleted users are listed whole."));
        }
        let path = match source {
            Source::Live => "/v1.0/users",
            Source::Deleted => "/v1.0/directory/deletedItems/microsoft.graph.user",
        };
        let kept = query.without_token();
        let separator = if kept.is_empty() { "" } else { "&" };
        Ok(Self {
            source,
            properties: selection.plain(),
            context: format!(
                "{}/v1.0/$metadata#users{}",
                call.base,
                selection.context(manager.as_deref())
            ),
            stem: format!("{}{path}?{kept}{separator}$skiptoken=", call.base),
            manager,
            filter,
            size,
            advanced,
            seen: seen(call),
        })
    }

    fn resumed(call: &Call<'_>, directory: &Directory, token: &str) -> Result<Cursor, GraphError> {
        let expired = lock(&call.tenant.expired_links).contains(&call.link);
        if expired || call.effects.contains(&Effect::ExpiredPageToken) {
            lock(&call.tenant.expired_links).insert(call.link.clone());
            return Err(GraphError::expired_page_token());
        }
        let cursor =
            Cursor::read(directory.generation.seal(), token).filter(|cursor| cursor.kind == Kind::List);
        let cursor = cursor.ok_or_else(|| GraphError::bad("The specified page token value is invalid."))?;
        // Custom headers are not remembered (§2.1).
        if cursor.advanced && !call.eventual() {
            return Err(GraphError::expired_page_token());
        }
        Ok(cursor)
    }

    /// Is the page the same for everybody until one of its users changes?
    fn keepable(&self, call: &Call<'_>) -> bool {
        let link_only = self
            .manager
            .as_deref()
            .is_none_or(|properties| properties == [Property::ID]);
        self.source == Source::Live
            && self.filter.is_none()
            && !call.query.count()
            && link_only
            && call
                .effects
                .iter()
                .all(|effect| matches!(effect, Effect::Delay { .. } | Effect::CutBody))
            && call.settings.visibility_delay_seconds == 0
    }

    fn keep(&self, call: &Call<'_>, directory: &Directory, link: &str, cursor: &Cursor) -> Kept {
        if call.settings.prerender && *cursor == Cursor::default() {
            return self.keep_all(call, directory).0;
        }
        self.keep_page(call, directory, link, cursor)
    }

    fn keep_all(&self, call: &Call<'_>, directory: &Directory) -> (Kept, u32) {
        let mut first = None;
        let mut pages = 0;
        let mut link = call.link.clone();
        let mut cursor = Cursor::default();
        loop {
            pages += 1;
            let kept = lock(&call.tenant.cache).get(&link).cloned();
            let kept = kept.unwrap_or_else(|| self.keep_page(call, directory, &link, &cursor));
            let first = first.get_or_insert_with(|| kept.clone());
            match kept.next {
                None => return (first.clone(), pages),
                Some(next) => {
                    link = next;
                    cursor = Cursor {
                        at: kept.slots.end,
                        ..Cursor::default()
                    };
                }
            }
        }
    }

    /// Renders a page and keeps it.
    fn keep_page(&self, call: &Call<'_>, directory: &Directory, link: &str, cursor: &Cursor) -> Kept {
        let (page, next) = self.render(call, directory, cursor);
        let body = Bytes::from(page.body(&[]));
        let next_link = match page.link {
            Link::Next(link) => Some(link),
            Link::End | Link::Delta(_) => None,
        };
        let slots = cursor.at..next.unwrap_or(u32::MAX);
        let kept = Kept {
            body,
            slots,
            next: next_link,
        };
        lock(&call.tenant.cache).keep(link.to_owned(), kept.clone(), call.settings.prerender);
        kept
    }

    /// A kept page, its link as this listing has it. Tokens of listings are equally long, so that one takes the other's
    /// place; the link comes before the users.
    fn told(&self, directory: &Directory, kept: &Kept, listing: u32) -> Bytes {
        let plain = kept
            .next
            .as_deref()
            .and_then(|next| next.strip_prefix(&self.stem));
        let Some(plain) = plain.map(str::as_bytes) else {
            return kept.body.clone();
        };
        let own = Cursor {
            at: kept.slots.end,
            listing,
            ..Cursor::default()
        };
        let own = own.token(directory.generation.seal());
        let found = kept.body.windows(plain.len()).position(|text| text == plain);
        let mut body = kept.body.to_vec();
        if let Some(at) = found {
            body[at..at + own.len()].copy_from_slice(own.as_bytes());
        }
        body.into()
    }

    /// The link to a page.
    fn link(&self, directory: &Directory, cursor: &Cursor) -> String {
        format!("{}{}", self.stem, cursor.token(directory.generation.seal()))
    }

    fn render(&self, call: &Call<'_>, directory: &Directory, cursor: &Cursor) -> (Page, Option<u32>) {
        let mut rows = Rows::default();
        let empty = call.effects.contains(&Effect::EmptyPage);
        let next = if empty {
            Some(cursor.at)
        } else {
            let users = self.users(directory, cursor.at).map(|slot| (slot, slot));
            rows.fill(users, self.size, |slot, json| {
                directory
                    .row(slot)
                    .list(&self.properties, self.manager.as_deref(), json);
            })
        };
        let next = rows.repeated(&call.effects, next);
        let link = next.map_or(Link::End, |at| {
            let salt = if empty { cursor.salt.wrapping_add(1) } else { 0 };
            let next = Cursor {
                at,
                salt,
                listing: cursor.listing,
                advanced: cursor.advanced,
                ..Cursor::default()
            };
            Link::Next(self.link(directory, &next))
        });
        let first = call.query.get("skiptoken").is_none();
        let count = (self.advanced && first).then(|| match self.source {
            Source::Live => count(directory, self.filter.as_ref(), self.seen),
            Source::Deleted => directory.deleted() as u64,
        });
        let mut page = Page {
            context: self.context.clone(),
            count,
            link,
            rows,
        };
        page.bend(&call.effects, &call.link);
        (page, next)
    }

    fn users<'d>(&'d self, directory: &'d Directory, from: u32) -> Box<dyn Iterator<Item = u32> + 'd> {
        match self.source {
            Source::Deleted => Box::new(directory.deleted_from(from)),
            Source::Live => live(directory, self.filter.as_ref(), from, self.seen),
        }
    }
}

/// The live users of a filter, from a slot on.
fn live<'d>(
    directory: &'d Directory,
    filter: Option<&'d Filter>,
    from: u32,
    seen: DateTime<Utc>,
) -> Box<dyn Iterator<Item = u32> + 'd> {
    match filter {
        None => Box::new(directory.live_from(from, seen)),
        Some(Filter::Enabled(enabled)) => {
            let live = directory.live_from(from, seen);
            Box::new(live.filter(move |slot| directory.enabled(*slot) == *enabled))
        }
        Some(Filter::PrincipalName(name)) => {
            let found = directory.named(name).filter(|slot| *slot >= from);
            Box::new(found.into_iter())
        }
        Some(Filter::Ids(ids)) => {
            let slots = ids.iter().filter_map(|id| directory.slot(*id));
            let mut slots: Vec<u32> = slots
                .filter(|slot| *slot >= from && directory.is_live(*slot))
                .collect();
            slots.sort_unstable();
            slots.dedup();
            Box::new(slots.into_iter())
        }
    }
}
