//! An answer's JSON into users, borrowed from it: quick, tolerant of what one record does wrong, strict about the rest.

use std::borrow::Cow;
use std::convert::Infallible;

use domain::attribute::Attribute;
use domain::id::ObjectId;
use domain::observed::{Completeness, Mention, ObservedUser, Presence};
use serde::de::{DeserializeSeed, MapAccess};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::expect::Into;
use crate::key::Keys;
use crate::listed::{self, Listed, Page, Record};
use crate::probe::{READ_GROUPS, READ_USERS};
use crate::row::Row;
use crate::text;

/// What was asked for, hence what an answer's silence means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Whole users of the directory.
    Listing,
    /// Users in deleted items. Their manager is not asked for, so they are partial.
    Deleted,
    /// Rows of a round of users.
    Round,
    /// Rows of a round of groups.
    Groups,
}

impl Shape {
    /// The application permission that it takes to read it.
    pub(crate) const fn permission(self) -> &'static str {
        match self {
            Self::Listing | Self::Deleted | Self::Round => READ_USERS,
            Self::Groups => READ_GROUPS,
        }
    }
}

/// The users of one page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records<'a> {
    /// In the page's order. One that can't be used says why in `problem`.
    pub users: Vec<ObservedUser<'a>>,
    /// Records that can't even be told apart.
    pub unusable: Vec<Unusable>,
}

/// A record, or a member of a group, without a usable id. It counts as failed (B8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// Its place in the page, from 0.
    pub index: usize,
    /// Its user principal name or display name, if it has one; a group's name, else its id.
    pub label: Option<String>,
    /// Why, and what to do.
    pub reason: String,
}

/// The users of a page as they are read.
pub(crate) struct Users<'de> {
    pub records: Records<'de>,
    reader: Reader,
}

/// What all records of a page are read with.
struct Reader {
    shape: Shape,
    mended: bool,
    plain: bool,
    keys: Keys,
}

impl Reader {
    fn new(text: &str, shape: Shape, mended: bool) -> Self {
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
            Shape::Round | Shape::Groups => (Presence::Present, Completeness::Partial),
        };
        ObservedUser::new(ObjectId(Uuid::nil()), presence, completeness)
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
    fn add<E>(
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
        if let Err(error) = read(&mut row, &reader.keys) {
            self.users.pop();
            return Err(error);
        }
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

impl<'de> Listed<'de> for Users<'de> {
    const ONE: &'static str = "a user";

    #[inline]
    fn read<A: MapAccess<'de>>(&mut self, entries: A) -> Result<(), A::Error> {
        self.records
            .add(&self.reader, |row, keys| row.read(keys, entries))
    }

    fn salvage(&mut self, entries: Vec<(String, &'de RawValue)>) {
        let Ok(()) = self.records.add::<Infallible>(&self.reader, |row, keys| {
            row.salvage(keys, entries);
            Ok(())
        });
    }

    fn add_unusable(&mut self, reason: String) {
        let index = self.records.count();
        self.records.unusable.push(Unusable {
            index,
            label: None,
            reason,
        });
    }
}

/// Reads a page of users.
pub(crate) fn page(text: &str, shape: Shape, mended: bool) -> Result<Page<'_, Users<'_>>, serde_json::Error> {
    listed::page(text, || Users {
        records: Records::with_room_for(text),
        reader: Reader::new(text, shape, mended),
    })
}

/// Reads one user that is the whole answer.
pub(crate) fn single(text: &str, mended: bool) -> Result<Records<'_>, serde_json::Error> {
    let mut users = Users {
        records: Records::default(),
        reader: Reader::new(text, Shape::Listing, mended),
    };
    let mut json = serde_json::Deserializer::from_str(text);
    let read = Into(Record(&mut users)).deserialize(&mut json);
    match read.and_then(|()| json.end()) {
        Ok(()) => {}
        Err(_) => {
            users.records = Records::default();
            crate::salvage::single(text, &mut users)?;
        }
    }
    Ok(users.records)
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
