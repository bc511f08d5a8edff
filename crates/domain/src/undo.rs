//! Taking back what a run did to one record (B4): what is written back, and what stays because it was edited since.
//!
//! Only what the run itself wrote is taken back, and only where it still stands as the run left it. A record that the run
//! made is deleted again as a whole, or, when anybody has touched it since, kept as a whole: half a person is of no use.
//! What stands above every removal and every sync stands above this, too: whom nobody may touch, and who holds assets.

use std::borrow::Cow;
use std::fmt;

use crate::account::{Account, Role, Status};
use crate::asset::Held;
use crate::decide::held_login;
use crate::decision::{Action, BroughtIn, LinkStatus, LoginKey, Outcome, Skip};
use crate::field::Field;
use crate::id::{AccountId, ObjectId};
use crate::leaver::Cause;
use crate::mapping::FieldChange;

/// Whether an account can be used; if not, for which cause a sync said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether it can.
    pub status: Status,
    /// The cause; none when a person said so.
    pub deactivated_for: Option<Cause>,
}

/// What a link said, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkState {
    /// The account.
    pub account: Option<AccountId>,
    /// What it said of the object.
    pub status: LinkStatus,
    /// How the object came in.
    pub brought_in: BroughtIn,
}

/// A link that a run changed. None stands for no link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkChange {
    /// What it was.
    pub before: Option<LinkState>,
    /// What the run made of it.
    pub after: Option<LinkState>,
    /// What it is now.
    pub now: Option<LinkState>,
}

/// What a run did to a record's standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// It made the record.
    Created {
        /// With this standing.
        standing: Standing,
        /// In this role.
        role: Role,
    },
    /// It changed the standing.
    Moved {
        /// From this one.
        before: Standing,
        /// To this one.
        after: Standing,
    },
    /// Nothing.
    Untouched,
}

/// What a run did to one record.
#[derive(Clone, Debug)]
pub struct Change<'a> {
    /// Its standing.
    pub made: Made,
    /// Its fields.
    pub fields: Vec<FieldChange<'a>>,
    /// The link of the object, where that changed.
    pub link: Option<LinkChange>,
    /// The links that lost the record to the object.
    pub displaced: Vec<LinkChange>,
    /// Whether the question that the run asked about it is still open.
    pub review_open: bool,
}

/// The record as it is now.
#[derive(Clone, Copy, Debug)]
pub struct Now<'a> {
    /// Its row; none when there is none any more, or never was.
    pub account: Option<&'a Account>,
    /// Other objects that are linked to it now.
    pub others: &'a [ObjectId],
    /// What it holds.
    pub held: Option<&'a Held>,
    /// Why no sync touches it (B18).
    pub never_touch: Option<&'a str>,
}

/// What taking a change back comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undo<'a> {
    /// What counts.
    pub outcome: Outcome,
    /// What happens to the account.
    pub action: Action,
    /// The fields that are written: what they are now, and what they become.
    pub fields: Vec<FieldChange<'a>>,
    /// The standing that is written.
    pub standing: Option<Standing>,
    /// Whether the object's link is put back.
    pub link: bool,
    /// Whether those who lost the record get it back.
    pub displaced: bool,
    /// Whether the open question is closed.
    pub close_review: bool,
    /// What stays, because it was edited since.
    pub kept: Vec<Kept>,
}

/// What is not taken back, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The field has another value than the run gave it.
    Field(Field),
    /// The account was deactivated, deleted or activated since.
    Standing,
    /// The link was cut, moved or changed since.
    Link,
    /// The person was imported by hand since.
    ByHand,
    /// Another object was linked to the record, too.
    Shared(ObjectId),
    /// The role was given by a person since.
    Role,
    /// It would be deleted, but holds assets; these words tell which (B6).
    Assets(String),
    /// It is on the never-touch list; these words tell why.
    NeverTouch(String),
}

/// What taking a change back comes to for the record as it is now.
#[must_use]
pub fn undo<'a>(change: &Change<'a>, now: Now<'a>) -> Undo<'a> {
    let undo = match change.made {
        Made::Created { standing, role } => created(change, (standing, role), now),
        made => changed(change, made, now),
    };
    match now.never_touch {
        Some(why) if undo.does_anything() => skipped(vec![Kept::NeverTouch(why.to_owned())]),
        _ => undo,
    }
}

/// A record that the run made is deleted, unless it is not as the run left it.
fn created<'a>(change: &Change<'a>, (left, role): (Standing, Role), now: Now<'a>) -> Undo<'a> {
    let Some(account) = now.account.filter(|account| account.status != Status::Deleted) else {
        return nothing();
    };
    let mut kept = Vec::new();
    kept.extend(
        Field::ALL
            .into_iter()
            .filter(|field| account.value(*field) != new_value(&change.fields, *field))
            .map(Kept::Field),
    );
    if account.role != role {
        kept.push(Kept::Role);
    }
    if Standing::of(account) != left {
        kept.push(Kept::Standing);
    }
    if let Some(link) = change.link {
        // What the directory says of the object may have changed: that is nobody's edit of the record.
        match link.now {
            Some(now) if now.account == Some(account.id) => {
                if link.after.is_some_and(|after| after.brought_in != now.brought_in) {
                    kept.push(Kept::ByHand);
                }
            }
            _ => kept.push(Kept::Link),
        }
    }
    kept.extend(now.others.iter().map(|object| Kept::Shared(*object)));
    kept.extend(now.held.map(Kept::assets));
    if !kept.is_empty() {
        return skipped(kept);
    }
    Undo {
        outcome: Outcome::Removed,
        action: Action::Delete,
        standing: Some(Standing {
            status: Status::Deleted,
            deactivated_for: None,
        }),
        link: change.link.is_some(),
        close_review: change.review_open,
        ..nothing()
    }
}

/// Of a record that was there, each part is taken back that is as the run left it.
fn changed<'a>(change: &Change<'a>, made: Made, now: Now<'a>) -> Undo<'a> {
    let mut kept = Vec::new();
    let mut fields = Vec::new();
    let mut standing = None;
    if let Some(account) = now.account {
        for FieldChange { field, old, new } in &change.fields {
            let value = account.value(*field);
            if value == old.as_deref() {
                continue;
            }
            if value == new.as_deref() {
                fields.push(FieldChange {
                    field: *field,
                    old: value.map(Cow::Borrowed),
                    new: old.clone(),
                });
            } else {
                kept.push(Kept::Field(*field));
            }
        }
        if let Made::Moved { before, after } = made {
            let is = Standing::of(account);
            if is == after && is != before {
                standing = Some(before);
            } else if is != before {
                kept.push(Kept::Standing);
            }
        }
    }
    let mut link = change.link.is_some_and(|link| link.is_as_left());
    let link_kept = !link
        && change
            .link
            .is_some_and(|link| held(link.now) != held(link.before));
    if link_kept {
        kept.push(Kept::Link);
    }
    let mut displaced = !link_kept && change.displaced.iter().any(LinkChange::is_as_left);
    let gets_it_back = change.link.is_some_and(|link| link.gets_back(now.account));
    if !now.others.is_empty() && (displaced || link && gets_it_back) {
        // Nobody shares a record with somebody else.
        kept.extend(now.others.iter().map(|object| Kept::Shared(*object)));
        displaced = false;
        link = link && !gets_it_back;
    }
    if let Some(held) = now.held
        && standing.is_some_and(|standing: Standing| standing.status == Status::Deleted)
    {
        kept.push(Kept::assets(held));
        (standing, link, displaced) = (None, false, false);
    }
    let (outcome, action) = told(now.account, standing, !fields.is_empty());
    let any = !fields.is_empty() || standing.is_some() || link || displaced || change.review_open;
    let (outcome, action) = match (any, kept.is_empty()) {
        (true, _) => (outcome, action),
        (false, true) => (Outcome::Unchanged, Action::None),
        (false, false) => (Outcome::Skipped, Action::None),
    };
    Undo {
        outcome,
        action,
        fields,
        standing,
        link,
        displaced,
        close_review: change.review_open,
        kept,
    }
}

fn told(account: Option<&Account>, standing: Option<Standing>, fields: bool) -> (Outcome, Action) {
    let was = account.map(|account| account.status);
    match (was, standing.map(|standing| standing.status)) {
        (Some(was), Some(Status::Active)) if was != Status::Active => (Outcome::Updated, Action::Reactivate),
        (Some(Status::Active), Some(Status::Deactivated)) => (Outcome::Removed, Action::Deactivate),
        (Some(Status::Deleted), Some(Status::Deactivated)) => (Outcome::Updated, Action::Deactivate),
        (Some(was), Some(Status::Deleted)) if was != Status::Deleted => (Outcome::Removed, Action::Delete),
        _ if fields => (Outcome::Updated, Action::Update),
        _ => (Outcome::Updated, Action::None),
    }
}

fn skipped<'a>(kept: Vec<Kept>) -> Undo<'a> {
    Undo {
        outcome: Outcome::Skipped,
        kept,
        ..nothing()
    }
}

const fn nothing<'a>() -> Undo<'a> {
    Undo {
        outcome: Outcome::Unchanged,
        action: Action::None,
        fields: Vec::new(),
        standing: None,
        link: false,
        displaced: false,
        close_review: false,
        kept: Vec::new(),
    }
}

fn new_value<'c>(fields: &'c [FieldChange<'_>], field: Field) -> Option<&'c str> {
    fields
        .iter()
        .find(|change| change.field == field)
        .and_then(|change| change.new.as_deref())
}

/// The login that an account holds; a deleted one holds none.
fn login_of(account: &Account) -> Option<LoginKey> {
    if account.status == Status::Deleted {
        None
    } else {
        held_login(account)
    }
}

/// What is remembered of an object without a record is no part of the register.
fn held(link: Option<LinkState>) -> Option<LinkState> {
    link.filter(|link| link.account.is_some())
}

impl LinkChange {
    /// Whether it is another one than before the run, and still as the run left it: then it is put back.
    ///
    /// A link that the run gave to the record, or took from it, is put back whatever the directory has said of the object
    /// since; one that only tells something else is put back if it still tells that.
    #[must_use]
    pub fn is_as_left(&self) -> bool {
        let account = |state: Option<LinkState>| state.and_then(|state| state.account);
        let (before, after, now) = (held(self.before), held(self.after), held(self.now));
        if now == before {
            return false;
        }
        if account(before) == account(after) {
            now == after
        } else {
            account(now) == account(after)
        }
    }

    /// Whether the object gets this record back, which it does not have now.
    fn gets_back(&self, record: Option<&Account>) -> bool {
        let has = |state: Option<LinkState>| {
            record.is_some_and(|record| state.is_some_and(|state| state.account == Some(record.id)))
        };
        has(self.before) && !has(self.now)
    }
}

impl Standing {
    /// That of an account.
    #[must_use]
    pub const fn of(account: &Account) -> Self {
        Self {
            status: account.status,
            deactivated_for: account.deactivated_for,
        }
    }
}

impl Undo<'_> {
    /// Leaves the account in use as it is: it is the last active owner's (B12). Its fields are taken back all the same.
    #[must_use]
    pub fn spared(self) -> Self {
        Self {
            outcome: Outcome::Skipped,
            action: Action::None,
            standing: None,
            link: false,
            displaced: false,
            ..self
        }
    }

    const fn does_anything(&self) -> bool {
        self.writes_account() || self.link || self.displaced || self.close_review
    }

    /// Why it is left out, if it is.
    #[must_use]
    pub fn skip(&self) -> Option<Skip> {
        let kept = || self.kept.iter().any(|kept| matches!(kept, Kept::NeverTouch(_)));
        match self.outcome {
            Outcome::Skipped if kept() => Some(Skip::NeverTouch),
            Outcome::Skipped => Some(Skip::EditedSince),
            _ => None,
        }
    }

    /// Whether the account's row is written.
    #[must_use]
    pub const fn writes_account(&self) -> bool {
        !self.fields.is_empty() || self.standing.is_some()
    }

    /// The account after it.
    #[must_use]
    pub fn applied(&self, account: &Account) -> Account {
        let mut account = account.clone();
        for change in &self.fields {
            account.values[change.field as usize] = change.new.clone().map(Cow::into_owned);
        }
        if let Some(standing) = self.standing {
            account.status = standing.status;
            account.deactivated_for = standing.deactivated_for;
        }
        account
    }

    /// The login that the account will hold, if it is another one than now.
    #[must_use]
    pub fn new_login(&self, account: &Account) -> Option<LoginKey> {
        let after = login_of(&self.applied(account));
        after.filter(|after| Some(after) != login_of(account).as_ref())
    }

    /// Why not everything is as it was, in words.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        if self.kept.is_empty() {
            let closes =
                self.close_review && self.outcome == Outcome::Updated && !self.writes_account() && !self.link;
            return closes.then(|| "the review that the run opened is closed".to_owned());
        }
        let (edited, others): (Vec<&Kept>, Vec<&Kept>) = self.kept.iter().partition(|kept| kept.is_edit());
        let edited: Vec<String> = edited.into_iter().map(ToString::to_string).collect();
        let mut words = Vec::new();
        if !edited.is_empty() {
            words.push(format!("edited since: {}", edited.join(", ")));
        }
        words.extend(others.into_iter().map(ToString::to_string));
        Some(words.join("; "))
    }
}

impl Kept {
    fn assets(held: &Held) -> Self {
        Self::Assets(held.told())
    }

    const fn is_edit(&self) -> bool {
        !matches!(self, Self::Assets(_) | Self::NeverTouch(_))
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(field) => f.write_str(field.key()),
            Self::Standing => f.write_str("whether it is active"),
            Self::Link => f.write_str("its link"),
            Self::ByHand => f.write_str("imported by hand"),
            Self::Shared(object) => write!(f, "linked to {object}, too"),
            Self::Role => f.write_str("its role"),
            Self::Assets(told) => write!(f, "not deleted: {told}; return them, then revert again"),
            Self::NeverTouch(why) => f.write_str(why),
        }
    }
}

#[cfg(test)]
mod tests;
