//! What a run did, and how that stands now: a constant number of queries for as many decisions as one likes.

use std::collections::HashMap;

use domain::account::{Account, Kind, Role, Status};
use domain::asset::Held;
use domain::decision::{Action, Outcome};
use domain::id::{AccountId, ObjectId, RunId};
use domain::leaver::Cause;
use domain::never_touch::{Entry, NeverTouch};
use domain::undo::{self, Change, LinkChange, LinkState, Made, Now, Standing, Undo};
use store::former_account::{self, Moved};
use store::former_link::{self, Changed, Key};
use store::revert::Done;
use store::run_plan::Work;
use store::{Inconsistent, StoreError, Tx, account, asset, fields, never_touch};
use uuid::Uuid;

use crate::error::Error;

/// Decisions of a run, with all that taking them back depends on.
pub struct Loaded {
    run: RunId,
    done: Vec<Done>,
    accounts: HashMap<AccountId, Account>,
    moved: HashMap<AccountId, Moved>,
    own: HashMap<(ObjectId, Kind), Changed>,
    displaced: HashMap<(ObjectId, Kind), Vec<Changed>>,
    links: HashMap<(ObjectId, Kind), LinkState>,
    holders: HashMap<AccountId, Vec<ObjectId>>,
    held: HashMap<AccountId, Held>,
    never_touch: NeverTouch,
}

/// One decision, and what it means to take it back.
pub struct Unit<'a> {
    /// The decision.
    pub done: &'a Done,
    /// The record as it is.
    pub account: Option<&'a Account>,
    /// The links that lost the record to the object.
    pub displaced: &'a [Changed],
    change: Change<'a>,
    others: Vec<ObjectId>,
    held: Option<&'a Held>,
    never_touch: Option<String>,
}

impl Loaded {
    /// Loads what these decisions of `run` did. `locked`: nobody else writes the accounts until the transaction ends.
    pub async fn of(
        tx: &mut Tx,
        work: &Work,
        run: RunId,
        done: Vec<Done>,
        locked: bool,
    ) -> Result<Self, Error> {
        let mut loaded = Self {
            run,
            accounts: HashMap::new(),
            moved: HashMap::new(),
            own: HashMap::new(),
            displaced: HashMap::new(),
            links: HashMap::new(),
            holders: HashMap::new(),
            held: HashMap::new(),
            never_touch: NeverTouch::default(),
            done,
        };
        if loaded.done.is_empty() {
            return Ok(loaded);
        }
        loaded.load_links(tx, work).await?;
        let mut ids: Vec<Uuid> = loaded
            .done
            .iter()
            .filter_map(|done| loaded.account_of(done))
            .map(|account| account.0)
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let accounts = if locked {
            account::load_for_update(tx.connection(), &ids).await?
        } else {
            account::load(tx.connection(), &ids).await?
        };
        loaded.accounts = accounts
            .into_iter()
            .map(|account| (account.id, account))
            .collect();
        let moved = former_account::load(tx.connection(), run, &ids).await?;
        loaded.moved = moved.into_iter().map(|moved| (moved.account, moved)).collect();
        let shared = loaded.may_be_shared();
        for (account, object) in former_link::holders(tx.connection(), &shared).await? {
            loaded.holders.entry(account).or_default().push(object);
        }
        // Nobody gets an asset while the account is locked.
        let deleted = loaded.may_be_deleted();
        loaded.held = asset::held_by(tx.connection(), &deleted).await?;
        loaded.never_touch =
            never_touch::of_connection(tx.connection(), work.organization, work.connection).await?;
        Ok(loaded)
    }

    async fn load_links(&mut self, tx: &mut Tx, work: &Work) -> Result<(), Error> {
        let objects: Vec<Uuid> = self.done.iter().map(|done| done.object.0).collect();
        let kinds: Vec<i16> = self.done.iter().map(|done| done.kind as i16).collect();
        let mut distinct = objects.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let of = (self.run, work.connection);
        for changed in former_link::changed(tx.connection(), of, &distinct).await? {
            if changed.because_of == changed.key.object {
                self.own.insert((changed.key.object, changed.key.kind), changed);
            } else {
                let taker = (changed.because_of, changed.key.kind);
                self.displaced.entry(taker).or_default().push(changed);
            }
        }
        let now = former_link::now(tx.connection(), work.connection, (&objects, &kinds)).await?;
        self.links = now
            .into_iter()
            .map(|(object, kind, state)| ((object, kind), state))
            .collect();
        Ok(())
    }

    /// The record that a decision is about; of a failed one that its link has.
    fn account_of(&self, done: &Done) -> Option<AccountId> {
        done.account.or_else(|| {
            let own = self.own.get(&(done.object, done.kind))?;
            own.change.after?.account
        })
    }

    /// Records that must have no other object when they are deleted, or given back to one.
    fn may_be_shared(&self) -> Vec<Uuid> {
        let mut records: Vec<Uuid> = self
            .done
            .iter()
            .filter(|done| {
                let place = (done.object, done.kind);
                let changed = self.own.get(&place);
                let gives_back = changed.and_then(|own| own.change.before?.account).is_some();
                done.outcome == Outcome::Added || gives_back || self.displaced.contains_key(&place)
            })
            .filter_map(|done| self.account_of(done))
            .map(|account| account.0)
            .collect();
        records.sort_unstable();
        records.dedup();
        records
    }

    /// Records that the run made or brought back from among the deleted ones.
    fn may_be_deleted(&self) -> Vec<Uuid> {
        let made = self.done.iter().filter(|done| done.outcome == Outcome::Added);
        let made = made.filter_map(|done| done.account);
        let restored = self.moved.values();
        let restored = restored.filter(|moved| moved.before.status == Status::Deleted);
        made.chain(restored.map(|moved| moved.account))
            .map(|account| account.0)
            .collect()
    }

    /// Whether the object has a link now.
    pub fn has_link(&self, done: &Done) -> bool {
        self.links.contains_key(&(done.object, done.kind))
    }

    /// Each decision.
    pub fn units(&self) -> Result<Vec<Unit<'_>>, StoreError> {
        self.done.iter().map(|done| self.unit(done)).collect()
    }

    fn unit<'a>(&'a self, done: &'a Done) -> Result<Unit<'a>, StoreError> {
        let account = self.account_of(done).and_then(|id| self.accounts.get(&id));
        let displaced = self.displaced.get(&(done.object, done.kind));
        let displaced = displaced.map_or(&[][..], Vec::as_slice);
        let fields = fields::decode(&done.fields).ok_or_else(|| {
            let place = format!("{} {} {}", self.run, done.page, done.position);
            Inconsistent::new("run_page", "fields", place)
        })?;
        let moved = account.and_then(|account| self.moved.get(&account.id));
        let made = match (done.outcome, moved) {
            (Outcome::Added, _) => Made::Created {
                standing: created(done),
                role: done.role.unwrap_or(Role::User),
            },
            (_, Some(moved)) => Made::Moved {
                before: moved.before,
                after: moved.after,
            },
            (_, None) => Made::Untouched,
        };
        let others = account
            .and_then(|account| self.holders.get(&account.id))
            .map(|holders| {
                holders
                    .iter()
                    .copied()
                    // Whoever gets or gives up the record with the same decision shares it with nobody.
                    .filter(|object| {
                        *object != done.object && displaced.iter().all(|link| link.key.object != *object)
                    })
                    .collect()
            })
            .unwrap_or_default();
        let kept = self.never_touch.hit_unseen(done.object, account);
        Ok(Unit {
            done,
            account,
            held: account.and_then(|account| self.held.get(&account.id)),
            never_touch: kept.map(Entry::reason),
            displaced,
            change: Change {
                made,
                fields,
                link: self.link(done),
                displaced: displaced.iter().map(|link| link.change).collect(),
                review_open: done.review_open,
            },
            others,
        })
    }

    /// What the run did to the object's own link, if anything.
    fn link(&self, done: &Done) -> Option<LinkChange> {
        let place = (done.object, done.kind);
        let now = self.links.get(&place).copied();
        if let Some(own) = self.own.get(&place) {
            return Some(LinkChange { now, ..own.change });
        }
        if done.had_link
            || matches!(
                done.outcome,
                Outcome::Skipped | Outcome::Failed | Outcome::Unchanged
            )
        {
            return None;
        }
        Some(LinkChange {
            before: None,
            after: Some(LinkState {
                account: done.account,
                status: done.status,
                brought_in: done.brought_in,
            }),
            now,
        })
    }
}

/// The standing of a new record.
fn created(done: &Done) -> Standing {
    let (status, deactivated_for): (Status, Option<Cause>) = match done.action {
        Action::CreateDeactivated => (Status::Deactivated, done.cause),
        _ => (Status::Active, None),
    };
    Standing {
        status,
        deactivated_for,
    }
}

impl<'a> Unit<'a> {
    /// Whether the run did nothing that could be taken back. Of a record that was purged since nothing is left.
    pub fn is_empty(&self) -> bool {
        let purged = self.account.is_none() && self.done.account.is_some();
        purged || self.did_nothing()
    }

    fn did_nothing(&self) -> bool {
        self.change.made == Made::Untouched
            && self.change.fields.is_empty()
            && self.change.link.is_none()
            && self.displaced.is_empty()
            && !self.change.review_open
    }

    /// What taking it back comes to now.
    pub fn undo(&'a self) -> Undo<'a> {
        let now = Now {
            account: self.account,
            others: &self.others,
            held: self.held,
            never_touch: self.never_touch.as_deref(),
        };
        undo::undo(&self.change, now)
    }

    /// What the object's link will say.
    pub fn link_after(&self, undo: &Undo<'_>) -> Option<LinkState> {
        let link = self.change.link?;
        if undo.link { link.before } else { link.now }
    }

    /// The links that are put back, each with the object whose decision changed it.
    pub fn links_back(&self, undo: &Undo<'_>, work: &Work) -> Vec<(Key, ObjectId)> {
        let own = Key {
            connection: work.connection,
            object: self.done.object,
            kind: self.done.kind,
        };
        let own = undo.link.then_some((own, self.done.object));
        let displaced = self
            .displaced
            .iter()
            .filter(|link| undo.displaced && link.change.is_as_left())
            .map(|link| (link.key, self.done.object));
        own.into_iter().chain(displaced).collect()
    }
}
