//! Reverts: runs that read nothing and take back what another run did (B4). Planned page by page of that run, each in a
//! transaction of its own, then applied like any plan.

mod apply;
mod load;

use std::borrow::Cow;

use domain::account::Account;
use domain::decision::{BroughtIn, Decision, LinkStatus, Outcome};
use domain::undo::Undo;
use service::Clock;
use service::drain::Stopper;
use service::telemetry::TraceContext;
use store::decision::Insert;
use store::decision_settle as contested;
use store::revert::{self, Wanted};
use store::run_page::{self, Page, Source};
use store::run_partition::{self, Week};
use store::run_plan::{self, New, Open, State, Work};
use store::{Store, Tx, run_tally};
use uuid::Uuid;

use crate::error::Error;
use crate::{end, settle};

pub use apply::apply;
use load::Loaded;

/// A plan is made of one attempt: nothing is fetched that could be fetched again.
const ATTEMPT: i32 = 1;

/// Plans what is still to be planned. Answers the plan's state; none when it was stopped before the end.
pub async fn plan(
    store: &Store,
    work: &Work,
    clock: &Clock,
    stopper: &Stopper,
) -> Result<Option<State>, Error> {
    loop {
        if stopper.is_stopped() {
            return Ok(None);
        }
        let mut tx = store.begin("revert.plan").await?;
        let wanted = wanted(&mut tx, work).await?;
        let open = open(&mut tx, work, &wanted, clock).await?;
        if open.state != State::Planning {
            return Ok(Some(open.state));
        }
        let now = run_plan::work(tx.connection(), work.run).await?;
        if now.is_none_or(|now| now.cancel_requested) {
            return Ok(None);
        }
        let next = revert::next_page(tx.connection(), work.run, &wanted).await?;
        let state = match next {
            Some(page) => {
                plan_page(&mut tx, work, &wanted, page, clock).await?;
                None
            }
            None => Some(settle(&mut tx, work, clock).await?),
        };
        tx.commit().await?;
        if let Some(state) = state {
            return Ok(Some(state));
        }
    }
}

async fn wanted(tx: &mut Tx, work: &Work) -> Result<Wanted, Error> {
    revert::wanted(tx.connection(), work.run).await?.ok_or_else(|| {
        Error::Rules("the details of the run that it takes back are not kept any more".to_owned())
    })
}

/// The plan's state, kept for this transaction.
async fn open(tx: &mut Tx, work: &Work, wanted: &Wanted, clock: &Clock) -> Result<Open, Error> {
    if let Some(open) = run_plan::lock(tx.connection(), work.run).await? {
        return Ok(open);
    }
    // Its week is there, unless the clock that made its id goes by another week than ours.
    run_partition::ensure(tx.connection(), Week::of_run(work.run)).await?;
    let plan = New {
        run: work.run,
        organization: work.organization,
        connection: work.connection,
        attempt: ATTEMPT,
        preview: wanted.dry_run,
        rules_fingerprint: 0,
        traceparent: TraceContext::current()
            .map(|context| context.to_string())
            .or(work.traceparent.clone()),
    };
    run_plan::insert(tx.connection(), &plan, clock.now()).await?;
    run_plan::lock(tx.connection(), work.run)
        .await?
        .ok_or_else(|| Error::Rules(format!("the plan of run {} vanished", work.run)))
}

/// Decides what is taken back of one page. Records that are as they were have no decision.
async fn plan_page(
    tx: &mut Tx,
    work: &Work,
    wanted: &Wanted,
    taken_back: i32,
    clock: &Clock,
) -> Result<(), Error> {
    let done = revert::of_page(tx.connection(), work.connection, wanted, taken_back).await?;
    let loaded = Loaded::of(tx, work, wanted.run, done, false).await?;
    let number = wanted.page_of(taken_back);
    let mut insert = Insert::default();
    let mut seen: Vec<Uuid> = Vec::new();
    for unit in loaded.units()? {
        if unit.is_empty() {
            continue;
        }
        seen.push(unit.done.object.0);
        let undo = unit.undo();
        if undo.outcome != Outcome::Unchanged {
            let had_link = loaded.has_link(unit.done);
            insert.push(
                work.run,
                number,
                unit.done.position,
                &decision(&unit, undo),
                had_link,
            );
        }
    }
    seen.sort_unstable();
    seen.dedup();
    let page = Page {
        run: work.run,
        number,
        attempt: ATTEMPT,
        source: Source::TakenBack,
        seen,
        skipped: Vec::new(),
        unusable: 0,
        decisions: i32::try_from(insert.len()).unwrap_or(i32::MAX),
        fields: insert.fields(),
    };
    run_page::insert(tx.connection(), &page, clock.now()).await?;
    insert.send(tx.connection()).await?;
    Ok(())
}

fn decision<'a>(unit: &load::Unit<'a>, undo: Undo<'a>) -> Decision<'a> {
    let account: Option<&Account> = unit.account;
    Decision {
        object: Some(unit.done.object),
        kind: unit.done.kind,
        name: unit.done.name.as_deref().map(Cow::Borrowed),
        upn: unit.done.upn.as_deref().map(Cow::Borrowed),
        account: account.map(|account| account.id),
        account_version: account.map_or(0, |account| account.version),
        outcome: undo.outcome,
        action: undo.action,
        cause: None,
        rule: None,
        status: unit
            .link_after(&undo)
            .map_or(LinkStatus::Active, |link| link.status),
        brought_in: unit
            .link_after(&undo)
            .map_or(BroughtIn::ByCriteria, |link| link.brought_in),
        skip: undo.skip(),
        hash: 0,
        takes_from: None,
        login: account.and_then(|account| undo.new_login(account)),
        reason: undo.reason().map(Cow::Owned),
        role: None,
        fields: undo.fields,
    }
}

/// When all is decided: nobody gets a login that somebody else holds, and the last active owner stays. The brake is not
/// asked: a person wants it.
async fn settle(tx: &mut Tx, work: &Work, clock: &Clock) -> Result<State, Error> {
    if run_page::any_decision(tx.connection(), work.run).await? {
        settle::settle_logins(tx, work, true).await?;
        settle::spare_last_owner(tx, work).await?;
        contested::mark_late_of_revert(tx.connection(), work.run, work.organization).await?;
    }
    run_tally::tally(tx.connection(), work.run).await?;
    let state = run_plan::set_planned(tx.connection(), work.run, None, clock.now()).await?;
    if state == State::Planned {
        end::tell_ended(tx, work, clock).await?;
    }
    Ok(state)
}
