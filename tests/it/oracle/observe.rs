//! What a reader of the tenant would have been told, from the tenant itself.

use std::collections::{BTreeMap, BTreeSet};

use domain::attribute::{Attribute, Kind};
use domain::decision::BroughtIn;
use domain::id::ObjectId;
use domain::membership::Membership;
use domain::observed::{Completeness, Mention, ObservedUser, Presence};
use entra_sim::{MemberKind, Snapshot, Tenant};
use serde_json::Value;

use super::Oracle;

/// All users of a tenant at one moment.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    users: BTreeMap<ObjectId, Snapshot>,
    /// Of each group, its direct members: users, and groups.
    groups: BTreeMap<ObjectId, (BTreeSet<ObjectId>, BTreeSet<ObjectId>)>,
}

/// How a run was told of the directory.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Whether of some only: of what has changed, or of who was asked for.
    pub delta: bool,
    /// Of changes: since when.
    pub since: Directory,
    /// Whether the end was proved.
    pub proved: bool,
    /// Of whom.
    pub seen: BTreeSet<ObjectId>,
    /// Who was asked for by name, by hand or as a manager.
    pub brought_in: BTreeMap<ObjectId, BroughtIn>,
    /// Whether leavers alone are dealt with.
    pub leavers_only: bool,
}

/// What one run read.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Reading {
    /// Everyone that was told of.
    pub users: Vec<ObservedUser<'static>>,
    /// Whether who was not told of is gone.
    pub complete: bool,
    /// Whether the end was proved.
    pub proved: bool,
    /// Whether it told of changes only.
    pub delta: bool,
    /// Who was brought in by hand or as a manager.
    pub brought_in: BTreeMap<ObjectId, BroughtIn>,
    /// Whether leavers alone are dealt with.
    pub leavers_only: bool,
}

impl Directory {
    /// The tenant as it is now.
    pub fn of(tenant: &Tenant) -> Self {
        let everyone = tenant.users().into_iter().chain(tenant.deleted_users());
        Self {
            users: everyone.map(|user| (id(&user.id), user)).collect(),
            groups: tenant
                .groups()
                .into_iter()
                .map(|group| {
                    let of = |kind: MemberKind| {
                        let members = group.members.iter().filter(move |(_, is)| **is == kind);
                        members.map(|(member, _)| id(member)).collect()
                    };
                    (id(&group.id), (of(MemberKind::User), of(MemberKind::Group)))
                })
                .collect(),
        }
    }

    /// Everyone, in the directory and in the deleted items.
    pub fn objects(&self) -> BTreeSet<ObjectId> {
        self.users.keys().copied().collect()
    }

    /// Who is in the directory.
    pub fn is_present(&self, object: &ObjectId) -> bool {
        self.users.get(object).is_some_and(|user| !user.deleted)
    }

    /// Somebody, for people to read.
    pub fn shown(&self, object: &ObjectId) -> String {
        format!("{:?}", self.users.get(object))
    }

    /// Who changed since.
    pub fn changed_since(&self, before: &Self) -> BTreeSet<ObjectId> {
        let all = self.users.keys().chain(before.users.keys());
        all.filter(|id| self.users.get(id) != before.users.get(id))
            .copied()
            .collect()
    }

    /// What a user belongs to, of the groups asked for, in the order of their ids.
    pub fn memberships(&self, user: &ObjectId, asked: &BTreeSet<ObjectId>) -> Vec<Membership> {
        let mut found = Vec::new();
        for group in asked {
            let direct = self
                .groups
                .get(group)
                .is_some_and(|(users, _)| users.contains(user));
            if direct || self.reaches(*group, user) {
                found.push(Membership {
                    group: *group,
                    direct,
                });
            }
        }
        found
    }

    fn reaches(&self, top: ObjectId, user: &ObjectId) -> bool {
        let mut met = BTreeSet::from([top]);
        let mut waiting = vec![top];
        while let Some(group) = waiting.pop() {
            let Some((users, groups)) = self.groups.get(&group) else {
                continue;
            };
            if users.contains(user) {
                return true;
            }
            waiting.extend(groups.iter().filter(|inner| met.insert(**inner)));
        }
        false
    }

    /// What a run that was told so has read. `asked`: the groups whose members matter, if groups are read at all.
    pub fn read(&self, told: &Told, oracle: &Oracle, asked: Option<&BTreeSet<ObjectId>>) -> Reading {
        let mut users = Vec::new();
        for object in &told.seen {
            let Some(user) = self.users.get(object) else {
                users.push(ObservedUser::new(*object, Presence::Gone, Completeness::Partial));
                continue;
            };
            let by_name = told.brought_in.contains_key(object);
            let mut observed = match told.delta && !by_name {
                true if oracle.has_account(object) => {
                    observe(user, told.since.users.get(object), Completeness::Partial)
                }
                true => look_up(user),
                false => observe(user, None, Completeness::Whole),
            };
            if !user.deleted {
                observed.groups = asked.map(|asked| self.memberships(object, asked).into());
            }
            users.push(observed);
        }
        Reading {
            users,
            complete: told.proved && !told.delta,
            proved: told.proved,
            delta: told.delta,
            brought_in: told.brought_in.clone(),
            leavers_only: told.leavers_only,
        }
    }

    /// What a full run reads: everyone in the directory, whole, and who is in the deleted items.
    pub fn all(&self) -> Reading {
        Reading {
            users: self
                .users
                .values()
                .map(|user| observe(user, None, Completeness::Whole))
                .collect(),
            complete: true,
            proved: true,
            delta: false,
            brought_in: BTreeMap::new(),
            leavers_only: false,
        }
    }

    /// What a delta reads that began at `before`: who has changed since, with what has been set or emptied; and all there is
    /// of those of whom the register has no account.
    pub fn since(&self, before: &Self, oracle: &Oracle) -> Reading {
        let mut users = Vec::new();
        for (id, user) in &self.users {
            let earlier = before.users.get(id);
            if earlier == Some(user) {
                continue;
            }
            users.push(if oracle.has_account(id) {
                observe(user, earlier, Completeness::Partial)
            } else {
                look_up(user)
            });
        }
        for id in before.users.keys().filter(|id| !self.users.contains_key(id)) {
            users.push(ObservedUser::new(*id, Presence::Gone, Completeness::Partial));
        }
        Reading {
            users,
            complete: false,
            proved: true,
            delta: true,
            brought_in: BTreeMap::new(),
            leavers_only: false,
        }
    }

    /// Who is in the directory, in the order of their ids.
    pub fn present(&self) -> Vec<&Snapshot> {
        self.users.values().filter(|user| !user.deleted).collect()
    }
}

fn id(text: &str) -> ObjectId {
    text.parse().expect("the simulator's ids are GUIDs")
}

fn observe(user: &Snapshot, earlier: Option<&Snapshot>, completeness: Completeness) -> ObservedUser<'static> {
    if user.deleted {
        // What else is told of someone in the deleted items changes nothing.
        return ObservedUser::new(id(&user.id), Presence::SoftDeleted, Completeness::Partial);
    }
    let mut observed = ObservedUser::new(id(&user.id), Presence::Present, completeness);
    for attribute in Attribute::ALL {
        let before = earlier.and_then(|earlier| value(earlier, attribute));
        let was_set = before.is_some();
        // A delta tells of the manager only when that has changed, or the user has come (graph-facts, trap 33).
        let quiet = attribute == Attribute::Manager && earlier.is_some_and(|earlier| !earlier.deleted);
        observed.attributes[attribute as usize] = match value(user, attribute) {
            Some(text) if quiet && before.as_ref() == Some(&text) => Mention::Unmentioned,
            Some(text) => Mention::Value(text.into()),
            None if was_set => Mention::Cleared,
            None => Mention::Unmentioned,
        };
    }
    observed
}

/// Someone who comes in by a delta: what is empty is said to be.
fn look_up(user: &Snapshot) -> ObservedUser<'static> {
    let mut observed = observe(user, None, Completeness::Partial);
    if observed.presence == Presence::Present {
        for mention in &mut observed.attributes {
            if *mention == Mention::Unmentioned {
                *mention = Mention::Cleared;
            }
        }
    }
    observed
}

/// An attribute as the register writes it down; nothing where it is empty.
fn value(user: &Snapshot, attribute: Attribute) -> Option<String> {
    let mut value = user.attributes.get(attribute.name().split('.').next()?)?;
    if let Some((_, part)) = attribute.name().split_once('.') {
        value = value.get(part)?;
    }
    let text = match (attribute.kind(), value) {
        (Kind::Boolean, Value::Bool(on)) => on.to_string(),
        (Kind::List, Value::Array(items)) => items
            .iter()
            .map(|item| item.as_str().expect("lists hold texts"))
            .collect::<Vec<_>>()
            .join("\n"),
        (Kind::Text | Kind::Date | Kind::Reference, Value::String(text)) => text.clone(),
        (_, Value::Null) => return None,
        (_, other) => panic!("{} is {other}", attribute.name()),
    };
    (!text.is_empty()).then_some(text)
}
