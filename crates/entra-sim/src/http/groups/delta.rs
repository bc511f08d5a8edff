//! `GET /groups/delta` (graph-facts §3, §4).
//!
//! A group with more members than a row takes is told in several rows, one a page, with other groups between them.

use super::place::{Kind, Place};
use super::relation::shows_members;
use super::selection::Selection;
use crate::directory::{Directory, State};
use crate::fault::Effect;
use crate::groups::log::{Sum, Which};
use crate::groups::property::{GroupProperties, GroupProperty};
use crate::groups::{Group, Member, write_id};
use crate::held::read;
use crate::http::answer::Answer;
use crate::http::delta::TOKEN_LIFE;
use crate::http::error::GraphError;
use crate::http::front::Call;
use crate::http::listing::seen;
use crate::http::page::{Link, Page, Rows};
use crate::json::Json;
use crate::people::identifier::mix;
use uuid::Uuid;

const PATH: &str = "/v1.0/groups/delta";

/// Answers one page of a round.
pub fn round(call: &Call<'_>) -> Result<Answer, GraphError> {
    let resync = call.effects.iter().find_map(|effect| match effect {
        Effect::Resync { gone } => Some(*gone),
        _ => None,
    });
    if let Some(gone) = resync {
        let key = read(&call.tenant.directory).generation.seal();
        let token = call.query.get("skiptoken").or(call.query.get("deltatoken"));
        let place = token.and_then(|token| Place::read(key, token));
        return Err(GraphError::resync(gone.then(|| restart(call, place.as_ref()))));
    }
    if call.query.get("filter").is_some() {
        return Err(GraphError::unsupported("$filter of groups is not simulated."));
    }
    let directory = read(&call.tenant.directory);
    directory.groups.ask();
    let latest = call
        .query
        .get("deltatoken")
        .is_some_and(|token| token.eq_ignore_ascii_case("latest"));
    let place = opened(call, &directory)?;
    let mut rows = Rows::default();
    let empty = call.effects.contains(&Effect::EmptyPage);
    let next = if latest {
        None
    } else if empty {
        Some(Place {
            salt: place.salt.wrapping_add(1),
            ..place.clone()
        })
    } else {
        Filling::new(call, &directory, &place).fill(&mut rows)
    };
    let back = next.as_ref().map(|next| next.at);
    let next = match (next, rows.repeated(&call.effects, back)) {
        (Some(next), Some(at)) => Some(Place { at, ..next }),
        (None, Some(at)) => Some(Place {
            at,
            begun: None,
            ..place.clone()
        }),
        (_, None) => None,
    };
    let key = directory.generation.seal();
    let link = match next {
        Some(next) => Link::Next(format!("{}{PATH}?$skiptoken={}", call.base, next.token(key))),
        None => Link::Delta(format!(
            "{}{PATH}?$deltatoken={}",
            call.base,
            ended(call, &directory, &place).token(key)
        )),
    };
    let context = if place.selected {
        let names: Vec<_> = place.tracked.list().map(GroupProperty::name).collect();
        format!("({})", names.join(","))
    } else {
        String::new()
    };
    let mut page = Page {
        context: format!("{}/v1.0/$metadata#groups{context}", call.base),
        count: None,
        link,
        rows,
    };
    page.bend(&call.effects, &call.link);
    let answer = Answer::json(page.body(&call.effects));
    Ok(if call.prefers("return=minimal") {
        answer.header("preference-applied", "return=minimal")
    } else {
        answer
    })
}

/// Where a request is: at the start, after a delta token, or within a round.
fn opened(call: &Call<'_>, directory: &Directory) -> Result<Place, GraphError> {
    let query = &call.query;
    if let Some(token) = query.get("skiptoken") {
        return valid(call, directory, token, &[Kind::Initial, Kind::Changes]);
    }
    let token = query.get("deltatoken").filter(|token| !token.is_empty());
    if let Some(token) = token.filter(|token| !token.eq_ignore_ascii_case("latest")) {
        let place = valid(call, directory, token, &[Kind::Delta])?;
        let replayed = call.effects.iter().find_map(|effect| match effect {
            Effect::Replay { changes } => Some(*changes),
            _ => None,
        });
        let from = place.from.saturating_sub(replayed.unwrap_or_default());
        let round = Place {
            kind: Kind::Changes,
            from,
            at: from,
            upto: seen_until(call, directory),
            ..place
        };
        return Ok(round.of_instance(call, directory));
    }
    let selection = Selection::of(query)?;
    let now = seen_until(call, directory);
    let place = Place {
        kind: Kind::Initial,
        from: now,
        upto: now,
        issued: call.tenant.now().timestamp(),
        tracked: selection.tracked(),
        selected: selection.given,
        ..Place::default()
    };
    Ok(place.of_instance(call, directory))
}

/// A token that was issued here, by this run, within seven days.
fn valid(call: &Call<'_>, directory: &Directory, token: &str, kinds: &[Kind]) -> Result<Place, GraphError> {
    let place = Place::read(directory.generation.seal(), token).filter(|place| kinds.contains(&place.kind));
    let place = place.ok_or_else(|| GraphError::bad("Badly formed token."))?;
    let known = place.instance == place.clone().of_instance(call, directory).instance;
    let fresh = call.tenant.now().timestamp() - place.issued < TOKEN_LIFE;
    if known && fresh {
        return Ok(place);
    }
    let gone = call.settings.expired_delta_gone;
    Err(GraphError::resync(gone.then(|| restart(call, Some(&place)))))
}

impl Place {
    /// Before any change every run of the same tenant is alike; after that each has a history of its own.
    fn of_instance(mut self, call: &Call<'_>, directory: &Directory) -> Self {
        let unchanged = self.from.max(self.upto) == 0 && directory.groups.begin_alike();
        self.instance = if unchanged {
            let options = &call.tenant.options;
            mix(
                directory.generation.seed,
                u64::from(options.users) << 32 | u64::from(options.groups),
            )
        } else {
            call.tenant.instance
        };
        self
    }
}

/// The delta token at the end of a round.
fn ended(call: &Call<'_>, directory: &Directory, round: &Place) -> Place {
    let token = Place {
        kind: Kind::Delta,
        salt: 0,
        at: 0,
        begun: None,
        from: round.upto,
        upto: round.upto,
        issued: call.tenant.now().timestamp(),
        ..round.clone()
    };
    token.of_instance(call, directory)
}

/// The link to start again, as a 410 gives it: an empty `$deltatoken`.
fn restart(call: &Call<'_>, place: Option<&Place>) -> String {
    let given = match place {
        Some(place) => place.selected.then_some(place.tracked),
        None => Selection::of(&call.query)
            .ok()
            .filter(|selection| selection.given)
            .map(|selection| selection.tracked()),
    };
    let select = given.map(|tracked| {
        let names: Vec<_> = tracked.list().map(GroupProperty::name).collect();
        format!("$select={}&", names.join(","))
    });
    format!("{}{PATH}?{}$deltatoken=", call.base, select.unwrap_or_default())
}

/// How many changes can be seen by now (§3.5).
fn seen_until(call: &Call<'_>, directory: &Directory) -> u32 {
    match call.settings.visibility_delay_seconds {
        0 => directory.groups.log.len(),
        _ => directory.groups.log.until(seen(call)),
    }
}

/// One page of a round being filled.
struct Filling<'a> {
    call: &'a Call<'a>,
    directory: &'a Directory,
    place: &'a Place,
    properties: Vec<GroupProperty>,
    /// Groups on a page.
    size: usize,
    /// Members in a row, and on a page that a further row may be put on.
    members: usize,
    minimal: bool,
}

/// What a row says of members: each with whether it came or went.
type Moves = Vec<(Member, bool)>;

impl<'a> Filling<'a> {
    fn new(call: &'a Call<'a>, directory: &'a Directory, place: &'a Place) -> Self {
        let properties = if place.selected {
            place.tracked.list().collect()
        } else {
            GroupProperty::defaults()
        };
        let settings = &call.settings;
        Self {
            call,
            directory,
            place,
            properties,
            size: settings.delta_page_size.max(1) as usize,
            members: settings.delta_member_page_size.max(1) as usize,
            minimal: settings.delta_changed_only || call.prefers("return=minimal"),
        }
    }

    /// Fills the page: first more of the group that was begun, then further groups. Returns where the next page
    /// goes on.
    fn fill(&self, rows: &mut Rows) -> Option<Place> {
        let mut next = self.place.clone();
        let mut told = 0;
        if let Some((position, last)) = next.begun.take() {
            let (moves, more) = self.moves(position, Some(last));
            told += moves.len();
            if !moves.is_empty() {
                rows.push(next.at, |json| self.more_row(position, &moves, json));
            }
            next.begun = more.map(|last| (position, last));
        }
        let begun_before = next.begun.is_some();
        while next.at < self.end() {
            if rows.len() >= self.size || told >= self.members {
                return Some(next);
            }
            if self.is_told(next.at) {
                let (moves, more) = self.moves(next.at, None);
                if more.is_some() && begun_before {
                    // One at a time: this one begins once that one is done.
                    return Some(next);
                }
                told += moves.len();
                rows.push(next.at, |json| self.row(next.at, &moves, json));
                if let Some(last) = more {
                    next.begun = Some((next.at, last));
                    next.at += 1;
                    return Some(next);
                }
            }
            next.at += 1;
        }
        next.begun.is_some().then_some(next)
    }

    fn end(&self) -> u32 {
        match self.place.kind {
            Kind::Initial => self.directory.groups.len(),
            Kind::List | Kind::Changes | Kind::Delta => self.place.upto,
        }
    }

    /// All that happened to the group whose last entry in the round this is.
    fn sum(&self, entry: u32) -> Option<Sum> {
        let Place { from, upto, .. } = *self.place;
        self.directory.groups.log.sum(from, upto, entry)
    }

    fn is_told(&self, position: u32) -> bool {
        if self.place.kind == Kind::Initial {
            let removed = self.call.settings.initial_delta_removed;
            return self
                .directory
                .groups
                .get(position)
                .is_some_and(|group| match group.state {
                    State::Live => true,
                    State::SoftDeleted(_) => removed,
                    State::Gone => false,
                });
        }
        self.sum(position).is_some_and(|sum| {
            sum.moved
                || sum.properties.meets(self.place.tracked)
                || sum.members && self.tells_members() && !self.moves(position, None).0.is_empty()
        })
    }

    fn tells_members(&self) -> bool {
        self.place.tracked.has(GroupProperty::MEMBERS)
    }

    fn group(&self, position: u32) -> Option<&'a Group> {
        let number = match self.place.kind {
            Kind::Initial => position,
            Kind::List | Kind::Changes | Kind::Delta => self.sum(position)?.group,
        };
        self.directory.groups.get(number)
    }

    /// What the next row of a group says of its members, and the last one in it when there are more.
    fn moves(&self, position: u32, after: Option<Uuid>) -> (Moves, Option<Uuid>) {
        let group = self.group(position).filter(|group| group.is_live());
        let Some(group) = group.filter(|group| self.tells_members() && shows_members(self.call, group))
        else {
            return (Vec::new(), None);
        };
        let whole = match self.place.kind {
            Kind::Initial => true,
            Kind::List | Kind::Changes | Kind::Delta => self.sum(position).is_some_and(|sum| sum.arrived),
        };
        let mut moves: Moves = Vec::new();
        // One more than the row takes, to know that there are more.
        let count = self.members + 1;
        if whole {
            let present = group.members_after(after).iter().take(count);
            moves.extend(present.map(|member| (*member, true)));
        }
        if self.place.kind == Kind::Changes {
            let which = if whole { Which::Gone } else { Which::All };
            let log = &self.directory.groups.log;
            moves.extend(log.members(self.place.from, position, which, after, count));
            moves.sort_unstable_by_key(|(member, _)| member.id);
        }
        let more = moves.len() > self.members;
        moves.truncate(self.members);
        let last = moves.last().map(|(member, _)| member.id).filter(|_| more);
        (moves, last)
    }

    fn row(&self, position: u32, moves: &Moves, json: &mut Json) {
        let Some(group) = self.group(position) else {
            return;
        };
        let reason = match group.state {
            State::Live => None,
            State::SoftDeleted(_) => Some("changed"),
            State::Gone => Some("deleted"),
        };
        if let Some(reason) = reason {
            json.raw("{");
            json.key("id");
            write_id(group.id, json);
            json.raw(",\"@removed\":{\"reason\":\"");
            json.raw(reason);
            json.raw("\"}}");
            return;
        }
        let sum = match self.place.kind {
            Kind::Initial => None,
            Kind::List | Kind::Changes | Kind::Delta => self.sum(position),
        };
        let only = sum
            .filter(|sum| self.minimal && !sum.arrived)
            .map(|sum| sum.properties);
        self.write(group, only, moves, json);
    }

    /// A further row of a group: its properties again, or, of a minimal answer, its members only.
    fn more_row(&self, position: u32, moves: &Moves, json: &mut Json) {
        let only = self.minimal.then(GroupProperties::default);
        if let Some(group) = self.group(position) {
            self.write(group, only, moves, json);
        }
    }

    fn write(&self, group: &Group, only: Option<GroupProperties>, moves: &Moves, json: &mut Json) {
        group.delta(&self.properties, only, json);
        // Missing when there is nothing to tell (§4).
        if !moves.is_empty() {
            json.raw(",\"members@delta\":[");
            for (at, (member, came)) in moves.iter().enumerate() {
                json.raw(if at == 0 {
                    "{\"@odata.type\":\"#microsoft.graph."
                } else {
                    ",{\"@odata.type\":\"#microsoft.graph."
                });
                json.raw(member.kind.name());
                json.raw("\",\"id\":");
                write_id(member.id, json);
                json.raw(if *came {
                    "}"
                } else {
                    ",\"@removed\":{\"reason\":\"deleted\"}}"
                });
            }
            json.raw("]");
        }
        json.raw("}");
    }
}
