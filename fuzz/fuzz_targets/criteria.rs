//! A clause of a criterion, and a value it is asked of: taken or refused with a reason; asked twice it says the same, equals
//! and notEquals say the opposite, and no expression is slow.
#![no_main]

use std::borrow::Cow;
use std::time::{Duration, Instant};

use domain::attribute::Attribute;
use domain::criteria::{AttributeClause, Clause, Operator, Truth};
use domain::id::ObjectId;
use domain::observed::{Completeness, Mention, ObservedUser, Presence};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let [attribute, operator, rest @ ..] = bytes else {
        return;
    };
    let Ok(text) = std::str::from_utf8(rest) else {
        return;
    };
    let attribute = Attribute::ALL[usize::from(*attribute) % Attribute::ALL.len()];
    let operator = Operator::ALL[usize::from(*operator) % Operator::ALL.len()];
    let mut texts = text.split('\0').map(str::to_owned);
    let observed = texts.next().unwrap_or_default();
    let values: Vec<String> = texts.collect();
    let begun = Instant::now();
    let clause = match AttributeClause::new(attribute, operator, values.clone()) {
        Ok(clause) => clause,
        Err(misfit) => {
            assert!(!misfit.problem.is_empty());
            return;
        }
    };
    assert_eq!(clause.values(), values);
    let opposite = match operator {
        Operator::Equals => {
            Some(AttributeClause::new(attribute, Operator::NotEquals, values).expect("as equals"))
        }
        _ => None,
    };
    let clause = Clause::Attribute(clause);
    let mut user = ObservedUser::new(
        ObjectId(Default::default()),
        Presence::Present,
        Completeness::Whole,
    );
    user.attributes[attribute as usize] = Mention::Value(Cow::Owned(observed));
    let answer = clause.holds(&user);
    assert_ne!(answer, Truth::Unknown);
    assert_eq!(answer, clause.holds(&user));
    if let Some(opposite) = opposite {
        assert_ne!(answer, Clause::Attribute(opposite).holds(&user));
    }
    // A whole observation's silence means empty; a delta's row says nothing by it.
    user.attributes[attribute as usize] = Mention::Unmentioned;
    let unsaid = clause.holds(&user);
    user.attributes[attribute as usize] = Mention::Cleared;
    assert_eq!(clause.holds(&user), unsaid);
    user.attributes[attribute as usize] = Mention::Unmentioned;
    user.completeness = Completeness::Partial;
    assert_eq!(clause.holds(&user), Truth::Unknown);
    assert!(begun.elapsed() < Duration::from_secs(10), "slow");
});
