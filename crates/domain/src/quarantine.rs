//! Quarantine: a connection that keeps failing is left alone for longer and longer, says why, and comes back by itself
//! (B17).
//!
//! What a person has to mend (a secret, an app, a permission) is enough once; so are too many failed records. Anything else
//! may pass, and has to happen three times in a row.

use chrono::{DateTime, TimeDelta, Utc};

/// So many failures in a row are enough, where one alone may pass.
pub const FAILURES: u32 = 3;
/// More than this share of a run's records, in per cent, must not fail.
pub const FAILED_PERCENT: u64 = 40;
/// A share is one from so many records up.
pub const FAILED_FROM: u32 = 20;
/// Why: too many of a run's records failed.
pub const RECORDS_FAILED: &str = "records_failed";

/// The first wait; each one after it is twice as long.
const FIRST_WAIT: TimeDelta = TimeDelta::minutes(15);
/// The longest wait.
const LONGEST_WAIT: TimeDelta = TimeDelta::hours(24);

/// Causes that no waiting mends, and that one call shows: a test tells whether they are over.
pub const LASTING: [&str; 15] = [
    "wrong_secret",
    "expired_secret",
    "missing_credential",
    "bad_certificate",
    "unknown_app",
    "app_disabled",
    "public_client",
    "unknown_tenant",
    "wrong_tenant",
    "wrong_cloud",
    "bad_scope",
    "bad_address",
    "consent_required",
    "conditional_access",
    "missing_permission",
];

/// Causes that say nothing of the connection: a person ended it.
const NOT_ITS_FAULT: [&str; 2] = ["disconnected", "missing"];

/// How a connection fares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// Nothing is wrong.
    #[default]
    Working,
    /// It failed, but not often enough.
    Failing {
        /// How often in a row.
        failures: u32,
        /// Why, the last time.
        why: Why,
    },
    /// Scheduled runs wait.
    Quarantined(Quarantine),
}

/// A quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    /// When it began.
    pub since: DateTime<Utc>,
    /// Why it goes on.
    pub why: Why,
    /// How often it failed in a row.
    pub failures: u32,
    /// How often it failed in it, the failure that began it included.
    pub tries: u32,
    /// When it is tried again.
    pub next_try: DateTime<Utc>,
}

/// Why something failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// A closed word, such as `expired_secret`.
    pub cause: String,
    /// What is wrong and what to do, for people.
    pub text: String,
}

/// What happened to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// A run was read, and planned or applied.
    Ran(Records),
    /// A run could not go on.
    Failed(Why),
    /// A test went well: a few small calls.
    TestPassed {
        /// Whether runs come by themselves. They show more than a test does.
        runs_come: bool,
    },
    /// A person ended the quarantine.
    Released,
}

/// The records of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Records {
    /// How many there were.
    pub seen: u32,
    /// Of them, those that failed, ignored ones aside.
    pub failed: u32,
    /// What the run read.
    pub scope: Scope,
}

/// What a run read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    Whole,
    /// What had changed.
    Changes,
    /// Everything, but leavers alone were decided on: what is wrong with the others does not show.
    Leavers,
    /// Certain users, whom a person named: how many of them fail says nothing of the connection.
    Named,
}

/// A change that people are told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It worked until now.
    BeganToFail,
    /// It is in quarantine from now on.
    Quarantined,
    /// Its quarantine ended because it works.
    Recovered,
    /// It failed, and works again before it came to a quarantine.
    WorksAgain,
}

impl Change {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::BeganToFail,
        Self::Quarantined,
        Self::Recovered,
        Self::WorksAgain,
    ];

    /// The name in the table.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::BeganToFail => "failing",
            Self::Quarantined => "quarantined",
            Self::Recovered => "recovered",
            Self::WorksAgain => "working",
        }
    }

    /// The change of this name.
    #[must_use]
    pub fn of_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|change| change.key() == key)
    }
}

/// How a connection fares after what happened `now`, and what there is to tell. `jitter`, between 0 and 1, keeps connections
/// that failed together from being tried together.
#[must_use]
pub fn after(
    health: Health,
    happened: Happened,
    now: DateTime<Utc>,
    jitter: f64,
) -> (Health, Option<Change>) {
    match happened {
        Happened::Released => (Health::Working, None),
        Happened::TestPassed { runs_come } => {
            if health.cause().is_none_or(|cause| test_shows(cause, runs_come)) {
                works(&health)
            } else {
                (health, None)
            }
        }
        Happened::Ran(records) => match too_many_failed(records) {
            Some(why) => quarantined(health, why, now, jitter),
            None => match health {
                Health::Quarantined(quarantine)
                    if quarantine.why.cause == RECORDS_FAILED && !shows_records(records) =>
                {
                    (Health::Quarantined(quarantine), None)
                }
                health => works(&health),
            },
        },
        Happened::Failed(why) if NOT_ITS_FAULT.contains(&&*why.cause) => (health, None),
        Happened::Failed(why) => {
            let failures = health.failures().saturating_add(1);
            let in_quarantine = matches!(health, Health::Quarantined(_));
            if in_quarantine || failures >= FAILURES || LASTING.contains(&&*why.cause) {
                return quarantined(health, why, now, jitter);
            }
            let began = (health == Health::Working).then_some(Change::BeganToFail);
            (Health::Failing { failures, why }, began)
        }
    }
}

/// Whether a test that goes well shows that this is over. Not that records do not fail any more: a test reads none. Nor, where
/// a run may tell, that a whole run is spared what broke off those before: a few calls may well go through. Otherwise a
/// connection that works for tests alone would recover and fail in turns, with a mail each time.
#[must_use]
pub fn test_shows(cause: &str, runs_come: bool) -> bool {
    cause != RECORDS_FAILED && (!runs_come || LASTING.contains(&cause))
}

/// Why a delta of this connection reads everything; none: it need not. Those that fail need not be among what has changed.
#[must_use]
pub fn reads_everything(health: &Health) -> Option<&'static str> {
    (health.cause() == Some(RECORDS_FAILED))
        .then_some("the connection is in quarantine because records fail, and only reading everything shows whether they do")
}

impl Health {
    /// Why it fails, if it does.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        match self {
            Self::Working => None,
            Self::Failing { why, .. } | Self::Quarantined(Quarantine { why, .. }) => Some(&why.cause),
        }
    }

    /// How often it failed in a row.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        match self {
            Self::Working => 0,
            Self::Failing { failures, .. } | Self::Quarantined(Quarantine { failures, .. }) => *failures,
        }
    }
}

fn works(health: &Health) -> (Health, Option<Change>) {
    let change = match health {
        Health::Working => None,
        Health::Failing { .. } => Some(Change::WorksAgain),
        Health::Quarantined(_) => Some(Change::Recovered),
    };
    (Health::Working, change)
}

fn quarantined(health: Health, why: Why, now: DateTime<Utc>, jitter: f64) -> (Health, Option<Change>) {
    let failures = health.failures().saturating_add(1);
    let (since, tries, change) = match health {
        Health::Quarantined(quarantine) => (quarantine.since, quarantine.tries.saturating_add(1), None),
        Health::Working | Health::Failing { .. } => (now, 1, Some(Change::Quarantined)),
    };
    let quarantine = Quarantine {
        since,
        why,
        failures,
        tries,
        next_try: now + wait(tries, jitter),
    };
    (Health::Quarantined(quarantine), change)
}

/// 15 minutes after the first failure, then 30, an hour, … and a tenth at most on top; never more than a day.
fn wait(tries: u32, jitter: f64) -> TimeDelta {
    let doublings = tries.saturating_sub(1).min(16);
    let wait = (FIRST_WAIT * (1 << doublings)).min(LONGEST_WAIT);
    // Thousandths are fine enough, and whole numbers need no rounding.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "between 0 and 1000 by the line itself"
    )]
    let thousandths = (jitter.clamp(0.0, 1.0) * 1_000.0) as i32;
    (wait + wait / 10_000 * thousandths).min(LONGEST_WAIT)
}

fn too_many_failed(records: Records) -> Option<Why> {
    let Records { seen, failed, scope } = records;
    if matches!(scope, Scope::Named | Scope::Leavers) || seen < FAILED_FROM {
        return None;
    }
    (u64::from(failed) * 100 > u64::from(seen) * FAILED_PERCENT).then(|| Why {
        cause: RECORDS_FAILED.to_owned(),
        text: format!(
            "{failed} of {seen} records failed, more than {FAILED_PERCENT} %. See who failed and why in the list of \
             failed records, and mend the mapping or the directory; then start a run."
        ),
    })
}

/// Whether a run read enough to tell that records do not fail any more.
fn shows_records(records: Records) -> bool {
    match records.scope {
        Scope::Whole => true,
        Scope::Changes => records.seen >= FAILED_FROM,
        Scope::Named | Scope::Leavers => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minute)
    }

    fn failed(cause: &str) -> Happened {
        Happened::Failed(Why {
            cause: cause.to_owned(),
            text: "It is so. Do that.".to_owned(),
        })
    }

    fn ran(seen: u32, failed: u32, scope: Scope) -> Happened {
        Happened::Ran(Records { seen, failed, scope })
    }

    fn next_try(health: &Health) -> DateTime<Utc> {
        match health {
            Health::Quarantined(quarantine) => quarantine.next_try,
            other => panic!("not in quarantine: {other:?}"),
        }
    }

    #[test]
    fn what_a_person_has_to_mend_is_enough_once() {
        for cause in LASTING {
            let (health, change) = after(Health::Working, failed(cause), at(0), 0.0);
            assert_eq!(change, Some(Change::Quarantined), "{cause}");
            assert_eq!(next_try(&health), at(15));
        }
    }

    #[test]
    fn what_may_pass_has_to_happen_three_times_in_a_row() {
        let (one, began) = after(Health::Working, failed("throttled"), at(0), 0.0);
        assert_eq!((one.failures(), began), (1, Some(Change::BeganToFail)));
        let (two, change) = after(one.clone(), failed("unreachable"), at(1), 0.0);
        assert_eq!((two.failures(), change), (2, None));
        let (three, change) = after(two.clone(), failed("transient"), at(2), 0.0);
        assert_eq!(change, Some(Change::Quarantined));
        assert_eq!(next_try(&three), at(17));
        // A success in between begins the count anew.
        assert_eq!(
            after(two, ran(0, 0, Scope::Changes), at(2), 0.0),
            (Health::Working, Some(Change::WorksAgain))
        );
    }

    #[test]
    fn tries_come_later_and_later_and_tell_nothing() {
        let (mut health, _) = after(Health::Working, failed("wrong_secret"), at(0), 0.0);
        let mut now = at(0);
        for minutes in [15, 30, 60, 120, 240, 480, 960, 1_440, 1_440, 1_440] {
            assert_eq!(next_try(&health) - now, TimeDelta::minutes(minutes));
            now = next_try(&health);
            let (next, change) = after(health, failed("throttled"), now, 0.0);
            assert_eq!(change, None);
            health = next;
        }
        let (health, change) = after(health, Happened::TestPassed { runs_come: false }, now, 0.0);
        assert_eq!((health, change), (Health::Working, Some(Change::Recovered)));
    }

    #[test]
    fn a_test_ends_what_it_shows_and_leaves_the_rest_to_the_runs_that_come() {
        let ends = |cause, runs_come| {
            let health = Health::Quarantined(Quarantine {
                since: at(0),
                why: Why {
                    cause: String::from(cause),
                    text: String::new(),
                },
                failures: 3,
                tries: 1,
                next_try: at(15),
            });
            after(health, Happened::TestPassed { runs_come }, at(15), 0.0).0 == Health::Working
        };
        for cause in LASTING {
            assert!(ends(cause, true) && ends(cause, false), "{cause}");
        }
        for cause in ["throttled", "unreachable", "transient", "internal", "other"] {
            assert!(!ends(cause, true) && ends(cause, false), "{cause}");
        }
        assert!(!ends(RECORDS_FAILED, true) && !ends(RECORDS_FAILED, false));
    }

    #[test]
    fn a_connection_that_works_for_tests_alone_waits_longer_and_longer_and_tells_it_once() {
        let (mut health, mut now, mut told) = (Health::Working, at(0), Vec::new());
        let mut waits = Vec::new();
        for _ in 0..8 {
            for happened in [failed("throttled"), Happened::TestPassed { runs_come: true }] {
                let (next, change) = after(health, happened, now, 0.0);
                told.extend(change);
                health = next;
            }
            if let Health::Quarantined(quarantine) = &health {
                waits.push((quarantine.next_try - now).num_minutes());
                now = quarantine.next_try;
            }
        }
        assert_eq!(told, [Change::BeganToFail, Change::Quarantined]);
        assert_eq!(waits, [15, 30, 60, 120, 240, 480]);
    }

    #[test]
    fn a_disconnected_connection_does_not_fail() {
        for cause in NOT_ITS_FAULT {
            assert_eq!(
                after(Health::Working, failed(cause), at(0), 0.5),
                (Health::Working, None)
            );
        }
    }

    #[test]
    fn more_than_two_fifths_of_the_records_are_too_many() {
        let run = |seen, failed, scope| after(Health::Working, ran(seen, failed, scope), at(0), 0.0).1;
        assert_eq!(run(20, 8, Scope::Whole), None);
        assert_eq!(run(20, 9, Scope::Whole), Some(Change::Quarantined));
        assert_eq!(run(20, 9, Scope::Changes), Some(Change::Quarantined));
        assert_eq!(run(19, 19, Scope::Whole), None);
        assert_eq!(run(100, 100, Scope::Named), None);
        assert_eq!(run(100, 100, Scope::Leavers), None);
    }

    #[test]
    fn only_records_that_do_not_fail_end_a_quarantine_for_records() {
        let (health, _) = after(Health::Working, ran(100, 50, Scope::Whole), at(0), 0.0);
        for little in [
            Happened::TestPassed { runs_come: false },
            ran(2, 0, Scope::Changes),
            ran(100, 0, Scope::Named),
            ran(100, 0, Scope::Leavers),
        ] {
            assert_eq!(after(health.clone(), little, at(5), 0.0), (health.clone(), None));
        }
        for enough in [ran(2, 0, Scope::Whole), ran(20, 8, Scope::Changes)] {
            assert_eq!(
                after(health.clone(), enough, at(5), 0.0),
                (Health::Working, Some(Change::Recovered))
            );
        }
    }

    #[test]
    fn a_delta_reads_everything_while_records_fail() {
        let (health, _) = after(Health::Working, ran(100, 50, Scope::Whole), at(0), 0.0);
        assert!(reads_everything(&health).is_some());
        let (health, _) = after(Health::Working, failed("wrong_secret"), at(0), 0.0);
        assert_eq!(reads_everything(&health), None);
        assert_eq!(reads_everything(&Health::Working), None);
    }

    #[test]
    fn a_release_ends_it_and_tells_nobody() {
        let (health, _) = after(Health::Working, failed("expired_secret"), at(0), 0.0);
        assert_eq!(
            after(health, Happened::Released, at(1), 0.0),
            (Health::Working, None)
        );
    }

    fn anything() -> impl Strategy<Value = Happened> {
        prop_oneof![
            prop::sample::select(vec!["wrong_secret", "throttled", "internal", "disconnected"])
                .prop_map(failed),
            (0_u32..50, 0_u32..50).prop_map(|(seen, bad)| ran(seen, bad.min(seen), Scope::Whole)),
            any::<bool>().prop_map(|runs_come| Happened::TestPassed { runs_come }),
        ]
    }

    proptest! {
        /// Quarantines and recoveries are told in turns, so neither can become a storm; and a wait has its bounds.
        #[test]
        fn changes_alternate_and_waits_are_bounded(
            story in prop::collection::vec((anything(), 0.0_f64..=1.0), 0..60),
        ) {
            let mut health = Health::Working;
            let mut inside = false;
            for (minute, (happened, jitter)) in (0..).zip(story) {
                let (next, change) = after(health, happened, at(minute), jitter);
                match change {
                    Some(Change::Quarantined) => { prop_assert!(!inside); inside = true; }
                    Some(Change::Recovered) => { prop_assert!(inside); inside = false; }
                    Some(Change::BeganToFail | Change::WorksAgain) => prop_assert!(!inside),
                    None => {}
                }
                prop_assert_eq!(inside, matches!(next, Health::Quarantined(_)));
                if let Health::Quarantined(quarantine) = &next {
                    let wait = quarantine.next_try - at(minute);
                    prop_assert!(wait <= LONGEST_WAIT);
                }
                health = next;
            }
        }
    }
}
