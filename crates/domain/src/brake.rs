//! The brake: a run that would remove too many is not trusted with any removal (B2).

use std::fmt;

/// A connection's thresholds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Brake {
    /// More than this share of the linked records, in per cent.
    pub percent: u32,
    /// More than this many.
    pub count: u32,
    /// From this many linked records up.
    pub from: u32,
}

/// What is weighed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Active records that the run would deactivate or delete by itself. What goes to review anyway is not in it.
    pub removals: u32,
    /// Records linked to the connection that are not deleted.
    pub linked: u32,
    /// Those of them that are active.
    pub active: u32,
}

/// Why a run's removals are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tripped {
    /// Every linked record would go.
    Everyone(Load),
    /// More than the share.
    Share(Load, Brake),
    /// More than the count.
    Count(Load, Brake),
}

impl Default for Brake {
    fn default() -> Self {
        Self {
            percent: 10,
            count: 50,
            from: 20,
        }
    }
}

/// Whether the removals of a run must be held.
#[must_use]
pub fn weigh(load: Load, brake: Brake) -> Option<Tripped> {
    if load.removals == 0 {
        return None;
    }
    if load.active >= 2 && load.removals >= load.active {
        return Some(Tripped::Everyone(load));
    }
    if load.linked < brake.from {
        return None;
    }
    if u64::from(load.removals) * 100 > u64::from(load.linked) * u64::from(brake.percent) {
        return Some(Tripped::Share(load, brake));
    }
    (load.removals > brake.count).then_some(Tripped::Count(load, brake))
}

impl fmt::Display for Tripped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everyone(load) => {
                write!(
                    f,
                    "the run would remove all {} active linked records",
                    load.active
                )
            }
            Self::Share(load, brake) => write!(
                f,
                "the run would remove {} of {} linked records, more than {} %",
                load.removals, load.linked, brake.percent
            ),
            Self::Count(load, brake) => {
                write!(
                    f,
                    "the run would remove {} records, more than {}",
                    load.removals, brake.count
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trips(removals: u32, linked: u32) -> bool {
        weigh(
            Load {
                removals,
                linked,
                active: linked,
            },
            Brake::default(),
        )
        .is_some()
    }

    #[test]
    fn thresholds_are_exclusive() {
        assert!(!trips(2, 20));
        assert!(trips(3, 20));
        assert!(!trips(50, 1_000));
        assert!(trips(51, 1_000));
    }

    #[test]
    fn below_the_floor_only_everyone_trips() {
        assert!(!trips(18, 19));
        assert!(trips(19, 19));
        assert!(trips(2, 2));
        assert!(!trips(1, 1));
    }

    #[test]
    fn nothing_removed_never_trips() {
        assert!(!trips(0, 0));
        assert!(
            weigh(
                Load {
                    removals: 0,
                    linked: 50,
                    active: 0
                },
                Brake::default()
            )
            .is_none()
        );
    }
}
