//! Connections that are due at the same time begin one after the other.

use chrono::TimeDelta;

use crate::id::ConnectionId;

/// The latest beginning.
const LONGEST: TimeDelta = TimeDelta::minutes(5);
/// Nor may it be later than this part of the time until the next run.
const PART: i32 = 10;

/// How late a connection begins: always the same part of what is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread(u32);

impl Spread {
    /// Of a connection.
    #[must_use]
    pub fn of(connection: ConnectionId) -> Self {
        let (high, low) = connection.0.as_u64_pair();
        // The finalizer of MurmurHash3: neighbours among the ids end up far from each other.
        let mut mixed = high ^ low;
        mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        Self(u32::try_from((mixed ^ (mixed >> 33)) >> 32).unwrap_or(0))
    }

    /// In whole seconds; `gap` is the time until the next run, if there is one.
    #[must_use]
    pub fn offset(self, gap: Option<TimeDelta>) -> TimeDelta {
        self.within(gap.map_or(LONGEST, |gap| LONGEST.min(gap / PART)))
    }

    /// In whole seconds, less than `most`.
    #[must_use]
    pub fn within(self, most: TimeDelta) -> TimeDelta {
        let seconds = u64::try_from(most.num_seconds()).unwrap_or(0);
        let part = u128::from(seconds) * u128::from(self.0) / (u128::from(u32::MAX) + 1);
        TimeDelta::seconds(i64::try_from(part).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn r3_a_hundred_connections_begin_over_some_minutes() {
        let offsets: Vec<i64> = (0..100)
            .map(|n| {
                Spread::of(ConnectionId(Uuid::from_u128(n)))
                    .offset(None)
                    .num_seconds()
            })
            .collect();
        for minute in 0..5 {
            let within = offsets.iter().filter(|offset| **offset / 60 == minute).count();
            assert!((8..40).contains(&within), "{within} in minute {minute}");
        }
        let at_once = offsets.iter().filter(|offset| **offset == offsets[0]).count();
        assert!(at_once < 5, "{at_once}");
    }

    #[test]
    fn r3_it_is_bounded_by_the_next_run() {
        for n in 0..100 {
            let spread = Spread::of(ConnectionId(Uuid::from_u128(n << 40)));
            assert!(spread.offset(Some(TimeDelta::minutes(1))) < TimeDelta::seconds(6));
            assert!(spread.offset(Some(TimeDelta::days(7))) < LONGEST);
        }
    }
}
