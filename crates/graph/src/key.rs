//! The keys of a user in an answer, and a quick way to know them.

use std::cell::Cell;
use std::fmt;

use domain::attribute::Attribute;
use serde::de::{DeserializeSeed, Deserializer, Error, Visitor};

/// What a key of a user stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    Attribute(Attribute),
    Id,
    /// `employeeOrgData`, an object of two attributes.
    OrgData,
    /// `manager@delta`, the changes of the link.
    ManagerChanges,
    /// `@removed`
    Removed,
    /// Anything that we do not read.
    Other,
}

/// Every key that is read, in the order in which they are asked for.
const KNOWN: [(&str, Slot); KEYS] = known();
const KEYS: usize = Attribute::COUNT + 3;
/// "Nothing came before."
const START: usize = KEYS;

const fn known() -> [(&'static str, Slot); KEYS] {
    let mut keys = [("", Slot::Other); KEYS];
    keys[0] = ("id", Slot::Id);
    let mut next = 1;
    let mut number = 0;
    while number < Attribute::COUNT {
        let attribute = Attribute::ALL[number];
        match attribute {
            Attribute::CostCenter => {
                keys[next] = ("employeeOrgData", Slot::OrgData);
                next += 1;
            }
            Attribute::Division => {}
            attribute => {
                keys[next] = (attribute.name(), Slot::Attribute(attribute));
                next += 1;
            }
        }
        number += 1;
    }
    keys[next] = ("manager@delta", Slot::ManagerChanges);
    keys[next + 1] = ("@removed", Slot::Removed);
    keys
}

/// The names to ask for with `$select`, without the manager.
pub(crate) fn selectable() -> impl Iterator<Item = &'static str> {
    KNOWN
        .into_iter()
        .filter(|(_, slot)| {
            !matches!(
                slot,
                Slot::Attribute(Attribute::Manager) | Slot::ManagerChanges | Slot::Removed | Slot::Other
            )
        })
        .map(|(name, _)| name)
}

/// Recognizes keys. One user's keys come in the same order as the last one's, so the key that followed then is tried
/// first, which saves most look-ups.
pub(crate) struct Keys {
    follows: [Cell<usize>; KEYS + 1],
    last: Cell<usize>,
}

impl Keys {
    pub(crate) fn new() -> Self {
        Self {
            follows: std::array::from_fn(|at| Cell::new((at + 1) % KEYS)),
            last: Cell::new(START),
        }
    }

    /// A new user begins.
    pub(crate) fn begin(&self) {
        self.last.set(START);
    }

    #[inline]
    pub(crate) fn slot(&self, key: &str) -> Slot {
        let last = &self.follows[self.last.get()];
        let guess = last.get();
        if KNOWN[guess].0 == key {
            self.last.set(guess);
            return KNOWN[guess].1;
        }
        match KNOWN.iter().position(|(name, _)| *name == key) {
            Some(found) => {
                last.set(found);
                self.last.set(found);
                KNOWN[found].1
            }
            None => Slot::Other,
        }
    }
}

/// Reads a key.
pub(crate) struct KeySeed<'k>(pub &'k Keys);

impl<'de> DeserializeSeed<'de> for KeySeed<'_> {
    type Value = Slot;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Slot, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_> {
    type Value = Slot;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    #[inline]
    fn visit_str<E: Error>(self, key: &str) -> Result<Slot, E> {
        Ok(self.0.slot(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_known_in_any_order() {
        let keys = Keys::new();
        for order in [KNOWN.to_vec(), KNOWN.into_iter().rev().collect(), KNOWN.to_vec()] {
            keys.begin();
            for (name, slot) in order {
                assert_eq!(keys.slot(name), slot, "{name}");
                assert_eq!(keys.slot("@odata.type"), Slot::Other);
            }
        }
        for odd in ["", "ID", "displayname", "employeeOrgData.costCenter"] {
            assert_eq!(keys.slot(odd), Slot::Other, "{odd}");
        }
    }

    #[test]
    fn the_whole_catalogue_is_asked_for() {
        let names: Vec<_> = selectable().collect();
        assert_eq!(names.len(), Attribute::COUNT - 1);
        assert_eq!(names[0], "id");
        for attribute in Attribute::ALL {
            let name = attribute.name().split('.').next().unwrap();
            assert_eq!(names.contains(&name), attribute != Attribute::Manager, "{name}");
        }
    }
}
