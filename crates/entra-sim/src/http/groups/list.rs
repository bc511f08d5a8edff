//! `GET /groups`, `/groups/$count`, `/groups/{id}` and `/directory/deletedItems/microsoft.graph.group`.

use super::place::{Kind, Place};
use super::selection::Selection;
use crate::directory::{Directory, State};
use crate::fault::Effect;
use crate::groups::Group;
use crate::held::{lock, read};
use crate::http::answer::Answer;
use crate::http::error::GraphError;
use crate::http::front::Call;
use crate::http::page::{Link, Page, Rows};
use crate::json::Json;
use axum::http::StatusCode;

/// Groups, or members, on a page when `$top` isn't given.
pub const DEFAULT_PAGE: u32 = 100;

/// Which groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `/groups`
    Live,
    /// `/directory/deletedItems/microsoft.graph.group`
    Deleted,
}

impl Source {
    fn holds(self, group: &Group) -> bool {
        match self {
            Self::Live => group.is_live(),
            Self::Deleted => matches!(group.state, State::SoftDeleted(_)),
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Live => "/v1.0/groups",
            Self::Deleted => "/v1.0/directory/deletedItems/microsoft.graph.group",
        }
    }
}

/// One page of groups.
pub fn page(call: &Call<'_>, source: Source) -> Result<Answer, GraphError> {
    let asked = Asked::of(call)?;
    let selection = Selection::of(&call.query)?;
    let directory = read(&call.tenant.directory);
    let mut rows = Rows::default();
    let groups = directory
        .groups
        .from(asked.place.at)
        .filter(|(_, group)| source.holds(group));
    let next = if asked.empty {
        Some(asked.place.at)
    } else {
        rows.fill(groups, asked.size, |group, json| {
            group.list(&selection.properties, json);
            json.raw("}");
        })
    };
    let next = rows.repeated(&call.effects, next).map(|at| Place {
        at,
        ..asked.place.clone()
    });
    let count = asked.counts.then(|| {
        let groups = directory.groups.from(0);
        groups.filter(|(_, group)| source.holds(group)).count() as u64
    });
    let listed = Listed {
        path: source.path(),
        context: format!("groups{}", selection.context()),
        count,
        rows,
        next,
    };
    Ok(asked.answer(call, &directory, listed))
}

/// How many groups there are, as text; needs `ConsistencyLevel: eventual` (§2.4).
pub fn count(call: &Call<'_>) -> Result<Answer, GraphError> {
    if !call.eventual() {
        return Err(GraphError::bad("$count is not currently supported."));
    }
    let count = read(&call.tenant.directory).groups.live();
    Ok(Answer::text(StatusCode::OK, count.to_string()))
}

/// One group.
pub fn get(call: &Call<'_>, id: &str) -> Result<Answer, GraphError> {
    let selection = Selection::of(&call.query)?;
    let directory = read(&call.tenant.directory);
    let group = directory
        .groups
        .find(id)
        .ok_or_else(|| GraphError::not_found(id))?;
    let mut row = Json::default();
    group.list(&selection.properties, &mut row);
    row.raw("}");
    let mut json = Json::default();
    json.raw("{\"@odata.context\":");
    let context = format!(
        "{}/v1.0/$metadata#groups{}/$entity",
        call.base,
        selection.context()
    );
    json.string(&context);
    if row.0 != b"{}" {
        json.raw(",");
    }
    json.0.extend_from_slice(&row.0[1..]);
    Ok(Answer::json(json.0))
}

/// A listing that was asked for: of groups, or of what hangs on one.
pub struct Asked {
    /// Where it goes on.
    pub place: Place,
    /// Rows on a page.
    pub size: u32,
    /// Is the first page to say how many there are?
    pub counts: bool,
    /// Does a fault leave this page empty?
    pub empty: bool,
}

/// What is on a page of a listing.
pub struct Listed<'a> {
    /// The path of the listing.
    pub path: &'a str,
    /// What its context names.
    pub context: String,
    /// How many there are in all, where that is told.
    pub count: Option<u64>,
    /// The rows.
    pub rows: Rows,
    /// Where the next page begins.
    pub next: Option<Place>,
}

impl Asked {
    /// Reads the query of a listing.
    pub fn of(call: &Call<'_>) -> Result<Self, GraphError> {
        let query = &call.query;
        query.check()?;
        for option in ["filter", "expand"] {
            if query.get(option).is_some() {
                return Err(GraphError::unsupported(format!(
                    "${option} of groups is not simulated."
                )));
            }
        }
        let size = query.top()?.unwrap_or(DEFAULT_PAGE);
        // `$count` without the header is silently ignored (§11).
        let advanced = call.eventual() && query.count();
        let Some(token) = query.get("skiptoken") else {
            return Ok(Self {
                place: Place {
                    advanced,
                    ..Place::default()
                },
                size,
                counts: advanced,
                empty: call.effects.contains(&Effect::EmptyPage),
            });
        };
        let expired = lock(&call.tenant.expired_links).contains(&call.link);
        if expired || call.effects.contains(&Effect::ExpiredPageToken) {
            lock(&call.tenant.expired_links).insert(call.link.clone());
            return Err(GraphError::expired_page_token());
        }
        let key = read(&call.tenant.directory).generation.seal();
        let place = Place::read(key, token).filter(|place| place.kind == Kind::List);
        let place = place.ok_or_else(|| GraphError::bad("The specified page token value is invalid."))?;
        // Custom headers are not remembered (§2.1).
        if place.advanced && !call.eventual() {
            return Err(GraphError::expired_page_token());
        }
        Ok(Self {
            place,
            size,
            counts: false,
            empty: call.effects.contains(&Effect::EmptyPage),
        })
    }

    /// The page, with the link to the next one.
    pub fn answer(&self, call: &Call<'_>, directory: &Directory, listed: Listed<'_>) -> Answer {
        let kept = call.query.without_token();
        let separator = if kept.is_empty() { "" } else { "&" };
        let link = listed.next.map_or(Link::End, |next| {
            let salt = if self.empty {
                self.place.salt.wrapping_add(1)
            } else {
                0
            };
            let token = Place { salt, ..next }.token(directory.generation.seal());
            let path = listed.path;
            Link::Next(format!("{}{path}?{kept}{separator}$skiptoken={token}", call.base))
        });
        let mut page = Page {
            context: format!("{}/v1.0/$metadata#{}", call.base, listed.context),
            count: listed.count,
            link,
            rows: listed.rows,
        };
        page.bend(&call.effects, &call.link);
        Answer::json(page.body(&call.effects))
    }
}
