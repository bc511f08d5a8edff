//! People who leave: why, and what is done about it (D6).

mod approval;
#[cfg(test)]
mod matrix;
mod purge;

use std::fmt;

use crate::account::{Account, Role, Status};

pub use approval::{Facts, Refusal, Returned, Waiting, approve, once_returned, wait_for_assets};
pub use purge::purge;

/// Why someone is a leaver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Cause {
    /// Sign-in is switched off (D3).
    Disabled = 1,
    /// In deleted items; can be restored for 30 days (D4).
    SoftDeleted = 2,
    /// Removed for good, or simply not there any more (D5).
    Gone = 3,
    /// No criterion takes them in any more.
    OutOfScope = 4,
}

/// What a policy asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Policy {
    /// Only the link's status follows.
    Nothing,
    /// The account can't be used any more.
    Deactivate,
    /// The account is deleted; its history stays.
    Delete,
    /// A person decides.
    Review,
}

/// What is done when someone who left is back: enabled again, restored or in scope again (D3, D4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Returning {
    /// The account can be used again.
    #[default]
    Reactivate,
    /// It stays out of use until a person asks for them by hand; what the directory says of them is taken over.
    Nothing,
}

/// A connection's policies, by cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Policies {
    /// For [`Cause::Disabled`].
    pub disabled: Policy,
    /// For [`Cause::SoftDeleted`].
    pub soft_deleted: Policy,
    /// For [`Cause::Gone`].
    pub gone: Policy,
    /// For [`Cause::OutOfScope`].
    pub out_of_scope: Policy,
    /// For those who come back.
    pub returning: Returning,
    /// `deletionMode: manual`: a review for someone deleted proposes to delete (design §6).
    pub manual_deletion: bool,
}

/// What happens to an account that leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Removal {
    /// It can't be used any more.
    Deactivate = 3,
    /// It is deleted.
    Delete = 4,
}

/// What a leaver's policy comes to for one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// Nothing is left to be done.
    Settled,
    /// Done by the run itself, if the brake lets it.
    ByItself(Removal),
    /// A person is asked.
    Ask {
        /// What the review proposes.
        proposed: Removal,
        /// Why a person is asked.
        because: Asking,
    },
}

/// Why a person is asked about a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking {
    /// The policy says so.
    Policy,
    /// Technicians, admins and owners are never deleted automatically (D2).
    Role(Role),
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            disabled: Policy::Deactivate,
            soft_deleted: Policy::Deactivate,
            gone: Policy::Review,
            out_of_scope: Policy::Review,
            returning: Returning::Reactivate,
            manual_deletion: false,
        }
    }
}

impl Policies {
    /// The policy for a cause.
    #[must_use]
    pub const fn of(&self, cause: Cause) -> Policy {
        match cause {
            Cause::Disabled => self.disabled,
            Cause::SoftDeleted => self.soft_deleted,
            Cause::Gone => self.gone,
            Cause::OutOfScope => self.out_of_scope,
        }
    }
}

/// What the policy for `cause` comes to for this account.
#[must_use]
pub fn leave(cause: Cause, policies: &Policies, account: &Account) -> Leaving {
    match policies.of(cause) {
        Policy::Deactivate if account.status == Status::Active => Leaving::ByItself(Removal::Deactivate),
        Policy::Nothing | Policy::Deactivate => Leaving::Settled,
        Policy::Delete if account.status == Status::Deleted => Leaving::Settled,
        Policy::Delete if account.role == Role::User => Leaving::ByItself(Removal::Delete),
        Policy::Delete => Leaving::Ask {
            proposed: Removal::Delete,
            because: Asking::Role(account.role),
        },
        Policy::Review => {
            let deleted = matches!(cause, Cause::SoftDeleted | Cause::Gone);
            let proposed = if deleted && policies.manual_deletion {
                Removal::Delete
            } else {
                Removal::Deactivate
            };
            match (proposed, account.status) {
                (_, Status::Deleted) | (Removal::Deactivate, Status::Deactivated) => Leaving::Settled,
                _ => Leaving::Ask {
                    proposed,
                    because: Asking::Policy,
                },
            }
        }
    }
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Disabled, Self::SoftDeleted, Self::Gone, Self::OutOfScope];

    /// The cause of this number; 0 is none.
    #[must_use]
    pub fn of_number(number: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| *cause as i16 == number)
    }

    /// The cause of this name.
    #[must_use]
    pub fn of_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.key() == key)
    }

    /// The name in the API.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::SoftDeleted => "soft_deleted",
            Self::Gone => "gone",
            Self::OutOfScope => "out_of_scope",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disabled => "disabled in the directory",
            Self::SoftDeleted => "deleted in the directory (can be restored for 30 days)",
            Self::Gone => "gone from the directory",
            Self::OutOfScope => "not in scope any more",
        })
    }
}

impl Policy {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Nothing, Self::Deactivate, Self::Delete, Self::Review];

    /// The name in YAML.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Deactivate => "deactivate",
            Self::Delete => "delete",
            Self::Review => "review",
        }
    }

    /// The policy of this name.
    #[must_use]
    pub fn of_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.key() == key)
    }
}

impl Returning {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Reactivate, Self::Nothing];

    /// The name in YAML.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Reactivate => "reactivate",
            Self::Nothing => "nothing",
        }
    }

    /// The policy of this name.
    #[must_use]
    pub fn of_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|returning| returning.key() == key)
    }
}

impl Removal {
    /// The name in the API.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Deactivate => "deactivate",
            Self::Delete => "delete",
        }
    }

    /// The removal of this name.
    #[must_use]
    pub fn of_key(key: &str) -> Option<Self> {
        [Self::Deactivate, Self::Delete]
            .into_iter()
            .find(|removal| removal.key() == key)
    }
}

impl fmt::Display for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy => f.write_str("the policy for this cause is review"),
            Self::Role(role) => write!(
                f,
                "an account with the role {} is never deleted automatically",
                role.key()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Kind;
    use crate::id::AccountId;
    use uuid::Uuid;

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

    #[test]
    fn technicians_are_never_deleted_by_a_run() {
        let policies = Policies {
            gone: Policy::Delete,
            ..Policies::default()
        };
        for role in [Role::Technician, Role::Admin, Role::Owner] {
            assert_eq!(
                leave(Cause::Gone, &policies, &account(role, Status::Active)),
                Leaving::Ask {
                    proposed: Removal::Delete,
                    because: Asking::Role(role)
                }
            );
        }
        assert_eq!(
            leave(Cause::Gone, &policies, &account(Role::User, Status::Active)),
            Leaving::ByItself(Removal::Delete)
        );
    }

    #[test]
    fn manual_deletion_proposes_to_delete_the_deleted_only() {
        let policies = Policies {
            disabled: Policy::Review,
            soft_deleted: Policy::Review,
            manual_deletion: true,
            ..Policies::default()
        };
        let user = account(Role::User, Status::Active);
        let proposed = |cause| match leave(cause, &policies, &user) {
            Leaving::Ask { proposed, .. } => proposed,
            other => panic!("{other:?}"),
        };
        assert_eq!(proposed(Cause::Gone), Removal::Delete);
        assert_eq!(proposed(Cause::SoftDeleted), Removal::Delete);
        assert_eq!(proposed(Cause::Disabled), Removal::Deactivate);
    }

    #[test]
    fn what_is_done_is_not_done_again() {
        let policies = Policies::default();
        for status in [Status::Deactivated, Status::Deleted] {
            for cause in [Cause::Disabled, Cause::SoftDeleted, Cause::Gone] {
                assert_eq!(
                    leave(cause, &policies, &account(Role::User, status)),
                    Leaving::Settled
                );
            }
        }
    }
}
