//! One user of an answer: each value into its attribute, or the record marked as one that can't be used (B8).

use std::borrow::Cow;

use domain::attribute::{Attribute, Kind};
use domain::observed::{Mention, ObservedUser};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess};
use serde_json::value::RawValue;

use crate::expect::{Expect, Found, Into, Key, Text};
use crate::key::{KeySeed, Keys, Slot};
use crate::link::{Link, LinkEntry, Removed, fail, own_id};
use crate::salvage::unreadable;
use crate::text;

/// Bytes of one user's values.
const RECORD: usize = 256 * 1024;
/// Entries of one list.
const LIST: usize = 1_000;
/// Bytes of a value that a record too large keeps, so that people can tell whose it is.
const LABEL: usize = 1_024;

/// A user while it is read.
pub(crate) struct Row<'x, 'de> {
    pub user: &'x mut ObservedUser<'de>,
    /// Whether the answer's bytes had to be mended, so that a mended value has to be looked for.
    mended: bool,
    /// Whether a text that stands in the answer as it is can hold no control character.
    plain: bool,
    id: Found<'de>,
    size: usize,
}

impl<'x, 'de> Row<'x, 'de> {
    pub(crate) fn new(user: &'x mut ObservedUser<'de>, mended: bool, plain: bool) -> Self {
        Self {
            user,
            mended,
            plain,
            id: Found::Nothing,
            size: 0,
        }
    }

    /// Reads all keys and values.
    pub(crate) fn read<A: MapAccess<'de>>(&mut self, keys: &Keys, mut entries: A) -> Result<(), A::Error> {
        keys.begin();
        while let Some(slot) = entries.next_key_seed(KeySeed(keys))? {
            entries.next_value_seed(SlotSeed { row: self, slot })?;
        }
        Ok(())
    }

    /// Reads keys and values that the parser can't get through together.
    pub(crate) fn salvage(&mut self, keys: &Keys, entries: Vec<(String, &'de RawValue)>) {
        keys.begin();
        for (key, raw) in entries {
            let slot = keys.slot(&key);
            if let Err(error) = (SlotSeed { row: self, slot }).deserialize(raw) {
                self.fail(unreadable(&key, &error));
            }
        }
    }

    /// Ends the record. A record without a usable id can't be told apart from others: it gives its reason back.
    pub(crate) fn finish(self) -> Result<(), String> {
        self.user.id = own_id(&self.id)?;
        if self.size > RECORD {
            self.give_up_size();
        }
        Ok(())
    }

    /// Marks the record as one that can't be used; the first reason stays.
    fn fail(&mut self, reason: String) {
        fail(&mut self.user.problem, reason);
    }

    fn wrong(&mut self, attribute: Attribute, found: &str) {
        let expected = match attribute.kind() {
            Kind::Text => "text",
            Kind::Boolean => "true or false",
            Kind::Date => "a date and time",
            Kind::List => "a list of texts",
            Kind::Reference => "another object's id",
        };
        self.fail(format!(
            "{attribute} is {found}, expected {expected}; look at this user's {attribute} in Entra, then run again"
        ));
    }

    fn mention(&mut self, attribute: Attribute, mention: Mention<'de>) {
        self.user.attributes[attribute as usize] = mention;
    }

    fn put(&mut self, attribute: Attribute, mut value: Cow<'de, str>) {
        if value.is_empty() {
            self.mention(attribute, Mention::Cleared);
            return;
        }
        self.size += value.len();
        if self.mended && text::is_mended(&value) {
            value = Cow::Owned(text::readable(&value));
            self.fail(format!(
                "{attribute} holds bytes that are not UTF-8 text; enter it anew in Entra, then run again"
            ));
        }
        let unescaped = matches!(value, Cow::Borrowed(_));
        if !(self.plain && unescaped)
            && let Err(found) = text::check(attribute, &value)
        {
            self.fail(format!(
                "{attribute} {found}; correct it in Entra, then run again"
            ));
            // It is still told whose record it is, where no text may hold such a character.
            value = Cow::Owned(text::without_control(&value));
        }
        self.mention(attribute, Mention::Value(value));
    }

    /// A record over the limit keeps only what tells whose it is: the rest would burden every step that follows.
    fn give_up_size(self) {
        let length = |mention: &Mention<'_>| match mention {
            Mention::Value(value) => value.len(),
            Mention::Cleared | Mention::Unmentioned => 0,
        };
        let largest = Attribute::ALL
            .into_iter()
            .max_by_key(|attribute| length(&self.user.attributes[*attribute as usize]))
            .unwrap_or(Attribute::DisplayName);
        self.user.problem = Some(Cow::Owned(format!(
            "the record has {} bytes, more than {RECORD}, most of them in {largest}; shorten it in Entra, then run again",
            self.size
        )));
        for mention in &mut self.user.attributes {
            if length(mention) > LABEL {
                *mention = Mention::Unmentioned;
            }
        }
    }
}

/// Reads the value of a key.
struct SlotSeed<'r, 'x, 'de> {
    row: &'r mut Row<'x, 'de>,
    slot: Slot,
}

impl<'de> DeserializeSeed<'de> for SlotSeed<'_, '_, 'de> {
    type Value = ();

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let row = self.row;
        match self.slot {
            Slot::Attribute(Attribute::Manager) => Into(Manager(row)).deserialize(deserializer),
            Slot::Attribute(attribute) => Into(Value { row, attribute }).deserialize(deserializer),
            Slot::Id => Into(Text(&mut row.id)).deserialize(deserializer),
            Slot::OrgData => Into(OrgData(row)).deserialize(deserializer),
            Slot::ManagerChanges => Into(ManagerChanges(row)).deserialize(deserializer),
            Slot::Removed => Into(Removed {
                presence: &mut row.user.presence,
                problem: &mut row.user.problem,
            })
            .deserialize(deserializer),
            Slot::Other => serde::Deserialize::deserialize(deserializer).map(|IgnoredAny| ()),
        }
    }
}

/// An attribute that is a text, a boolean, a date or a list.
struct Value<'r, 'x, 'de> {
    row: &'r mut Row<'x, 'de>,
    attribute: Attribute,
}

impl<'de> Expect<'de> for Value<'_, '_, 'de> {
    fn wrong(self, found: &'static str) {
        self.row.wrong(self.attribute, found);
    }

    #[inline]
    fn null(self) {
        self.row.mention(self.attribute, Mention::Cleared);
    }

    #[inline]
    fn text(self, text: Cow<'de, str>) {
        match self.attribute.kind() {
            Kind::Text => self.row.put(self.attribute, text),
            Kind::Date if text.is_empty() || text::is_date(&text) => self.row.put(self.attribute, text),
            Kind::Date | Kind::Boolean | Kind::List | Kind::Reference => {
                let found = format!("\"{}\"", text::shown(&text));
                self.row.wrong(self.attribute, &found);
            }
        }
    }

    #[inline]
    fn boolean(self, value: bool) {
        let text = if value { "true" } else { "false" };
        if self.attribute.kind() == Kind::Boolean {
            self.row.put(self.attribute, Cow::Borrowed(text));
        } else {
            self.row.wrong(self.attribute, text);
        }
    }

    fn list<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self { row, attribute } = self;
        let mut joined = Cow::Borrowed("");
        let mut count = 0_usize;
        let mut wrong = None;
        let mut found = Found::Nothing;
        while items.next_element_seed(Into(Text(&mut found)))?.is_some() {
            count += 1;
            match std::mem::take(&mut found) {
                Found::Text(item) if count <= LIST => join(&mut joined, item, attribute, row),
                Found::Text(_) => {}
                Found::Null | Found::Nothing => wrong = Some("null"),
                Found::Wrong(kind) => wrong = Some(kind),
            }
        }
        if attribute.kind() != Kind::List {
            row.wrong(attribute, "a list");
        } else if let Some(wrong) = wrong {
            row.wrong(attribute, &format!("a list with {wrong} in it"));
        } else if count > LIST {
            row.fail(format!(
                "{attribute} has {count} entries, more than {LIST}; take some out in Entra, then run again"
            ));
        } else {
            row.put(attribute, joined);
        }
        Ok(())
    }
}

/// Adds an entry to a joined list. A line feed inside one would look like two.
fn join<'de>(joined: &mut Cow<'de, str>, item: Cow<'de, str>, attribute: Attribute, row: &mut Row<'_, 'de>) {
    if item.contains('\n') {
        row.fail(format!(
            "{attribute} has an entry with a line feed in it; correct it in Entra, then run again"
        ));
    }
    if joined.is_empty() {
        *joined = item;
    } else if !item.is_empty() {
        let joined = joined.to_mut();
        joined.push('\n');
        joined.push_str(&item);
    }
}

/// `employeeOrgData`: null clears both parts; a part that is not there is not mentioned.
struct OrgData<'r, 'x, 'de>(&'r mut Row<'x, 'de>);

impl<'de> Expect<'de> for OrgData<'_, '_, 'de> {
    fn wrong(self, found: &'static str) {
        self.0.wrong(Attribute::CostCenter, found);
    }

    fn null(self) {
        self.0.mention(Attribute::CostCenter, Mention::Cleared);
        self.0.mention(Attribute::Division, Mention::Cleared);
    }

    fn object<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let row = self.0;
        while let Some(Key(key)) = entries.next_key()? {
            let attribute = match key.as_ref() {
                "costCenter" => Attribute::CostCenter,
                "division" => Attribute::Division,
                _ => {
                    entries.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            entries.next_value_seed(Into(Value { row, attribute }))?;
        }
        Ok(())
    }
}

/// `manager`, expanded: its id, whatever kind of object it is.
struct Manager<'r, 'x, 'de>(&'r mut Row<'x, 'de>);

impl<'de> Expect<'de> for Manager<'_, '_, 'de> {
    fn wrong(self, found: &'static str) {
        self.0.wrong(Attribute::Manager, found);
    }

    fn null(self) {
        self.0.mention(Attribute::Manager, Mention::Cleared);
    }

    fn object<A: MapAccess<'de>>(self, entries: A) -> Result<(), A::Error> {
        match Link::read(entries)?.target_text() {
            Ok(id) => self.0.put(Attribute::Manager, id),
            Err(found) => self.0.wrong(Attribute::Manager, &found),
        }
        Ok(())
    }
}

/// `manager@delta`: links added and removed; the last one that is added counts, and removing another one than it
/// leaves it (graph-facts §3.3). No entry at all means no manager.
struct ManagerChanges<'r, 'x, 'de>(&'r mut Row<'x, 'de>);

impl<'de> Expect<'de> for ManagerChanges<'_, '_, 'de> {
    fn wrong(self, found: &'static str) {
        self.0.wrong(Attribute::Manager, found);
    }

    fn null(self) {
        self.0.mention(Attribute::Manager, Mention::Cleared);
    }

    fn list<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let row = self.0;
        let mut current: Option<Cow<'de, str>> = None;
        let mut link = Link::default();
        while items.next_element_seed(Into(LinkEntry(&mut link)))?.is_some() {
            let entry = std::mem::take(&mut link);
            let removed = entry.removed;
            match (entry.target_text(), removed) {
                (Ok(id), false) => current = Some(id),
                (Ok(id), true) => current = current.filter(|current| *current != id),
                (Err(found), _) => row.wrong(Attribute::Manager, &found),
            }
        }
        match current {
            Some(id) => row.put(Attribute::Manager, id),
            None => row.mention(Attribute::Manager, Mention::Cleared),
        }
        Ok(())
    }
}
