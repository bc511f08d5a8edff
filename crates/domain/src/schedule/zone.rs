//! Named time zones.

use std::fmt;

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};

/// Minutes that clocks have ever been put forward by at most: Apia left out a whole day.
const LONGEST_GAP: i64 = 36 * 60;
/// Zones that are suggested at most.
const MOST_SUGGESTED: usize = 3;

/// A time zone of the IANA database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Zone(Tz);

impl Zone {
    /// UTC.
    pub const UTC: Self = Self(Tz::UTC);

    /// The zone of this name, letter case aside.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        TZ_VARIANTS
            .into_iter()
            .find(|zone| zone.name().eq_ignore_ascii_case(name))
            .map(Self)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// All names.
    pub fn names() -> impl Iterator<Item = &'static str> {
        TZ_VARIANTS.into_iter().map(Tz::name)
    }

    /// Names that hold this one, or part of it, such as `Europe/Berlin` for `Berlin`.
    #[must_use]
    pub fn holding(name: &str) -> Vec<&'static str> {
        let plain = |text: &str| text.to_lowercase().replace([' ', '-'], "_");
        let given = plain(name.trim());
        let place = given.rsplit('/').next().unwrap_or(&given).to_owned();
        let found = Self::names().filter(|name| {
            let name = plain(name);
            place.len() > 2 && name.rsplit('/').next().is_some_and(|last| last.contains(&place))
        });
        found.take(MOST_SUGGESTED).collect()
    }

    /// What clocks show there.
    #[must_use]
    pub fn local(self, at: DateTime<Utc>) -> NaiveDateTime {
        at.with_timezone(&self.0).naive_local()
    }

    /// When clocks show this there. A time that they show twice is the first of the two; one that they leave out is the
    /// moment in which they are put forward.
    pub(super) fn instant(self, local: NaiveDateTime) -> Option<DateTime<Utc>> {
        for minute in 0..=LONGEST_GAP {
            let shown = local.checked_add_signed(TimeDelta::minutes(minute))?;
            match self.0.from_local_datetime(&shown) {
                LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => return Some(at.to_utc()),
                LocalResult::None => {}
            }
        }
        None
    }

    /// When clocks show this there for the second time; none where they show it once.
    pub(super) fn second_instant(self, local: NaiveDateTime) -> Option<DateTime<Utc>> {
        match self.0.from_local_datetime(&local) {
            LocalResult::Ambiguous(_, second) => Some(second.to_utc()),
            LocalResult::Single(_) | LocalResult::None => None,
        }
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
