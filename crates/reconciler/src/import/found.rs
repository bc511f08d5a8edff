//! What was found out about every row of a file, in few bytes each: a file may have millions.

use contracts::v1::{ImportAccountsResponse, RowFailure};
use domain::id::AccountId;
use domain::import::Identity;
use domain::overwrite::Rule;
use domain::settle::winner;
use uuid::Uuid;

use super::{MOST_ROWS, NOTED, TOLD, failure, rule_of};

/// The rows of a file, by their place.
#[derive(Default)]
pub struct Found {
    rows: Vec<Entry>,
    identities: Vec<Mark>,
    unusable: u32,
    failures: Vec<RowFailure>,
    kept: u32,
    notes: Vec<RowFailure>,
}

/// What becomes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A new account.
    Add,
    /// This account, found by this rule, changes.
    Update(AccountId, Rule),
    /// This account, found by this rule, is as the row says.
    Unchanged(AccountId, Rule),
    /// It fails, and is told.
    Fail,
}

#[derive(Clone, Copy)]
struct Entry {
    line: u32,
    fate: u8,
    rule: u8,
    account: [u8; 16],
}

const ADD: u8 = 0;
const UPDATE: u8 = 1;
const UNCHANGED: u8 = 2;
const FAIL: u8 = 3;

/// A row's identity by its hash, in twelve bytes: the row's number leaves room for the kind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Mark {
    hash: [u8; 8],
    kind_and_row: u32,
}

/// Rows have smaller numbers.
const ROW_BITS: u32 = 30;
const _: () = assert!(MOST_ROWS < 1 << ROW_BITS && (Identity::Login as u32) < 1 << (u32::BITS - ROW_BITS));

impl Mark {
    const fn new(kind: Identity, hash: u64, row: u32) -> Self {
        Self {
            hash: hash.to_be_bytes(),
            kind_and_row: (kind as u32) << ROW_BITS | row,
        }
    }

    const fn kind(self) -> u32 {
        self.kind_and_row >> ROW_BITS
    }

    const fn row(self) -> u32 {
        self.kind_and_row & ((1 << ROW_BITS) - 1)
    }
}

/// Adds to what may become long: in smaller steps than doubling, which would hold three times as much for a moment.
fn push<T>(list: &mut Vec<T>, item: T) {
    if list.len() == list.capacity() {
        list.reserve_exact(list.len() / 8 + 1_024);
    }
    list.push(item);
}

/// A row that fails because of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its place.
    pub row: u32,
    /// The other's.
    pub other: u32,
    /// Why.
    pub why: Why,
}

/// Why a row fails because of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Both would be the same account, at the next import at the latest.
    Shares(Identity),
    /// The rule matches an account that the other has by a stronger rule.
    Lost(Rule, Rule),
    /// The rule matches an account, and for the other it does so, too.
    Tied(Rule),
}

impl Found {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// A row that can't even be read.
    pub fn unusable(&mut self, line: u32, reason: String) {
        self.unusable += 1;
        self.tell(line, reason);
    }

    /// Adds a row that was decided; its place.
    pub fn push(&mut self, line: u32, fate: Fate, identities: impl Iterator<Item = (Identity, u64)>) -> u32 {
        let row = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        let (fate, rule, account) = match fate {
            Fate::Add => (ADD, 0, Uuid::nil()),
            Fate::Update(account, rule) => (UPDATE, rule as u8, account.0),
            Fate::Unchanged(account, rule) => (UNCHANGED, rule as u8, account.0),
            Fate::Fail => (FAIL, 0, Uuid::nil()),
        };
        let entry = Entry {
            line,
            fate,
            rule,
            account: account.into_bytes(),
        };
        push(&mut self.rows, entry);
        for (kind, hash) in identities {
            push(&mut self.identities, Mark::new(kind, hash, row));
        }
        row
    }

    /// What becomes of the row at this place.
    pub fn fate(&self, row: u32) -> Fate {
        let Some(entry) = self.rows.get(row as usize) else {
            return Fate::Fail;
        };
        let account = AccountId(Uuid::from_bytes(entry.account));
        match (entry.fate, rule_of(entry.rule)) {
            (ADD, _) => Fate::Add,
            (UPDATE, Some(rule)) => Fate::Update(account, rule),
            (UNCHANGED, Some(rule)) => Fate::Unchanged(account, rule),
            _ => Fate::Fail,
        }
    }

    /// The line of the row at this place.
    pub fn line(&self, row: u32) -> u32 {
        self.rows.get(row as usize).map_or(0, |entry| entry.line)
    }

    /// The account that the row at this place was found to be; nil for none.
    pub fn account(&self, row: u32) -> AccountId {
        AccountId(
            self.rows
                .get(row as usize)
                .map_or(Uuid::nil(), |entry| Uuid::from_bytes(entry.account)),
        )
    }

    /// The row at this place fails; whoever calls this tells why.
    pub fn fail(&mut self, row: u32) {
        if let Some(entry) = self.rows.get_mut(row as usize) {
            entry.fate = FAIL;
        }
    }

    /// Tells why a line fails; only the first ones are kept.
    pub fn tell(&mut self, line: u32, reason: String) {
        if self.failures.len() < 2 * TOLD {
            self.failures.push(failure(line, reason));
        }
    }

    /// Tells of a value that the directory keeps.
    pub fn note(&mut self, line: u32, reason: impl FnOnce() -> String) {
        self.kept += 1;
        if self.notes.len() < NOTED {
            self.notes.push(failure(line, reason()));
        }
    }

    /// Lets those rows fail that can't both be right (M5), and says which, in the order of the file.
    pub fn settle(&mut self) -> Vec<Refusal> {
        let mut refusals = self.shared();
        self.identities = Vec::new();
        refusals.extend(self.contested());
        refusals.sort_by_key(|refusal| refusal.row);
        refusals.dedup_by_key(|refusal| refusal.row);
        refusals.retain(|refusal| self.fate(refusal.row) != Fate::Fail);
        for refusal in &refusals {
            self.fail(refusal.row);
        }
        refusals
    }

    /// Rows that share an identity: all of them fail.
    fn shared(&mut self) -> Vec<Refusal> {
        self.identities.sort_unstable();
        let mut refusals = Vec::new();
        for group in self
            .identities
            .chunk_by(|one, other| (one.hash, one.kind()) == (other.hash, other.kind()))
            .filter(|group| group.len() > 1)
        {
            let Some(identity) = identity_of(group[0].kind()) else {
                continue;
            };
            for (place, mark) in group.iter().enumerate() {
                let other = group[usize::from(place == 0)].row();
                refusals.push(Refusal {
                    row: mark.row(),
                    other,
                    why: Why::Shares(identity),
                });
            }
        }
        refusals
    }

    /// Rows that claim one account: the strongest rule wins if one row alone has it, otherwise nobody does.
    fn contested(&self) -> Vec<Refusal> {
        let claims = |row: &u32| matches!(self.fate(*row), Fate::Update(..) | Fate::Unchanged(..));
        let all = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        let mut claims: Vec<u32> = (0..all).filter(claims).collect();
        claims.sort_unstable_by_key(|row| (self.account(*row), *row));
        let mut refusals = Vec::new();
        for group in claims.chunk_by(|one, other| self.account(*one) == self.account(*other)) {
            let rules: Vec<Rule> = group
                .iter()
                .filter_map(|row| rule_of(self.rows[*row as usize].rule))
                .collect();
            if group.len() < 2 || rules.len() != group.len() {
                continue;
            }
            let winner = winner(&rules);
            for (place, row) in group.iter().enumerate() {
                let (other, why) = match winner {
                    Some(winner) if winner == place => continue,
                    Some(winner) => (winner, Why::Lost(rules[place], rules[winner])),
                    None => (usize::from(place == 0), Why::Tied(rules[place])),
                };
                refusals.push(Refusal {
                    row: *row,
                    other: group[other],
                    why,
                });
            }
        }
        refusals
    }

    /// The counts, and the first failures by line.
    pub fn answer(mut self) -> ImportAccountsResponse {
        let count = |fate: u8| {
            let count = self.rows.iter().filter(|entry| entry.fate == fate).count();
            u32::try_from(count).unwrap_or(u32::MAX)
        };
        let (added, updated, unchanged) = (count(ADD), count(UPDATE), count(UNCHANGED));
        let failed = count(FAIL) + self.unusable;
        self.failures.sort_by_key(|failure| failure.line);
        self.failures.truncate(TOLD);
        ImportAccountsResponse {
            added,
            updated,
            unchanged,
            failed,
            failures: self.failures,
            kept: self.kept,
            notes: self.notes,
        }
    }
}

fn identity_of(kind: u32) -> Option<Identity> {
    [Identity::Upn, Identity::LookupGuid, Identity::Login]
        .into_iter()
        .find(|identity| *identity as u32 == kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(number: u128) -> AccountId {
        AccountId(Uuid::from_u128(number))
    }

    fn found(rows: &[(Fate, u64)]) -> Found {
        let mut found = Found::default();
        for (line, (fate, login)) in (2..).zip(rows) {
            found.push(line, *fate, [(Identity::Login, *login)].into_iter());
        }
        found
    }

    fn failing(rows: &[(Fate, u64)]) -> Vec<(u32, u32)> {
        let mut found = found(rows);
        let refusals = found.settle();
        for refusal in &refusals {
            assert_eq!(found.fate(refusal.row), Fate::Fail);
        }
        refusals
            .iter()
            .map(|refusal| (found.line(refusal.row), found.line(refusal.other)))
            .collect()
    }

    #[test]
    fn rows_that_would_be_one_account_all_fail_and_name_another() {
        assert_eq!(
            failing(&[(Fate::Add, 7), (Fate::Add, 8), (Fate::Add, 7), (Fate::Add, 7)]),
            [(2, 4), (4, 2), (5, 2)]
        );
        assert_eq!(failing(&[(Fate::Add, 7), (Fate::Add, 8)]), []);
    }

    #[test]
    fn the_strongest_rule_wins_an_account_if_one_row_alone_has_it() {
        let by = |rule| Fate::Update(account(1), rule);
        let rows = [
            (by(Rule::LoginAndDomain), 1),
            (by(Rule::OnPremisesUpnOrLookupGuid), 2),
            (by(Rule::Email), 3),
        ];
        assert_eq!(failing(&rows), [(2, 3), (4, 3)]);
    }

    #[test]
    fn a_tie_fails_all_also_those_that_would_change_nothing() {
        let rows = [
            (Fate::Unchanged(account(1), Rule::LoginAndDomain), 1),
            (Fate::Update(account(1), Rule::LoginAndDomain), 2),
            (Fate::Update(account(2), Rule::Email), 3),
        ];
        assert_eq!(failing(&rows), [(2, 3), (3, 2)]);
    }

    #[test]
    fn a_mark_keeps_kind_row_and_all_of_the_hash() {
        let last = u32::try_from(MOST_ROWS).unwrap();
        let mark = Mark::new(Identity::Login, u64::MAX - 1, last);
        assert_eq!((mark.kind(), mark.row()), (3, last));
        assert!(mark.hash != Mark::new(Identity::Login, u64::MAX, last).hash);
        assert_eq!((size_of::<Mark>(), size_of::<Entry>()), (12, 24));
    }

    #[test]
    fn counts_are_of_fates_and_failures_come_by_line() {
        let mut found = found(&[
            (Fate::Add, 1),
            (Fate::Update(account(1), Rule::Email), 2),
            (Fate::Unchanged(account(2), Rule::Email), 3),
            (Fate::Fail, 4),
        ]);
        found.tell(5, "late".to_owned());
        found.unusable(1, "early".to_owned());
        let answer = found.answer();
        assert_eq!(
            (answer.added, answer.updated, answer.unchanged, answer.failed),
            (1, 1, 1, 2)
        );
        assert_eq!(answer.failures[0].reason, "early");
    }
}
