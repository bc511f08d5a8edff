//! What to do with one observed object, and because of what.

use std::borrow::Cow;
use std::fmt;

use crate::account::{Kind, Role};
use crate::id::{AccountId, ObjectId};
use crate::leaver::{Cause, Removal};
use crate::mapping::FieldChange;
use crate::overwrite::Rule;

/// The decision on one object. Applied, it is a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision<'a> {
    /// The object; none for a record without a usable id.
    pub object: Option<ObjectId>,
    /// Whether it is about an account or about a person without a login.
    pub kind: Kind,
    /// How people tell the object from others.
    pub name: Option<Cow<'a, str>>,
    /// Its UPN.
    pub upn: Option<Cow<'a, str>>,
    /// The account concerned.
    pub account: Option<AccountId>,
    /// The account's version that was decided upon; 0 for a new one.
    pub account_version: i32,
    /// What counts.
    pub outcome: Outcome,
    /// What happens to the account.
    pub action: Action,
    /// Why it leaves, if it does.
    pub cause: Option<Cause>,
    /// The overwrite rule that matched.
    pub rule: Option<Rule>,
    /// What the link will say of the object.
    pub status: LinkStatus,
    /// How the object came in, for the link.
    pub brought_in: BroughtIn,
    /// Why the object is left out.
    pub skip: Option<Skip>,
    /// The object's hash to remember; 0: decide it anew next time.
    pub hash: u64,
    /// The object that held the account until now. Whether it may be taken is known when all pages are.
    pub takes_from: Option<ObjectId>,
    /// The login and domain that the account will hold, folded, when that changes or is claimed anew.
    pub login: Option<LoginKey>,
    /// The reason in words, where the outcome does not say enough.
    pub reason: Option<Cow<'a, str>>,
    /// The role of a new account.
    pub role: Option<Role>,
    /// The fields that change.
    pub fields: Vec<FieldChange<'a>>,
}

/// What each distinct object of a run comes to (design §6, Counting).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Outcome {
    /// A new account.
    Added = 1,
    /// An account changed: overwritten by rules 2–6, fields changed, or active again.
    Updated = 2,
    /// Nothing to do.
    Unchanged = 3,
    /// Left out, with the reason.
    Skipped = 4,
    /// Deactivated or deleted.
    Removed = 5,
    /// A removal that awaits a person.
    Held = 6,
    /// It could not be done, with the reason.
    Failed = 7,
}

/// What happens to the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Action {
    /// Nothing.
    None = 0,
    /// It is created.
    Create = 1,
    /// Fields or the link change.
    Update = 2,
    /// It can't be used any more; for a held one: that is proposed.
    Deactivate = 3,
    /// It is deleted; for a held one: that is proposed.
    Delete = 4,
    /// It can be used again.
    Reactivate = 5,
    /// It is created, but can't be used.
    CreateDeactivated = 6,
}

/// What a link says of its object (I6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum LinkStatus {
    /// In the directory, and enabled.
    Active = 1,
    /// In the directory, and disabled.
    Disabled = 2,
    /// In deleted items.
    SoftDeleted = 3,
    /// Gone.
    Gone = 4,
    /// In the directory, out of scope.
    OutOfScope = 5,
    /// The last decision failed: what becomes of it can't be told before that is settled.
    Conflict = 6,
}

/// How someone came in, whatever the criteria say: whoever was brought in is no leaver for being out of scope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum BroughtIn {
    /// The criteria took them in; they stay as long as these do.
    #[default]
    ByCriteria = 0,
    /// A person asked for them (R1).
    ByHand = 1,
    /// Somebody in scope reports to them (I5).
    AsManager = 2,
}

/// Why an object is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Skip {
    /// Disabled, and matches nobody; the mapping does not include disabled users.
    Disabled = 1,
    /// In deleted items, and matches nobody.
    SoftDeleted = 2,
    /// Removed for good, and was never linked.
    Gone = 3,
    /// No criterion takes it in.
    OutOfScope = 4,
    /// On the never-touch list.
    NeverTouch = 5,
    /// Another object has taken its account: the person was recreated.
    Superseded = 6,
    /// A delta told only some attributes of an object that is not in the register; the next full run reads the rest.
    Incomplete = 7,
    /// The last active owner is never touched by a sync (B12).
    LastOwner = 8,
    /// A person said to keep the record.
    Kept = 9,
    /// It would have been removed, but the fetch did not prove its end (B3).
    Unproved = 10,
    /// The run was ended before this was applied.
    Cancelled = 11,
    /// The run deals with leavers alone, and this is none; the next full run decides on it (D7).
    LeaversOnly = 12,
    /// A revert leaves what was edited since (B4).
    EditedSince = 13,
    /// A person had its record removed for good; a full run adds it anew if it is in scope.
    Purged = 14,
    /// The run that brought it in was taken back (B4).
    TakenBack = 16,
}

/// What must be unique among records that are not deleted, folded: an account's login and domain (no domain is empty),
/// or a person's identifier and where the person belongs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LoginKey {
    /// The login, or the identifier.
    pub login: String,
    /// The domain, or empty; of a person, entity and collection, told from domains by the control character before each.
    pub domain: String,
}

/// Stands before entity and collection. No value of the register holds control characters.
const BELONGS: char = '\u{1}';

impl LoginKey {
    /// The key of a person, of folded values.
    #[must_use]
    pub fn of_person(identifier: String, entity: &str, collection: &str) -> Self {
        Self {
            login: identifier,
            domain: format!("{BELONGS}{entity}{BELONGS}{collection}"),
        }
    }

    /// Entity and collection, of a person's key.
    #[must_use]
    pub fn belongs_to(&self) -> Option<(&str, &str)> {
        self.domain.strip_prefix(BELONGS)?.split_once(BELONGS)
    }
}

impl Outcome {
    /// The outcome of this number.
    #[must_use]
    pub fn of_number(number: i16) -> Option<Self> {
        [
            Self::Added,
            Self::Updated,
            Self::Unchanged,
            Self::Skipped,
            Self::Removed,
            Self::Held,
            Self::Failed,
        ]
        .into_iter()
        .find(|outcome| *outcome as i16 == number)
    }
}

impl Action {
    /// The action of this number.
    #[must_use]
    pub fn of_number(number: i16) -> Option<Self> {
        [
            Self::None,
            Self::Create,
            Self::Update,
            Self::Deactivate,
            Self::Delete,
            Self::Reactivate,
            Self::CreateDeactivated,
        ]
        .into_iter()
        .find(|action| *action as i16 == number)
    }

    /// The name in the API; empty where the outcome says it all.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::None | Self::Create | Self::Update => "",
            Self::Deactivate => "deactivate",
            Self::Delete => "delete",
            Self::Reactivate => "reactivate",
            Self::CreateDeactivated => "create_deactivated",
        }
    }
}

impl From<Removal> for Action {
    fn from(removal: Removal) -> Self {
        match removal {
            Removal::Deactivate => Self::Deactivate,
            Removal::Delete => Self::Delete,
        }
    }
}

impl LinkStatus {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Active,
        Self::Disabled,
        Self::SoftDeleted,
        Self::Gone,
        Self::OutOfScope,
        Self::Conflict,
    ];

    /// The status of this number.
    #[must_use]
    pub fn of_number(number: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|status| *status as i16 == number)
    }

    /// Whether the object is in the directory.
    #[must_use]
    pub const fn is_alive(self) -> bool {
        match self {
            Self::Active | Self::Disabled | Self::OutOfScope | Self::Conflict => true,
            Self::SoftDeleted | Self::Gone => false,
        }
    }

    /// Whether it tells what the next row of a delta leaves out: not of those who were away or out of scope, nor of
    /// those whose last row was not taken over.
    #[must_use]
    pub const fn is_as_it_was(self) -> bool {
        matches!(self, Self::Active | Self::Disabled)
    }
}

impl BroughtIn {
    /// The way of this number.
    #[must_use]
    pub fn of_number(number: i16) -> Option<Self> {
        [Self::ByCriteria, Self::ByHand, Self::AsManager]
            .into_iter()
            .find(|way| *way as i16 == number)
    }

    /// What stays of this and a further way: once brought in is brought in, and a person's word counts most.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::ByHand, _) | (_, Self::ByHand) => Self::ByHand,
            (Self::AsManager, _) | (_, Self::AsManager) => Self::AsManager,
            (Self::ByCriteria, Self::ByCriteria) => Self::ByCriteria,
        }
    }

    /// In words; nothing for the criteria, which have their own.
    #[must_use]
    pub const fn reason(self) -> Option<&'static str> {
        match self {
            Self::ByCriteria => None,
            Self::ByHand => Some("brought in by hand"),
            Self::AsManager => Some("brought in as a manager"),
        }
    }
}

impl From<Cause> for LinkStatus {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Disabled => Self::Disabled,
            Cause::SoftDeleted => Self::SoftDeleted,
            Cause::Gone => Self::Gone,
            Cause::OutOfScope => Self::OutOfScope,
        }
    }
}

impl Skip {
    /// Whether the run has not dealt with the object: its link and its reviews stay as they are.
    #[must_use]
    pub const fn leaves_all_as_it_is(self) -> bool {
        matches!(self, Self::Unproved | Self::Cancelled | Self::LeaversOnly)
    }

    /// The reason of this number; 0 is none.
    #[must_use]
    pub fn of_number(number: i16) -> Option<Self> {
        [
            Self::Disabled,
            Self::SoftDeleted,
            Self::Gone,
            Self::OutOfScope,
            Self::NeverTouch,
            Self::Superseded,
            Self::Incomplete,
            Self::LastOwner,
            Self::Kept,
            Self::Unproved,
            Self::Cancelled,
            Self::LeaversOnly,
            Self::EditedSince,
            Self::Purged,
            Self::TakenBack,
        ]
        .into_iter()
        .find(|skip| *skip as i16 == number)
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disabled => "disabled in the directory, and matches no account",
            Self::SoftDeleted => "deleted in the directory, and was never linked",
            Self::Gone => "gone from the directory, and was never linked",
            Self::OutOfScope => "no criterion takes it in",
            Self::NeverTouch => "on the never-touch list",
            Self::Superseded => "superseded: another user of the directory has taken its account",
            Self::Incomplete => "the delta told only some attributes; the next full run reads the rest",
            Self::LastOwner => "the last active owner is never touched by a sync",
            Self::Kept => "kept: a person decided so",
            Self::Unproved => "not removed: the fetch did not prove that it was complete",
            Self::Cancelled => "the run was ended before this was applied",
            Self::LeaversOnly => "the run deals with leavers alone; the next full run decides",
            Self::EditedSince => "edited since",
            Self::Purged => "its record was purged; the next full run adds it anew if it is in scope",
            Self::TakenBack => {
                "the run that brought it in was taken back; the next full run decides on it anew"
            }
        })
    }
}
