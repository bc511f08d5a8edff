//! The users of a tenant: generated ones, worked out when asked for, and over them what was changed since. And its
//! groups.

pub mod changes;
pub mod corruption;
pub mod operation;
pub mod row;
pub mod snapshot;
mod write;
mod write_groups;

use crate::groups::Groups;
use crate::people::Generation;
use crate::property::{Properties, Property};
use changes::Changes;
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use uuid::Uuid;

/// How long a soft-deleted user or group can be restored (graph-facts §5).
pub const RETENTION_DAYS: i64 = 30;

/// Where a user or a group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// In the directory.
    Live,
    /// In the deleted items, since then.
    SoftDeleted(DateTime<Utc>),
    /// Nowhere.
    Gone,
}

/// A manager given after the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Superior {
    Nobody,
    Is(u32),
}

impl Superior {
    fn slot(self) -> Option<u32> {
        match self {
            Self::Nobody => None,
            Self::Is(slot) => Some(slot),
        }
    }
}

impl From<Option<u32>> for Superior {
    fn from(slot: Option<u32>) -> Self {
        slot.map_or(Self::Nobody, Self::Is)
    }
}

/// What was changed of one user. A value is JSON; none means cleared.
#[derive(Debug, Default)]
struct Overlay {
    state: Option<State>,
    values: BTreeMap<Property, Option<Box<[u8]>>>,
    manager: Option<Superior>,
    corrupt: Properties,
    created: Option<DateTime<Utc>>,
}

/// The users and groups of a tenant.
#[derive(Debug)]
pub struct Directory {
    /// How its first users are made.
    pub generation: Generation,
    /// What changed since the tenant started.
    pub changes: Changes,
    /// Its groups.
    pub groups: Groups,
    /// Do groups tell that a purged member is one no longer?
    pub tells_purged: bool,
    overlay: HashMap<u32, Overlay>,
    created: u32,
    deleted: BTreeSet<u32>,
    live: u32,
    /// Principal names given after the start, in lower case, of users who are live.
    names: HashMap<String, u32>,
    /// Reports given after the start, by manager; some may have another manager by now.
    reports: HashMap<u32, BTreeSet<u32>>,
}

impl Directory {
    /// The users as they are generated, and these groups.
    pub fn new(generation: Generation, groups: Groups) -> Self {
        Self {
            deleted: (generation.users..generation.slots()).collect(),
            live: generation.users,
            changes: Changes::default(),
            groups,
            tells_purged: true,
            overlay: HashMap::new(),
            created: 0,
            names: HashMap::new(),
            reports: HashMap::new(),
            generation,
        }
    }

    /// How many users are live.
    pub fn live(&self) -> u32 {
        self.live
    }

    /// How many are in the deleted items.
    pub fn deleted(&self) -> usize {
        self.deleted.len()
    }

    /// Where the user in a slot is.
    pub fn state(&self, slot: u32) -> State {
        if let Some(state) = self.overlay.get(&slot).and_then(|overlay| overlay.state) {
            return state;
        }
        if slot < self.generation.users {
            State::Live
        } else if slot < self.generation.slots() {
            State::SoftDeleted(crate::people::profile::deleted(&self.generation.person(slot)))
        } else {
            State::Gone
        }
    }

    /// Is the user in a slot live?
    pub fn is_live(&self, slot: u32) -> bool {
        self.state(slot) == State::Live
    }

    /// Live users from a slot on, in the order of lists; users created after `seen` are not there yet.
    pub fn live_from(&self, slot: u32, seen: DateTime<Utc>) -> impl Iterator<Item = u32> {
        (slot..self.generation.slots() + self.created).filter(move |slot| {
            if self.overlay.is_empty() {
                return *slot < self.generation.users;
            }
            let created = self.overlay.get(slot).and_then(|overlay| overlay.created);
            self.is_live(*slot) && created.is_none_or(|created| created <= seen)
        })
    }

    /// Soft-deleted users from a slot on.
    pub fn deleted_from(&self, slot: u32) -> impl Iterator<Item = u32> {
        self.deleted.range(slot..).copied()
    }

    /// The slot of an object id, whatever its state.
    pub fn slot(&self, id: Uuid) -> Option<u32> {
        self.generation
            .slot(id)
            .filter(|slot| *slot < self.generation.slots() + self.created)
    }

    /// The live user with this principal name, letter case aside.
    pub fn named(&self, principal_name: &str) -> Option<u32> {
        if let Some(slot) = self.names.get(&principal_name.to_lowercase()) {
            return Some(*slot);
        }
        let slot = self.generation.by_principal_name(principal_name)?;
        let renamed = self
            .overlay
            .get(&slot)
            .is_some_and(|overlay| overlay.values.contains_key(&Property::PRINCIPAL_NAME));
        (self.is_live(slot) && !renamed).then_some(slot)
    }

    /// The live user with this object id or principal name (graph-facts §2.6).
    pub fn find(&self, key: &str) -> Option<u32> {
        match Uuid::try_parse(key) {
            Ok(id) => self.slot(id).filter(|slot| self.is_live(*slot)),
            Err(_) => self.named(key),
        }
    }

    /// The manager to be seen: a link to somebody who isn't live is hidden.
    pub fn manager(&self, slot: u32) -> Option<u32> {
        self.linked_manager(slot).filter(|manager| self.is_live(*manager))
    }

    /// The manager that is stored, live or not.
    fn linked_manager(&self, slot: u32) -> Option<u32> {
        self.overlay
            .get(&slot)
            .and_then(|overlay| overlay.manager)
            .map_or_else(|| self.generation.manager(slot), Superior::slot)
    }

    /// The live users whose manager this is.
    fn live_reports(&self, manager: u32) -> Vec<u32> {
        let given = self.reports.get(&manager).into_iter().flatten().copied();
        let all: BTreeSet<u32> = self
            .generation
            .reports(manager)
            .into_iter()
            .chain(given)
            .collect();
        all.into_iter()
            .filter(|slot| self.is_live(*slot) && self.linked_manager(*slot) == Some(manager))
            .collect()
    }

    /// May the user in a slot sign in?
    pub fn enabled(&self, slot: u32) -> bool {
        let changed = self
            .overlay
            .get(&slot)
            .and_then(|overlay| overlay.values.get(&Property::ENABLED));
        match changed {
            Some(value) => value.as_deref() == Some(b"true"),
            None => slot < self.generation.slots() && self.generation.person(slot).enabled(),
        }
    }

    /// Was this user made to break the rules?
    pub fn is_corrupt(&self, slot: u32) -> bool {
        self.overlay
            .get(&slot)
            .is_some_and(|overlay| overlay.corrupt != Properties::default())
    }
}
