//! The groups of a tenant and who is in them. A member costs 17 bytes.

mod generated;
pub mod log;
pub mod property;
pub mod snapshot;
mod write;

pub use generated::generate;

use crate::directory::State;
use crate::json::Json;
use log::Log;
use property::{GroupProperties, GroupProperty};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use uuid::Uuid;

/// What a group is for.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum GroupKind {
    /// A Microsoft 365 group, which holds no groups.
    Microsoft365,
    /// A security group.
    Security,
    /// A security group that gets mail.
    MailEnabledSecurity,
    /// A distribution list.
    Distribution,
}

impl GroupKind {
    /// Can a deleted one be restored? Those of Exchange vanish at once (graph-facts §4).
    pub fn restorable(self) -> bool {
        matches!(self, Self::Microsoft365 | Self::Security)
    }
}

/// What a member is.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum MemberKind {
    /// A user.
    #[default]
    User,
    /// Another group.
    Group,
    /// A device.
    Device,
    /// An app's identity.
    ServicePrincipal,
    /// A contact.
    OrgContact,
}

impl MemberKind {
    /// Graph's name of the type, without the namespace.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
            Self::Device => "device",
            Self::ServicePrincipal => "servicePrincipal",
            Self::OrgContact => "orgContact",
        }
    }

    /// The type of this name.
    pub fn named(name: &str) -> Option<Self> {
        [
            Self::User,
            Self::Group,
            Self::Device,
            Self::ServicePrincipal,
            Self::OrgContact,
        ]
        .into_iter()
        .find(|kind| kind.name() == name)
    }
}

/// A member of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// Its object id.
    pub id: Uuid,
    /// What it is.
    pub kind: MemberKind,
}

/// One group.
#[derive(Debug)]
pub struct Group {
    /// Its object id.
    pub id: Uuid,
    /// Where it is.
    pub state: State,
    /// What it is for.
    pub kind: GroupKind,
    /// Values as JSON; none means cleared, and what isn't there was never set.
    values: BTreeMap<GroupProperty, Option<Box<[u8]>>>,
    /// By id.
    members: Vec<Member>,
}

/// The groups of a tenant.
#[derive(Debug, Default)]
pub struct Groups {
    all: Vec<Group>,
    numbers: HashMap<Uuid, u32>,
    /// What happened since somebody first asked for changes; what was before is in nobody's token.
    pub log: Log,
    asked: AtomicBool,
    /// Was something changed before anybody asked?
    unlogged: bool,
}

impl Group {
    /// Is it in the directory?
    pub fn is_live(&self) -> bool {
        self.state == State::Live
    }

    /// Its members, by id.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Its members whose ids come after this one.
    pub fn members_after(&self, id: Option<Uuid>) -> &[Member] {
        match id {
            None => &self.members,
            Some(id) => &self.members[self.members.partition_point(|member| member.id <= id)..],
        }
    }

    /// Is this object a member?
    pub fn holds(&self, id: Uuid) -> bool {
        self.members.binary_search_by_key(&id, |member| member.id).is_ok()
    }

    /// May only apps with `Member.Read.Hidden` see its members?
    pub fn hidden(&self) -> bool {
        self.value(GroupProperty::VISIBILITY) == Some(br#""HiddenMembership""#)
    }

    fn value(&self, property: GroupProperty) -> Option<&[u8]> {
        self.values.get(&property)?.as_deref()
    }

    /// As in a list: explicit nulls. Without its closing brace.
    pub fn list(&self, properties: &[GroupProperty], json: &mut Json) {
        json.raw("{");
        let mut first = true;
        for property in properties {
            if *property == GroupProperty::MEMBERS {
                continue;
            }
            if !std::mem::take(&mut first) {
                json.raw(",");
            }
            json.key(property.name());
            self.write(*property, json);
        }
    }

    /// As in a delta: the id, and each property that was ever set; null where it was cleared (graph-facts §3.3). With
    /// `only`, just the properties in it. Without its closing brace.
    pub fn delta(&self, properties: &[GroupProperty], only: Option<GroupProperties>, json: &mut Json) {
        json.raw("{");
        json.key("id");
        self.write(GroupProperty::ID, json);
        for property in properties {
            let wanted = only.is_none_or(|only| only.has(*property));
            if wanted && self.values.contains_key(property) {
                json.raw(",");
                json.key(property.name());
                self.write(*property, json);
            }
        }
    }

    fn write(&self, property: GroupProperty, json: &mut Json) {
        match (self.value(property), self.state) {
            (Some(value), _) => json.0.extend_from_slice(value),
            (None, State::SoftDeleted(at)) if property == GroupProperty::DELETED => json.date(at),
            (None, _) if property == GroupProperty::ID => write_id(self.id, json),
            (None, _) => json.raw(property.empty()),
        }
    }
}

/// An object id as a string.
pub fn write_id(id: Uuid, json: &mut Json) {
    json.raw("\"");
    json.raw(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
    json.raw("\"");
}

impl Groups {
    /// How many there are, deleted ones and all.
    pub fn len(&self) -> u32 {
        u32::try_from(self.all.len()).expect("memory ends before four billion groups")
    }

    /// How many are live.
    pub fn live(&self) -> usize {
        self.all.iter().filter(|group| group.is_live()).count()
    }

    /// The group of this number.
    pub fn get(&self, number: u32) -> Option<&Group> {
        self.all.get(number as usize)
    }

    /// Groups from a number on, with their numbers.
    pub fn from(&self, number: u32) -> impl Iterator<Item = (u32, &Group)> {
        (number..).zip(self.all.iter().skip(number as usize))
    }

    /// The number of an object id, whatever the group's state.
    pub fn number(&self, id: Uuid) -> Option<u32> {
        self.numbers.get(&id).copied()
    }

    /// The live group with this id.
    pub fn find(&self, id: &str) -> Option<&Group> {
        let number = self.number(Uuid::try_parse(id).ok()?)?;
        self.get(number).filter(|group| group.is_live())
    }

    /// The live groups that this object is a member of.
    pub fn of_member(&self, id: Uuid) -> impl Iterator<Item = &Group> {
        self.all
            .iter()
            .filter(move |group| group.is_live() && group.holds(id))
    }

    /// From now on changes are remembered.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    /// Are the groups at the beginning of the log those that every run of the same tenant begins with?
    pub fn begin_alike(&self) -> bool {
        !self.unlogged
    }
}
