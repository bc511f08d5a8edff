//! `GET /users/delta` (graph-facts §3).

use super::answer::Answer;
use super::cursor::{Cursor, Kind};
use super::error::GraphError;
use super::filter;
use super::front::Call;
use super::listing::seen;
use super::page::{Link, Page, Rows};
use super::query::Selection;
use crate::directory::changes::Sum;
use crate::directory::row::{ManagerDelta, Reason};
use crate::directory::{Directory, State};
use crate::fault::Effect;
use crate::held::read;
use crate::json::Json;
use crate::people::identifier::mix;
use crate::property::{Properties, Property};

/// How long a delta token is good, in seconds (§3.4).
pub const TOKEN_LIFE: i64 = 7 * 86_400;

/// Answers one page of a round.
pub fn round(call: &Call<'_>) -> Result<Answer, GraphError> {
    let resync = call.effects.iter().find_map(|effect| match effect {
        Effect::Resync { gone } => Some(*gone),
        _ => None,
    });
    if let Some(gone) = resync {
        return Err(GraphError::resync(gone.then(|| restart(call))));
    }
    let directory = read(&call.tenant.directory);
    let latest = call
        .query
        .get("deltatoken")
        .is_some_and(|token| token.eq_ignore_ascii_case("latest"));
    let cursor = opened(call, &directory)?;
    let mut rows = Rows::default();
    let empty = call.effects.contains(&Effect::EmptyPage);
    let next = if latest {
        None
    } else if empty {
        Some(cursor.at)
    } else {
        Round::new(call, &directory, &cursor).fill(&mut rows)
    };
    let link = match rows.repeated(&call.effects, next) {
        Some(at) => {
            let salt = if empty { cursor.salt.wrapping_add(1) } else { 0 };
            let next = Cursor {
                at,
                salt,
                ..cursor.clone()
            };
            Link::Next(format!(
                "{}/v1.0/users/delta?$skiptoken={}",
                call.base,
                next.token(directory.generation.seal())
            ))
        }
        None => Link::Delta(delta_link(call, &directory, &cursor)),
    };
    let context = if cursor.selected {
        let names: Vec<_> = cursor.tracked.list().map(Property::name).collect();
        format!("({})", names.join(","))
    } else {
        String::new()
    };
    let context = format!("{}/v1.0/$metadata#users{context}", call.base);
    let mut page = Page {
        context,
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
fn opened(call: &Call<'_>, directory: &Directory) -> Result<Cursor, GraphError> {
    let query = &call.query;
    if let Some(token) = query.get("skiptoken") {
        return valid(call, directory, token, &[Kind::Initial, Kind::Changes]);
    }
    let token = query.get("deltatoken").filter(|token| !token.is_empty());
    if let Some(token) = token.filter(|token| !token.eq_ignore_ascii_case("latest")) {
        let cursor = valid(call, directory, token, &[Kind::Delta])?;
        let replayed = call.effects.iter().find_map(|effect| match effect {
            Effect::Replay { changes } => Some(*changes),
            _ => None,
        });
        let from = cursor.from.saturating_sub(replayed.unwrap_or_default());
        let round = Cursor {
            kind: Kind::Changes,
            from,
            at: from,
            upto: visible(call, directory),
            ..cursor
        };
        return Ok(round.of_instance(call, directory));
    }
    let selection = query.selection()?;
    let only = query.get("filter").map(filter::of_delta).transpose()?;
    let only = only.map(|ids| {
        let mut slots: Vec<u32> = ids.into_iter().filter_map(|id| directory.slot(id)).collect();
        slots.sort_unstable();
        slots
    });
    let now = visible(call, directory);
    Ok(Cursor {
        kind: Kind::Initial,
        from: now,
        upto: now,
        issued: call.tenant.now().timestamp(),
        tracked: selection.tracked(),
        selected: selection.given,
        only,
        ..Cursor::default()
    }
    .of_instance(call, directory))
}

/// A token that was issued here, by this run, within seven days.
fn valid(call: &Call<'_>, directory: &Directory, token: &str, kinds: &[Kind]) -> Result<Cursor, GraphError> {
    let cursor =
        Cursor::read(directory.generation.seal(), token).filter(|cursor| kinds.contains(&cursor.kind));
    let cursor = cursor.ok_or_else(|| GraphError::bad("Badly formed token."))?;
    let known = cursor.instance == cursor.clone().of_instance(call, directory).instance;
    let fresh = call.tenant.now().timestamp() - cursor.issued < TOKEN_LIFE;
    if known && fresh {
        return Ok(cursor);
    }
    Err(GraphError::resync(
        call.settings
            .expired_delta_gone
            .then(|| restart_of(call, &cursor)),
    ))
}

impl Cursor {
    /// Before any change every run of the same tenant is alike; after that each has a history of its own.
    fn of_instance(mut self, call: &Call<'_>, directory: &Directory) -> Self {
        let generation = &directory.generation;
        let unchanged = mix(
            generation.seed,
            u64::from(generation.users) << 32 | u64::from(generation.deleted),
        );
        self.instance = if self.from.max(self.upto) == 0 {
            unchanged
        } else {
            call.tenant.instance
        };
        self
    }
}

fn delta_link(call: &Call<'_>, directory: &Directory, round: &Cursor) -> String {
    let (from, issued) = (round.upto, call.tenant.now().timestamp());
    let token = Cursor {
        kind: Kind::Delta,
        at: 0,
        from,
        upto: from,
        issued,
        salt: 0,
        ..round.clone()
    };
    let token = token
        .of_instance(call, directory)
        .token(directory.generation.seal());
    format!("{}/v1.0/users/delta?$deltatoken={token}", call.base)
}

/// The link to start again, as a 410 gives it: an empty `$deltatoken`.
fn restart(call: &Call<'_>) -> String {
    let directory = read(&call.tenant.directory);
    let token = call
        .query
        .get("skiptoken")
        .or(call.query.get("deltatoken"))
        .unwrap_or_default();
    if let Some(cursor) = Cursor::read(directory.generation.seal(), token) {
        return restart_of(call, &cursor);
    }
    let selection = call.query.selection().ok();
    let tracked = selection.as_ref().map(Selection::tracked).unwrap_or_default();
    let selected = selection.is_some_and(|selection| selection.given);
    restart_of(
        call,
        &Cursor {
            tracked,
            selected,
            ..Cursor::default()
        },
    )
}

fn restart_of(call: &Call<'_>, cursor: &Cursor) -> String {
    let names: Vec<_> = cursor.tracked.list().map(Property::name).collect();
    let select = if cursor.selected {
        format!("$select={}&", names.join(","))
    } else {
        String::new()
    };
    format!("{}/v1.0/users/delta?{select}$deltatoken=", call.base)
}

/// How many changes can be seen by now (§3.5).
fn visible(call: &Call<'_>, directory: &Directory) -> u32 {
    match call.settings.visibility_delay_seconds {
        0 => directory.changes.len(),
        _ => directory.changes.until(seen(call)),
    }
}

/// One page of a round being filled.
struct Round<'a> {
    directory: &'a Directory,
    cursor: &'a Cursor,
    properties: Vec<Property>,
    size: u32,
    with_removed: bool,
    minimal: bool,
    apart: bool,
    seen: chrono::DateTime<chrono::Utc>,
}

impl<'a> Round<'a> {
    fn new(call: &Call<'_>, directory: &'a Directory, cursor: &'a Cursor) -> Self {
        let properties = if cursor.selected {
            cursor.tracked.list().collect()
        } else {
            Property::defaults()
        };
        Self {
            directory,
            cursor,
            properties,
            size: call.settings.delta_page_size.max(1),
            with_removed: call.settings.initial_delta_removed,
            minimal: call.settings.delta_changed_only || call.prefers("return=minimal"),
            apart: call.effects.contains(&Effect::RelationRows),
            seen: seen(call),
        }
    }

    fn fill(&self, rows: &mut Rows) -> Option<u32> {
        if self.cursor.kind == Kind::Initial {
            rows.fill(
                self.present().map(|slot| (slot, slot)),
                self.size,
                |slot, json| self.first_row(slot, json),
            )
        } else {
            rows.fill(self.changed(), self.size, |sum, json| {
                self.changed_row(&sum, json);
            })
        }
    }

    /// Users of the initial round: the current state.
    fn present(&self) -> Box<dyn Iterator<Item = u32> + '_> {
        let (directory, from) = (self.directory, self.cursor.at);
        let wanted = |slot: &u32| self.wanted(*slot);
        if self.with_removed {
            let mut slots: Vec<u32> = directory
                .live_from(from, self.seen)
                .chain(directory.deleted_from(from))
                .collect();
            slots.sort_unstable();
            return Box::new(slots.into_iter().filter(wanted));
        }
        Box::new(directory.live_from(from, self.seen).filter(wanted))
    }

    /// Users of a later round: each once, at its last change there.
    fn changed(&self) -> impl Iterator<Item = (u32, Sum)> {
        let Cursor {
            at,
            from,
            upto,
            tracked,
            ..
        } = *self.cursor;
        (at..upto).filter_map(move |entry| {
            let sum = self.directory.changes.sum(from, upto, entry)?;
            let told = sum.moved || sum.properties.meets(tracked);
            (told && self.wanted(sum.slot)).then_some((entry, sum))
        })
    }

    fn wanted(&self, slot: u32) -> bool {
        self.cursor
            .only
            .as_ref()
            .is_none_or(|only| only.binary_search(&slot).is_ok())
    }

    fn first_row(&self, slot: u32, json: &mut Json) {
        if self.directory.is_live(slot) {
            self.row(slot, None, self.whole_manager(slot), json);
        } else {
            self.directory.row(slot).removed(Reason::Changed, json);
        }
    }

    fn changed_row(&self, sum: &Sum, json: &mut Json) {
        match self.directory.state(sum.slot) {
            State::SoftDeleted(_) => self.directory.row(sum.slot).removed(Reason::Changed, json),
            State::Gone => self.directory.row(sum.slot).removed(Reason::Deleted, json),
            State::Live if sum.arrived => self.row(sum.slot, None, self.whole_manager(sum.slot), json),
            State::Live => {
                let only = self.minimal.then_some(sum.properties);
                self.row(sum.slot, only, self.changed_manager(sum), json);
            }
        }
    }

    fn row(&self, slot: u32, only: Option<Properties>, manager: ManagerDelta, json: &mut Json) {
        let row = self.directory.row(slot);
        if self.apart && manager != ManagerDelta::Unmentioned {
            row.delta(&self.properties, only, ManagerDelta::Unmentioned, json);
            json.raw(",");
            row.relation(manager, json);
        } else {
            row.delta(&self.properties, only, manager, json);
        }
    }

    fn asks_for_manager(&self) -> bool {
        self.cursor.selected && self.cursor.tracked.has(Property::MANAGER)
    }

    fn whole_manager(&self, slot: u32) -> ManagerDelta {
        let manager = self.directory.manager(slot).filter(|_| self.asks_for_manager());
        manager.map_or(ManagerDelta::Unmentioned, ManagerDelta::Set)
    }

    /// Only when it changed (§3.3).
    fn changed_manager(&self, sum: &Sum) -> ManagerDelta {
        if !self.asks_for_manager() || !sum.properties.has(Property::MANAGER) {
            return ManagerDelta::Unmentioned;
        }
        match (self.directory.manager(sum.slot), sum.manager_before) {
            (Some(now), _) => ManagerDelta::Set(now),
            (None, Some(before)) => ManagerDelta::Removed(before),
            (None, None) => ManagerDelta::Unmentioned,
        }
    }
}
