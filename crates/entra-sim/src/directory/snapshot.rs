//! Users as plain data, for an oracle to compare with.

use super::row::Presence;
use super::{Directory, State};
use crate::json::Json;
use crate::property::Property;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One user with everything that is set.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Object id.
    pub id: String,
    /// Property names and values. What isn't set isn't there; `manager` is an object id; the principal name of a
    /// soft-deleted user is the one it had before.
    pub attributes: Map<String, Value>,
    /// Is it in the deleted items?
    pub deleted: bool,
    /// Was it made to break the rules?
    pub corrupt: bool,
}

impl Directory {
    /// The user in a slot.
    pub fn snapshot(&self, slot: u32) -> Snapshot {
        let row = self.row(slot);
        let mut attributes = Map::new();
        for property in Property::all() {
            let mut json = Json::default();
            if row.value(property, &mut json) == Presence::Set {
                attributes.insert(property.name().into(), read(&json.0));
            }
        }
        attributes.insert(
            Property::PRINCIPAL_NAME.name().into(),
            self.principal_name(slot).into(),
        );
        if let Some(manager) = self.manager(slot) {
            attributes.insert("manager".into(), self.generation.id(manager).to_string().into());
        }
        Snapshot {
            id: self.generation.id(slot).to_string(),
            attributes,
            deleted: matches!(self.state(slot), State::SoftDeleted(_)),
            corrupt: self.is_corrupt(slot),
        }
    }
}

/// The value, or, of a broken one, its text.
fn read(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap_or_else(|_| String::from_utf8_lossy(json).into_owned().into())
}
