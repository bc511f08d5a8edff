//! What a run does that deals with leavers alone (D7).

use super::{Known, skipped};
use crate::decision::{Action, Decision, LinkStatus, Outcome, Skip};
use crate::overwrite::Rule;

/// What of a decision such a run takes over: removals, without the fields that would change along with them. Nobody is
/// added, updated or active again; the next full run decides on them as if this one had not been.
#[must_use]
pub fn leavers_only<'a>(decision: Decision<'a>, known: Option<Known<'_>>) -> Decision<'a> {
    let own = decision.rule.is_none_or(|rule| rule == Rule::ObjectId);
    match decision.outcome {
        Outcome::Removed | Outcome::Held if own => Decision {
            hash: if decision.fields.is_empty() {
                decision.hash
            } else {
                0
            },
            login: None,
            fields: Vec::new(),
            ..decision
        },
        Outcome::Added | Outcome::Updated | Outcome::Removed | Outcome::Held => {
            let blank = Decision {
                account: known.and_then(|known| known.account).map(|account| account.id),
                account_version: 0,
                action: Action::None,
                cause: None,
                rule: None,
                hash: 0,
                takes_from: None,
                login: None,
                role: None,
                fields: Vec::new(),
                ..decision
            };
            let was = known.map_or(LinkStatus::Active, |known| known.status);
            skipped(Skip::LeaversOnly, was, blank)
        }
        Outcome::Unchanged | Outcome::Skipped | Outcome::Failed => decision,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Kind;
    use crate::decision::BroughtIn;
    use crate::field::Field;
    use crate::id::{AccountId, ObjectId};
    use crate::leaver::Cause;
    use crate::mapping::FieldChange;
    use uuid::Uuid;

    fn decision(outcome: Outcome, rule: Option<Rule>) -> Decision<'static> {
        Decision {
            object: Some(ObjectId(Uuid::from_u128(1))),
            kind: Kind::Account,
            name: None,
            upn: None,
            account: Some(AccountId(Uuid::from_u128(2))),
            account_version: 3,
            outcome,
            action: Action::Update,
            cause: Some(Cause::Disabled),
            rule,
            status: LinkStatus::Disabled,
            brought_in: BroughtIn::ByCriteria,
            skip: None,
            hash: 7,
            takes_from: Some(ObjectId(Uuid::from_u128(4))),
            login: None,
            reason: None,
            role: None,
            fields: vec![FieldChange {
                field: Field::JobTitle,
                old: None,
                new: Some("Engineer".into()),
            }],
        }
    }

    const KNOWN: Known<'_> = Known {
        account: None,
        status: LinkStatus::Active,
        brought_in: BroughtIn::ByCriteria,
    };

    #[test]
    fn d7_removals_stay_without_the_fields_that_change_along() {
        for outcome in [Outcome::Removed, Outcome::Held] {
            let removal = leavers_only(decision(outcome, Some(Rule::ObjectId)), Some(KNOWN));
            assert_eq!((removal.outcome, removal.cause), (outcome, Some(Cause::Disabled)));
            assert_eq!(
                (removal.hash, removal.fields.len()),
                (0, 0),
                "the next full run sees them"
            );
            assert_eq!(removal.status, LinkStatus::Disabled);
            let plain = Decision {
                fields: Vec::new(),
                ..decision(outcome, None)
            };
            assert_eq!(leavers_only(plain, None).hash, 7);
        }
    }

    #[test]
    fn d7_everything_else_is_left_for_the_next_full_run() {
        for (outcome, rule) in [
            (Outcome::Added, None),
            (Outcome::Updated, Some(Rule::ObjectId)),
            (Outcome::Updated, Some(Rule::Email)),
            (Outcome::Removed, Some(Rule::Email)),
        ] {
            let left = leavers_only(decision(outcome, rule), Some(KNOWN));
            assert_eq!(
                (left.outcome, left.skip),
                (Outcome::Skipped, Some(Skip::LeaversOnly))
            );
            assert_eq!((left.account, left.action, left.hash), (None, Action::None, 0));
            assert_eq!((left.cause, left.rule, left.takes_from), (None, None, None));
            assert_eq!((left.status, left.fields.len()), (LinkStatus::Active, 0));
            assert!(left.reason.unwrap().contains("leavers alone"));
        }
        for outcome in [Outcome::Unchanged, Outcome::Skipped, Outcome::Failed] {
            let same = decision(outcome, None);
            assert_eq!(leavers_only(same.clone(), Some(KNOWN)), same);
        }
    }
}
