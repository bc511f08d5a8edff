//! The time, and ids made from it. The only place that reads the machine's clock.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use uuid::Uuid;

/// Tells the time: the machine's, one that a test moves ahead of it, or one that a test sets by hand.
///
/// Cheap to clone; all clones of a set clock show the same time.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Ahead(Arc<Ahead>),
    Set(Arc<Mutex<DateTime<Utc>>>),
}

impl Clock {
    /// The machine's clock.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// The machine's clock, ahead by as many seconds as `file` says now, so that a test can move the clocks of several
    /// processes at once. While the file says no number, it is ahead by what that said last, or by nothing.
    pub fn ahead_of_system(file: &Path) -> Self {
        Self(Source::Ahead(Arc::new(Ahead {
            file: file.into(),
            seconds: AtomicI64::new(0),
        })))
    }

    /// A clock that stands still at `at` until its [`Hand`] is moved.
    pub fn set_by_hand(at: DateTime<Utc>) -> (Self, Hand) {
        let time = Arc::new(Mutex::new(at));
        (Self(Source::Set(Arc::clone(&time))), Hand(time))
    }

    /// Now, in whole microseconds: what PostgreSQL stores, so that a time written and read back is equal.
    pub fn now(&self) -> DateTime<Utc> {
        match &self.0 {
            Source::System => system_now().trunc_subsecs(6),
            Source::Ahead(ahead) => (system_now() + ahead.now()).trunc_subsecs(6),
            Source::Set(time) => *time.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// A new id (UUID version 7): sorts by this clock's time, unique by its random part.
    pub fn new_id(&self) -> Uuid {
        id_at(self.now())
    }
}

#[derive(Debug)]
struct Ahead {
    file: Box<Path>,
    /// What the file said last.
    seconds: AtomicI64,
}

/// Moves a clock made by [`Clock::set_by_hand`].
#[derive(Clone, Debug)]
pub struct Hand(Arc<Mutex<DateTime<Utc>>>);

impl Hand {
    /// Sets the time to `at`, earlier or later.
    pub fn set(&self, at: DateTime<Utc>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    /// Moves the time forward by `by`.
    pub fn advance(&self, by: Duration) {
        let mut time = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *time += by;
    }
}

impl Ahead {
    fn now(&self) -> TimeDelta {
        let read = std::fs::read_to_string(&self.file).ok();
        if let Some(seconds) = read.and_then(|text| text.trim().parse().ok()) {
            self.seconds.store(seconds, Ordering::Relaxed);
        }
        TimeDelta::try_seconds(self.seconds.load(Ordering::Relaxed)).unwrap_or_default()
    }
}

/// A new id (UUID version 7) for the time `at`; a time before 1970 counts as 1970.
pub fn id_at(at: DateTime<Utc>) -> Uuid {
    let seconds = u64::try_from(at.timestamp()).unwrap_or(0);
    let timestamp = uuid::Timestamp::from_unix(uuid::NoContext, seconds, at.timestamp_subsec_nanos());
    Uuid::new_v7(timestamp)
}

/// An id not after any that is made at the time `at` or later: it divides what is older from what is newer.
pub fn earliest_id(at: DateTime<Utc>) -> Uuid {
    let milliseconds = u64::try_from(at.timestamp_millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(milliseconds, &[0; 10]).into_uuid()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the machine's clock is read"
)]
fn system_now() -> DateTime<Utc> {
    SystemTime::now().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> DateTime<Utc> {
        "2026-11-21T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn the_earliest_id_divides_the_ids_made_before_from_those_made_later() {
        let bound = earliest_id(noon());
        assert!(id_at(noon() - Duration::from_millis(1)) < bound);
        assert!(bound <= id_at(noon()));
    }

    #[test]
    fn a_set_clock_moves_only_by_hand_and_for_all_clones() {
        let (clock, hand) = Clock::set_by_hand(noon());
        let clone = clock.clone();
        assert_eq!(clock.now(), noon());
        hand.advance(Duration::from_secs(90));
        assert_eq!(clone.now(), noon() + Duration::from_secs(90));
        hand.set(noon());
        assert_eq!(clock.now(), noon());
    }

    #[test]
    fn a_clock_goes_ahead_as_its_file_says() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let clock = Clock::ahead_of_system(file.path());
        let is_ahead = |hours: i64| {
            let ahead = clock.now() - Clock::system().now();
            (ahead - TimeDelta::hours(hours)).abs() < TimeDelta::minutes(10)
        };
        assert!(is_ahead(0));
        std::fs::write(file.path(), "86400\n").unwrap();
        assert!(is_ahead(24));
        std::fs::write(file.path(), "").unwrap();
        assert!(is_ahead(24), "between two numbers it stays");
        std::fs::write(file.path(), "-3600").unwrap();
        assert!(is_ahead(-1));
    }

    #[test]
    fn the_system_clock_goes_forward_in_microseconds() {
        let clock = Clock::system();
        let (first, second) = (clock.now(), clock.now());
        assert!(first <= second && first > noon() - Duration::from_secs(365 * 24 * 3600));
        assert_eq!(first.timestamp_subsec_nanos() % 1_000, 0);
    }

    #[test]
    fn ids_sort_by_time_and_differ_within_it() {
        let early = id_at(noon());
        let late = id_at(noon() + Duration::from_secs(1));
        assert!(early < late);
        assert_ne!(id_at(noon()), id_at(noon()));
        assert_eq!(early.get_version_num(), 7);
    }
}
