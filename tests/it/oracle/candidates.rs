//! The accounts that an overwrite rule could hit.

use std::collections::{BTreeMap, HashMap};

use domain::account::{Account, fold};
use domain::field::Field;
use domain::id::AccountId;
use domain::overwrite::Keys;

/// Accounts by the folded values that any overwrite rule looks at: asking the rules about every account for every user
/// would take minutes.
pub struct Index(HashMap<String, Vec<AccountId>>);

impl Index {
    /// Of these.
    pub fn of(accounts: &BTreeMap<AccountId, Account>) -> Self {
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
    pub fn candidates(&self, keys: &Keys, accounts: &BTreeMap<AccountId, Account>) -> Vec<Account> {
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
