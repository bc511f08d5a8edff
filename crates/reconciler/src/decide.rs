//! One page, one transaction: load what the register knows, decide each object in the pure core, store the decisions.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use contracts::bus::v1::{Page, Source as WireSource};
use contracts::observed;
use domain::account::{Account, Kind};
use domain::decide::{Candidates, Cut, Holder, Known, Rules, decide, leavers_only, mapping_key, unusable};
use domain::decision::{BroughtIn, Decision, LinkStatus, LoginKey, Outcome, Skip};
use domain::id::{AccountId, ObjectId, OrganizationId, RunId};
use domain::observed::{Completeness, ObservedUser, Presence};
use domain::overwrite::Keys;
use service::Clock;
use store::candidate::{self, Found};
use store::decision::{self, Insert};
use store::link::{self, Row};
use store::run;
use store::run_page::{self, Source};
use store::run_plan::{self, ForPage, State, Work};
use store::{Store, StoreError, Tx, account, link_edit};
use uuid::Uuid;

use crate::error::Error;
use crate::metrics::Metrics;
use crate::plan;
use crate::rules::{self, RunRules};

/// Decides pages.
#[derive(Clone, Debug)]
pub struct Decider {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// The rules of the runs in work.
    pub known: rules::Known,
    /// What is counted.
    pub metrics: Metrics,
}

/// A page as the bus brought it, checked.
pub struct Batch {
    run: RunId,
    attempt: i32,
    number: i32,
    source: Source,
    objects: Vec<Uuid>,
    page: Page,
}

/// One object that has to be decided.
struct Case<'a> {
    place: usize,
    link: Option<Row>,
    /// It is as it was when it was left out: only the register may bring it in.
    unchanged: bool,
    observed: Result<ObservedUser<'a>, observed::DecodeError>,
}

impl Case<'_> {
    /// How the object came in, or comes in now.
    fn brought_in(&self, now: BroughtIn) -> BroughtIn {
        self.link.map_or(now, |link| link.brought_in.and(now))
    }
}

impl Batch {
    /// Checks a page. Errors name what is wrong with it.
    pub fn new(page: Page) -> Result<Self, Error> {
        let broken = |what: &str| Error::Page(what.to_owned());
        let run = Uuid::from_slice(&page.run_id).map_err(|_| broken("run_id is not a UUID"))?;
        let (ids, rest) = page.object_ids.as_chunks::<16>();
        if !rest.is_empty() || ids.len() != page.users.len() || ids.len() != page.hashes.len() {
            return Err(broken("object_ids, hashes and users differ in number"));
        }
        let source = match page.source() {
            WireSource::Listing => Source::Listing,
            WireSource::DeletedItems => Source::DeletedItems,
            WireSource::Delta => Source::Delta,
            WireSource::Manual => Source::Manual,
            WireSource::LookedUp => Source::LookedUp,
            WireSource::Managers => Source::Managers,
            WireSource::Unspecified => return Err(broken("source is not set")),
        };
        Ok(Self {
            run: RunId(run),
            attempt: i32::try_from(page.attempt).map_err(|_| broken("attempt is too large"))?,
            number: i32::try_from(page.number).map_err(|_| broken("number is too large"))?,
            source,
            objects: ids.iter().map(|id| Uuid::from_bytes(*id)).collect(),
            page,
        })
    }

    /// In a list, and of users looked up, everything was asked for; a delta tells what changed, and deleted items hold no
    /// manager.
    fn completeness(&self) -> Completeness {
        match self.source {
            Source::Listing | Source::Manual | Source::LookedUp | Source::Managers => Completeness::Whole,
            Source::DeletedItems | Source::Delta | Source::NotSeen | Source::TakenBack => {
                Completeness::Partial
            }
        }
    }

    /// How these users come in.
    fn brought_in(&self) -> BroughtIn {
        match self.source {
            Source::Manual => BroughtIn::ByHand,
            Source::Managers => BroughtIn::AsManager,
            Source::Listing
            | Source::DeletedItems
            | Source::Delta
            | Source::NotSeen
            | Source::LookedUp
            | Source::TakenBack => BroughtIn::ByCriteria,
        }
    }

    /// Whether everyone is decided, be they as they were or not: they were asked for one by one, and who was left out
    /// until now may come in.
    fn decides_all(&self) -> bool {
        matches!(self.source, Source::Manual | Source::LookedUp | Source::Managers)
    }

    /// What is remembered of the objects. A delta's row is not the whole object: it has no hash to remember.
    fn hashes(&self, rules: &RunRules) -> Vec<i64> {
        match self.source {
            Source::Delta | Source::NotSeen | Source::TakenBack => vec![0; self.objects.len()],
            Source::Listing | Source::DeletedItems | Source::Manual | Source::LookedUp | Source::Managers => {
                self.page
                    .hashes
                    .iter()
                    .map(|hash| rules.mix(*hash).cast_signed())
                    .collect()
            }
        }
    }
}

impl Decider {
    /// Stores the decisions of a page, once: a page that is decided already, or void, changes nothing.
    pub async fn decide(&self, batch: &Batch) -> Result<(), Error> {
        let begun = Instant::now();
        let mut tx = self.store.begin("decide.page").await?;
        let mut found = run_plan::share_for_page(tx.connection(), batch.run, batch.number).await?;
        if found
            .as_ref()
            .is_none_or(|found| found.open.attempt < batch.attempt)
        {
            tx.rollback().await?;
            let Some(work) = plan::work(&self.store, batch.run).await? else {
                return Ok(());
            };
            if work.cancel_requested || work.fetch.attempt != batch.attempt {
                return Ok(());
            }
            plan::ensure(&self.store, &self.known, &work, self.clock.now()).await?;
            tx = self.store.begin("decide.page").await?;
            found = run_plan::share_for_page(tx.connection(), batch.run, batch.number).await?;
        }
        let Some(ForPage { open, work, decided }) = found else {
            return Ok(());
        };
        let void = open.attempt != batch.attempt || work.fetch.attempt != batch.attempt;
        if void || decided || open.state != State::Planning || work.cancel_requested {
            return Ok(());
        }
        let rules = plan::rules(&mut tx, &self.known, &work, open).await?;
        match self.store_page(&mut tx, batch, &work, &rules).await {
            Ok(()) => tx.commit().await?,
            // Another copy was quicker with the same page.
            Err(Error::Store(StoreError::Duplicate { .. })) => return Ok(()),
            Err(error) => return Err(error),
        }
        self.metrics.pages.add(1, &[]);
        self.metrics.page_duration.record(begun.elapsed(), &[]);
        Ok(())
    }

    async fn store_page(
        &self,
        tx: &mut Tx,
        batch: &Batch,
        work: &Work,
        rules: &Arc<RunRules>,
    ) -> Result<(), Error> {
        let hashes = batch.hashes(rules);
        let decide_anew;
        let known_by = if batch.decides_all() {
            decide_anew = vec![0; hashes.len()];
            &decide_anew
        } else {
            &hashes
        };
        let mut insert = Insert::default();
        let mut fates = Vec::with_capacity(rules.kinds.len());
        for of_kind in &rules.kinds {
            let kind = (work.connection, of_kind.kind);
            let found = link::look_up(tx.connection(), kind, &batch.objects, known_by).await?;
            let mut left_out: HashMap<usize, Skip> = HashMap::new();
            let mut cases = Vec::with_capacity(found.len());
            for known in found {
                match known.link {
                    // Who is disabled comes in with an account that they match, and that may have come since.
                    Some(Row { skip: Some(skip), .. }) if known.unchanged && skip != Skip::Disabled => {
                        left_out.insert(known.place, skip);
                    }
                    link => cases.push(Case {
                        place: known.place,
                        link,
                        unchanged: known.unchanged,
                        observed: observed::decode(
                            ObjectId(batch.objects[known.place]),
                            batch.completeness(),
                            &batch.page.users[known.place],
                        ),
                    }),
                }
            }
            let mut fate = Fates {
                left_out,
                decided: HashMap::new(),
            };
            self.decide_cases(
                tx,
                (batch, work.kind),
                &cases,
                &hashes,
                (rules, of_kind),
                (&mut insert, &mut fate),
            )
            .await?;
            fates.push(fate);
        }
        self.push_unusable(batch, &mut insert);
        let counted = Fates::together(&fates);
        let page = run_page::Page {
            run: batch.run,
            number: batch.number,
            attempt: batch.attempt,
            source: batch.source,
            seen: batch.objects.clone(),
            skipped: counted
                .left_out
                .iter()
                .map(|(place, skip)| (batch.objects[*place], *skip))
                .collect(),
            unusable: i32::try_from(batch.page.unusable.len()).unwrap_or(i32::MAX),
            decisions: i32::try_from(insert.len()).unwrap_or(i32::MAX),
            fields: insert.fields(),
        };
        run_page::insert(tx.connection(), &page, self.clock.now()).await?;
        insert.send(tx.connection()).await?;
        decision::uncount(tx.connection(), (batch.run, batch.number), &counted.uncounted).await?;
        Ok(())
    }

    /// Decides them, and says what became of each.
    async fn decide_cases(
        &self,
        tx: &mut Tx,
        (batch, asked): (&Batch, run::Kind),
        cases: &[Case<'_>],
        hashes: &[i64],
        (rules, of_kind): (&RunRules, &Rules),
        (insert, fate): (&mut Insert, &mut Fates),
    ) -> Result<(), Error> {
        let linked: Vec<Uuid> = cases
            .iter()
            .filter_map(|case| case.link?.account)
            .map(|account| account.0)
            .collect();
        let accounts: HashMap<AccountId, Account> = account::load(tx.connection(), &linked)
            .await?
            .into_iter()
            .map(|account| (account.id, account))
            .collect();
        // Who is brought in comes in as one kind of record, an account before a person.
        let now = if rules
            .kinds
            .first()
            .is_some_and(|first| first.kind == of_kind.kind)
        {
            batch.brought_in()
        } else {
            BroughtIn::ByCriteria
        };
        let matches = Matches::find(tx, (batch, now), cases, (rules.organization, of_kind)).await?;
        for (index, case) in cases.iter().enumerate() {
            let linked = case
                .link
                .and_then(|link| link.account)
                .and_then(|id| accounts.get(&id));
            let known = Some(Known {
                account: linked,
                status: case.link.map_or(LinkStatus::Active, |link| link.status),
                brought_in: case.brought_in(now),
            });
            let (candidates, holders, cuts) = matches.of(index, batch.objects[case.place]);
            let reason;
            let decision = match &case.observed {
                Ok(observed) => decide(
                    observed,
                    hashes[case.place].cast_unsigned(),
                    known,
                    Candidates {
                        accounts: &candidates,
                        holders: &holders,
                        cuts: &cuts,
                    },
                    of_kind,
                    AccountId(self.clock.new_id()),
                ),
                Err(error) => {
                    reason = service::error::chain(error).to_string();
                    Decision {
                        object: Some(ObjectId(batch.objects[case.place])),
                        kind: of_kind.kind,
                        ..unusable(&reason)
                    }
                }
            };
            let decision = match asked {
                run::Kind::Deprovision => leavers_only(decision, known),
                _ => decision,
            };
            // A preview's plan may be applied late: it says nothing of whom nothing changes for. Who is left out for another
            // reason than before is shown with it.
            let waits = asked == run::Kind::Preview;
            if let Some(skip) = still_left_out(&decision, case) {
                fate.left_out.insert(case.place, skip);
            } else if says_something(&decision, case.link, waits) {
                self.metrics.count(&decision);
                let position = position(case.place, of_kind.kind);
                insert.push(batch.run, batch.number, position, &decision, case.link.is_some());
                fate.decided.insert(case.place, (decision.outcome, position));
            }
        }
        Ok(())
    }

    fn push_unusable(&self, batch: &Batch, insert: &mut Insert) {
        for (place, reason) in (batch.objects.len()..).zip(&batch.page.unusable) {
            let decision = unusable(reason);
            self.metrics.count(&decision);
            let position = position(place, Kind::Account);
            insert.push(batch.run, batch.number, position, &decision, false);
        }
    }
}

/// Where a decision stands in its page: those on people behind those on accounts.
fn position(place: usize, kind: Kind) -> i32 {
    let behind = match kind {
        Kind::Account => 0,
        Kind::Person => 500_000,
    };
    i32::try_from(place).unwrap_or(i32::MAX).saturating_add(behind)
}

/// What became of a page's objects as one kind of record, by place. Nothing changes for the others.
struct Fates {
    /// Left out as they were the last time.
    left_out: HashMap<usize, Skip>,
    /// What was decided, and where that stands.
    decided: HashMap<usize, (Outcome, i32)>,
}

/// What became of a page's objects as a whole.
struct Counted {
    left_out: Vec<(usize, Skip)>,
    /// Decisions to leave someone out for whom nothing changes as another kind of record.
    uncounted: Vec<i32>,
}

impl Fates {
    /// An object is left out when it is as every kind of record.
    fn together(fates: &[Self]) -> Counted {
        let nothing_changes =
            |of: &Self, place: &usize| !of.left_out.contains_key(place) && !of.decided.contains_key(place);
        let mut left_out = Vec::new();
        let mut uncounted = Vec::new();
        for (index, kind) in fates.iter().enumerate() {
            let others = || fates.iter().enumerate().filter(|(other, _)| *other != index);
            if index == 0 {
                left_out.extend(
                    kind.left_out
                        .iter()
                        .filter(|(place, _)| others().all(|(_, other)| other.left_out.contains_key(place)))
                        .map(|(place, skip)| (*place, *skip)),
                );
            }
            uncounted.extend(
                kind.decided
                    .iter()
                    .filter(|(place, (outcome, _))| {
                        *outcome == Outcome::Skipped
                            && others().any(|(_, other)| nothing_changes(other, place))
                    })
                    .map(|(_, (_, position))| *position),
            );
        }
        left_out.sort_unstable_by_key(|(place, _)| *place);
        Counted { left_out, uncounted }
    }
}

/// Why an object that is as it was is left out as it was: it needs no row, unless its link has something to remember.
fn still_left_out(decision: &Decision<'_>, case: &Case<'_>) -> Option<Skip> {
    let as_it_was = |link: &Row| {
        case.unchanged
            && link.account.is_none()
            && (link.skip, link.status) == (decision.skip, decision.status)
    };
    case.link
        .filter(|link| decision.outcome == Outcome::Skipped && as_it_was(link))?
        .skip
}

/// An unchanged object needs no row, unless its link has something to remember.
fn says_something(decision: &Decision<'_>, link: Option<Row>, remembers_nothing: bool) -> bool {
    decision.outcome != Outcome::Unchanged
        || (decision.hash != 0 && !remembers_nothing)
        || link.is_none_or(|link| link.status != decision.status || link.brought_in != decision.brought_in)
}

/// The accounts that the overwrite rules could hit, for the cases in scope that have no link.
#[derive(Default)]
struct Matches {
    found: Found,
    by_case: HashMap<usize, usize>,
    cuts: Vec<Cut>,
}

impl Matches {
    async fn find(
        tx: &mut Tx,
        (batch, now): (&Batch, BroughtIn),
        cases: &[Case<'_>],
        (organization, rules): (OrganizationId, &Rules),
    ) -> Result<Self, Error> {
        let mut by_case = HashMap::new();
        let mut users = Vec::new();
        for (index, case) in cases.iter().enumerate() {
            let linked = case.link.is_some_and(|link| link.account.is_some());
            match &case.observed {
                Ok(observed) if !linked && observed.presence == Presence::Present => {
                    if let Some(mapping) = rules.mapping_for(observed, case.brought_in(now)) {
                        by_case.insert(index, users.len());
                        users.push((observed, mapping));
                    }
                }
                _ => (),
            }
        }
        if users.is_empty() || !account::any(tx.connection(), organization).await? {
            return Ok(Self::default());
        }
        let found = match rules.kind {
            Kind::Account => {
                let keys: Vec<Keys> = users
                    .iter()
                    .map(|(observed, mapping)| Keys::of(observed, mapping))
                    .collect();
                candidate::find(tx.connection(), organization, &keys).await?
            }
            Kind::Person => {
                let keys: Vec<Option<LoginKey>> = users
                    .iter()
                    .map(|(observed, mapping)| mapping_key(observed, mapping))
                    .collect();
                candidate::find_people(tx.connection(), organization, &keys).await?
            }
        };
        let cuts = if found.accounts.is_empty() {
            Vec::new()
        } else {
            let objects: Vec<Uuid> = by_case
                .keys()
                .map(|index| batch.objects[cases[*index].place])
                .collect();
            link_edit::cuts(tx.connection(), rules.connection, &objects).await?
        };
        Ok(Self { found, by_case, cuts })
    }

    fn of(&self, case: usize, object: Uuid) -> (Vec<Account>, Vec<Holder>, Vec<AccountId>) {
        let ids = self
            .by_case
            .get(&case)
            .and_then(|user| self.found.by_user.get(*user));
        let Some(ids) = ids.filter(|ids| !ids.is_empty()) else {
            return Default::default();
        };
        let accounts = self
            .found
            .accounts
            .iter()
            .filter(|account| ids.contains(&account.id))
            .cloned()
            .collect();
        let holders = self
            .found
            .holders
            .iter()
            .filter(|holder| ids.contains(&holder.account))
            .copied();
        let cuts = self.cuts.iter().filter(|cut| cut.object.0 == object);
        (accounts, holders.collect(), cuts.map(|cut| cut.account).collect())
    }
}
