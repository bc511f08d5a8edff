//! What stands above a removal that somebody, or a returned asset, lets happen (D2, B6, B12, B18).

use super::{Asking, Policy, Removal};
use crate::account::{Account, Role, Status};
use crate::asset::Held;

/// A leaver whose deletion waits until the assets are returned (B6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// The account is taken out of use at once: a leaver must not be able to sign in.
    Deactivated,
    /// It is out of use already.
    OutOfUse,
}

/// How a run's deletion of someone who still holds assets waits. Deactivating never waits.
#[must_use]
pub const fn wait_for_assets(status: Status) -> Waiting {
    match status {
        Status::Active => Waiting::Deactivated,
        Status::Deactivated | Status::Deleted => Waiting::OutOfUse,
    }
}

/// What becomes of a deletion that waited, now that the last asset is returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Returned {
    /// It is carried out.
    Delete,
    /// A person is asked instead, because of this.
    Ask(Asking),
    /// It is not wanted any more, because of this.
    Drop(String),
}

/// What becomes of a deletion that waited for the assets: the policy for its cause and the rules above all removals count
/// as they are now.
#[must_use]
pub fn once_returned(account: &Account, policy: Policy, kept: Option<&str>) -> Returned {
    if let Some(kept) = kept {
        return Returned::Drop(kept.to_owned());
    }
    if account.status == Status::Deleted {
        return Returned::Drop("the record is deleted already".to_owned());
    }
    match (policy, account.role) {
        (Policy::Delete, Role::User) => Returned::Delete,
        (Policy::Delete, role) => Returned::Ask(Asking::Role(role)),
        (Policy::Review, _) => Returned::Ask(Asking::Policy),
        (Policy::Nothing | Policy::Deactivate, _) => {
            Returned::Drop(format!("the policy for this cause is {} by now", policy.key()))
        }
    }
}

/// What counts when a person approves a removal.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The record; none when it was purged.
    pub account: Option<&'a Account>,
    /// Whether the connection's link still ties the object to it.
    pub linked: bool,
    /// Why no sync touches it.
    pub kept: Option<&'a str>,
    /// Active owners besides it.
    pub other_owners: i64,
    /// What it holds.
    pub held: &'a Held,
}

/// Why a removal can't be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its ground is gone: nothing is left to decide.
    Ended(String),
    /// Not as things are now.
    NotNow(String),
}

/// Whether a person may have this removal done; else why not, and what to do.
pub fn approve(removal: Removal, facts: Facts<'_>) -> Result<(), Refusal> {
    let Some(account) = facts.account else {
        return Err(Refusal::Ended("the record is not there any more".to_owned()));
    };
    if account.status == Status::Deleted {
        return Err(Refusal::Ended(
            "the record is deleted already; nothing is left to decide".to_owned(),
        ));
    }
    if !facts.linked {
        return Err(Refusal::Ended(
            "the record is not linked to this object any more; nothing is left to decide".to_owned(),
        ));
    }
    if let Some(kept) = facts.kept {
        return Err(Refusal::NotNow(format!(
            "{kept}; the next run closes this review, or remove the entry first"
        )));
    }
    if account.role == Role::Owner && account.status == Status::Active && facts.other_owners == 0 {
        return Err(Refusal::NotNow(
            "this is the last active owner; make somebody else an owner first".to_owned(),
        ));
    }
    if removal == Removal::Delete && !facts.held.is_empty() {
        return Err(Refusal::NotNow(format!(
            "{}; return them first (rollcall asset return ID), or approve with --action deactivate",
            facts.held.told()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Kind;
    use crate::id::AccountId;
    use uuid::Uuid;

    const ROLES: [Role; 4] = [Role::User, Role::Technician, Role::Admin, Role::Owner];
    const STATUSES: [Status; 3] = [Status::Active, Status::Deactivated, Status::Deleted];

    fn account(role: Role, status: Status) -> Account {
        Account {
            id: AccountId(Uuid::nil()),
            kind: Kind::Account,
            version: 1,
            role,
            status,
            deactivated_for: None,
            values: [const { None }; crate::field::Field::COUNT],
        }
    }

    fn held(count: u32) -> Held {
        Held {
            count,
            first: (0..count).map(|number| format!("L{number}")).collect(),
        }
    }

    #[test]
    fn b6_deactivating_never_waits_for_assets() {
        assert_eq!(wait_for_assets(Status::Active), Waiting::Deactivated);
        assert_eq!(wait_for_assets(Status::Deactivated), Waiting::OutOfUse);
    }

    #[test]
    fn b6_only_a_user_whose_policy_still_says_so_is_deleted_when_the_last_asset_is_back() {
        for role in ROLES {
            for policy in Policy::ALL {
                for status in STATUSES {
                    let account = account(role, status);
                    assert!(
                        matches!(
                            once_returned(&account, policy, Some("on the list")),
                            Returned::Drop(why) if why == "on the list"
                        ),
                        "the never-touch list stands above it"
                    );
                    let expected_delete =
                        policy == Policy::Delete && role == Role::User && status != Status::Deleted;
                    let expected_ask = status != Status::Deleted
                        && (policy == Policy::Review || (policy == Policy::Delete && role != Role::User));
                    match once_returned(&account, policy, None) {
                        Returned::Delete => assert!(expected_delete, "{role:?} {policy:?} {status:?}"),
                        Returned::Ask(_) => assert!(expected_ask, "{role:?} {policy:?} {status:?}"),
                        Returned::Drop(_) => {
                            assert!(
                                !expected_delete && !expected_ask,
                                "{role:?} {policy:?} {status:?}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn an_approval_is_refused_for_each_of_its_reasons() {
        let (user, owner) = (
            account(Role::User, Status::Active),
            account(Role::Owner, Status::Active),
        );
        let (none, two) = (held(0), held(2));
        let fine = Facts {
            account: Some(&user),
            linked: true,
            kept: None,
            other_owners: 0,
            held: &none,
        };
        for removal in [Removal::Deactivate, Removal::Delete] {
            assert_eq!(approve(removal, fine), Ok(()));
            let gone = Facts {
                account: None,
                ..fine
            };
            assert!(matches!(approve(removal, gone), Err(Refusal::Ended(_))));
            let deleted = account(Role::User, Status::Deleted);
            let done = Facts {
                account: Some(&deleted),
                ..fine
            };
            assert!(matches!(approve(removal, done), Err(Refusal::Ended(_))));
            let cut = Facts {
                linked: false,
                ..fine
            };
            assert!(matches!(approve(removal, cut), Err(Refusal::Ended(_))));
            let kept = Facts {
                kept: Some("on the never-touch list"),
                ..fine
            };
            assert!(
                matches!(approve(removal, kept), Err(Refusal::NotNow(why)) if why.contains("never-touch"))
            );
            let last = Facts {
                account: Some(&owner),
                ..fine
            };
            assert!(
                matches!(approve(removal, last), Err(Refusal::NotNow(why)) if why.contains("last active owner"))
            );
            let one_of_two = Facts {
                other_owners: 1,
                ..last
            };
            assert_eq!(approve(removal, one_of_two), Ok(()));
        }
        let holder = Facts { held: &two, ..fine };
        assert_eq!(approve(Removal::Deactivate, holder), Ok(()));
        let Err(Refusal::NotNow(why)) = approve(Removal::Delete, holder) else {
            panic!("deleting a holder of assets is refused");
        };
        assert!(
            why.contains("2 assets: L0, L1") && why.contains("--action deactivate"),
            "{why}"
        );
    }
}
