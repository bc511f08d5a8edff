//! From what Entra said of a user, and what the register knows of it, to a decision.

pub mod explain;
mod leavers_only;
mod scope;

use std::borrow::Cow;

pub use leavers_only::leavers_only;

use crate::account::{Account, Kind, Status, fold};
use crate::attribute::Attribute;
use crate::decision::{Action, BroughtIn, Decision, LinkStatus, LoginKey, Outcome, Skip};
use crate::field::Field;
use crate::id::{AccountId, ConnectionId, ObjectId};
use crate::leaver::{self, Cause, Leaving, Policies, Returning};
use crate::mapping::{FieldChange, Mapping, Target};
use crate::never_touch::{Entry, NeverTouch};
use crate::observed::{Completeness, Mention, ObservedUser, Presence};
use crate::overwrite::{self, Keys, Match, Rule};

/// What a connection decides by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The connection.
    pub connection: ConnectionId,
    /// What its records are: accounts, or people without a login. One user may become both, by rules of their own.
    pub kind: Kind,
    /// Who is brought in, and how: the first one whose criteria take someone in decides on them.
    pub mappings: Vec<Mapping>,
    /// What is done about leavers.
    pub policies: Policies,
    /// Whom no run touches.
    pub never_touch: NeverTouch,
}

/// What is known of an object besides what the directory says of it.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The linked account; none for an object that was left out.
    pub account: Option<&'a Account>,
    /// What the link says of the object.
    pub status: LinkStatus,
    /// How the object came in, or comes in with this run.
    pub brought_in: BroughtIn,
}

/// Who holds an account that a rule could hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The account.
    pub account: AccountId,
    /// Through this connection.
    pub connection: ConnectionId,
    /// The linked object.
    pub object: ObjectId,
    /// What the link says of it.
    pub status: LinkStatus,
}

/// Accounts that a rule could hit for one user, and who holds them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Candidates<'a> {
    /// The accounts.
    pub accounts: &'a [Account],
    /// Their holders.
    pub holders: &'a [Holder],
    /// Those of them that a person took this object away from (B7): no rule gives them back.
    pub cuts: &'a [AccountId],
}

/// An account that a person took an object away from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The object.
    pub object: ObjectId,
    /// The account.
    pub account: AccountId,
}

/// Decides on one observed user.
///
/// `hash` is what to remember of the observation, 0 for nothing (a delta does not tell the whole object);
/// `new_account` is the id that an account would get.
#[must_use]
pub fn decide<'a>(
    observed: &'a ObservedUser<'_>,
    hash: u64,
    known: Option<Known<'a>>,
    candidates: Candidates<'a>,
    rules: &'a Rules,
    new_account: AccountId,
) -> Decision<'a> {
    let account = known.and_then(|known| known.account);
    let hash = if observed.completeness == Completeness::Whole {
        hash
    } else {
        0
    };
    let blank = Decision {
        hash,
        kind: rules.kind,
        brought_in: known.map_or(BroughtIn::ByCriteria, |known| known.brought_in),
        ..blank(observed)
    };
    if let Some(entry) = rules.never_touch.hit(observed, account) {
        return left_alone(entry, account, known.map(|known| known.status), blank);
    }
    if let Some(problem) = &observed.problem {
        return failed(
            Decision {
                account: account.map(|account| account.id),
                ..blank
            },
            problem.as_ref(),
        );
    }
    match (observed.presence, account) {
        (Presence::Present, Some(account)) => {
            let was = known.map_or(LinkStatus::Active, |known| known.status);
            scope::linked(observed, account, was, rules, blank)
        }
        (Presence::Present, None) => scope::stranger(observed, candidates, rules, new_account, blank),
        (Presence::SoftDeleted, Some(account)) => leaving(Cause::SoftDeleted, account, rules, blank),
        (Presence::Gone, Some(account)) => leaving(Cause::Gone, account, rules, blank),
        (Presence::SoftDeleted, None) => skipped(Skip::SoftDeleted, LinkStatus::SoftDeleted, blank),
        (Presence::Gone, None) => skipped(Skip::Gone, LinkStatus::Gone, blank),
    }
}

/// Decides on a linked object that a proved fetch did not contain (D5). `None` when that was dealt with before.
#[must_use]
pub fn not_seen<'a>(
    object: ObjectId,
    account: &'a Account,
    status: LinkStatus,
    policies: Policies,
    never_touch: &NeverTouch,
) -> Option<Decision<'a>> {
    let settled = leaver::leave(Cause::Gone, &policies, account) == Leaving::Settled;
    if status == LinkStatus::Gone && settled {
        return None;
    }
    let blank = Decision {
        name: account.value(Field::Name).map(Cow::Borrowed),
        upn: account.value(Field::Upn).map(Cow::Borrowed),
        kind: account.kind,
        ..empty(Some(object))
    };
    if let Some(entry) = never_touch.hit_unseen(object, Some(account)) {
        return Some(left_alone(entry, Some(account), Some(status), blank));
    }
    Some(leave(Cause::Gone, account, policies, blank))
}

/// A record without a usable id: it fails, and is counted.
#[must_use]
pub fn unusable(reason: &str) -> Decision<'_> {
    failed(empty(None), reason)
}

fn linked<'a>(
    observed: &'a ObservedUser<'_>,
    account: &'a Account,
    was: LinkStatus,
    mapping: &'a Mapping,
    rules: &'a Rules,
    blank: Decision<'a>,
) -> Decision<'a> {
    let enabled = observed
        .enabled()
        .unwrap_or_else(|| observed.completeness == Completeness::Whole || was_enabled(account, was));
    update(observed, account, Rule::ObjectId, enabled, mapping, rules, blank)
}

/// For a delta that says nothing of it: as it was. Someone who was away and is back is enabled unless it says so.
fn was_enabled(account: &Account, was: LinkStatus) -> bool {
    match was {
        LinkStatus::Disabled => false,
        LinkStatus::OutOfScope | LinkStatus::Conflict => {
            account.value(Field::EnabledInDirectory) != Some("false")
        }
        LinkStatus::Active | LinkStatus::SoftDeleted | LinkStatus::Gone => true,
    }
}

fn unlinked<'a>(
    observed: &'a ObservedUser<'_>,
    candidates: Candidates<'a>,
    mapping: &'a Mapping,
    rules: &'a Rules,
    new_account: AccountId,
    blank: Decision<'a>,
) -> Decision<'a> {
    if *observed.mention(Attribute::UserPrincipalName) == Mention::Unmentioned {
        return incomplete(blank);
    }
    let enabled = observed.enabled().unwrap_or(true);
    let found = match mapping.target {
        Target::Accounts => {
            overwrite::decide_but(&Keys::of(observed, mapping), candidates.accounts, candidates.cuts)
        }
        Target::People(_) => {
            let key = mapping_key(observed, mapping);
            overwrite::person(key.as_ref(), candidates.accounts, candidates.cuts)
        }
    };
    match found {
        Match::New if !enabled && !mapping.include_disabled => {
            skipped(Skip::Disabled, LinkStatus::Disabled, blank)
        }
        Match::New => create(observed, enabled, mapping, rules, new_account, blank),
        Match::Disputed {
            by,
            between: [one, other],
        } => failed(
            blank,
            format!(
                "{by} matches two accounts, {} and {}; correct one of them, or link the right one by hand",
                one.label(),
                other.label()
            ),
        ),
        Match::Overwrites { account, by } => {
            let holder = candidates
                .holders
                .iter()
                .find(|holder| holder.account == account.id && holder.object != observed.id);
            let kept = rules.never_touch.hit(observed, Some(account));
            let kept = kept.or_else(|| rules.never_touch.hit_unseen(holder?.object, None));
            if let Some(entry) = kept {
                return left_alone(entry, None, None, blank);
            }
            match holder {
                Some(holder) if holder.connection != rules.connection && holder.status.is_alive() => failed(
                    Decision {
                        account: Some(account.id),
                        rule: Some(by),
                        ..blank
                    },
                    format!(
                        "{by} matches the account {}, which belongs to the object {} of another connection",
                        account.label(),
                        holder.object
                    ),
                ),
                holder => Decision {
                    takes_from: holder.map(|holder| holder.object),
                    ..update(observed, account, by, enabled, mapping, rules, blank)
                },
            }
        }
    }
}

/// Why someone who is back stays out of use.
const STAYS_AWAY: &str = "back, but the policy for returning is nothing: the record stays out of use until somebody asks for \
                          them by hand (rollcall account sync)";

/// An account that is there takes over what the directory says.
fn update<'a>(
    observed: &'a ObservedUser<'_>,
    account: &'a Account,
    rule: Rule,
    enabled: bool,
    mapping: &'a Mapping,
    rules: &'a Rules,
    blank: Decision<'a>,
) -> Decision<'a> {
    let fields = match mapping.update(observed, account) {
        Ok(fields) => fields,
        Err(unfit) => {
            return failed(
                Decision {
                    account: Some(account.id),
                    rule: Some(rule),
                    ..blank
                },
                unfit,
            );
        }
    };
    if let Some(field) = required_and_emptied(&fields) {
        return failed(
            Decision {
                account: Some(account.id),
                rule: Some(rule),
                ..blank
            },
            would_be_empty(field, mapping),
        );
    }
    let away = account.status != Status::Active && account.deactivated_for.is_some();
    let back = enabled && away && rules.policies.returning == Returning::Reactivate;
    // What stays deleted holds no login.
    let holds_login = back || account.status != Status::Deleted;
    let decision = Decision {
        account: Some(account.id),
        account_version: account.version,
        rule: Some(rule),
        login: new_login(account, &fields).filter(|_| holds_login),
        fields,
        status: LinkStatus::Active,
        reason: (enabled && away && !back).then_some(STAYS_AWAY.into()),
        ..blank
    };
    if !enabled {
        return leave(Cause::Disabled, account, rules.policies, decision);
    }
    let changed = rule != Rule::ObjectId || !decision.fields.is_empty();
    match (back, changed) {
        (true, _) => Decision {
            outcome: Outcome::Updated,
            action: Action::Reactivate,
            login: decision.login.or_else(|| {
                (account.status == Status::Deleted)
                    .then(|| held_login(account))
                    .flatten()
            }),
            ..decision
        },
        (false, true) => Decision {
            outcome: Outcome::Updated,
            action: Action::Update,
            ..decision
        },
        (false, false) => decision,
    }
}

fn create<'a>(
    observed: &'a ObservedUser<'_>,
    enabled: bool,
    mapping: &'a Mapping,
    rules: &'a Rules,
    id: AccountId,
    blank: Decision<'a>,
) -> Decision<'a> {
    let fields = match mapping.create(observed) {
        Ok(fields) => fields,
        Err(unfit) => return failed(blank, unfit),
    };
    let value = |field| {
        fields
            .iter()
            .find(|change| change.field == field)
            .and_then(|change| change.new.as_deref())
    };
    for field in [Field::Name, rules.kind.key_field()] {
        if value(field).is_none() {
            return failed(blank, would_be_empty(field, mapping));
        }
    }
    let login = key_of(rules.kind, value);
    let away = !enabled && rules.policies.disabled != leaver::Policy::Nothing;
    Decision {
        account: Some(id),
        outcome: Outcome::Added,
        action: if away {
            Action::CreateDeactivated
        } else {
            Action::Create
        },
        cause: (!enabled).then_some(Cause::Disabled),
        status: if enabled {
            LinkStatus::Active
        } else {
            LinkStatus::Disabled
        },
        role: Some(mapping.role),
        login,
        fields,
        ..blank
    }
}

fn leaving<'a>(cause: Cause, account: &'a Account, rules: &Rules, blank: Decision<'a>) -> Decision<'a> {
    let blank = Decision {
        name: blank.name.or(account.value(Field::Name).map(Cow::Borrowed)),
        upn: blank.upn.or(account.value(Field::Upn).map(Cow::Borrowed)),
        ..blank
    };
    leave(cause, account, rules.policies, blank)
}

fn leave<'a>(cause: Cause, account: &'a Account, policies: Policies, so_far: Decision<'a>) -> Decision<'a> {
    let changed = !so_far.fields.is_empty() || so_far.rule.is_some_and(|rule| rule != Rule::ObjectId);
    let decision = Decision {
        account: Some(account.id),
        account_version: account.version,
        cause: Some(cause),
        status: cause.into(),
        ..so_far
    };
    match leaver::leave(cause, &policies, account) {
        Leaving::Settled if changed => Decision {
            outcome: Outcome::Updated,
            action: Action::Update,
            ..decision
        },
        Leaving::Settled => decision,
        Leaving::ByItself(removal) => Decision {
            outcome: Outcome::Removed,
            action: removal.into(),
            ..decision
        },
        Leaving::Ask { proposed, because } => Decision {
            outcome: Outcome::Held,
            action: proposed.into(),
            hash: 0,
            reason: Some(because.to_string().into()),
            ..decision
        },
    }
}

/// Someone on the never-touch list: account and link stay as they are. Decided anew each time, so that the entry is told.
fn left_alone<'a>(
    entry: &Entry,
    account: Option<&Account>,
    was: Option<LinkStatus>,
    blank: Decision<'a>,
) -> Decision<'a> {
    Decision {
        account: account.map(|account| account.id),
        reason: Some(entry.reason().into()),
        hash: 0,
        ..skipped(Skip::NeverTouch, was.unwrap_or(LinkStatus::OutOfScope), blank)
    }
}

/// A delta's row that tells too little of someone who is not in the register.
fn incomplete(blank: Decision<'_>) -> Decision<'_> {
    Decision {
        hash: 0,
        ..skipped(Skip::Incomplete, LinkStatus::OutOfScope, blank)
    }
}

fn skipped(skip: Skip, status: LinkStatus, blank: Decision<'_>) -> Decision<'_> {
    Decision {
        outcome: Outcome::Skipped,
        skip: Some(skip),
        status,
        reason: Some(skip.to_string().into()),
        ..blank
    }
}

fn failed<'a>(blank: Decision<'a>, why: impl Into<Cow<'a, str>>) -> Decision<'a> {
    Decision {
        outcome: Outcome::Failed,
        action: Action::None,
        hash: 0,
        login: None,
        takes_from: None,
        reason: Some(why.into()),
        fields: Vec::new(),
        ..blank
    }
}

fn blank<'a>(observed: &'a ObservedUser<'_>) -> Decision<'a> {
    Decision {
        name: observed.value(Attribute::DisplayName).map(Cow::Borrowed),
        upn: observed.value(Attribute::UserPrincipalName).map(Cow::Borrowed),
        ..empty(Some(observed.id))
    }
}

fn empty<'a>(object: Option<ObjectId>) -> Decision<'a> {
    Decision {
        object,
        kind: Kind::Account,
        name: None,
        upn: None,
        account: None,
        account_version: 0,
        outcome: Outcome::Unchanged,
        action: Action::None,
        cause: None,
        rule: None,
        status: LinkStatus::Active,
        brought_in: BroughtIn::ByCriteria,
        skip: None,
        hash: 0,
        takes_from: None,
        login: None,
        reason: None,
        role: None,
        fields: Vec::new(),
    }
}

/// Why a record without this field can't be.
fn would_be_empty(field: Field, mapping: &Mapping) -> String {
    match mapping.target {
        Target::People(identifier) if field == Field::Identifier => format!(
            "its unique identifier ({}) would be empty; fill it in the directory, or tell people of {} by something else",
            identifier.key(),
            mapping.name
        ),
        _ => format!(
            "{} would be empty; fill it in the directory, or give the mapping's row for it a default",
            field.key()
        ),
    }
}

fn required_and_emptied(fields: &[FieldChange<'_>]) -> Option<Field> {
    fields
        .iter()
        .find(|change| {
            let required = matches!(change.field, Field::Name | Field::Login | Field::Identifier);
            required && change.new.is_none()
        })
        .map(|change| change.field)
}

/// The key after these changes, if it is another one than before.
fn new_login(account: &Account, fields: &[FieldChange<'_>]) -> Option<LoginKey> {
    let touched = fields.iter().any(|change| {
        matches!(
            change.field,
            Field::Login | Field::Domain | Field::Identifier | Field::Entity | Field::Collection
        )
    });
    if !touched {
        return None;
    }
    let after = |field: Field| match fields.iter().find(|change| change.field == field) {
        Some(change) => change.new.as_deref(),
        None => account.value(field),
    };
    let key = key_of(account.kind, after)?;
    (Some(&key) != held_login(account).as_ref() || account.status == Status::Deleted).then_some(key)
}

/// The key of a record as it is.
#[must_use]
pub fn held_login(account: &Account) -> Option<LoginKey> {
    key_of(account.kind, |field| account.value(field))
}

/// The key of the person that a mapping makes of a user (M3).
#[must_use]
pub fn mapping_key(observed: &ObservedUser<'_>, mapping: &Mapping) -> Option<LoginKey> {
    let values = [Field::Identifier, Field::Entity, Field::Collection]
        .map(|field| (field, mapping.value(field, observed)));
    key_of(Kind::Person, |field| {
        let (_, value) = values.iter().find(|(of, _)| *of == field)?;
        value.as_deref()
    })
}

fn key_of<'v>(kind: Kind, value: impl Fn(Field) -> Option<&'v str>) -> Option<LoginKey> {
    let login = fold(value(kind.key_field())?);
    let folded = |field| value(field).map(fold).unwrap_or_default();
    Some(match kind {
        Kind::Account => LoginKey {
            login,
            domain: folded(Field::Domain),
        },
        Kind::Person => LoginKey::of_person(login, &folded(Field::Entity), &folded(Field::Collection)),
    })
}

#[cfg(test)]
mod people;
#[cfg(test)]
mod tests;
