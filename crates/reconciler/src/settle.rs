//! When every page is decided: settles what only the whole tells, weighs the removals, and ends the planning.
//!
//! All in one transaction that holds the plan's row: a copy that dies leaves nothing, and the next begins again.

use std::collections::HashMap;

use domain::account::Account;
use domain::brake::{self, Load};
use domain::decide::{self, Rules};
use domain::decision::Skip;
use domain::id::AccountId;
use domain::leaver::{self, Waiting};
use domain::managers::Managers;
use domain::settle::{self, Claim};
use service::Clock;
use store::decision::{self, Insert};
use store::decision_settle::{self as contested, Place};
use store::run_page::{self, Page, Source};
use store::run_plan::{self, Open, State, Work};
use store::{Store, Tx, account, asset, decision_removal, link, not_seen, run_tally};
use uuid::Uuid;

use crate::end;
use crate::error::Error;
use crate::plan;
use crate::rules::{Known, RunRules};

/// Objects not seen that are decided at a time.
const BATCH: i64 = 1_000;

/// What settling came to.
#[derive(Clone, Copy, Debug)]
pub struct Settled {
    /// The plan's state now.
    pub state: State,
    /// Whether the brake holds the removals.
    pub braked: bool,
}

/// Settles the plan if every page of the fetch is decided. `None`: not yet, or not any more.
pub async fn settle(
    store: &Store,
    known: &Known,
    work: &Work,
    clock: &Clock,
) -> Result<Option<Settled>, Error> {
    let mut tx = store.begin("settle").await?;
    let Some(open) = run_plan::lock(tx.connection(), work.run).await? else {
        return Ok(None);
    };
    if open.state != State::Planning || open.attempt != work.fetch.attempt {
        return Ok(None);
    }
    let decided = run_page::count(tx.connection(), work.run, open.attempt).await?;
    if decided != i64::from(work.fetch.pages) {
        return Ok(None);
    }
    let settled = settle_all(&mut tx, known, work, open, clock).await?;
    tx.commit().await?;
    Ok(Some(settled))
}

async fn settle_all(
    tx: &mut Tx,
    known: &Known,
    work: &Work,
    open: Open,
    clock: &Clock,
) -> Result<Settled, Error> {
    let rules = plan::rules(tx, known, work, open).await?;
    let complete = work.fetch.proved && !work.fetch.delta;
    compare(tx, work, complete).await?;
    if complete {
        decide_not_seen(tx, work, open, &rules, clock).await?;
    }
    let any_decision = run_page::any_decision(tx.connection(), work.run).await?;
    let any_account = any_decision && account::any(tx.connection(), work.organization).await?;
    if any_account {
        settle_accounts(tx, work, complete).await?;
    }
    if any_decision {
        settle_logins(tx, work, any_account).await?;
    }
    let (note, braked) = weigh_removals(tx, work, &rules, any_decision).await?;
    if any_decision {
        wait_for_assets(tx, work).await?;
    }
    if any_account {
        contested::mark_late(tx.connection(), work.run, work.organization).await?;
    }
    run_tally::tally(tx.connection(), work.run).await?;
    let state = run_plan::set_planned(tx.connection(), work.run, note.as_deref(), clock.now()).await?;
    if state == State::Planned {
        end::tell_ended(tx, work, clock).await?;
    }
    Ok(Settled { state, braked })
}

/// Everything seen is held against itself, where the fetcher saw someone twice, and, after a complete fetch, against the
/// links.
async fn compare(tx: &mut Tx, work: &Work, complete: bool) -> Result<(), Error> {
    if work.fetch.repeats {
        let repeats = run_page::repeats(tx.connection(), work.run).await?;
        run_page::drop_repeats(tx.connection(), work.run, repeats).await?;
    }
    if complete {
        not_seen::find(tx.connection(), work.run, work.connection).await?;
    }
    Ok(())
}

/// Linked objects that a complete fetch has not seen are gone (D5). Their pages are numbered downwards from 0.
async fn decide_not_seen(
    tx: &mut Tx,
    work: &Work,
    open: Open,
    rules: &RunRules,
    clock: &Clock,
) -> Result<(), Error> {
    let mut after = 0;
    let mut number = 0;
    loop {
        let batch = not_seen::batch(tx.connection(), after, BATCH).await?;
        if batch.is_empty() {
            return Ok(());
        }
        after += BATCH;
        let ids: Vec<Uuid> = batch.iter().map(|row| row.account.0).collect();
        let accounts: HashMap<AccountId, Account> = account::load(tx.connection(), &ids)
            .await?
            .into_iter()
            .map(|account| (account.id, account))
            .collect();
        let mut insert = Insert::default();
        for (position, row) in (0..).zip(&batch) {
            let Some(account) = accounts.get(&row.account) else {
                continue;
            };
            let (policies, never_touch) = (rules.policies, &rules.never_touch);
            if let Some(decision) = decide::not_seen(row.object, account, row.status, policies, never_touch) {
                insert.push(work.run, number, position, &decision, true);
            }
        }
        if !insert.is_empty() {
            let page = Page {
                run: work.run,
                number,
                attempt: open.attempt,
                source: Source::NotSeen,
                seen: Vec::new(),
                skipped: Vec::new(),
                unusable: 0,
                decisions: i32::try_from(insert.len()).unwrap_or(i32::MAX),
                fields: insert.fields(),
            };
            run_page::insert(tx.connection(), &page, clock.now()).await?;
            insert.send(tx.connection()).await?;
            number -= 1;
        }
    }
}

/// Who gets an account that somebody else holds, or that several claim (M5).
async fn settle_accounts(tx: &mut Tx, work: &Work, complete: bool) -> Result<(), Error> {
    let takeovers = contested::takeovers(tx.connection(), work.run, complete).await?;
    let any_takeover = !takeovers.is_empty();
    let failures: Vec<(Place, String)> = takeovers
        .iter()
        .filter(|takeover| takeover.holder_alive)
        .map(|takeover| {
            let claim = &takeover.claim;
            (
                claim.place,
                settle::still_held(&claim.account_label, claim.rule, &takeover.holder_label),
            )
        })
        .collect();
    decision::fail(tx.connection(), work.run, &failures).await?;

    let contests = contested::contested(tx.connection(), work.run).await?;
    let mut failures = Vec::new();
    for contest in contests.chunk_by(|one, other| one.account == other.account) {
        let claims: Vec<Claim> = contest
            .iter()
            .map(|claim| Claim {
                object: claim.object,
                label: claim.label.clone(),
                rule: claim.rule,
            })
            .collect();
        let verdicts = settle::claims(&contest[0].account_label, &claims);
        failures.extend(
            contest
                .iter()
                .zip(verdicts)
                .filter_map(|(claim, verdict)| Some((claim.place, verdict?))),
        );
    }
    decision::fail(tx.connection(), work.run, &failures).await?;
    if any_takeover {
        contested::supersede(tx.connection(), work.run).await?;
    }
    Ok(())
}

/// Logins must stay unique. A failed decision gives its login back to its account, which may be in the way of the next
/// one: hence again, until nothing fails. Each round fails one at least, so it ends.
pub async fn settle_logins(tx: &mut Tx, work: &Work, any_account: bool) -> Result<(), Error> {
    loop {
        let clashes =
            contested::login_clashes(tx.connection(), work.run, work.organization, any_account).await?;
        if clashes.is_empty() {
            return Ok(());
        }
        fail_clashes(tx, work, &clashes).await?;
    }
}

/// Fails decisions that would hold a login which somebody else holds.
pub async fn fail_clashes(tx: &mut Tx, work: &Work, clashes: &[contested::LoginClash]) -> Result<(), Error> {
    let mut failures: HashMap<Place, String> = HashMap::new();
    for clash in clashes {
        failures
            .entry(clash.place)
            .or_insert_with(|| settle::login_taken(&clash.key, &clash.others));
    }
    let failures: Vec<(Place, String)> = failures.into_iter().collect();
    decision::fail(tx.connection(), work.run, &failures).await?;
    Ok(())
}

/// No removal without a proved end, none of the last owner, none beyond the brake. Answers what to tell about it, and whether it
/// was the brake.
async fn weigh_removals(
    tx: &mut Tx,
    work: &Work,
    rules: &RunRules,
    any_decision: bool,
) -> Result<(Option<String>, bool), Error> {
    if !work.fetch.proved {
        let why = work
            .fetch
            .unproved_reason
            .as_deref()
            .unwrap_or("the fetch did not prove its end");
        let dropped =
            decision_removal::drop_removals(tx.connection(), work.run, &format!("not removed: {why}"))
                .await?;
        let note = format!("no removal was considered, because {why} ({dropped} were in sight)");
        return Ok((Some(note), false));
    }
    if !any_decision {
        return Ok((None, false));
    }
    decision_removal::keep(tx.connection(), work.run, work.connection).await?;
    let brings_managers = |first: &Rules| Managers::of(&first.mappings).is_some();
    if work.fetch.delta && rules.kinds.first().is_some_and(brings_managers) {
        let why = "out of scope, but somebody in scope reports to them; the next full run decides";
        decision_removal::leave_managers(tx.connection(), work.run, work.connection, why).await?;
    }
    spare_last_owner(tx, work).await?;
    let removals = decision_removal::removals(tx.connection(), work.run).await?;
    if removals == 0 {
        return Ok((None, false));
    }
    let (linked, active) = link::count(tx.connection(), work.connection).await?;
    let count = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
    let load = Load {
        removals: count(removals),
        linked: count(linked),
        active: count(active),
    };
    let Some(tripped) = brake::weigh(load, rules.brake) else {
        return Ok((None, false));
    };
    let why = format!("held by the brake: {tripped}");
    decision_removal::hold_removals(tx.connection(), work.run, &why).await?;
    Ok((Some(why), true))
}

/// Who still holds assets is deactivated only; the deletion waits for them (B6).
async fn wait_for_assets(tx: &mut Tx, work: &Work) -> Result<(), Error> {
    let holders = decision_removal::holders_deleted(tx.connection(), work.run).await?;
    let ids: Vec<Uuid> = holders.iter().map(|holder| holder.account.0).collect();
    let held = asset::held_by(tx.connection(), &ids).await?;
    let waiting: Vec<(Place, bool, String)> = holders
        .iter()
        .filter_map(|holder| {
            let told = held.get(&holder.account)?.told();
            let deactivates = leaver::wait_for_assets(holder.status) == Waiting::Deactivated;
            Some((
                holder.place,
                deactivates,
                format!("{told}; deleted when they are returned"),
            ))
        })
        .collect();
    decision_removal::let_wait_for_assets(tx.connection(), work.run, &waiting).await?;
    Ok(())
}

/// The oldest of the owners stays, if the run would remove every active one (B12).
pub async fn spare_last_owner(tx: &mut Tx, work: &Work) -> Result<(), Error> {
    if let Some(oldest) = last_owner(tx, work).await? {
        decision_removal::spare(tx.connection(), work.run, &[(oldest, Skip::LastOwner)]).await?;
    }
    Ok(())
}

/// The decision that would remove the oldest of the owners, if the run removes every active one.
pub async fn last_owner(tx: &mut Tx, work: &Work) -> Result<Option<Place>, Error> {
    let removed = decision_removal::owners_removed(tx.connection(), work.run).await?;
    let Some((oldest, _)) = removed.first() else {
        return Ok(None);
    };
    let ids: Vec<Uuid> = removed.iter().map(|(_, id)| *id).collect();
    let others = account::active_owners_but(tx.connection(), work.organization, &ids).await?;
    Ok((others == 0).then_some(*oldest))
}
