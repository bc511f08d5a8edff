//! Applies a plan, set-wise, a few pages per transaction. Any number of copies may apply the same plan; a page that is
//! being applied is locked, one that has been is marked in the same transaction.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use domain::account::{Account, Kind, Status};
use domain::decide::held_login;
use domain::decision::{Action, BroughtIn, LinkStatus, LoginKey, Outcome, Skip};
use domain::field::Field;
use domain::id::{AccountId, ReviewId};
use domain::leaver::{Cause, Removal};
use domain::undo::Standing;
use service::Clock;
use store::account::Written;
use store::copy::Rows;
use store::decision::{self, Applicable};
use store::decision_settle as contested;
use store::link::Taken;
use store::run;
use store::run_beside::{self, Which};
use store::run_plan::{self, State, Work};
use store::{
    Inconsistent, Store, StoreError, Tx, account, asset, decision_removal, fields, former_account, link,
    review, run_page,
};
use uuid::Uuid;

use crate::error::Error;
use crate::settle::fail_clashes;
use crate::{passwords, revert};

/// The constraint that keeps logins unique.
const LOGIN: &str = "account_login";

/// Applies the next pages of a plan. `false`: none are left that nobody else is applying.
pub async fn apply_some(store: &Store, work: &Work, pages: i64, clock: &Clock) -> Result<bool, Error> {
    loop {
        match try_apply(store, work, pages, clock).await {
            Err(Error::Store(error)) if error.duplicate() == Some(LOGIN) => {
                give_way(store, work, error).await?;
            }
            done => return done,
        }
    }
}

/// Somebody else has taken a login since the plan was made: fails the decisions that want it, and only those. Gives
/// `error` back when there is none such, so that nobody tries the same for ever.
pub async fn give_way(store: &Store, work: &Work, error: StoreError) -> Result<(), Error> {
    let mut tx = store.begin("apply.give_way").await?;
    let clashes = contested::login_clashes(tx.connection(), work.run, work.organization, true).await?;
    if clashes.is_empty() {
        return Err(error.into());
    }
    fail_clashes(&mut tx, work, &clashes).await?;
    tx.commit().await?;
    Ok(())
}

async fn try_apply(store: &Store, work: &Work, limit: i64, clock: &Clock) -> Result<bool, Error> {
    let mut tx = store.begin("apply.pages").await?;
    match run_plan::share(tx.connection(), work.run).await? {
        Some(open) if open.state == State::Applying => (),
        _ => return Ok(false),
    }
    let pages = run_page::take_to_apply(tx.connection(), work.run, limit).await?;
    if pages.is_empty() {
        return Ok(false);
    }
    enter(&mut tx, work, Which::Pages(&pages)).await?;
    // A page that a crash takes back is marked as not applied again; the end of the run waits for the disk, and is told.
    tx.repeatable().await?;
    let decisions = decision::applicable(tx.connection(), work.run, &pages).await?;
    write(&mut tx, work, &decisions, clock).await?;
    run_page::set_applied(tx.connection(), work.run, &pages, clock.now()).await?;
    tx.commit().await?;
    Ok(true)
}

/// Makes sure that nobody writes the same links meanwhile.
pub async fn enter(tx: &mut Tx, work: &Work, which: Which<'_>) -> Result<(), Error> {
    if work.kind == run::Kind::Revert {
        // What others have done since is found when it is applied.
        return Ok(run_beside::enter(tx.connection(), work.connection, true).await?);
    }
    step_aside(tx, work, which).await
}

/// Writes what these decisions say into the register.
pub async fn write(tx: &mut Tx, work: &Work, decisions: &[Applicable], clock: &Clock) -> Result<(), Error> {
    if work.kind == run::Kind::Revert {
        return revert::apply(tx, work, decisions, clock).await;
    }
    apply(tx, work, decisions, clock).await
}

/// A manual run may have been beside this one, or this one is it: what the other has done since is not done again.
async fn step_aside(tx: &mut Tx, work: &Work, which: Which<'_>) -> Result<(), Error> {
    let manual = work.kind == run::Kind::Manual;
    run_beside::enter(tx.connection(), work.connection, manual).await?;
    let handled = if manual {
        None
    } else {
        let handled = run_beside::handled(tx.connection(), work.run).await?;
        if handled.is_empty() {
            return Ok(());
        }
        Some(handled)
    };
    let stepped = run_beside::step_aside(
        tx.connection(),
        work.run,
        work.connection,
        which,
        handled.as_ref(),
    )
    .await?;
    if stepped > 0 {
        tracing::info!(decisions = stepped, "another run was quicker");
    }
    Ok(())
}

async fn apply(tx: &mut Tx, work: &Work, decisions: &[Applicable], clock: &Clock) -> Result<(), Error> {
    let now = clock.now();
    let decisions = &*spare(tx, work, decisions).await?;
    let taken: Vec<Taken> = decisions
        .iter()
        .filter(|decision| decision.takes_from.is_some())
        .filter_map(|decision| {
            Some(Taken {
                account: decision.account?,
                object: decision.object,
                from: decision.takes_from,
            })
        })
        .collect();
    let by = Some((work.run, work.connection));
    link::supersede(tx.connection(), work.organization, by, &taken).await?;
    create(tx, work, decisions, now).await?;
    let moved = change(tx, work, decisions, now).await?;
    // Accounts before reviews, as everywhere.
    review::close_superseded(tx.connection(), work.organization, &taken, now).await?;
    let done: Vec<&Applicable> = decisions
        .iter()
        .filter(|decision| !moved.contains(&(decision.page, decision.position)))
        .collect();
    // Reviews first: they ask the links what was known until now.
    write_reviews(tx, work, &done, clock).await?;
    write_links(tx, work, &done).await
}

/// What stands above all removals counts when they are applied, not only when they were planned: somebody may have said to
/// keep a record since, and the other owners may have gone.
async fn spare<'a>(
    tx: &mut Tx,
    work: &Work,
    decisions: &'a [Applicable],
) -> Result<Cow<'a, [Applicable]>, Error> {
    let removals = || {
        let of = |decision: &&Applicable| matches!(decision.outcome, Outcome::Removed | Outcome::Held);
        decisions.iter().filter(of)
    };
    if removals().next().is_none() {
        return Ok(Cow::Borrowed(decisions));
    }
    let objects: Vec<Uuid> = removals().map(|decision| decision.object.0).collect();
    let kept = review::kept(tx.connection(), work.connection, &objects).await?;
    let is_kept = |decision: &Applicable| {
        let asked = decision.account.zip(decision.cause);
        asked.is_some_and(|(account, cause)| kept.contains(&(decision.object, account, cause)))
    };
    let removed: Vec<Uuid> = removals()
        .filter(|decision| decision.outcome == Outcome::Removed && !is_kept(decision))
        .filter_map(|decision| decision.account)
        .map(|id| id.0)
        .collect();
    let last_owner = last_owner(tx, work, &removed).await?;
    let spared: Vec<((i32, i32), Skip)> = removals()
        .filter_map(|decision| {
            let last = decision.outcome == Outcome::Removed && last_owner == decision.account;
            let why = match (is_kept(decision), last) {
                (true, _) => Skip::Kept,
                (false, true) => Skip::LastOwner,
                (false, false) => return None,
            };
            Some(((decision.page, decision.position), why))
        })
        .collect();
    if spared.is_empty() {
        return Ok(Cow::Borrowed(decisions));
    }
    decision_removal::spare(tx.connection(), work.run, &spared).await?;
    let spared: HashMap<(i32, i32), Skip> = spared.into_iter().collect();
    let mut decisions = decisions.to_vec();
    for decision in &mut decisions {
        if let Some(why) = spared.get(&(decision.page, decision.position)) {
            decision.outcome = Outcome::Skipped;
            decision.action = Action::None;
            decision.skip = Some(*why);
            decision.reason = Some(why.to_string());
            decision.hash = 0;
            decision.waits_for_assets = false;
        }
    }
    Ok(Cow::Owned(decisions))
}

/// Which of these accounts, all to be taken out of use, must stay because no other owner would be active (B12): the oldest
/// of the owners.
async fn last_owner(tx: &mut Tx, work: &Work, removed: &[Uuid]) -> Result<Option<AccountId>, Error> {
    if account::active_owners_of(tx.connection(), removed)
        .await?
        .is_empty()
    {
        return Ok(None);
    }
    account::lock_owners(tx.connection(), work.organization).await?;
    let owners = account::active_owners_of(tx.connection(), removed).await?;
    let others = account::active_owners_but(tx.connection(), work.organization, &owners).await?;
    Ok(owners.first().filter(|_| others == 0).map(|id| AccountId(*id)))
}

/// New accounts go in by COPY, and so do their links.
async fn create(tx: &mut Tx, work: &Work, decisions: &[Applicable], now: DateTime<Utc>) -> Result<(), Error> {
    let mut accounts = Rows::new(account::COPY_COLUMNS);
    let mut links = Rows::new(link::COPY_COLUMNS);
    let mut added = Vec::new();
    for decision in decisions
        .iter()
        .filter(|decision| decision.outcome == Outcome::Added)
    {
        let id = decision
            .account
            .ok_or_else(|| inconsistent(decision, "account_id"))?;
        let changes = fields::decode(&decision.fields).ok_or_else(|| inconsistent(decision, "fields"))?;
        let mut values = [None; Field::COUNT];
        for change in &changes {
            values[change.field as usize] = change.new.as_deref();
        }
        let state = match decision.action {
            Action::CreateDeactivated => (Status::Deactivated, decision.role, decision.cause),
            _ => (Status::Active, decision.role, None),
        };
        let login = decision
            .login
            .as_ref()
            .map(|key| (key.login.as_str(), key.domain.as_str()));
        account::copy_row(
            &mut accounts,
            work.organization,
            (decision.kind, id),
            state,
            login,
            &values,
            now,
        );
        if decision.kind == Kind::Account {
            added.push(id.0);
        }
        if !decision.had_link {
            let link = link_of(work, decision);
            link::copy_row(&mut links, work.connection, work.organization, &link);
        }
    }
    account::insert(tx.connection(), accounts).await?;
    link::insert(tx.connection(), links).await?;
    passwords::request(tx, work.organization, &added, now).await
}

/// Accounts that are there take over their changes. One that somebody else has written since it was decided fails, and so
/// does the deletion of one who has got an asset since; the next run decides it anew. Answers those.
async fn change(
    tx: &mut Tx,
    work: &Work,
    decisions: &[Applicable],
    now: DateTime<Utc>,
) -> Result<Vec<(i32, i32)>, Error> {
    let changing: Vec<&Applicable> = decisions
        .iter()
        .filter(|decision| changes_account(decision))
        .collect();
    let ids: Vec<Uuid> = changing
        .iter()
        .filter_map(|decision| decision.account)
        .map(|id| id.0)
        .collect();
    let mut accounts: HashMap<AccountId, Account> = account::load_for_update(tx.connection(), &ids)
        .await?
        .into_iter()
        .map(|account| (account.id, account))
        .collect();
    // Nobody gets an asset while the account is locked.
    let deleted: Vec<Uuid> = changing
        .iter()
        .filter(|decision| decision.action == Action::Delete)
        .filter_map(|decision| decision.account)
        .map(|id| id.0)
        .collect();
    let holding = asset::held_by(tx.connection(), &deleted).await?;
    let mut written = Vec::with_capacity(changing.len());
    let mut standings = Vec::new();
    let mut moved = Vec::new();
    for decision in changing {
        let account = decision.account.and_then(|id| accounts.remove(&id));
        let as_decided = |account: &Account| {
            let holds = decision.action == Action::Delete && holding.contains_key(&account.id);
            account.version == decision.account_version && !holds
        };
        match account.filter(as_decided) {
            Some(account) => {
                let before = Standing::of(&account);
                let change = changed(decision, account)?;
                standings.extend(former_account::Moved::of(before, &change.account));
                written.push(change);
            }
            None => moved.push((decision.page, decision.position)),
        }
    }
    former_account::keep(tx.connection(), work.run, &standings).await?;
    account::update(tx.connection(), &written, now).await?;
    let why = "the account was changed while the run was being applied; the next run decides it anew";
    let failures: Vec<_> = moved.iter().map(|place| (*place, why.to_owned())).collect();
    decision::fail(tx.connection(), work.run, &failures).await?;
    Ok(moved)
}

fn changes_account(decision: &Applicable) -> bool {
    let status = matches!(
        decision.action,
        Action::Deactivate | Action::Delete | Action::Reactivate
    ) && decision.outcome != Outcome::Held;
    decision.outcome != Outcome::Added && (status || !decision.fields.is_empty())
}

fn changed(decision: &Applicable, mut account: Account) -> Result<Written, Error> {
    let changes = fields::decode(&decision.fields).ok_or_else(|| inconsistent(decision, "fields"))?;
    for change in changes {
        account.values[change.field as usize] = change.new.map(std::borrow::Cow::into_owned);
    }
    if decision.outcome != Outcome::Held {
        match decision.action {
            Action::Deactivate => remove(&mut account, Removal::Deactivate, decision.cause),
            Action::Delete => remove(&mut account, Removal::Delete, decision.cause),
            Action::Reactivate => {
                account.status = Status::Active;
                account.deactivated_for = None;
            }
            Action::None | Action::Create | Action::Update | Action::CreateDeactivated => (),
        }
    }
    Ok(Written {
        login: login_of(&account),
        account,
    })
}

/// Takes an account out of use.
pub fn remove(account: &mut Account, removal: Removal, cause: Option<Cause>) {
    account.status = match removal {
        Removal::Deactivate => Status::Deactivated,
        Removal::Delete => Status::Deleted,
    };
    account.deactivated_for = cause;
}

/// The login that an account holds; a deleted one holds none.
pub fn login_of(account: &Account) -> Option<LoginKey> {
    if account.status == Status::Deleted {
        None
    } else {
        held_login(account)
    }
}

async fn write_links(tx: &mut Tx, work: &Work, decisions: &[&Applicable]) -> Result<(), Error> {
    let links: Vec<link::Written> = decisions
        .iter()
        .filter(|decision| decision.outcome != Outcome::Added || decision.had_link)
        .filter(|decision| !decision.skip.is_some_and(Skip::leaves_all_as_it_is))
        // Whom nobody may touch keeps the link as it is.
        .filter(|decision| !(decision.skip == Some(Skip::NeverTouch) && decision.had_link))
        .map(|decision| link_of(work, decision))
        .collect();
    link::upsert(
        tx.connection(),
        (work.connection, work.run),
        work.organization,
        &links,
    )
    .await?;
    Ok(())
}

fn link_of(work: &Work, decision: &Applicable) -> link::Written {
    link::Written {
        object: decision.object,
        kind: decision.kind,
        account: decision.account,
        hash: decision.hash,
        status: decision.status,
        skip: if decision.account.is_some() {
            None
        } else {
            decision.skip
        },
        linked: link::Linked {
            rule: if decision.outcome == Outcome::Added {
                link::CREATED
            } else {
                decision.rule
            },
            run: work.run,
            page: decision.page,
        },
        // Who is left out has not come in.
        brought_in: decision
            .account
            .map_or(BroughtIn::ByCriteria, |_| decision.brought_in),
        had_link: decision.had_link,
    }
}

async fn write_reviews(
    tx: &mut Tx,
    work: &Work,
    decisions: &[&Applicable],
    clock: &Clock,
) -> Result<(), Error> {
    let now = clock.now();
    let still_hold = still_hold(tx, decisions).await?;
    let mut opened = Vec::new();
    let mut settled = Vec::new();
    for decision in decisions {
        let waits = waits(decision);
        if !waits && !matches!(decision.outcome, Outcome::Held | Outcome::Removed) {
            continue;
        }
        let account = decision
            .account
            .ok_or_else(|| inconsistent(decision, "account_id"))?;
        let removal = if waits || decision.action == Action::Delete {
            Removal::Delete
        } else {
            Removal::Deactivate
        };
        if waits || decision.outcome == Outcome::Removed {
            settled.push(review::Done {
                object: decision.object,
                account,
                removal: (!waits).then_some(removal),
            });
        }
        // Where the last asset has come back since, the next full run deletes.
        let asked = if waits {
            still_hold.contains(&account)
        } else {
            decision.outcome == Outcome::Held
        };
        if asked {
            opened.push(review::New {
                id: ReviewId(clock.new_id()),
                account,
                object: decision.object,
                cause: decision.cause.ok_or_else(|| inconsistent(decision, "cause"))?,
                proposed: removal,
                reason: decision.reason.clone().unwrap_or_default(),
                waits_for_assets: waits,
            });
        }
    }
    review::close_done(tx.connection(), work.connection, &settled, now).await?;
    let known: Vec<_> = decisions
        .iter()
        .filter(|decision| decision.had_link && !decision.skip.is_some_and(Skip::leaves_all_as_it_is))
        .map(|decision| {
            // Nothing is asked about whom nobody may touch, whatever the cause was, nor where the policy for it now asks for
            // nothing more.
            let settled = matches!(decision.outcome, Outcome::Unchanged | Outcome::Updated);
            let unasked = decision.skip == Some(Skip::NeverTouch) || settled && decision.cause.is_some();
            let status = if unasked {
                LinkStatus::Active
            } else {
                decision.status
            };
            (decision.object, decision.account, status)
        })
        .collect();
    if !known.is_empty() {
        review::close_obsolete(tx.connection(), work.connection, &known, now).await?;
    }
    review::open(
        tx.connection(),
        (work.organization, work.connection, work.run),
        &opened,
        now,
    )
    .await?;
    Ok(())
}

/// Whether the deletion waits for assets (B6), the account being deactivated now or before.
fn waits(decision: &Applicable) -> bool {
    decision.waits_for_assets && matches!(decision.outcome, Outcome::Held | Outcome::Removed)
}

/// Those whose deletion waits for assets, and who still hold some. Until the transaction ends, nobody takes them back.
async fn still_hold(tx: &mut Tx, decisions: &[&Applicable]) -> Result<HashSet<AccountId>, Error> {
    let ids: Vec<Uuid> = decisions
        .iter()
        .filter(|decision| waits(decision))
        .filter_map(|decision| decision.account)
        .map(|id| id.0)
        .collect();
    account::load_for_update(tx.connection(), &ids).await?;
    Ok(asset::held_by(tx.connection(), &ids).await?.into_keys().collect())
}

fn inconsistent(decision: &Applicable, column: &'static str) -> StoreError {
    Inconsistent::new(
        "decision",
        column,
        format!("page {} position {}", decision.page, decision.position),
    )
    .into()
}
