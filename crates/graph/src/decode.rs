//! An answer's JSON into users, borrowed from it: quick, tolerant of what one record does wrong, strict about the rest.

use std::borrow::Cow;

use domain::attribute::Attribute;
use domain::id::ObjectId;
use domain::observed::{Completeness, Mention, ObservedUser, Presence};
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess};
use uuid::Uuid;

use crate::expect::{Expect, Found, Into, Key, Text};
use crate::key::Keys;
use crate::row::Row;
use crate::text;

/// What was asked for, hence what an answer's silence means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Whole users of the directory.
    Listing,
    /// Users in deleted items. Their manager is not asked for, so they are partial.
    Deleted,
    /// Rows of a delta round.
    Round,
}

/// The users of one page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records<'a> {
    /// In the page's order. One that can't be used says why in `problem`.
    pub users: Vec<ObservedUser<'a>>,
    /// Records that can't even be told apart.
    pub unusable: Vec<Unusable>,
}

/// A record without a usable id. It counts as failed (B8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// Its place in the page, from 0.
    pub index: usize,
    /// Its user principal name or display name, if it has one.
    pub label: Option<String>,
    /// Why, and what to do.
    pub reason: String,
}

/// A page as it is read.
pub(crate) struct Page<'de> {
    pub records: Records<'de>,
    /// `@odata.nextLink`
    pub next: Found<'de>,
    /// `@odata.deltaLink`
    pub delta: Found<'de>,
    /// Kind of `value`, if it is not a list; `Some("missing")` if there is none.
    pub no_list: Option<&'static str>,
    pub(crate) reader: Reader,
}

/// What all records of a page are read with.
pub(crate) struct Reader {
    shape: Shape,
    mended: bool,
    plain: bool,
    keys: Keys,
}

impl Reader {
    pub(crate) fn new(text: &str, shape: Shape, mended: bool) -> Self {
        Self {
            shape,
            mended,
            plain: text::is_plain(text),
            keys: Keys::new(),
        }
    }

    fn blank<'de>(&self) -> ObservedUser<'de> {
        let (presence, completeness) = match self.shape {
            Shape::Listing => (Presence::Present, Completeness::Whole),
            Shape::Deleted => (Presence::SoftDeleted, Completeness::Partial),
            Shape::Round => (Presence::Present, Completeness::Partial),
        };
        ObservedUser::new(ObjectId(Uuid::nil()), presence, completeness)
    }
}

impl Page<'_> {
    pub(crate) fn new(text: &str, shape: Shape, mended: bool) -> Self {
        Self {
            records: Records::with_room_for(text),
            next: Found::Nothing,
            delta: Found::Nothing,
            no_list: Some("missing"),
            reader: Reader::new(text, shape, mended),
        }
    }
}

/// Bytes of a user in a page, at least in most pages.
const USUAL: usize = 1_000;

impl<'de> Records<'de> {
    /// A user takes a kilobyte: growing would move megabytes about.
    fn with_room_for(text: &str) -> Self {
        Self {
            users: Vec::with_capacity((text.len() / USUAL + 1).min(1_000)),
            unusable: Vec::new(),
        }
    }

    fn count(&self) -> usize {
        self.users.len() + self.unusable.len()
    }

    /// Reads one record with `read`, and files it by how that went.
    pub(crate) fn add<E>(
        &mut self,
        reader: &Reader,
        read: impl FnOnce(&mut Row<'_, 'de>, &Keys) -> Result<(), E>,
    ) -> Result<(), E> {
        let index = self.count();
        // Read in its place: a user is a kilobyte, too much to be moved about.
        self.users.push(reader.blank());
        let Some(user) = self.users.last_mut() else {
            return Ok(());
        };
        let mut row = Row::new(user, reader.mended, reader.plain);
        read(&mut row, &reader.keys)?;
        let finished = row.finish();
        if finished.is_ok() {
            if reader.shape == Shape::Deleted {
                strip_own_id(user);
            }
            return Ok(());
        }
        let unusable = finished.err().map(|reason| Unusable {
            index,
            label: label(user),
            reason,
        });
        self.users.pop();
        self.unusable.extend(unusable);
        Ok(())
    }

    /// Adds the records that were read apart.
    pub(crate) fn append(&mut self, mut others: Self) {
        let before = self.count();
        self.users.append(&mut others.users);
        self.unusable
            .extend(others.unusable.into_iter().map(|one| Unusable {
                index: before + one.index,
                ..one
            }));
    }

    /// Files a record that is not even an object.
    pub(crate) fn add_unusable(&mut self, reason: String) {
        let index = self.count();
        self.unusable.push(Unusable {
            index,
            label: None,
            reason,
        });
    }
}

fn label(user: &ObservedUser<'_>) -> Option<String> {
    [Attribute::UserPrincipalName, Attribute::DisplayName]
        .into_iter()
        .find_map(|attribute| user.value(attribute))
        .map(text::shown)
}

/// The directory puts a deleted user's id, as 32 hex digits, in front of its UPN (graph-facts §5).
fn strip_own_id(user: &mut ObservedUser<'_>) {
    let mut buffer = Uuid::encode_buffer();
    let own: &str = user.id.0.simple().encode_lower(&mut buffer);
    let Mention::Value(upn) = &mut user.attributes[Attribute::UserPrincipalName as usize] else {
        return;
    };
    let prefixed = upn
        .get(..own.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(own));
    if !prefixed || upn.len() == own.len() {
        return;
    }
    match upn {
        Cow::Borrowed(text) => *text = &text[own.len()..],
        Cow::Owned(text) => drop(text.drain(..own.len())),
    }
}

/// Reads a page's object.
pub(crate) struct PageObject<'p, 'de>(pub &'p mut Page<'de>);

impl<'de> Expect<'de> for PageObject<'_, 'de> {
    fn wrong(self, found: &'static str) {
        self.0.no_list = Some(found);
    }

    fn object<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let page = self.0;
        while let Some(Key(key)) = entries.next_key()? {
            match key.as_ref() {
                "value" => entries.next_value_seed(Into(List(page)))?,
                "@odata.nextLink" => entries.next_value_seed(Into(Text(&mut page.next)))?,
                "@odata.deltaLink" => entries.next_value_seed(Into(Text(&mut page.delta)))?,
                _ => drop(entries.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// Reads a page's `value`.
struct List<'p, 'de>(&'p mut Page<'de>);

impl<'de> Expect<'de> for List<'_, 'de> {
    fn wrong(self, found: &'static str) {
        self.0.no_list = Some(found);
    }

    fn list<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Page {
            records,
            reader,
            no_list,
            ..
        } = self.0;
        *no_list = None;
        while items
            .next_element_seed(Into(Record { records, reader }))?
            .is_some()
        {}
        Ok(())
    }
}

/// Reads one record.
pub(crate) struct Record<'p, 'de> {
    pub records: &'p mut Records<'de>,
    pub reader: &'p Reader,
}

impl<'de> Expect<'de> for Record<'_, 'de> {
    fn wrong(self, found: &'static str) {
        self.records
            .add_unusable(format!("the record is {found}, expected a user"));
    }

    #[inline]
    fn object<A: MapAccess<'de>>(self, entries: A) -> Result<(), A::Error> {
        self.records.add(self.reader, |row, keys| row.read(keys, entries))
    }
}

/// Reads a page. What the parser can't get over (a number too large, half of a surrogate pair) is told apart record by
/// record in a second, slower pass.
pub(crate) fn page(text: &str, shape: Shape, mended: bool) -> Result<Page<'_>, serde_json::Error> {
    let mut page = Page::new(text, shape, mended);
    let mut json = serde_json::Deserializer::from_str(text);
    match Into(PageObject(&mut page))
        .deserialize(&mut json)
        .and_then(|()| json.end())
    {
        Ok(()) => Ok(page),
        Err(_) => crate::salvage::page(text, shape, mended),
    }
}

/// Reads one user that is the whole answer.
pub(crate) fn single(text: &str, mended: bool) -> Result<Records<'_>, serde_json::Error> {
    let mut records = Records::default();
    let reader = Reader::new(text, Shape::Listing, mended);
    let mut json = serde_json::Deserializer::from_str(text);
    let record = Record {
        records: &mut records,
        reader: &reader,
    };
    match Into(record).deserialize(&mut json).and_then(|()| json.end()) {
        Ok(()) => Ok(records),
        Err(_) => crate::salvage::single(text, mended),
    }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
