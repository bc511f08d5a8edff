//! What the register must be after a run, worked out in this process: from the tenant and from what the register held
//! before, by the pure rules of `domain`, and with none of the services' code. No pages, no messages, no transactions: a run
//! is one function.

pub mod observe;
pub mod register;
mod settle;
pub mod undo;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::account::{Account, Kind, Role, Status, fold};
use domain::brake::Brake;
use domain::decide::{Candidates, Holder, Known, Rules, decide, held_login, leavers_only, not_seen};
use domain::decision::{Action, BroughtIn, Decision, LinkStatus, LoginKey, Outcome, Skip};
use domain::field::Field;
use domain::id::{AccountId, ConnectionId, MappingId, ObjectId};
use domain::leaver::{Cause, Policies, Removal};
use domain::mapping::Mapping;
use domain::never_touch::NeverTouch;
use domain::observed::{ObservedUser, Presence};
use domain::overwrite::{Keys, Rule};
use uuid::Uuid;

pub use observe::{Directory, Reading, Told};
use register::Register;

/// The register, and what it is decided by.
#[derive(Clone, Debug)]
pub struct Oracle {
    rules: Rules,
    brake: Brake,
    accounts: BTreeMap<AccountId, Account>,
    links: BTreeMap<ObjectId, Link>,
    /// Open reviews, with what they propose.
    reviews: Reviews,
    /// Reviews of records that a person said to keep.
    kept: BTreeSet<(ObjectId, AccountId, u8)>,
    /// Accounts that a person took objects away from.
    cuts: BTreeSet<(ObjectId, AccountId)>,
    made: u128,
    /// What was decided on each object, run by run: for whoever looks for a mistake.
    stories: BTreeMap<ObjectId, Vec<String>>,
}

/// Open reviews: of which object and account, for which cause, and what they propose.
pub type Reviews = BTreeMap<(ObjectId, AccountId, u8), Removal>;

/// What the register knows of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its account; none for one that was left out.
    pub account: Option<AccountId>,
    /// Where the object is.
    pub status: LinkStatus,
    /// Why it was left out.
    pub skip: Option<Skip>,
    /// How it came in.
    pub brought_in: BroughtIn,
}

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Distinct objects that were read.
    pub seen: usize,
    /// Linked objects that were found gone.
    pub gone: usize,
    /// What each object came to, by which rule; those that are unchanged aside.
    pub outcomes: BTreeMap<ObjectId, (Outcome, Option<Rule>)>,
    /// How many accounts became active again.
    pub reactivated: usize,
}

/// What a run would do: every decision, settled.
#[derive(Clone, Debug)]
pub struct Plan {
    /// In numbers and outcomes.
    pub done: Done,
    /// What it was told.
    told: Extent,
    decided: BTreeMap<ObjectId, Decided>,
}

/// How much of the directory a run read, for all that is known when it is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// What has changed.
    Changes,
    /// Some, as a whole.
    Some,
    /// Everybody.
    Everybody,
}

impl Plan {
    /// The plan of a preview, which may be applied late: it says nothing of those for whom nothing changes.
    pub fn of_preview(self) -> Self {
        Self {
            told: Extent::Changes,
            ..self
        }
    }
}

/// One decision, with everything its own.
#[derive(Clone, Debug)]
struct Decided {
    object: ObjectId,
    label: String,
    account: Option<AccountId>,
    outcome: Outcome,
    action: Action,
    cause: Option<Cause>,
    rule: Option<Rule>,
    status: LinkStatus,
    skip: Option<Skip>,
    brought_in: BroughtIn,
    takes_from: Option<ObjectId>,
    login: Option<LoginKey>,
    role: Option<Role>,
    fields: Vec<(Field, Option<String>)>,
    /// Nothing changes, whenever it is applied.
    aside: bool,
}

impl Oracle {
    /// With these accounts, of which a directory has not been told yet; a mapping without rows, that overrides by e-mail;
    /// and the policies and the brake that are there when nobody asks for others.
    pub fn new(accounts: BTreeMap<AccountId, Account>) -> Self {
        let mut mapping = Mapping::new(
            MappingId(Uuid::nil()),
            "of the oracle".to_owned(),
            Role::User,
            Vec::new(),
        );
        mapping.override_by_email = true;
        Self {
            rules: Rules {
                kind: Kind::Account,
                connection: ConnectionId(Uuid::nil()),
                mappings: vec![mapping],
                policies: Policies::default(),
                never_touch: NeverTouch::default(),
            },
            brake: Brake::default(),
            accounts,
            links: BTreeMap::new(),
            reviews: BTreeMap::new(),
            kept: BTreeSet::new(),
            cuts: BTreeSet::new(),
            made: 0,
            stories: BTreeMap::new(),
        }
    }

    /// With what the register holds, and decided by these rules: for one run.
    pub fn knowing(register: Register, rules: Rules, brake: Brake) -> Self {
        Self {
            rules,
            brake,
            links: register.links,
            reviews: register.reviews,
            kept: register.kept,
            cuts: register.cuts,
            ..Self::new(register.accounts)
        }
    }

    /// What the rules are.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// What is known of an object.
    pub fn link(&self, object: &ObjectId) -> Option<&Link> {
        self.links.get(object)
    }

    /// What was decided on an object, run by run.
    pub fn story(&self, object: &ObjectId) -> String {
        self.stories
            .get(object)
            .map_or_else(String::new, |story| story.join("\n    "))
    }

    /// Whether an object in the directory has an account, so that a delta needs to tell no more than its changes.
    pub fn has_account(&self, object: &ObjectId) -> bool {
        self.links
            .get(object)
            .is_some_and(|link| link.account.is_some() && link.status.is_as_it_was())
    }

    /// Decides and applies a run that read this.
    pub fn run(&mut self, reading: &Reading) -> Done {
        let plan = self.plan(reading);
        let done = plan.done.clone();
        self.apply(plan, None);
        done
    }

    /// Decides a run that read this.
    pub fn plan(&mut self, reading: &Reading) -> Plan {
        let mut decided: BTreeMap<ObjectId, Decided> = BTreeMap::new();
        let index = Index::of(&self.accounts);
        for observed in &reading.users {
            let id = self.fresh();
            let now = reading.brought_in.get(&observed.id).copied().unwrap_or_default();
            let decision = self.decide(observed, &index, (id, now), reading.leavers_only);
            decided.insert(observed.id, decision);
        }
        let mut gone = 0;
        if reading.complete {
            for (object, link) in &self.links {
                let account = link.account.and_then(|id| self.accounts.get(&id));
                if let Some(account) = account.filter(|_| !decided.contains_key(object))
                    && let Some(decision) = not_seen(
                        *object,
                        account,
                        link.status,
                        self.rules.policies,
                        &self.rules.never_touch,
                    )
                {
                    gone += 1;
                    decided.insert(*object, own(&decision));
                }
            }
        }
        settle::settle(self, &mut decided, reading);
        for one in decided.values_mut() {
            let was = self.links.get(&one.object);
            let nothing = one.outcome == Outcome::Unchanged
                || (one.outcome == Outcome::Skipped && one.account.is_none());
            one.aside = nothing && was == Some(&one.link());
            self.stories.entry(one.object).or_default().push(format!(
                "{:?}",
                Decided {
                    fields: Vec::new(),
                    ..one.clone()
                }
            ));
        }
        let done = Done {
            seen: reading.users.len(),
            gone,
            reactivated: decided
                .values()
                .filter(|one| one.outcome == Outcome::Updated && one.action == Action::Reactivate)
                .count(),
            outcomes: decided
                .values()
                .filter(|one| one.outcome != Outcome::Unchanged)
                .map(|one| (one.object, (one.outcome, one.rule)))
                .collect(),
        };
        let told = match (reading.delta, reading.complete) {
            (true, _) => Extent::Changes,
            (false, true) => Extent::Everybody,
            (false, false) => Extent::Some,
        };
        Plan { done, told, decided }
    }

    fn decide(
        &self,
        observed: &ObservedUser<'_>,
        index: &Index,
        (new_account, now): (AccountId, BroughtIn),
        leavers_alone: bool,
    ) -> Decided {
        let link = self.links.get(&observed.id);
        let known = Some(Known {
            account: link.and_then(|link| self.accounts.get(&link.account?)),
            status: link.map_or(LinkStatus::Active, |link| link.status),
            brought_in: link.map_or(now, |link| link.brought_in.and(now)),
        });
        let unlinked = known.is_none_or(|known| known.account.is_none());
        let accounts = if unlinked && observed.presence == Presence::Present {
            index.candidates(&Keys::of(observed, &self.rules.mappings[0]), &self.accounts)
        } else {
            Vec::new()
        };
        let holders: Vec<Holder> = self
            .links
            .iter()
            .filter_map(|(object, link)| {
                let account = accounts.iter().find(|account| Some(account.id) == link.account)?;
                Some(Holder {
                    account: account.id,
                    connection: self.rules.connection,
                    object: *object,
                    status: link.status,
                })
            })
            .collect();
        let cuts: Vec<AccountId> = self
            .cuts
            .iter()
            .filter(|(object, _)| *object == observed.id)
            .map(|(_, account)| *account)
            .collect();
        let candidates = Candidates {
            accounts: &accounts,
            holders: &holders,
            cuts: &cuts,
        };
        let decision = decide(observed, 1, known, candidates, &self.rules, new_account);
        own(&if leavers_alone {
            leavers_only(decision, known)
        } else {
            decision
        })
    }

    /// Applies a plan to its end, or, of one that was broken off, what it had come to.
    pub fn apply(&mut self, plan: Plan, reached: Option<&BTreeSet<ObjectId>>) {
        let mut failed = Vec::new();
        let told = plan.told;
        let busy: BTreeSet<AccountId> = plan
            .decided
            .values()
            .filter(|one| matches!(one.outcome, Outcome::Updated | Outcome::Removed | Outcome::Held))
            .filter_map(|one| one.account)
            .collect();
        let came_to = |one: &Decided| reached.is_none_or(|reached| reached.contains(&one.object));
        for one in plan.decided.into_values().filter(came_to) {
            if one.outcome == Outcome::Failed {
                failed.push(one.object);
                continue;
            }
            if one.aside {
                let whole = matches!(one.status, LinkStatus::Disabled | LinkStatus::OutOfScope);
                if whole && told != Extent::Changes {
                    self.ask(&one);
                }
                continue;
            }
            if let (Some(account), Some(_)) = (one.account, one.takes_from) {
                self.take_away(account, one.object);
            }
            match one.outcome {
                Outcome::Added => self.create(&one),
                _ => self.change(&one),
            }
            self.remember(&one);
            self.ask(&one);
        }
        let nobody_failed = failed.is_empty();
        if reached.is_none() {
            for object in failed {
                if let Some(link) = self.links.get_mut(&object).filter(|link| link.account.is_some()) {
                    link.status = LinkStatus::Conflict;
                }
            }
        }
        if reached.is_none() && told == Extent::Everybody && nobody_failed {
            self.ask_no_more(&busy);
        }
    }

    /// The policy asks for nothing more about those who are deleted or gone, and about whom there was nothing to decide.
    fn ask_no_more(&mut self, busy: &BTreeSet<AccountId>) {
        let links = &self.links;
        self.reviews.retain(|(object, account, cause), _| {
            let away = links.get(object).filter(|link| {
                matches!(link.status, LinkStatus::SoftDeleted | LinkStatus::Gone)
                    && cause_of(link.status) == Some(*cause)
                    && link.account == Some(*account)
            });
            away.is_none() || busy.contains(account)
        });
    }

    /// Whoever else held the account is left out, and nothing is asked of them about it any more.
    fn take_away(&mut self, account: AccountId, by: ObjectId) {
        for (object, link) in &mut self.links {
            if link.account == Some(account) && *object != by {
                link.account = None;
                link.skip = Some(Skip::Superseded);
                link.brought_in = BroughtIn::ByCriteria;
            }
        }
        self.reviews
            .retain(|(object, of, _), _| *of != account || *object == by);
    }

    fn remember(&mut self, one: &Decided) {
        let had_link = self.links.contains_key(&one.object);
        let stays = one.not_dealt_with() || (one.skip == Some(Skip::NeverTouch) && had_link);
        if stays {
            return;
        }
        self.links.insert(one.object, one.link());
    }

    fn create(&mut self, one: &Decided) {
        let id = one.account.expect("an added account has an id");
        let away = one.action == Action::CreateDeactivated;
        let mut account = Account {
            kind: Kind::Account,
            id,
            version: 1,
            role: one.role.expect("an added account has a role"),
            status: if away { Status::Deactivated } else { Status::Active },
            deactivated_for: one.cause.filter(|_| away),
            values: [const { None }; Field::COUNT],
        };
        for (field, value) in &one.fields {
            account.values[*field as usize].clone_from(value);
        }
        self.accounts.insert(id, account);
    }

    fn change(&mut self, one: &Decided) {
        let moves = one.outcome != Outcome::Held
            && matches!(
                one.action,
                Action::Deactivate | Action::Delete | Action::Reactivate
            );
        let Some(account) = one.account.and_then(|id| self.accounts.get_mut(&id)) else {
            return;
        };
        if one.fields.is_empty() && !moves {
            return;
        }
        account.version += 1;
        for (field, value) in &one.fields {
            account.values[*field as usize].clone_from(value);
        }
        if moves {
            account.status = match one.action {
                Action::Deactivate => Status::Deactivated,
                Action::Delete => Status::Deleted,
                _ => Status::Active,
            };
            account.deactivated_for = one.cause.filter(|_| account.status != Status::Active);
        }
    }

    /// Reviews whose cause has ended close; a held removal opens one.
    fn ask(&mut self, one: &Decided) {
        if one.not_dealt_with() {
            return;
        }
        let untouched = one.skip == Some(Skip::NeverTouch);
        // Nothing is asked where the policy asks for nothing more.
        let settled = matches!(one.outcome, Outcome::Unchanged | Outcome::Updated) && one.cause.is_some();
        let cause = cause_of(one.status).filter(|_| !untouched && !settled);
        self.reviews.retain(|(object, account, asked), _| {
            *object != one.object || (Some(*account) == one.account && Some(*asked) == cause)
        });
        if one.outcome == Outcome::Removed {
            // What has been done is not asked any more.
            let (delete, account) = (one.action == Action::Delete, one.account);
            self.reviews.retain(|(object, of, _), proposed| {
                (*object, Some(*of)) != (one.object, account) || !delete && *proposed == Removal::Delete
            });
        }
        if one.outcome == Outcome::Held {
            let cause = one.cause.expect("a held removal has a cause") as u8;
            let account = one.account.expect("a held removal has an account");
            let proposed = if one.action == Action::Delete {
                Removal::Delete
            } else {
                Removal::Deactivate
            };
            self.reviews
                .entry((one.object, account, cause))
                .or_insert(proposed);
        }
    }

    fn fresh(&mut self) -> AccountId {
        self.made += 1;
        AccountId(Uuid::from_u128(self.made))
    }

    /// Linked records that are not deleted, and how many of them are active.
    fn linked(&self) -> (usize, usize) {
        let accounts: Vec<&Account> = self
            .links
            .values()
            .filter_map(|link| self.accounts.get(&link.account?))
            .filter(|account| account.status != Status::Deleted)
            .collect();
        let active = accounts
            .iter()
            .filter(|account| account.status == Status::Active)
            .count();
        (accounts.len(), active)
    }
}

impl Decided {
    /// What its link is to say.
    fn link(&self) -> Link {
        Link {
            account: self.account,
            status: self.status,
            skip: self.skip.filter(|_| self.account.is_none()),
            brought_in: self.account.map_or(BroughtIn::ByCriteria, |_| self.brought_in),
        }
    }

    /// The run has left everything about the object as it was.
    const fn not_dealt_with(&self) -> bool {
        matches!(
            self.skip,
            Some(Skip::Unproved | Skip::Cancelled | Skip::LeaversOnly)
        )
    }
}

impl Done {
    /// How many objects came to this.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.outcomes.values().filter(|(own, _)| *own == outcome).count()
    }

    /// How many accounts were taken by rules 2 to 6.
    pub fn overwritten(&self) -> usize {
        self.outcomes
            .values()
            .filter(|(outcome, rule)| {
                *outcome == Outcome::Updated && rule.is_some_and(|rule| rule > Rule::ObjectId)
            })
            .count()
    }

    /// Those of which nothing else is said.
    pub fn unchanged(&self) -> usize {
        self.seen + self.gone - self.outcomes.len()
    }
}

/// The cause, as reviews number it, for which an object in this place leaves.
pub fn cause_of(status: LinkStatus) -> Option<u8> {
    match status {
        LinkStatus::Active | LinkStatus::Conflict => None,
        LinkStatus::Disabled => Some(Cause::Disabled as u8),
        LinkStatus::SoftDeleted => Some(Cause::SoftDeleted as u8),
        LinkStatus::Gone => Some(Cause::Gone as u8),
        LinkStatus::OutOfScope => Some(Cause::OutOfScope as u8),
    }
}

fn own(decision: &Decision<'_>) -> Decided {
    let object = decision.object.expect("the simulator's users have ids");
    let label = decision.upn.as_deref().or(decision.name.as_deref());
    Decided {
        object,
        label: label.map_or_else(|| object.to_string(), str::to_owned),
        account: decision.account,
        outcome: decision.outcome,
        action: decision.action,
        cause: decision.cause,
        rule: decision.rule,
        status: decision.status,
        skip: decision.skip,
        brought_in: decision.brought_in,
        takes_from: decision.takes_from,
        login: decision.login.clone(),
        role: decision.role,
        fields: decision
            .fields
            .iter()
            .map(|change| (change.field, change.new.as_deref().map(str::to_owned)))
            .collect(),
        aside: false,
    }
}

/// The login that an account holds; a deleted one holds none.
fn login_of(account: &Account) -> Option<LoginKey> {
    held_login(account).filter(|_| account.status != Status::Deleted)
}

/// Accounts by the folded values that any overwrite rule looks at: asking the rules about every account for every user
/// would take minutes.
struct Index(HashMap<String, Vec<AccountId>>);

impl Index {
    fn of(accounts: &BTreeMap<AccountId, Account>) -> Self {
        let mut by_value: HashMap<String, Vec<AccountId>> = HashMap::new();
        for account in accounts.values() {
            for field in [Field::Upn, Field::LookupGuid, Field::Login, Field::Email] {
                if let Some(value) = account.value(field) {
                    by_value.entry(fold(value)).or_default().push(account.id);
                }
            }
        }
        Self(by_value)
    }

    /// At least every account that a rule could hit.
    fn candidates(&self, keys: &Keys, accounts: &BTreeMap<AccountId, Account>) -> Vec<Account> {
        let asked = [
            &keys.on_premises_upn,
            &keys.lookup_guid,
            &keys.on_premises_sam,
            &keys.login,
            &keys.email,
        ];
        let mut ids: Vec<AccountId> = asked
            .into_iter()
            .flatten()
            .filter_map(|value| self.0.get(value))
            .flatten()
            .copied()
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids.iter().filter_map(|id| accounts.get(id)).cloned().collect()
    }
}
