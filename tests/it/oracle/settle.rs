//! What only the whole of a run tells (design §6): who gets an account, who gets a login, and which removals are held.

use std::collections::{BTreeMap, BTreeSet};

use domain::account::{Role, Status};
use domain::brake::{Load, weigh};
use domain::decision::{Action, LinkStatus, LoginKey, Outcome, Skip};
use domain::field::Field;
use domain::id::{AccountId, ObjectId};
use domain::leaver::Cause;
use domain::managers::Managers;
use domain::overwrite::Rule;
use domain::settle::{Claim, claims};

use super::{Decided, Oracle, Reading, login_of};

type All = BTreeMap<ObjectId, Decided>;

/// Settles a run's decisions.
pub fn settle(oracle: &Oracle, all: &mut All, reading: &Reading) {
    let held = still_held(oracle, all, reading.complete);
    fail(all, &held);
    let lost = lost_claims(oracle, all);
    fail(all, &lost);
    supersede(all);
    loop {
        let clashing = login_clashes(oracle, all);
        if clashing.is_empty() {
            break;
        }
        fail(all, &clashing);
    }
    if !reading.proved {
        drop_removals(all);
        return;
    }
    keep(oracle, all);
    if reading.delta && Managers::of(&oracle.rules.mappings).is_some() {
        leave_managers(oracle, all);
    }
    spare_last_owner(oracle, all);
    brake(oracle, all);
}

/// The fetch did not prove its end: nobody is removed, and nobody asked.
fn drop_removals(all: &mut All) {
    for one in all.values_mut() {
        if matches!(one.outcome, Outcome::Removed | Outcome::Held) {
            one.outcome = Outcome::Skipped;
            one.action = Action::None;
            one.skip = Some(Skip::Unproved);
        }
    }
}

/// A person said to keep some, for this cause.
fn keep(oracle: &Oracle, all: &mut All) {
    for one in all.values_mut() {
        let asked = one.account.zip(one.cause);
        let kept =
            asked.is_some_and(|(account, cause)| oracle.kept.contains(&(one.object, account, cause as u8)));
        if kept && matches!(one.outcome, Outcome::Removed | Outcome::Held) {
            one.outcome = Outcome::Skipped;
            one.action = Action::None;
            one.skip = Some(Skip::Kept);
        }
    }
}

/// Somebody in scope reports to them, as far as the register knows: the next full run decides.
fn leave_managers(oracle: &Oracle, all: &mut All) {
    let managers: BTreeSet<String> = oracle
        .links
        .values()
        .filter(|link| link.status == LinkStatus::Active)
        .filter_map(|link| oracle.accounts.get(&link.account?))
        .filter(|account| account.status == Status::Active)
        .filter_map(|account| account.value(Field::ReportingTo).map(str::to_owned))
        .collect();
    for one in all.values_mut() {
        let leaves =
            matches!(one.outcome, Outcome::Removed | Outcome::Held) && one.cause == Some(Cause::OutOfScope);
        if leaves && managers.contains(&one.object.to_string()) {
            one.outcome = Outcome::Unchanged;
            one.action = Action::None;
            one.cause = None;
            one.status = LinkStatus::Active;
        }
    }
}

fn fail(all: &mut All, objects: &[ObjectId]) {
    for object in objects {
        let one = all.get_mut(object).expect("it was decided");
        one.outcome = Outcome::Failed;
        one.action = Action::None;
        one.takes_from = None;
        one.login = None;
        one.fields.clear();
    }
}

/// Those who would take an account from someone who is still in the directory.
fn still_held(oracle: &Oracle, all: &All, complete: bool) -> Vec<ObjectId> {
    let alive = |holder: ObjectId| match all.get(&holder) {
        Some(decided) => decided.status.is_alive(),
        None if complete => false,
        None => oracle.links[&holder].status.is_alive(),
    };
    all.values()
        .filter(|one| one.outcome != Outcome::Failed && one.takes_from.is_some_and(alive))
        .map(|one| one.object)
        .collect()
}

/// Those whose claim to an account is not the strongest, or is no stronger than another's.
fn lost_claims(oracle: &Oracle, all: &All) -> Vec<ObjectId> {
    let mut contests: BTreeMap<AccountId, Vec<Claim>> = BTreeMap::new();
    for one in all.values().filter(|one| one.outcome != Outcome::Failed) {
        if let (Some(account), Some(rule)) = (one.account, one.rule)
            && rule > Rule::ObjectId
        {
            contests.entry(account).or_default().push(Claim {
                object: one.object,
                label: one.label.clone(),
                rule,
            });
        }
    }
    let mut lost = Vec::new();
    for (account, contest) in contests {
        let verdicts = claims(&oracle.accounts[&account].label(), &contest);
        let losers = contest
            .iter()
            .zip(verdicts)
            .filter(|(_, verdict)| verdict.is_some());
        lost.extend(losers.map(|(claim, _)| claim.object));
    }
    lost
}

/// Who was read or found gone, and whose account another has taken, is left out.
fn supersede(all: &mut All) {
    let taken: Vec<ObjectId> = all.values().filter_map(|one| one.takes_from).collect();
    for object in taken {
        if let Some(one) = all.get_mut(&object) {
            one.outcome = Outcome::Skipped;
            one.action = Action::None;
            one.cause = None;
            one.rule = None;
            one.skip = Some(Skip::Superseded);
            one.account = None;
            one.login = None;
            one.fields.clear();
        }
    }
}

/// Those who would hold a login that someone else would hold, too.
fn login_clashes(oracle: &Oracle, all: &All) -> Vec<ObjectId> {
    let mut claimed: BTreeMap<&LoginKey, Vec<&Decided>> = BTreeMap::new();
    for one in all.values() {
        if let Some(login) = &one.login {
            claimed.entry(login).or_default().push(one);
        }
    }
    let moving: BTreeSet<AccountId> = all
        .values()
        .filter(|one| one.login.is_some())
        .filter_map(|one| one.account)
        .collect();
    let kept: BTreeMap<LoginKey, AccountId> = oracle
        .accounts
        .values()
        .filter(|account| !moving.contains(&account.id))
        .filter_map(|account| Some((login_of(account)?, account.id)))
        .collect();
    claimed
        .into_iter()
        .filter(|(login, claims)| claims.len() > 1 || kept.contains_key(*login))
        .flat_map(|(_, claims)| claims.into_iter().map(|one| one.object))
        .collect()
}

/// The oldest of the owners stays, if every active one would be removed.
fn spare_last_owner(oracle: &Oracle, all: &mut All) {
    let owners: BTreeSet<AccountId> = oracle
        .accounts
        .values()
        .filter(|account| account.role == Role::Owner && account.status == Status::Active)
        .map(|account| account.id)
        .collect();
    let removed: BTreeMap<AccountId, ObjectId> = all
        .values()
        .filter(|one| one.outcome == Outcome::Removed)
        .filter_map(|one| Some((one.account?, one.object)))
        .filter(|(account, _)| owners.contains(account))
        .collect();
    if removed.len() == owners.len()
        && let Some((_, object)) = removed.first_key_value()
        && let Some(one) = all.get_mut(object)
    {
        one.outcome = Outcome::Skipped;
        one.action = Action::None;
        one.skip = Some(Skip::LastOwner);
    }
}

/// All removals are held, or none.
fn brake(oracle: &Oracle, all: &mut All) {
    let active = |one: &&Decided| {
        let account = one.account.and_then(|id| oracle.accounts.get(&id));
        account.is_some_and(|account| account.status == Status::Active)
    };
    let removals = all
        .values()
        .filter(|one| one.outcome == Outcome::Removed)
        .filter(active)
        .count();
    let (linked, active) = oracle.linked();
    let count = |number: usize| u32::try_from(number).expect("a small tenant");
    let load = Load {
        removals: count(removals),
        linked: count(linked),
        active: count(active),
    };
    if weigh(load, oracle.brake).is_some() {
        for one in all.values_mut().filter(|one| one.outcome == Outcome::Removed) {
            one.outcome = Outcome::Held;
        }
    }
}
