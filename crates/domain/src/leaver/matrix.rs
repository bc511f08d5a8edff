//! Every cause, policy, role, status and deletion mode, held against a table written by hand (D1, D2, D6).

use super::*;
use crate::account::Kind;
use crate::id::AccountId;
use uuid::Uuid;

const ROLES: [Role; 4] = [Role::User, Role::Technician, Role::Admin, Role::Owner];

/// As short as the table needs them.
fn told(leaving: Leaving) -> &'static str {
    match leaving {
        Leaving::Settled => "-",
        Leaving::ByItself(Removal::Deactivate) => "deactivate",
        Leaving::ByItself(Removal::Delete) => "delete",
        Leaving::Ask {
            proposed: Removal::Deactivate,
            because: Asking::Policy,
        } => "ask: deactivate",
        Leaving::Ask {
            proposed: Removal::Delete,
            because: Asking::Policy,
        } => "ask: delete",
        Leaving::Ask {
            proposed: Removal::Delete,
            because: Asking::Role(_),
        } => "role: delete",
        Leaving::Ask {
            proposed: Removal::Deactivate,
            because: Asking::Role(_),
        } => "role: deactivate",
    }
}

/// Policy, deletion mode manual, whether the cause is a deletion, whether the role is user; then what happens to an
/// active, a deactivated and a deleted record. `None` stands for both.
type Row = (
    Policy,
    Option<bool>,
    Option<bool>,
    Option<bool>,
    [&'static str; 3],
);

const TABLE: [Row; 7] = [
    (Policy::Nothing, None, None, None, ["-", "-", "-"]),
    (Policy::Deactivate, None, None, None, ["deactivate", "-", "-"]),
    (Policy::Delete, None, None, Some(true), ["delete", "delete", "-"]),
    (
        Policy::Delete,
        None,
        None,
        Some(false),
        ["role: delete", "role: delete", "-"],
    ),
    (
        Policy::Review,
        Some(true),
        Some(true),
        None,
        ["ask: delete", "ask: delete", "-"],
    ),
    (
        Policy::Review,
        Some(true),
        Some(false),
        None,
        ["ask: deactivate", "-", "-"],
    ),
    (
        Policy::Review,
        Some(false),
        None,
        None,
        ["ask: deactivate", "-", "-"],
    ),
];

#[test]
fn d6_every_case_has_one_row_and_does_what_it_says() {
    let mut cases = 0;
    for cause in Cause::ALL {
        for policy in Policy::ALL {
            for role in ROLES {
                for manual in [false, true] {
                    let deletion = matches!(cause, Cause::SoftDeleted | Cause::Gone);
                    let rows: Vec<&Row> = TABLE
                        .iter()
                        .filter(|(of, when_manual, when_deletion, when_user, _)| {
                            *of == policy
                                && when_manual.is_none_or(|wanted| wanted == manual)
                                && when_deletion.is_none_or(|wanted| wanted == deletion)
                                && when_user.is_none_or(|wanted| wanted == (role == Role::User))
                        })
                        .collect();
                    assert_eq!(rows.len(), 1, "{cause:?} {policy:?} {role:?} {manual}");
                    let statuses = [Status::Active, Status::Deactivated, Status::Deleted];
                    for (status, expected) in statuses.into_iter().zip(rows[0].4) {
                        let account = Account {
                            id: AccountId(Uuid::nil()),
                            kind: Kind::Account,
                            version: 1,
                            role,
                            status,
                            deactivated_for: None,
                            values: [const { None }; crate::field::Field::COUNT],
                        };
                        let leaving = leave(cause, &only(cause, policy, manual), &account);
                        assert_eq!(
                            told(leaving),
                            expected,
                            "{cause:?} {policy:?} {role:?} {status:?} manual {manual}"
                        );
                        cases += 1;
                    }
                }
            }
        }
    }
    assert_eq!(cases, 4 * 4 * 4 * 2 * 3);
}

/// The policy for one cause; the others have another one, so that it shows when the wrong one is asked.
fn only(cause: Cause, policy: Policy, manual_deletion: bool) -> Policies {
    let other = if policy == Policy::Nothing {
        Policy::Delete
    } else {
        Policy::Nothing
    };
    let of = |own| if own == cause { policy } else { other };
    Policies {
        disabled: of(Cause::Disabled),
        soft_deleted: of(Cause::SoftDeleted),
        gone: of(Cause::Gone),
        out_of_scope: of(Cause::OutOfScope),
        returning: Returning::Reactivate,
        manual_deletion,
    }
}
