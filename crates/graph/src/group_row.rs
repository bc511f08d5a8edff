//! An answer's JSON into groups and their members, borrowed from it (I7, graph-facts §4).

use std::borrow::Cow;

use domain::id::ObjectId;
use domain::observed::Mention;
use domain::observed_group::{GroupKind, MemberChange, ObservedGroup};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::decode::Unusable;
use crate::expect::{Expect, Found, Into, Key, Text};
use crate::link::{Link, LinkEntry, Removed, fail, own_id};
use crate::listed::{self, Listed, Page};
use crate::salvage::unreadable;
use crate::text::{self, Allowed};

/// What is asked for, beside the `id`, which always comes.
pub(crate) const SELECTED: &str =
    "displayName,description,mail,mailEnabled,securityEnabled,groupTypes,membershipRule,visibility,members";

/// Bytes of one group's texts.
const RECORD: usize = 256 * 1024;

/// The groups of one page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups<'a> {
    /// In the page's order. One whose attributes can't be used says why in `problem`.
    pub groups: Vec<ObservedGroup<'a>>,
    /// Groups that can't be told apart, and members of groups that can't be.
    pub unusable: Vec<Unusable>,
}

/// The groups of a page as they are read.
pub(crate) struct GroupList<'de> {
    found: Groups<'de>,
    /// Records so far.
    read: usize,
    mended: bool,
}

/// Reads a page of groups.
pub(crate) fn page(text: &str, mended: bool) -> Result<Page<'_, GroupList<'_>>, serde_json::Error> {
    listed::page(text, || GroupList {
        found: Groups::default(),
        read: 0,
        mended,
    })
}

impl<'de> GroupList<'de> {
    pub(crate) fn into_groups(self) -> Groups<'de> {
        self.found
    }

    fn file(&mut self, row: GroupRow<'de>) {
        let index = self.read;
        self.read += 1;
        let label = row.label();
        let lost = row.lost.iter().map(|reason| Unusable {
            index,
            label: label.clone(),
            reason: reason.clone(),
        });
        self.found.unusable.extend(lost);
        match row.finish() {
            Ok(group) => self.found.groups.push(group),
            Err(reason) => self.found.unusable.push(Unusable { index, label, reason }),
        }
    }
}

impl<'de> Listed<'de> for GroupList<'de> {
    const ONE: &'static str = "a group";

    fn read<A: MapAccess<'de>>(&mut self, mut entries: A) -> Result<(), A::Error> {
        let mut row = GroupRow::new(self.mended);
        while let Some(Key(key)) = entries.next_key()? {
            entries.next_value_seed(Slot {
                row: &mut row,
                key: &key,
            })?;
        }
        self.file(row);
        Ok(())
    }

    fn salvage(&mut self, entries: Vec<(String, &'de RawValue)>) {
        let mut row = GroupRow::new(self.mended);
        for (key, raw) in entries {
            let slot = Slot {
                row: &mut row,
                key: &key,
            };
            if let Err(error) = slot.deserialize(raw) {
                fail(&mut row.group.problem, unreadable(&key, &error));
            }
        }
        self.file(row);
    }

    fn add_unusable(&mut self, reason: String) {
        let index = self.read;
        self.read += 1;
        self.found.unusable.push(Unusable {
            index,
            label: None,
            reason,
        });
    }
}

/// A group while it is read.
struct GroupRow<'de> {
    group: ObservedGroup<'de>,
    id: Found<'de>,
    types: Option<Types>,
    security: Option<bool>,
    mail_enabled: Option<bool>,
    /// Why members can't be used.
    lost: Vec<String>,
    size: usize,
    mended: bool,
}

/// `groupTypes`
#[derive(Clone, Copy, Default)]
struct Types {
    unified: bool,
    dynamic: bool,
}

/// An attribute that is a text.
#[derive(Clone, Copy)]
enum Attribute {
    Name,
    Description,
    Mail,
    MembershipRule,
    Visibility,
}

impl Attribute {
    const ALL: [Self; 5] = [
        Self::Name,
        Self::Description,
        Self::Mail,
        Self::MembershipRule,
        Self::Visibility,
    ];

    const fn key(self) -> &'static str {
        match self {
            Self::Name => "displayName",
            Self::Description => "description",
            Self::Mail => "mail",
            Self::MembershipRule => "membershipRule",
            Self::Visibility => "visibility",
        }
    }

    const fn allowed(self) -> Allowed {
        match self {
            Self::Name | Self::Mail | Self::Visibility => Allowed::None,
            Self::Description | Self::MembershipRule => Allowed::Layout,
        }
    }

    fn of<'g, 'de>(self, group: &'g mut ObservedGroup<'de>) -> &'g mut Mention<'de> {
        match self {
            Self::Name => &mut group.name,
            Self::Description => &mut group.description,
            Self::Mail => &mut group.mail,
            Self::MembershipRule => &mut group.membership_rule,
            Self::Visibility => &mut group.visibility,
        }
    }
}

impl<'de> GroupRow<'de> {
    fn new(mended: bool) -> Self {
        Self {
            group: ObservedGroup::new(ObjectId(Uuid::nil())),
            id: Found::Nothing,
            types: None,
            security: None,
            mail_enabled: None,
            lost: Vec::new(),
            size: 0,
            mended,
        }
    }

    fn label(&self) -> Option<String> {
        match (&self.group.name, &self.id) {
            (Mention::Value(text), _) | (_, Found::Text(text)) => Some(text::shown(text)),
            _ => None,
        }
    }

    fn finish(mut self) -> Result<ObservedGroup<'de>, String> {
        self.group.id = own_id(&self.id)?;
        let flags = self.security.zip(self.mail_enabled);
        // A group with no types at all never had that property set, which a row tells by its silence
        // (graph-facts §3.3), where it says the rest.
        let types = self.types.or(flags.map(|_| Types::default()));
        self.group.dynamic = types.map(|types| types.dynamic);
        self.group.kind = match (types, flags) {
            (Some(Types { unified: true, .. }), _) => Some(GroupKind::Microsoft365),
            (Some(types), Some((security, mail))) => GroupKind::of_properties(types.unified, security, mail),
            _ => None,
        };
        if self.size > RECORD {
            self.give_up_size();
        }
        Ok(self.group)
    }

    fn give_up_size(&mut self) {
        self.group.problem = Some(Cow::Owned(format!(
            "the group has {} bytes of text, more than {RECORD}; shorten it in Entra, then run again",
            self.size
        )));
        for attribute in Attribute::ALL {
            let mention = attribute.of(&mut self.group);
            if matches!(mention, Mention::Value(text) if text.len() > RECORD / Attribute::ALL.len()) {
                *mention = Mention::Unmentioned;
            }
        }
    }

    fn wrong(&mut self, key: &str, found: &str, expected: &str) {
        fail(
            &mut self.group.problem,
            format!(
                "{key} is {found}, expected {expected}; look at this group's {key} in Entra, then run again"
            ),
        );
    }

    fn put(&mut self, attribute: Attribute, mut value: Cow<'de, str>) {
        if value.is_empty() {
            *attribute.of(&mut self.group) = Mention::Cleared;
            return;
        }
        self.size += value.len();
        let key = attribute.key();
        if self.mended && text::is_mended(&value) {
            value = Cow::Owned(text::readable(&value));
            fail(
                &mut self.group.problem,
                format!("{key} holds bytes that are not UTF-8 text; enter it anew in Entra, then run again"),
            );
        }
        if let Err(found) = text::check_for(attribute.allowed(), &value) {
            fail(
                &mut self.group.problem,
                format!("{key} {found}; correct it in Entra, then run again"),
            );
            value = Cow::Owned(text::without_control(&value));
        }
        *attribute.of(&mut self.group) = Mention::Value(value);
    }
}

/// Reads the value of a key.
struct Slot<'r, 'k, 'de> {
    row: &'r mut GroupRow<'de>,
    key: &'k str,
}

impl<'de> DeserializeSeed<'de> for Slot<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let row = self.row;
        if let Some(attribute) = Attribute::ALL.into_iter().find(|one| one.key() == self.key) {
            return Into(Value { row, attribute }).deserialize(deserializer);
        }
        match self.key {
            "id" => Into(Text(&mut row.id)).deserialize(deserializer),
            "mailEnabled" => Into(Flag {
                row,
                key: "mailEnabled",
                of: |row| &mut row.mail_enabled,
            })
            .deserialize(deserializer),
            "securityEnabled" => Into(Flag {
                row,
                key: "securityEnabled",
                of: |row| &mut row.security,
            })
            .deserialize(deserializer),
            "groupTypes" => Into(GroupTypes(row)).deserialize(deserializer),
            "members@delta" => Into(Members(row)).deserialize(deserializer),
            "@removed" => Into(Removed {
                presence: &mut row.group.presence,
                problem: &mut row.group.problem,
            })
            .deserialize(deserializer),
            _ => serde::Deserialize::deserialize(deserializer).map(|IgnoredAny| ()),
        }
    }
}

/// A text.
struct Value<'r, 'de> {
    row: &'r mut GroupRow<'de>,
    attribute: Attribute,
}

impl<'de> Expect<'de> for Value<'_, 'de> {
    fn wrong(self, found: &'static str) {
        self.row.wrong(self.attribute.key(), found, "text");
    }

    fn null(self) {
        *self.attribute.of(&mut self.row.group) = Mention::Cleared;
    }

    fn text(self, text: Cow<'de, str>) {
        self.row.put(self.attribute, text);
    }
}

/// True or false; null is false.
struct Flag<'r, 'de> {
    row: &'r mut GroupRow<'de>,
    key: &'static str,
    of: for<'x> fn(&'x mut GroupRow<'de>) -> &'x mut Option<bool>,
}

impl<'de> Expect<'de> for Flag<'_, 'de> {
    fn wrong(self, found: &'static str) {
        self.row.wrong(self.key, found, "true or false");
    }

    fn null(self) {
        self.boolean(false);
    }

    fn boolean(self, value: bool) {
        *(self.of)(self.row) = Some(value);
    }
}

/// `groupTypes`; null is none.
struct GroupTypes<'r, 'de>(&'r mut GroupRow<'de>);

impl<'de> Expect<'de> for GroupTypes<'_, 'de> {
    fn wrong(self, found: &'static str) {
        self.0.wrong("groupTypes", found, "a list of texts");
    }

    fn null(self) {
        self.0.types = Some(Types::default());
    }

    fn list<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut types = Types::default();
        let mut found = Found::Nothing;
        while items.next_element_seed(Into(Text(&mut found)))?.is_some() {
            match std::mem::take(&mut found) {
                Found::Text(name) if name == "Unified" => types.unified = true,
                Found::Text(name) if name == "DynamicMembership" => types.dynamic = true,
                Found::Text(_) => {}
                Found::Nothing | Found::Null => {
                    self.0
                        .wrong("groupTypes", "a list with null in it", "a list of texts");
                }
                Found::Wrong(kind) => {
                    let found = format!("a list with {kind} in it");
                    self.0.wrong("groupTypes", &found, "a list of texts");
                }
            }
        }
        self.0.types = Some(types);
        Ok(())
    }
}

/// `members@delta`. A member that can't be told apart is filed by itself: it must not cost the others.
struct Members<'r, 'de>(&'r mut GroupRow<'de>);

impl<'de> Expect<'de> for Members<'_, 'de> {
    fn wrong(self, found: &'static str) {
        self.0.wrong("members@delta", found, "a list of members");
    }

    fn null(self) {}

    fn list<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let row = self.0;
        let mut link = Link::default();
        let mut at = 0_usize;
        while items.next_element_seed(Into(LinkEntry(&mut link)))?.is_some() {
            let entry = std::mem::take(&mut link);
            match entry.target() {
                Ok(id) => row.group.members.push(MemberChange {
                    id,
                    kind: entry.kind(),
                    removed: entry.removed,
                }),
                Err(found) => row.lost.push(format!(
                    "member {at} of the group is {found}, expected a member with a GUID; run again, or give Microsoft's \
                     support the request"
                )),
            }
            at += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "group_row_tests.rs"]
mod tests;
