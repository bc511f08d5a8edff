//! Lives that once went wrong, made smaller, and those that tell what random ones seldom come to.

use super::life::Kind::{Delta, Full, Preview};
use super::life::Step::{
    Apply, Approve, Criteria, Csv, Disable, Hours, Join, Leave, Policies, Rehire, Rename, Restore, Revert,
    Run,
};
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

/// Nothing had changed about the one who had left, so that nobody said of them that their account was taken.
#[test]
fn somebody_comes_back_anew_long_after_they_left() {
    live(vec![
        Run(Full, vec![]),
        Leave(3),
        Run(Full, vec![]),
        Run(Full, vec![]),
        Rehire(3),
        Run(Full, vec![]),
    ]);
}

/// The link was gone with the account, and so the delta's few attributes were taken for all there are.
#[test]
fn somebody_whose_import_was_taken_back_is_told_of_by_a_delta() {
    live(vec![
        Run(Full, vec![]),
        Join(1),
        Run(Delta, vec![]),
        Revert(0),
        Rename(30),
        Run(Delta, vec![]),
    ]);
}

/// The accounts that the first revert deleted were found by e-mail, linked, and stayed deleted.
#[test]
fn everybody_comes_in_again_after_a_revert() {
    live(vec![
        Run(Full, vec![]),
        Revert(0),
        Run(Full, vec![]),
        Revert(0),
        Revert(0),
    ]);
}

/// The plan had nothing to say of them, and yet it said that they were there.
#[test]
fn a_preview_is_applied_after_others_have_left() {
    live(vec![
        Run(Full, vec![]),
        Run(Preview, vec![]),
        Disable(3),
        Leave(4),
        Run(Full, vec![]),
        Apply,
    ]);
}
