//! One user as JSON: in a list every asked-for property, null where there is none; in a delta only what was ever set.

use super::{Directory, Overlay, State};
use crate::json::Json;
use crate::people::person::Person;
use crate::property::{Properties, Property};

/// Has a property a value?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It has, and it was written.
    Set,
    /// It had one.
    Cleared,
    /// It never had one.
    Never,
}

/// What a delta row says of the manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManagerDelta {
    /// Nothing.
    Unmentioned,
    /// This one.
    Set(u32),
    /// No longer this one.
    Removed(u32),
}

/// Why a user is no longer there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// In the deleted items.
    Changed,
    /// Gone for good.
    Deleted,
}

/// A user about to be written.
pub struct Row<'d> {
    directory: &'d Directory,
    slot: u32,
    state: State,
    person: Option<Person<'d>>,
    overlay: Option<&'d Overlay>,
}

impl Directory {
    /// The user in a slot.
    pub fn row(&self, slot: u32) -> Row<'_> {
        Row {
            directory: self,
            slot,
            state: self.state(slot),
            person: (slot < self.generation.slots()).then(|| self.generation.person(slot)),
            overlay: self.overlay.get(&slot),
        }
    }
}

impl Row<'_> {
    /// As in a list: explicit nulls, and the manager expanded where asked for (graph-facts §2.5: missing when none).
    pub fn list(&self, properties: &[Property], manager: Option<&[Property]>, json: &mut Json) {
        json.raw("{");
        let mut first = true;
        for property in properties {
            if !std::mem::take(&mut first) {
                json.raw(",");
            }
            json.key(property.name());
            if self.value(*property, json) != Presence::Set {
                json.raw(property.empty());
            }
        }
        let above = manager.zip(self.directory.manager(self.slot));
        if let Some((properties, manager)) = above {
            if !first {
                json.raw(",");
            }
            json.raw("\"manager\":{\"@odata.type\":\"#microsoft.graph.user\",");
            let start = json.0.len();
            self.directory.row(manager).list(properties, None, json);
            json.0.remove(start);
        }
        json.raw("}");
    }

    /// As in a delta: the id, and each property that was ever set; null where it was cleared (graph-facts §3.3).
    /// With `only`, just the properties in it.
    pub fn delta(
        &self,
        properties: &[Property],
        only: Option<Properties>,
        manager: ManagerDelta,
        json: &mut Json,
    ) {
        json.raw("{");
        self.property(Property::ID, json);
        for property in properties {
            let wanted = only.is_none_or(|only| only.has(*property));
            if wanted && !matches!(*property, Property::ID | Property::MANAGER) {
                let start = json.0.len();
                json.raw(",");
                if self.property(*property, json) == Presence::Never {
                    json.0.truncate(start);
                }
            }
        }
        self.manager_delta(manager, json);
        json.raw("}");
    }

    /// A delta row with nothing but the manager.
    pub fn relation(&self, manager: ManagerDelta, json: &mut Json) {
        self.delta(&[], None, manager, json);
    }

    /// A delta row of a user who is no longer there.
    pub fn removed(&self, reason: Reason, json: &mut Json) {
        json.raw("{");
        self.property(Property::ID, json);
        json.raw(match reason {
            Reason::Changed => ",\"@removed\":{\"reason\":\"changed\"}}",
            Reason::Deleted => ",\"@removed\":{\"reason\":\"deleted\"}}",
        });
    }

    fn property(&self, property: Property, json: &mut Json) -> Presence {
        json.key(property.name());
        let presence = self.value(property, json);
        if presence == Presence::Cleared {
            json.raw(property.empty());
        }
        presence
    }

    fn manager_delta(&self, manager: ManagerDelta, json: &mut Json) {
        let (ManagerDelta::Set(above) | ManagerDelta::Removed(above)) = manager else {
            return;
        };
        json.raw(",\"manager@delta\":[{\"@odata.type\":\"#microsoft.graph.user\",");
        json.key("id");
        self.directory.write_id(above, json);
        if let ManagerDelta::Removed(_) = manager {
            json.raw(",\"@removed\":{\"reason\":\"deleted\"}");
        }
        json.raw("}]");
    }

    /// Writes a value, if there is one.
    pub fn value(&self, property: Property, json: &mut Json) -> Presence {
        let changed = self.overlay.and_then(|overlay| overlay.values.get(&property));
        let deleted_name = property == Property::PRINCIPAL_NAME && self.state != State::Live;
        match (changed, &self.person) {
            (Some(None), _) => Presence::Cleared,
            (Some(Some(value)), _) if deleted_name => {
                self.prefixed(value, json);
                Presence::Set
            }
            (Some(Some(value)), _) => {
                json.0.extend_from_slice(value);
                Presence::Set
            }
            (None, _) if property == Property::ID => {
                self.directory.write_id(self.slot, json);
                Presence::Set
            }
            (None, _) if property == Property::DELETED => self.deleted_date(json),
            (None, Some(person)) if deleted_name => {
                let mut name = Json::default();
                name.string(&person.principal_name());
                self.prefixed(&name.0, json);
                Presence::Set
            }
            (None, Some(person)) if (property.definition().write)(person, json) => Presence::Set,
            (None, _) => Presence::Never,
        }
    }

    fn deleted_date(&self, json: &mut Json) -> Presence {
        let State::SoftDeleted(at) = self.state else {
            return Presence::Never;
        };
        json.date(at);
        Presence::Set
    }

    /// A deleted user's principal name starts with the object id, without dashes (graph-facts §5).
    fn prefixed(&self, name: &[u8], json: &mut Json) {
        let id = self.directory.generation.id(self.slot).simple();
        json.raw("\"");
        json.raw(id.encode_lower(&mut uuid::Uuid::encode_buffer()));
        json.0.extend_from_slice(name.strip_prefix(b"\"").unwrap_or(name));
    }
}

impl Directory {
    fn write_id(&self, slot: u32, json: &mut Json) {
        let id = self.generation.id(slot).hyphenated();
        json.raw("\"");
        json.raw(id.encode_lower(&mut uuid::Uuid::encode_buffer()));
        json.raw("\"");
    }
}
