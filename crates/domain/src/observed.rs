//! What Entra said of one object, as it said it.

use std::borrow::Cow;

use crate::attribute::Attribute;
use crate::id::ObjectId;
use crate::membership::Membership;

/// What an answer said of one attribute.
///
/// Graph's delta tells three things apart: a key that is missing ("not mentioned"), `null` ("cleared"), and a value.
/// In a full read a missing key means "empty" (graph-facts §3.3, design §6).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mention<'a> {
    /// Nothing.
    #[default]
    Unmentioned,
    /// It is empty.
    Cleared,
    /// Its value. Never empty: an empty string is [`Mention::Cleared`].
    Value(Cow<'a, str>),
}

/// How complete an observation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// Every attribute of the catalogue was asked for: what is not mentioned is empty.
    Whole,
    /// A row of a delta: what is not mentioned is as it was.
    Partial,
}

/// Where the object is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// In the directory.
    Present,
    /// In deleted items, or removed with reason `changed`: it can be restored for 30 days.
    SoftDeleted,
    /// Removed for good: removed with reason `deleted`.
    Gone,
}

/// One user as Entra described it in one answer, or merged from several rows of one delta round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedUser<'a> {
    /// The immutable key.
    pub id: ObjectId,
    /// Where it is in its life.
    pub presence: Presence,
    /// Whether an unmentioned attribute is empty or unchanged.
    pub completeness: Completeness,
    /// By [`Attribute`] number.
    pub attributes: [Mention<'a>; Attribute::COUNT],
    /// Of the groups that criteria ask for, those that the user belongs to, in their order. `None` where nobody knows;
    /// otherwise it is the whole truth, in a delta's row too.
    pub groups: Option<Cow<'a, [Membership]>>,
    /// Why this record can't be used (a wrong type, too large, …), naming the attribute. Such a record fails; the
    /// others go on (B8).
    pub problem: Option<Cow<'a, str>>,
}

impl<'a> ObservedUser<'a> {
    /// An object of which nothing is known yet, and which is in no group that anyone asks for.
    #[must_use]
    pub fn new(id: ObjectId, presence: Presence, completeness: Completeness) -> Self {
        Self {
            id,
            presence,
            completeness,
            attributes: [const { Mention::Unmentioned }; Attribute::COUNT],
            groups: Some(Cow::Borrowed(&[])),
            problem: None,
        }
    }

    /// What was said of an attribute. In a whole observation silence means empty.
    #[must_use]
    pub fn mention(&self, attribute: Attribute) -> &Mention<'a> {
        match (&self.attributes[attribute as usize], self.completeness) {
            (Mention::Unmentioned, Completeness::Whole) => &Mention::Cleared,
            (mention, _) => mention,
        }
    }

    /// The attribute's value, if one was given.
    #[must_use]
    pub fn value(&self, attribute: Attribute) -> Option<&str> {
        match &self.attributes[attribute as usize] {
            Mention::Value(value) => Some(value),
            Mention::Unmentioned | Mention::Cleared => None,
        }
    }

    /// Whether sign-in is switched on; `None` when the answer did not say.
    #[must_use]
    pub fn enabled(&self) -> Option<bool> {
        self.value(Attribute::AccountEnabled).map(|value| value == "true")
    }

    /// Takes over what a later row of the same round said, attribute by attribute (graph-facts §3.3: an object may
    /// come several times in a round; later rows win).
    pub fn merge(&mut self, later: Self) {
        self.presence = later.presence;
        if later.completeness == Completeness::Whole {
            *self = later;
            return;
        }
        for (mine, theirs) in self.attributes.iter_mut().zip(later.attributes) {
            if theirs != Mention::Unmentioned {
                *mine = theirs;
            }
        }
        if later.problem.is_some() {
            self.problem = later.problem;
        }
    }
}
