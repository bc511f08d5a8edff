//! People made from a seed: nothing is stored, every attribute of every user is worked out when it is asked for.

pub mod contact;
pub mod identifier;
pub mod names;
pub mod onpremises;
pub mod organization;
pub mod person;
pub mod profile;

use chrono::{DateTime, Utc};
use names::CULTURES;
use person::Person;
use uuid::Uuid;

/// How many reports a manager has at most.
const SPAN: u32 = 8;

/// What all generated users have in common.
#[derive(Clone, Debug)]
pub struct Generation {
    /// Everything follows from it.
    pub seed: u64,
    /// Slots `0..users` are users.
    pub users: u32,
    /// Slots `users..users + deleted` are soft-deleted users.
    pub deleted: u32,
    /// Verified domains: the default one first, then the initial one, then others.
    pub domains: Vec<String>,
    /// When the tenant started: recent dates are counted back from it.
    pub started: DateTime<Utc>,
    names: Shuffle,
    places: Shuffle,
}

impl Generation {
    /// A tenant of `users` users and `deleted` soft-deleted ones.
    pub fn new(seed: u64, users: u32, deleted: u32, domains: Vec<String>, started: DateTime<Utc>) -> Self {
        let combinations = CULTURES.iter().map(combinations).sum();
        Self {
            seed,
            users,
            deleted,
            domains,
            started,
            names: Shuffle::new(seed, combinations),
            places: Shuffle::new(!seed, users.max(1)),
        }
    }

    /// How many slots are generated.
    pub fn slots(&self) -> u32 {
        self.users + self.deleted
    }

    /// The object id of a slot, generated or not.
    pub fn id(&self, slot: u32) -> Uuid {
        identifier::guid(self.seed, slot)
    }

    /// What seals this tenant's page and delta tokens.
    pub fn seal(&self) -> u64 {
        identifier::mix(self.seed, u64::MAX)
    }

    /// The slot of an object id; it may be beyond the generated ones.
    pub fn slot(&self, id: Uuid) -> Option<u32> {
        identifier::slot(self.seed, id)
    }

    /// The person in a generated slot.
    pub fn person(&self, slot: u32) -> Person<'_> {
        let names = self.names.of(slot % self.names.length);
        let repeat = slot / self.names.length;
        let mut rest = names;
        let culture = CULTURES
            .iter()
            .find(|culture| {
                let fits = rest < combinations(culture);
                rest -= if fits { 0 } else { combinations(culture) };
                fits
            })
            .expect("the shuffle stays below the sum of all combinations");
        Person::new(self, slot, culture, rest, repeat)
    }

    /// The slot of the generated user whose principal name this was at first.
    pub fn by_principal_name(&self, name: &str) -> Option<u32> {
        let name = name.to_lowercase();
        let (local, _) = name.split_once('@')?;
        let local = local.split_once("#ext#").map_or(local, |(home, _)| {
            // `given.surname_home.example`: the home domain may hold an underscore, a local part can't.
            home.split_once('_').map_or(home, |(local, _)| local)
        });
        let digits = local.len() - local.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let (stem, number) = local.split_at(local.len() - digits);
        let slot = self
            .by_person_name(stem, number)
            .or_else(|| number.parse().ok())
            .filter(|slot| *slot < self.slots())?;
        (self.person(slot).principal_name().to_lowercase() == name).then_some(slot)
    }

    fn by_person_name(&self, stem: &str, number: &str) -> Option<u32> {
        let repeat = if number.is_empty() {
            0
        } else {
            number.parse::<u32>().ok()?.checked_sub(1)?
        };
        let (given, surname) = stem.split_once('.')?;
        let mut before = 0;
        for culture in &CULTURES {
            let at = culture.surnames.iter().position(|(_, ascii)| *ascii == surname);
            if let Some(at) = at {
                let given = culture.given.iter().position(|(_, ascii)| *ascii == given)?;
                let within = u32::try_from(given * culture.surnames.len() + at).ok()?;
                let rank = self.names.position(before + within);
                return repeat.checked_mul(self.names.length)?.checked_add(rank);
            }
            before += combinations(culture);
        }
        None
    }

    /// The generated manager of a generated user.
    pub fn manager(&self, slot: u32) -> Option<u32> {
        if slot >= self.users || !self.person(slot).has_manager() {
            return None;
        }
        let mut place = self.places.position(slot);
        // A guest or a shared account manages nobody: go up until there is somebody who can.
        while place > 0 {
            place = (place - 1) / SPAN;
            let above = self.places.of(place);
            if self.person(above).can_manage() {
                return Some(above);
            }
        }
        None
    }

    /// The generated users whose generated manager this is.
    pub fn reports(&self, manager: u32) -> Vec<u32> {
        let mut found = Vec::new();
        if manager >= self.users || !self.person(manager).can_manage() {
            return found;
        }
        let mut above = vec![self.places.position(manager)];
        while let Some(place) = above.pop() {
            let first = place.saturating_mul(SPAN).saturating_add(1);
            for place in first..first.saturating_add(SPAN).min(self.users) {
                let slot = self.places.of(place);
                let person = self.person(slot);
                if person.has_manager() {
                    found.push(slot);
                }
                if !person.can_manage() {
                    above.push(place);
                }
            }
        }
        found
    }
}

fn combinations(culture: &names::Culture) -> u32 {
    u32::try_from(culture.given.len() * culture.surnames.len()).expect("name lists are short")
}

/// A permutation of `0..length` that can be read both ways: `x → (x · factor + shift) mod length`.
#[derive(Clone, Debug)]
struct Shuffle {
    length: u32,
    factor: u64,
    inverse: u64,
    shift: u64,
}

impl Shuffle {
    fn new(seed: u64, length: u32) -> Self {
        let modulus = u64::from(length);
        let shift = identifier::mix(seed, 1) % modulus;
        // Near the golden section of the length, so that neighbours land far apart.
        let mut factor = (modulus * 618 / 1000).max(1);
        while gcd(factor, modulus) != 1 {
            factor += 1;
        }
        Self {
            length,
            factor,
            inverse: inverse(factor, modulus),
            shift,
        }
    }

    fn of(&self, position: u32) -> u32 {
        self.wrapped(u64::from(position) * self.factor + self.shift)
    }

    fn position(&self, value: u32) -> u32 {
        let modulus = u64::from(self.length);
        self.wrapped((u64::from(value) + modulus - self.shift) % modulus * self.inverse)
    }

    fn wrapped(&self, value: u64) -> u32 {
        u32::try_from(value % u64::from(self.length)).expect("below a 32-bit length")
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The inverse of `value` modulo `modulus`; they have no common factor.
fn inverse(value: u64, modulus: u64) -> u64 {
    let (mut before, mut now) = ((i128::from(modulus), 0), (i128::from(value % modulus), 1));
    while now.0 > 1 {
        let quotient = before.0 / now.0;
        (before, now) = (now, (before.0 - quotient * now.0, before.1 - quotient * now.1));
    }
    let inverse: i128 = now.1;
    u64::try_from(inverse.rem_euclid(i128::from(modulus))).expect("a remainder of a 64-bit number")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn generation(users: u32) -> Generation {
        let domains = ["contoso.com", "contoso.onmicrosoft.com", "fabrikam.example"].map(String::from);
        Generation::new(42, users, users / 100, domains.to_vec(), DateTime::UNIX_EPOCH)
    }

    #[test]
    fn a_shuffle_is_a_permutation_with_an_inverse() {
        for length in [1, 2, 7, 100, 4_321] {
            let shuffle = Shuffle::new(9, length);
            let seen: HashSet<u32> = (0..length).map(|at| shuffle.of(at)).collect();
            assert_eq!(seen.len(), length as usize);
            assert!((0..length).all(|at| shuffle.position(shuffle.of(at)) == at));
        }
    }

    #[test]
    fn principal_names_are_unique_ascii_and_lead_back() {
        let generation = generation(30_000);
        let mut seen = HashSet::new();
        for slot in 0..generation.slots() {
            let name = generation.person(slot).principal_name();
            assert!(name.is_ascii(), "{name}");
            assert_eq!(
                generation.by_principal_name(&name.to_uppercase()),
                Some(slot),
                "{name}"
            );
            assert!(seen.insert(name.to_lowercase()), "{name}");
        }
        assert_eq!(generation.by_principal_name("nobody@contoso.com"), None);
    }

    #[test]
    fn managers_form_a_tree_that_reads_both_ways() {
        let generation = generation(3_000);
        let mut led = 0;
        for slot in 0..generation.users {
            let Some(manager) = generation.manager(slot) else {
                continue;
            };
            led += 1;
            assert!(generation.reports(manager).contains(&slot));
            let mut above = manager;
            for _ in 0..12 {
                assert_ne!(above, slot, "a cycle");
                let Some(next) = generation.manager(above) else {
                    break;
                };
                above = next;
            }
        }
        assert!((2_600..2_900).contains(&led), "{led} of 3,000 have a manager");
        let all: usize = (0..generation.users)
            .map(|slot| generation.reports(slot).len())
            .sum();
        assert_eq!(all, led);
    }
}
