//! Applies what a revert has planned. It is decided again on the rows as they are now, locked: what comes to something
//! else than was planned fails, and stays as it is.

use std::collections::HashMap;

use domain::account::Status;
use domain::decision::Skip;
use domain::id::{ObjectId, RunId};
use domain::undo::Standing;
use service::Clock;
use store::account::Written;
use store::decision::{self, Applicable};
use store::former_account::Moved;
use store::run_plan::Work;
use store::{Tx, account, former_account, former_link, link, password_mail, password_task, revert, review};
use uuid::Uuid;

use super::load::Loaded;
use super::wanted;
use crate::apply::login_of;
use crate::error::Error;

/// What is written for a number of decisions.
#[derive(Default)]
struct Writing {
    accounts: Vec<Written>,
    standings: Vec<Moved>,
    links: Vec<(former_link::Key, ObjectId)>,
    /// Records with anything written: the next run decides them anew.
    concerned: Vec<Uuid>,
    /// Records that are deleted.
    unmade: Vec<Uuid>,
    reviews: Vec<Uuid>,
}

/// Takes back what these decisions say.
pub async fn apply(tx: &mut Tx, work: &Work, decisions: &[Applicable], clock: &Clock) -> Result<(), Error> {
    let wanted = wanted(tx, work).await?;
    let mut places: HashMap<(i32, i32), &Applicable> = decisions
        .iter()
        .filter(|decision| !matches!(decision.skip, Some(Skip::EditedSince | Skip::NeverTouch)))
        .map(|decision| ((wanted.taken_back(decision.page), decision.position), decision))
        .collect();
    if places.is_empty() {
        return Ok(());
    }
    let at: Vec<(i32, i32)> = places.keys().copied().collect();
    let done = revert::at(tx.connection(), work.connection, wanted.run, &at).await?;
    let loaded = Loaded::of(tx, work, wanted.run, done, true).await?;
    let mut writing = Writing::default();
    let mut moved = Vec::new();
    for unit in loaded.units()? {
        let Some(planned) = places.remove(&(unit.done.page, unit.done.position)) else {
            continue;
        };
        let mut undo = unit.undo();
        if planned.skip == Some(Skip::LastOwner) {
            undo = undo.spared();
        }
        let version = unit.account.map_or(0, |account| account.version);
        if version != planned.account_version
            || (undo.outcome, undo.action) != (planned.outcome, planned.action)
        {
            moved.push((planned.page, planned.position));
            continue;
        }
        writing.links.extend(unit.links_back(&undo, work));
        let Some(account) = unit.account else { continue };
        writing.concerned.push(account.id.0);
        if undo.close_review {
            writing.reviews.push(account.id.0);
        }
        if undo.writes_account() {
            let after = undo.applied(account);
            writing.standings.extend(Moved::of(Standing::of(account), &after));
            if after.status == Status::Deleted {
                writing.unmade.push(account.id.0);
            }
            writing.accounts.push(Written {
                login: login_of(&after),
                account: after,
            });
        }
    }
    // What can't be found any more can't be taken back.
    moved.extend(places.values().map(|planned| (planned.page, planned.position)));
    write(tx, work, wanted.run, &writing, clock).await?;
    let why =
        "the record was changed while the run was being reverted; revert the run again to take back the rest";
    let failures: Vec<_> = moved.iter().map(|place| (*place, why.to_owned())).collect();
    decision::fail(tx.connection(), work.run, &failures).await?;
    Ok(())
}

async fn write(
    tx: &mut Tx,
    work: &Work,
    taken_back: RunId,
    writing: &Writing,
    clock: &Clock,
) -> Result<(), Error> {
    let now = clock.now();
    former_account::keep(tx.connection(), work.run, &writing.standings).await?;
    account::update(tx.connection(), &writing.accounts, now).await?;
    let runs = (work.run, taken_back);
    former_link::put_back(tx.connection(), work.organization, runs, &writing.links).await?;
    link::forget_hashes(tx.connection(), &writing.concerned).await?;
    review::close_of_run(tx.connection(), taken_back, &writing.reviews, now).await?;
    // Later runs may have asked about what is not so any more.
    let objects: Vec<Uuid> = writing.links.iter().map(|(key, _)| key.object.0).collect();
    review::close_groundless(tx.connection(), work.connection, &objects, now).await?;
    review::close_of_accounts(tx.connection(), work.organization, &writing.unmade, now).await?;
    if !writing.unmade.is_empty() {
        // Whatever another run has asked about it meanwhile is settled with it.
        review::close_of_accounts(tx.connection(), work.organization, &writing.unmade, now).await?;
        password_task::done(tx.connection(), &writing.unmade).await?;
        password_mail::forget_of(tx.connection(), &writing.unmade).await?;
    }
    Ok(())
}
