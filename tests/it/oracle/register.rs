//! The register as it is, and how it differs from what it must be.

use std::collections::{BTreeMap, BTreeSet};

use domain::account::{Account, Kind, Role, Status, Values};
use domain::decision::{BroughtIn, LinkStatus, Outcome, Skip};
use domain::field::Field;
use domain::id::{AccountId, ObjectId, OrganizationId, RunId};
use domain::leaver::{Cause, Removal};
use domain::overwrite::Rule;
use local::postgres::Access;
use local::stack::DATABASE;
use serde_json::Value;

use super::{Done, Link, Oracle, Reviews, login_of};

/// Differences that are shown; the first are enough to find the mistake.
const SHOWN: usize = 12;

/// What the register holds of one organization.
#[derive(Clone, Debug)]
pub struct Register {
    /// Every account.
    pub accounts: BTreeMap<AccountId, Account>,
    /// Every object that it knows of.
    pub links: BTreeMap<ObjectId, Link>,
    /// Open reviews.
    pub reviews: Reviews,
    /// The runs that opened them.
    pub asked_by: BTreeMap<(ObjectId, AccountId, u8), RunId>,
    /// Reviews of records that a person said to keep.
    pub kept: BTreeSet<(ObjectId, AccountId, u8)>,
    /// Accounts that a person took objects away from, and did not give back.
    pub cuts: BTreeSet<(ObjectId, AccountId)>,
    logins: BTreeMap<AccountId, Option<(String, String)>>,
}

impl Register {
    /// Reads it.
    pub async fn load(access: &Access, of: OrganizationId) -> Self {
        let accounts = rows(
            access,
            &format!("SELECT row_to_json(a) AS row FROM account a WHERE organization_id = '{of}'"),
        )
        .await;
        let links = rows(
            access,
            &format!("SELECT row_to_json(l) AS row FROM link l WHERE organization_id = '{of}'"),
        )
        .await;
        let reviews = rows(
            access,
            &format!(
                "SELECT row_to_json(r) AS row FROM review r
                 WHERE organization_id = '{of}' AND state IN ('open', 'kept')"
            ),
        )
        .await;
        let (mut opened, mut kept) = (BTreeMap::new(), BTreeSet::new());
        let mut asked_by = BTreeMap::new();
        for row in &reviews {
            let key = (
                object(row),
                text(row, "account_id").unwrap().parse().unwrap(),
                number(row, "cause").try_into().unwrap(),
            );
            if text(row, "state") == Some("kept") {
                kept.insert(key);
                continue;
            }
            let proposed = Removal::of_key(text(row, "proposed").unwrap()).unwrap();
            asked_by.insert(key, text(row, "run_id").unwrap().parse().unwrap());
            let before = opened.insert(key, proposed);
            assert_eq!(before, None, "two open reviews about one thing: {row}");
        }
        let edits = rows(
            access,
            &format!(
                "SELECT row_to_json(e) AS row FROM link_edit e WHERE organization_id = '{of}' ORDER BY edited_at"
            ),
        )
        .await;
        let mut cuts = BTreeSet::new();
        for row in &edits {
            let of = |key: &str| text(row, key).map(|id| id.parse::<AccountId>().unwrap());
            if let Some(to) = of("to_account_id") {
                cuts.remove(&(object(row), to));
            }
            if let Some(from) = of("from_account_id") {
                cuts.insert((object(row), from));
            }
        }
        Self {
            logins: accounts
                .iter()
                .map(|row| (account_id(row), login_key(row)))
                .collect(),
            accounts: accounts
                .iter()
                .map(|row| (account_id(row), account(row)))
                .collect(),
            links: links.iter().map(|row| (object(row), link(row))).collect(),
            reviews: opened,
            asked_by,
            kept,
            cuts,
        }
    }

    /// Fails where the register is not as it must be. Accounts that the runs made have other ids here and there: they are
    /// told apart by the object that they were made for.
    pub fn assert_is(&self, oracle: &Oracle, when: &str) {
        let mut found = Vec::new();
        self.compare_links(oracle, &mut found);
        self.compare_accounts(oracle, &mut found);
        let made = self.made(oracle);
        let asked: Reviews = oracle
            .reviews
            .iter()
            .map(|((object, account, cause), proposed)| {
                let account = made.get(account).unwrap_or(account);
                ((*object, *account, *cause), *proposed)
            })
            .collect();
        if self.reviews != asked {
            found.push(differing("reviews", &self.reviews, &asked));
        }
        self.check_logins(&mut found);
        let count = found.len();
        found.truncate(SHOWN);
        assert!(count == 0, "{when}: {count} differences\n{}", found.join("\n"));
    }

    /// Fails where the register is not this one: accounts but for their versions, links that hold an account, reviews.
    pub fn assert_is_as(&self, should: &Self, when: &str) {
        let mut found = Vec::new();
        let bare = |accounts: &BTreeMap<AccountId, Account>| -> BTreeMap<AccountId, String> {
            let told = |account: &Account| {
                format!(
                    "{:?}",
                    Account {
                        version: 0,
                        ..account.clone()
                    }
                )
            };
            accounts
                .iter()
                .map(|(id, account)| (*id, told(account)))
                .collect()
        };
        let (is, wanted) = (bare(&self.accounts), bare(&should.accounts));
        if is != wanted {
            found.push(differing("accounts", &is, &wanted));
        }
        let held = |links: &BTreeMap<ObjectId, Link>| -> BTreeMap<ObjectId, Link> {
            let held = links.iter().filter(|(_, link)| link.account.is_some());
            held.map(|(object, link)| (*object, *link)).collect()
        };
        let (is, wanted) = (held(&self.links), held(&should.links));
        if is != wanted {
            found.push(differing("links", &is, &wanted));
        }
        if self.reviews != should.reviews {
            found.push(differing("reviews", &self.reviews, &should.reviews));
        }
        self.check_logins(&mut found);
        assert!(found.is_empty(), "{when}:\n{}", found.join("\n"));
    }

    fn compare_links(&self, oracle: &Oracle, found: &mut Vec<String>) {
        let objects: BTreeSet<&ObjectId> = self.links.keys().chain(oracle.links.keys()).collect();
        for object in objects {
            let bare = |link: &Link| (link.account.is_some(), link.status, link.skip, link.brought_in);
            let (is, should) = (self.links.get(object), oracle.links.get(object));
            if is.map(bare) != should.map(bare) {
                found.push(format!("link of {object}\n  is {is:?}\n  should be {should:?}"));
            }
        }
    }

    fn compare_accounts(&self, oracle: &Oracle, found: &mut Vec<String>) {
        if self.accounts.len() != oracle.accounts.len() {
            found.push(format!(
                "{} accounts, should be {}",
                self.accounts.len(),
                oracle.accounts.len()
            ));
        }
        let made = self.made(oracle);
        for (id, should) in &oracle.accounts {
            let here = made.get(id).unwrap_or(id);
            match self.accounts.get(here) {
                None => found.push(format!("there is no account {}", should.label())),
                Some(is) => found.extend(account_difference(is, should)),
            }
        }
    }

    /// The accounts here of those that the oracle made, or told by the same object.
    fn made(&self, oracle: &Oracle) -> BTreeMap<AccountId, AccountId> {
        let mut made = BTreeMap::new();
        for (object, link) in &oracle.links {
            let here = self.links.get(object).and_then(|link| link.account);
            if let (Some(there), Some(here)) = (link.account, here) {
                made.insert(there, here);
            }
        }
        made
    }

    fn check_logins(&self, found: &mut Vec<String>) {
        for account in self.accounts.values() {
            let key = login_of(account).map(|key| (key.login, key.domain));
            if self.logins[&account.id] != key {
                found.push(format!(
                    "{} holds the login {:?}, should hold {key:?}",
                    account.label(),
                    self.logins[&account.id]
                ));
            }
        }
    }
}

/// Fails where a run is not told as it must be: its tallies, and what it did with each object.
pub async fn assert_run(access: &Access, run: RunId, done: &Done, oracle: &Oracle) {
    let plan = rows(
        access,
        &format!("SELECT row_to_json(p) AS row FROM run_plan p WHERE run_id = '{run}'"),
    )
    .await;
    let told = |key: &str| usize::try_from(number(&plan[0], key)).unwrap();
    let outcomes = stored_outcomes(access, run).await;
    let mut both = outcomes.keys().chain(done.outcomes.keys());
    let story = both
        .find(|object| outcomes.get(object) != done.outcomes.get(object))
        .map(|object| oracle.story(object));
    assert!(
        story.is_none(),
        "run {run}: {}\n  the first one's story:\n    {}",
        differing("outcomes", &outcomes, &done.outcomes),
        story.unwrap_or_default()
    );
    for (key, should) in [
        ("seen", done.seen),
        ("gone", done.gone),
        ("added", done.count(Outcome::Added)),
        ("updated", done.count(Outcome::Updated)),
        ("overwritten", done.overwritten()),
        ("reactivated", done.reactivated),
        ("unchanged", done.unchanged()),
        ("skipped", done.count(Outcome::Skipped)),
        ("removed", done.count(Outcome::Removed)),
        ("held", done.count(Outcome::Held)),
        ("failed", done.count(Outcome::Failed)),
    ] {
        assert_eq!(told(key), should, "{key} of run {run}: {}", plan[0]);
    }
}

/// What is stored about each object of a run; unchanged ones aside.
async fn stored_outcomes(access: &Access, run: RunId) -> BTreeMap<ObjectId, (Outcome, Option<Rule>)> {
    let skipped = Outcome::Skipped as i16;
    let unchanged = Outcome::Unchanged as i16;
    let rows = rows(
        access,
        &format!(
            "SELECT json_build_object('object_id', object_id, 'outcome', outcome, 'rule', rule) AS row
             FROM decision WHERE run_id = '{run}' AND outcome <> {unchanged}
             UNION ALL
             SELECT json_build_object('object_id', object_id, 'outcome', {skipped}, 'rule', 0) AS row
             FROM run_page, unnest(skipped) AS object_id WHERE run_id = '{run}'"
        ),
    )
    .await;
    let mut found = BTreeMap::new();
    for row in &rows {
        let outcome = Outcome::of_number(number(row, "outcome").try_into().unwrap()).unwrap();
        let rule = Rule::of_number(number(row, "rule").try_into().unwrap());
        let before = found.insert(object(row), (outcome, rule));
        assert_eq!(before, None, "two decisions on one object: {row}");
    }
    found
}

fn account_difference(is: &Account, should: &Account) -> Option<String> {
    let mut found = Vec::new();
    for field in Field::ALL {
        let (is, should) = (is.value(field), should.value(field));
        if is != should {
            found.push(format!("{} is {is:?}, should be {should:?}", field.key()));
        }
    }
    let state = |account: &Account| {
        (
            account.status,
            account.role,
            account.deactivated_for,
            account.version,
        )
    };
    if state(is) != state(should) {
        found.push(format!("state is {:?}, should be {:?}", state(is), state(should)));
    }
    (!found.is_empty()).then(|| format!("account {}: {}", should.label(), found.join("; ")))
}

fn differing<K: Ord + std::fmt::Debug, V: PartialEq + std::fmt::Debug>(
    what: &str,
    is: &BTreeMap<K, V>,
    should: &BTreeMap<K, V>,
) -> String {
    let keys: BTreeSet<&K> = is.keys().chain(should.keys()).collect();
    let found: Vec<String> = keys
        .into_iter()
        .filter(|key| is.get(key) != should.get(key))
        .map(|key| format!("  {key:?} is {:?}, should be {:?}", is.get(key), should.get(key)))
        .collect();
    let shown = &found[..found.len().min(SHOWN)];
    format!("{} {what} differ\n{}", found.len(), shown.join("\n"))
}

/// The answer of a query whose one column `row` is JSON.
pub async fn rows(access: &Access, query: &str) -> Vec<Value> {
    let statement = format!("SELECT coalesce(json_agg(row), '[]') FROM ({query}) AS found");
    let answer = access.sql(DATABASE, &statement).await.unwrap();
    match serde_json::from_str(&answer) {
        Ok(Value::Array(rows)) => rows,
        other => panic!("{other:?}"),
    }
}

fn text<'a>(row: &'a Value, key: &str) -> Option<&'a str> {
    row[key].as_str()
}

fn number(row: &Value, key: &str) -> i64 {
    row[key].as_i64().unwrap_or_else(|| panic!("{key} of {row}"))
}

fn small(row: &Value, key: &str) -> i16 {
    number(row, key).try_into().unwrap()
}

fn account_id(row: &Value) -> AccountId {
    text(row, "id").unwrap().parse().unwrap()
}

fn object(row: &Value) -> ObjectId {
    text(row, "object_id").unwrap().parse().unwrap()
}

fn login_key(row: &Value) -> Option<(String, String)> {
    let login = text(row, "login_key")?.to_owned();
    Some((login, text(row, "domain_key").unwrap().to_owned()))
}

fn account(row: &Value) -> Account {
    let mut values: Values = [const { None }; Field::COUNT];
    for (column, value) in row.as_object().unwrap() {
        if let (Some(field), Some(value)) = (Field::of_key(column), value.as_str()) {
            values[field as usize] = Some(value.to_owned());
        }
    }
    Account {
        kind: Kind::Account,
        id: account_id(row),
        version: number(row, "version").try_into().unwrap(),
        role: Role::of_number(small(row, "role")).unwrap(),
        status: Status::of_number(small(row, "status")).unwrap(),
        deactivated_for: Cause::of_number(small(row, "deactivated_for")),
        values,
    }
}

fn link(row: &Value) -> Link {
    Link {
        account: text(row, "account_id").map(|id| id.parse().unwrap()),
        status: LinkStatus::of_number(small(row, "status")).unwrap(),
        skip: Skip::of_number(small(row, "skip")),
        brought_in: BroughtIn::of_number(small(row, "brought_in")).unwrap(),
    }
}
