//! Lives that once went wrong, made smaller, and those that tell what random ones seldom come to.

use super::life::Kind::Full;
use super::life::Step::{Approve, Criteria, Csv, Disable, Hours, Leave, Policies, Rehire, Restore, Run};
use super::life::{Life, Step};
use super::lives::play;

fn live(steps: Vec<Step>) {
    play(&Life {
        seed: 1,
        people: 30,
        steps,
    });
}

/// The account was deactivated for being disabled; the next look at the same person called it out of scope.
#[test]
fn somebody_disabled_falls_out_of_scope() {
    live(vec![
        Run(Full, vec![]),
        Disable(1),
        Criteria(2),
        Run(Full, vec![]),
    ]);
}

/// The review about the one who had left stayed open, for an account that the new one has now.
#[test]
fn somebody_comes_back_anew_while_a_person_is_asked() {
    live(vec![
        Policies(2),
        Run(Full, vec![]),
        Leave(3),
        Run(Full, vec![]),
        Rehire(3),
        Run(Full, vec![]),
        Approve(0, 0),
        Run(Full, vec![]),
    ]);
}

#[test]
fn somebody_comes_back_while_a_person_is_asked() {
    live(vec![
        Policies(2),
        Run(Full, vec![]),
        Leave(3),
        Run(Full, vec![]),
        Hours(30),
        Restore(3),
        Run(Full, vec![]),
    ]);
}

/// Nobody matched the one who is disabled, so they were left out; then an account came that they match.
#[test]
fn a_file_brings_the_account_of_somebody_disabled() {
    live(vec![Disable(3), Run(Full, vec![]), Csv(3, 0), Run(Full, vec![])]);
}
