//! Whom the criteria take in, whom they leave out, and who has fallen out of them (F1).

use std::borrow::Cow;

use super::{Candidates, Rules, incomplete, leaving, skipped, unlinked};
use crate::account::{Account, Status};
use crate::criteria::Scope;
use crate::decision::{BroughtIn, Decision, LinkStatus, Outcome, Skip};
use crate::id::AccountId;
use crate::leaver::{self, Cause, Leaving};
use crate::mapping::Mapping;
use crate::observed::ObservedUser;

impl Rules {
    /// Whether one of the mappings takes a user in, and which: the first one that does. While it is unknown whether one
    /// does, those behind it are not asked.
    #[must_use]
    pub fn scope(&self, user: &ObservedUser<'_>) -> (Scope<'_>, Option<&Mapping>) {
        let mut failed = Vec::new();
        for mapping in &self.mappings {
            match mapping.criteria.scope(user) {
                Scope::Out(clauses) => failed.extend(clauses),
                scope => return (scope, Some(mapping)),
            }
        }
        (Scope::Out(failed), None)
    }

    /// The mapping that decides on someone who came in like this, if one does: whom the criteria leave out, or may leave
    /// out, is brought in by the one that is not sure, else by the first.
    #[must_use]
    pub fn mapping_for(&self, user: &ObservedUser<'_>, brought_in: BroughtIn) -> Option<&Mapping> {
        match self.scope(user) {
            (Scope::In(_), mapping) => mapping,
            (_, mapping) => self.bringing_in(mapping, brought_in).map(|(mapping, _)| mapping),
        }
    }

    fn bringing_in<'a>(
        &'a self,
        unsure: Option<&'a Mapping>,
        brought_in: BroughtIn,
    ) -> Option<(&'a Mapping, &'static str)> {
        let why = brought_in.reason()?;
        unsure.or(self.mappings.first()).map(|mapping| (mapping, why))
    }
}

/// Someone who is linked: in scope, or fallen out of it. Where a delta's row does not tell which: as it was.
pub fn linked<'a>(
    observed: &'a ObservedUser<'_>,
    account: &'a Account,
    was: LinkStatus,
    rules: &'a Rules,
    blank: Decision<'a>,
) -> Decision<'a> {
    let (scope, mapping) = rules.scope(observed);
    let out = scope == Scope::Unknown && was == LinkStatus::OutOfScope;
    if let Some(mapping) = mapping.filter(|_| !out) {
        let decision = super::linked(observed, account, was, mapping, rules, blank);
        return because_of(scope.reason(), decision);
    }
    match rules.bringing_in(mapping, blank.brought_in) {
        Some((mapping, why)) => because_of(
            Some(why),
            super::linked(observed, account, was, mapping, rules, blank),
        ),
        None => fallen_out(observed, account, &scope, rules, blank),
    }
}

/// Someone who is not linked. The criteria come first: whom they don't take in is matched with nobody.
pub fn stranger<'a>(
    observed: &'a ObservedUser<'_>,
    candidates: Candidates<'a>,
    rules: &'a Rules,
    new_account: AccountId,
    blank: Decision<'a>,
) -> Decision<'a> {
    let (scope, mapping) = rules.scope(observed);
    let (mapping, why) = match (&scope, mapping) {
        (Scope::In(_), Some(mapping)) => (mapping, scope.reason().map(Cow::Owned)),
        (_, unsure) => match rules.bringing_in(unsure, blank.brought_in) {
            Some((mapping, why)) => (mapping, Some(Cow::Borrowed(why))),
            None if scope == Scope::Unknown => return incomplete(blank),
            None => {
                return Decision {
                    reason: scope.reason().map(Cow::Owned),
                    ..skipped(Skip::OutOfScope, LinkStatus::OutOfScope, blank)
                };
            }
        },
    };
    because_of(
        why,
        unlinked(observed, candidates, mapping, rules, new_account, blank),
    )
}

/// Keeps what took someone in with what becomes of them, where no other reason is given.
fn because_of<'a>(why: Option<impl Into<Cow<'a, str>>>, decision: Decision<'a>) -> Decision<'a> {
    let tells = matches!(decision.outcome, Outcome::Added | Outcome::Updated) && decision.reason.is_none();
    if tells {
        Decision {
            reason: why.map(Into::into),
            ..decision
        }
    } else {
        decision
    }
}

/// Someone whom the criteria don't take in any more. The account's fields stay as they are: what the directory says of
/// people out of scope is not brought in.
fn fallen_out<'a>(
    observed: &'a ObservedUser<'_>,
    account: &'a Account,
    scope: &Scope<'_>,
    rules: &Rules,
    blank: Decision<'a>,
) -> Decision<'a> {
    let by_itself = |cause| {
        matches!(
            leaver::leave(cause, &rules.policies, account),
            Leaving::ByItself(_)
        )
    };
    // Being out of scope saves nobody disabled: what a run does by itself goes before what a person is asked about.
    // And what a run has done stays done, for the reason that it had: the same word decides the same again.
    let done = account.status != Status::Active && account.deactivated_for == Some(Cause::Disabled);
    let disabled = observed.enabled() == Some(false) && (done || by_itself(Cause::Disabled));
    if disabled && !by_itself(Cause::OutOfScope) {
        return leaving(Cause::Disabled, account, rules, blank);
    }
    let decision = leaving(Cause::OutOfScope, account, rules, blank);
    let told = [scope.reason(), decision.reason.as_deref().map(str::to_owned)];
    let told: Vec<String> = told.into_iter().flatten().collect();
    Decision {
        reason: (!told.is_empty()).then(|| told.join("; ").into()),
        ..decision
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{NEW, account, linked, rules, user};
    use super::*;
    use crate::account::Role;
    use crate::attribute::Attribute;
    use crate::criteria::{AttributeClause, Clause, Filter, Operator};
    use crate::decide::{Known, decide};
    use crate::decision::Action;
    use crate::field::Field;
    use crate::leaver::Policy;
    use crate::observed::{Completeness, Mention, Presence};

    fn only(department: &str) -> Rules {
        let clause = AttributeClause::new(
            Attribute::Department,
            Operator::Equals,
            vec![department.to_owned()],
        );
        let mut rules = rules();
        rules.mappings[0].criteria.filters = vec![Filter {
            clauses: vec![Clause::Attribute(clause.unwrap())],
        }];
        rules
    }

    fn of(department: &'static str, completeness: Completeness) -> ObservedUser<'static> {
        let mut user = user(Presence::Present, completeness);
        user.attributes[Attribute::Department as usize] = Mention::Value(department.into());
        user
    }

    #[test]
    fn f1_strangers_out_of_scope_are_left_out_with_the_clause_and_matched_with_nobody() {
        let (rules, user) = (only("Legal"), of("Sales", Completeness::Whole));
        let accounts = [account(Status::Active)];
        let candidates = Candidates {
            accounts: &accounts,
            holders: &[],
            cuts: &[],
        };
        let decision = decide(&user, 42, None, candidates, &rules, NEW);
        assert_eq!(
            (decision.outcome, decision.skip, decision.status),
            (Outcome::Skipped, Some(Skip::OutOfScope), LinkStatus::OutOfScope)
        );
        assert_eq!((decision.account, decision.hash), (None, 42));
        assert_eq!(
            decision.reason.as_deref(),
            Some("out of scope: not department equals \"Legal\"")
        );
    }

    #[test]
    fn f2_the_first_mapping_whose_criteria_take_someone_in_decides() {
        let mut rules = only("Legal");
        let mut others = only("Sales").mappings.remove(0);
        others.role = Role::Technician;
        rules.mappings.push(others);
        for (department, role) in [
            ("Legal", Some(Role::User)),
            ("Sales", Some(Role::Technician)),
            ("Support", None),
        ] {
            let user = of(department, Completeness::Whole);
            let decision = decide(&user, 42, None, Candidates::default(), &rules, NEW);
            assert_eq!(decision.role, role, "{department}");
        }
        let user = of("Support", Completeness::Whole);
        let decision = decide(&user, 42, None, Candidates::default(), &rules, NEW);
        assert_eq!(
            decision.reason.as_deref(),
            Some("out of scope: not department equals \"Legal\", and not department equals \"Sales\"")
        );
    }

    #[test]
    fn f1_who_is_in_scope_says_by_which_filter() {
        let (rules, user) = (only("Legal"), of("legal", Completeness::Whole));
        let decision = decide(&user, 42, None, Candidates::default(), &rules, NEW);
        assert_eq!(decision.outcome, Outcome::Added);
        assert_eq!(
            decision.reason.as_deref(),
            Some("in scope: department equals \"Legal\"")
        );
    }

    #[test]
    fn f1_who_is_disabled_and_falls_out_is_decided_the_same_twice() {
        let rules = only("Legal");
        let mut user = of("Sales", Completeness::Whole);
        user.attributes[Attribute::AccountEnabled as usize] = Mention::Value("false".into());
        let active = account(Status::Active);
        let known = linked(&active, LinkStatus::Active);
        let first = decide(&user, 42, Some(known), Candidates::default(), &rules, NEW);
        assert_eq!(
            (first.action, first.cause, first.status),
            (Action::Deactivate, Some(Cause::Disabled), LinkStatus::Disabled)
        );
        let mut away = account(Status::Deactivated);
        away.deactivated_for = first.cause;
        let known = linked(&away, first.status);
        let again = decide(&user, 42, Some(known), Candidates::default(), &rules, NEW);
        assert_eq!(
            (again.outcome, again.status),
            (Outcome::Unchanged, LinkStatus::Disabled)
        );
    }

    #[test]
    fn f1_who_falls_out_meets_the_policy_and_keeps_the_fields() {
        let mut rules = only("Legal");
        let user = of("Sales", Completeness::Whole);
        let active = account(Status::Active);
        let known = Some(linked(&active, LinkStatus::Active));
        for (policy, outcome, action) in [
            (Policy::Nothing, Outcome::Unchanged, Action::None),
            (Policy::Deactivate, Outcome::Removed, Action::Deactivate),
            (Policy::Delete, Outcome::Removed, Action::Delete),
            (Policy::Review, Outcome::Held, Action::Deactivate),
        ] {
            rules.policies.out_of_scope = policy;
            let decision = decide(&user, 42, known, Candidates::default(), &rules, NEW);
            assert_eq!(
                (decision.outcome, decision.action),
                (outcome, action),
                "{policy:?}"
            );
            assert_eq!(
                (decision.cause, decision.status),
                (Some(Cause::OutOfScope), LinkStatus::OutOfScope)
            );
            assert!(decision.fields.is_empty(), "{policy:?}");
            let reason = decision.reason.unwrap();
            assert!(reason.starts_with("out of scope: not department equals \"Legal\""));
        }
    }

    #[test]
    fn f1_who_comes_back_into_scope_is_reactivated() {
        let (rules, user) = (only("Legal"), of("Legal", Completeness::Whole));
        let mut away = account(Status::Deactivated);
        away.deactivated_for = Some(Cause::OutOfScope);
        let known = Some(linked(&away, LinkStatus::OutOfScope));
        let decision = decide(&user, 42, known, Candidates::default(), &rules, NEW);
        assert_eq!(
            (decision.outcome, decision.action, decision.status),
            (Outcome::Updated, Action::Reactivate, LinkStatus::Active)
        );
    }

    #[test]
    fn r1_who_is_brought_in_is_taken_in_by_the_first_mapping_and_says_so() {
        let (mut rules, user) = (only("Legal"), of("Sales", Completeness::Whole));
        rules.mappings.push(only("Support").mappings.remove(0));
        rules.mappings[0].role = Role::Technician;
        for (way, why) in [
            (BroughtIn::ByHand, "brought in by hand"),
            (BroughtIn::AsManager, "brought in as a manager"),
        ] {
            let known = Some(Known {
                account: None,
                status: LinkStatus::OutOfScope,
                brought_in: way,
            });
            let decision = decide(&user, 42, known, Candidates::default(), &rules, NEW);
            assert_eq!(
                (decision.outcome, decision.role, decision.brought_in),
                (Outcome::Added, Some(Role::Technician), way)
            );
            assert_eq!((decision.reason.as_deref(), decision.hash), (Some(why), 42));
        }
    }

    #[test]
    fn r1_who_was_brought_in_is_no_out_of_scope_leaver() {
        let mut rules = only("Legal");
        rules.policies.out_of_scope = Policy::Delete;
        let active = account(Status::Active);
        for completeness in [Completeness::Whole, Completeness::Partial] {
            let mut user = of("Sales", completeness);
            let decided = |user: &ObservedUser<'_>, brought_in| {
                let known = Some(Known {
                    brought_in,
                    ..linked(&active, LinkStatus::Active)
                });
                let decision = decide(user, 0, known, Candidates::default(), &rules, NEW);
                (decision.outcome, decision.status, decision.cause)
            };
            assert_eq!(decided(&user, BroughtIn::ByCriteria).0, Outcome::Removed);
            assert_eq!(decided(&user, BroughtIn::ByHand).1, LinkStatus::Active);
            assert_eq!(decided(&user, BroughtIn::AsManager).1, LinkStatus::Active);
            // Being brought in saves nobody who is disabled.
            user.attributes[Attribute::AccountEnabled as usize] = Mention::Value("false".into());
            let (outcome, _, cause) = decided(&user, BroughtIn::ByHand);
            assert_eq!((outcome, cause), (Outcome::Removed, Some(Cause::Disabled)));
        }
    }

    #[test]
    fn r1_a_disabled_stranger_brought_in_by_hand_is_skipped_like_any() {
        let (rules, mut user) = (only("Legal"), of("Sales", Completeness::Whole));
        user.attributes[Attribute::AccountEnabled as usize] = Mention::Value("false".into());
        let known = Some(Known {
            account: None,
            status: LinkStatus::OutOfScope,
            brought_in: BroughtIn::ByHand,
        });
        let decision = decide(&user, 42, known, Candidates::default(), &rules, NEW);
        assert_eq!(
            (decision.outcome, decision.skip),
            (Outcome::Skipped, Some(Skip::Disabled))
        );
    }

    #[test]
    fn f1_a_row_that_does_not_tell_leaves_the_scope_as_it_was() {
        let rules = only("Legal");
        let row = user(Presence::Present, Completeness::Partial);
        let active = account(Status::Active);
        let decided = |known| decide(&row, 0, known, Candidates::default(), &rules, NEW);
        let stays = decided(Some(linked(&active, LinkStatus::Active)));
        assert_eq!(
            (stays.outcome, stays.status),
            (Outcome::Unchanged, LinkStatus::Active)
        );
        let out = decided(Some(linked(&active, LinkStatus::OutOfScope)));
        assert_eq!((out.outcome, out.status), (Outcome::Held, LinkStatus::OutOfScope));
        let stranger = decided(None);
        assert_eq!(
            (stranger.outcome, stranger.skip, stranger.hash),
            (Outcome::Skipped, Some(Skip::Incomplete), 0)
        );
    }

    #[test]
    fn f1_who_is_back_in_scope_is_enabled_as_far_as_is_known() {
        let rules = only("Legal");
        let mut row = of("Legal", Completeness::Partial);
        row.attributes[Attribute::AccountEnabled as usize] = Mention::Unmentioned;
        let mut away = account(Status::Deactivated);
        away.deactivated_for = Some(Cause::OutOfScope);
        for (enabled, action) in [("true", Action::Reactivate), ("false", Action::Update)] {
            away.values[Field::EnabledInDirectory as usize] = Some(enabled.to_owned());
            let known = Some(linked(&away, LinkStatus::OutOfScope));
            let decision = decide(&row, 0, known, Candidates::default(), &rules, NEW);
            assert_eq!(decision.action, action, "{enabled}");
        }
    }

    #[test]
    fn being_out_of_scope_saves_nobody_disabled() {
        let mut rules = only("Legal");
        let mut user = of("Sales", Completeness::Whole);
        user.attributes[Attribute::AccountEnabled as usize] = Mention::Value("false".into());
        let active = account(Status::Active);
        let known = Some(linked(&active, LinkStatus::Active));
        for (policy, cause) in [
            (Policy::Review, Cause::Disabled),
            (Policy::Nothing, Cause::Disabled),
            (Policy::Delete, Cause::OutOfScope),
        ] {
            rules.policies.out_of_scope = policy;
            let decision = decide(&user, 42, known, Candidates::default(), &rules, NEW);
            assert_eq!(
                (decision.outcome, decision.cause),
                (Outcome::Removed, Some(cause)),
                "{policy:?}"
            );
        }
    }
}
