//! Whether a record may be removed for good. Deleting keeps history; purging is a person's word of its own.

use crate::account::{Account, Status};
use crate::asset::Held;

/// Whether a record may be purged; else why not, and what to do.
pub fn purge(account: Option<&Account>, held: Option<&Held>, review_open: bool) -> Result<(), String> {
    let Some(account) = account else {
        return Err("there is no such record; see rollcall account list --deleted".to_owned());
    };
    if account.status != Status::Deleted {
        return Err("it is not deleted; only deleted records can be purged".to_owned());
    }
    if let Some(held) = held.filter(|held| !held.is_empty()) {
        return Err(format!(
            "{}; return them first (rollcall asset return ID)",
            held.told()
        ));
    }
    if review_open {
        return Err("a review of it is open; decide it first (rollcall review list)".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{Kind, Role};
    use crate::id::AccountId;
    use uuid::Uuid;

    #[test]
    fn only_deleted_records_that_nothing_hangs_on_are_purged() {
        let account = |status| Account {
            id: AccountId(Uuid::nil()),
            kind: Kind::Account,
            version: 1,
            role: Role::User,
            status,
            deactivated_for: None,
            values: [const { None }; crate::field::Field::COUNT],
        };
        let deleted = account(Status::Deleted);
        let held = Held {
            count: 1,
            first: vec!["Laptop (T-1)".to_owned()],
        };
        let none = Held::default();
        assert_eq!(purge(Some(&deleted), None, false), Ok(()));
        assert_eq!(purge(Some(&deleted), Some(&none), false), Ok(()));
        let refused = |account, held, open| purge(account, held, open).unwrap_err();
        assert!(refused(None, None, false).contains("no such record"));
        for status in [Status::Active, Status::Deactivated] {
            let there = account(status);
            assert!(purge(Some(&there), None, false).is_err_and(|why| why.contains("not deleted")));
        }
        assert!(refused(Some(&deleted), Some(&held), false).contains("Laptop (T-1)"));
        assert!(refused(Some(&deleted), None, true).contains("review"));
    }
}
