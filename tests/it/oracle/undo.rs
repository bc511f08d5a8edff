//! What must be left of the register when a run is taken back (B4), from three looks at it: before the run, after it, and
//! now. What the run wrote goes back where it still stands as the run left it; what anybody touched since stays.

use std::collections::{BTreeMap, BTreeSet};

use domain::account::{Account, Role, Status};
use domain::decision::{BroughtIn, LinkStatus, LoginKey};
use domain::field::Field;
use domain::id::{AccountId, ObjectId, RunId};
use domain::leaver::Cause;

use super::register::Register;
use super::{Link, cause_of, login_of};

/// A run that was applied, and the register around it.
#[derive(Clone, Debug)]
pub struct Past {
    /// The run.
    pub run: RunId,
    /// The register before it.
    pub before: Register,
    /// The register that it left.
    pub after: Register,
}

type Standing = (Status, Option<Cause>);
/// What a link says, where it ties an object to an account.
type Tie = Option<(AccountId, LinkStatus, BroughtIn)>;

/// What becomes of one object's record.
#[derive(Clone, Debug)]
struct Unit {
    object: ObjectId,
    account: Option<AccountId>,
    fields: Vec<(Field, Option<String>)>,
    standing: Option<Standing>,
    /// Links that go back.
    links: Vec<ObjectId>,
}

impl Unit {
    const fn of(object: ObjectId, account: Option<AccountId>) -> Self {
        Self {
            object,
            account,
            fields: Vec::new(),
            standing: None,
            links: Vec::new(),
        }
    }
}

impl Past {
    /// Whether the run changed anything about this object, or asked about it.
    pub fn concerns(&self, object: &ObjectId) -> bool {
        tie(&self.before, object) != tie(&self.after, object)
            || self
                .after
                .asked_by
                .iter()
                .any(|((of, ..), run)| of == object && *run == self.run)
            || self
                .account_of(object)
                .is_some_and(|id| self.before.accounts.get(&id) != self.after.accounts.get(&id))
    }

    /// The record that the run decided on: the one that it left to the object, or took from it and gave to nobody.
    fn account_of(&self, object: &ObjectId) -> Option<AccountId> {
        let of = |register: &Register| register.links.get(object).and_then(|link| link.account);
        of(&self.after).or_else(|| of(&self.before))
    }

    /// What the register must be when the run is taken back now, or what it did to these objects only.
    pub fn taken_back(&self, now: &Register, only: Option<&BTreeSet<ObjectId>>) -> Register {
        let objects: BTreeSet<ObjectId> = self
            .before
            .links
            .keys()
            .chain(self.after.links.keys())
            .copied()
            .collect();
        let wanted = objects
            .iter()
            .filter(|object| only.is_none_or(|only| only.contains(object)));
        let mut units: Vec<Unit> = wanted.filter_map(|object| self.unit(object, now)).collect();
        loop {
            let clashing = clashes(now, &units);
            if clashing.is_empty() {
                break;
            }
            units.retain(|unit| !clashing.contains(&unit.object));
        }
        spare_last_owner(now, &mut units);
        let mut then = now.clone();
        for unit in &units {
            self.put_back(unit, &mut then);
        }
        // Nothing is asked any more about what has ended.
        let Register {
            reviews,
            links,
            accounts,
            ..
        } = &mut then;
        reviews.retain(|(object, account, cause), _| {
            let link = links.get(object);
            let still = link.is_some_and(|link| {
                let unsure = link.status == LinkStatus::Conflict;
                link.account == Some(*account) && (unsure || cause_of(link.status) == Some(*cause))
            });
            still
                && accounts
                    .get(account)
                    .is_some_and(|account| account.status != Status::Deleted)
        });
        then
    }

    /// What the run did because of this object, as far as it goes back.
    fn unit(&self, object: &ObjectId, now: &Register) -> Option<Unit> {
        let account = self.account_of(object);
        let own = tie(&self.before, object) != tie(&self.after, object);
        // Who lost the account to another one gets it back with what is taken from that one.
        let lost = own
            && tie(&self.after, object).is_none()
            && tie(&self.before, object).is_some_and(|(account, ..)| {
                self.after
                    .links
                    .values()
                    .any(|link| link.account == Some(account))
            });
        if lost {
            return None;
        }
        let made = account.filter(|id| !self.before.accounts.contains_key(id));
        match made {
            Some(id) => self.made(*object, id, now),
            None => self.changed(*object, account, own, now),
        }
    }

    /// A record that the run made is deleted as a whole, or kept as a whole.
    fn made(&self, object: ObjectId, id: AccountId, now: &Register) -> Option<Unit> {
        let (left, is) = (&self.after.accounts[&id], now.accounts.get(&id)?);
        let (was, link) = (tie(&self.after, &object)?, tie(now, &object)?);
        let shared = now
            .links
            .iter()
            .any(|(other, link)| *other != object && link.account == Some(id));
        let untouched = is.role == Role::User
            && is.status != Status::Deleted
            && is.values == left.values
            && standing(is) == standing(left)
            && (link.0, link.2) == (was.0, was.2)
            && !shared;
        untouched.then(|| Unit {
            standing: Some((Status::Deleted, None)),
            links: vec![object],
            ..Unit::of(object, Some(id))
        })
    }

    /// Of a record that was there, each part goes back by itself.
    fn changed(
        &self,
        object: ObjectId,
        account: Option<AccountId>,
        own: bool,
        now: &Register,
    ) -> Option<Unit> {
        let mut unit = Unit::of(object, account);
        let three = account.and_then(|id| {
            Some((
                &self.before.accounts[&id],
                &self.after.accounts[&id],
                now.accounts.get(&id)?,
            ))
        });
        if let Some((was, left, is)) = three {
            for field in Field::ALL {
                let (was, left, is) = (was.value(field), left.value(field), is.value(field));
                if was != left && is == left {
                    unit.fields.push((field, was.map(str::to_owned)));
                }
            }
            if standing(was) != standing(left) && standing(is) == standing(left) {
                unit.standing = Some(standing(was));
            }
        }
        let stands = own && self.stands(&object, now);
        if stands {
            unit.links.push(object);
        }
        let edited = own && !stands && tie(now, &object) != tie(&self.before, &object);
        if !edited {
            let losers = self.before.links.iter().filter(|(other, link)| {
                **other != object
                    && account.is_some()
                    && link.account == account
                    && tie(&self.after, other).is_none()
            });
            unit.links.extend(
                losers
                    .map(|(other, _)| *other)
                    .filter(|other| self.stands(other, now)),
            );
        }
        let asked = self
            .after
            .asked_by
            .iter()
            .any(|((of, ..), run)| *of == object && *run == self.run);
        let any = asked || !unit.fields.is_empty() || unit.standing.is_some() || !unit.links.is_empty();
        any.then_some(unit)
    }

    /// Whether the link is as the run left it. Where the run gave or took the account, it is that which counts, whatever the
    /// directory has said of the object since.
    fn stands(&self, object: &ObjectId, now: &Register) -> bool {
        let (was, left, is) = (
            tie(&self.before, object),
            tie(&self.after, object),
            tie(now, object),
        );
        let account = |tie: Tie| tie.map(|(account, ..)| account);
        was != is
            && if account(was) == account(left) {
                is == left
            } else {
                account(is) == account(left)
            }
    }

    fn put_back(&self, unit: &Unit, then: &mut Register) {
        if let Some(account) = unit.account.and_then(|id| then.accounts.get_mut(&id)) {
            for (field, value) in &unit.fields {
                account.values[*field as usize].clone_from(value);
            }
            if let Some((status, cause)) = unit.standing {
                account.status = status;
                account.deactivated_for = cause;
            }
        }
        for object in &unit.links {
            match self.before.links.get(object) {
                Some(link) => drop(then.links.insert(*object, *link)),
                None => drop(then.links.remove(object)),
            }
        }
        then.reviews
            .retain(|key, _| key.0 != unit.object || then.asked_by.get(key) != Some(&self.run));
    }
}

fn tie(register: &Register, object: &ObjectId) -> Tie {
    let Link {
        account,
        status,
        brought_in,
        ..
    } = register.links.get(object)?;
    Some(((*account)?, *status, *brought_in))
}

const fn standing(account: &Account) -> Standing {
    (account.status, account.deactivated_for)
}

/// The login that the account will hold.
fn login_after(unit: &Unit, account: &Account) -> Option<LoginKey> {
    let mut account = account.clone();
    for (field, value) in &unit.fields {
        account.values[*field as usize].clone_from(value);
    }
    if let Some((status, _)) = unit.standing {
        account.status = status;
    }
    login_of(&account)
}

/// Those whose account would hold a login that another one holds.
fn clashes(now: &Register, units: &[Unit]) -> BTreeSet<ObjectId> {
    let mut holders: BTreeMap<LoginKey, Vec<Option<ObjectId>>> = BTreeMap::new();
    let by_account: BTreeMap<AccountId, &Unit> = units
        .iter()
        .filter_map(|unit| Some((unit.account?, unit)))
        .collect();
    for account in now.accounts.values() {
        let unit = by_account.get(&account.id);
        let before = login_of(account);
        let after = unit.map_or_else(|| before.clone(), |unit| login_after(unit, account));
        let moves = unit.filter(|_| after != before).map(|unit| unit.object);
        if let Some(login) = after {
            holders.entry(login).or_default().push(moves);
        }
    }
    let shared = holders.into_values().filter(|holders| holders.len() > 1);
    shared.flatten().flatten().collect()
}

/// The oldest of the owners stays in use, if every active one would be taken out of it.
fn spare_last_owner(now: &Register, units: &mut [Unit]) {
    let owners: BTreeSet<AccountId> = now
        .accounts
        .values()
        .filter(|account| account.role == Role::Owner && account.status == Status::Active)
        .map(|account| account.id)
        .collect();
    let leaving: BTreeMap<AccountId, usize> = units
        .iter()
        .enumerate()
        .filter(|(_, unit)| unit.standing.is_some_and(|(status, _)| status != Status::Active))
        .filter_map(|(place, unit)| Some((unit.account?, place)))
        .filter(|(account, _)| owners.contains(account))
        .collect();
    if leaving.len() == owners.len()
        && let Some((_, place)) = leaving.first_key_value()
    {
        units[*place].standing = None;
        units[*place].links.clear();
    }
}
