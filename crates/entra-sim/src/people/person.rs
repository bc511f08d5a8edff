//! One generated user: who it is, and what kind.

use super::Generation;
use super::identifier::{below, mix};
use super::names::{Culture, HOMES, Name, Order, Place, SHARED};

/// What kind of user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A colleague.
    Member,
    /// Somebody invited from elsewhere.
    Guest,
    /// A room, kiosk or desk: an account without mail.
    Shared,
}

/// One generated user.
pub struct Person<'g> {
    pub(super) generation: &'g Generation,
    /// Its number in the tenant.
    pub slot: u32,
    /// What kind of user.
    pub kind: Kind,
    pub(super) culture: &'static Culture,
    pub(super) place: &'static Place,
    pub(super) given: &'static Name,
    pub(super) surname: &'static Name,
    repeat: u32,
    hash: u64,
}

/// The streams of chance, each its own number, so that one attribute never follows another.
pub(super) mod stream {
    pub const KIND: u64 = 1;
    pub const DISABLED: u64 = 2;
    pub const SYNCED: u64 = 3;
    pub const MANAGED: u64 = 4;
    pub const PLACE: u64 = 5;
    pub const DOMAIN: u64 = 6;
    pub const NAME: u64 = 7;
    pub const MAIL: u64 = 8;
    /// Streams from here on belong to single attributes.
    pub const ATTRIBUTE: u64 = 16;
}

impl<'g> Person<'g> {
    pub(super) fn new(
        generation: &'g Generation,
        slot: u32,
        culture: &'static Culture,
        names: u32,
        repeat: u32,
    ) -> Self {
        let names = names as usize;
        let hash = mix(generation.seed, u64::from(slot) | 1 << 40);
        let kind = match below(mix(hash, stream::KIND), 100) {
            0..5 => Kind::Guest,
            5..7 => Kind::Shared,
            _ => Kind::Member,
        };
        Self {
            generation,
            slot,
            kind,
            culture,
            place: &culture.places[usize::from(below(mix(hash, stream::PLACE), 3) == 0)],
            given: &culture.given[names / culture.surnames.len()],
            surname: &culture.surnames[names % culture.surnames.len()],
            repeat,
            hash,
        }
    }

    /// A number that only this user and this stream have.
    pub(super) fn draw(&self, stream: u64) -> u64 {
        mix(self.hash, stream)
    }

    /// True for about `percent` of all users.
    pub(super) fn chance(&self, stream: u64, percent: u32) -> bool {
        below(self.draw(stream), 100) < percent
    }

    pub(super) fn pick<T>(&self, stream: u64, from: &'static [T]) -> &'static T {
        let length = u32::try_from(from.len()).expect("lists of words are short");
        &from[below(self.draw(stream), length) as usize]
    }

    /// May this user sign in?
    pub fn enabled(&self) -> bool {
        self.kind == Kind::Shared || !self.chance(stream::DISABLED, 3)
    }

    /// Does this user come from an on-premises directory?
    pub fn synced(&self) -> bool {
        self.kind == Kind::Member && self.chance(stream::SYNCED, 32)
    }

    pub(super) fn has_manager(&self) -> bool {
        self.kind == Kind::Member && !self.chance(stream::MANAGED, 2)
    }

    pub(super) fn can_manage(&self) -> bool {
        self.kind == Kind::Member && self.enabled()
    }

    /// The part of the principal name before the `@`, before any guest decoration, in lower case.
    pub(super) fn local(&self) -> String {
        match self.kind {
            Kind::Shared => format!("{}.{}{}", self.purpose().1, self.place.ascii, self.slot),
            _ if self.repeat == 0 => format!("{}.{}", self.given.1, self.surname.1),
            _ => format!("{}.{}{}", self.given.1, self.surname.1, self.repeat + 1),
        }
    }

    /// What a shared account is for.
    pub(super) fn purpose(&self) -> &'static Name {
        self.pick(stream::NAME, &SHARED)
    }

    /// A guest's address at home.
    pub(super) fn home(&self) -> String {
        format!("{}@{}", self.local(), self.pick(stream::DOMAIN, &HOMES))
    }

    /// The domain this user belongs to.
    pub(super) fn domain(&self) -> &'g str {
        let domains = &self.generation.domains;
        let at = match self.kind {
            Kind::Guest => 1,
            _ if self.chance(stream::DOMAIN, 10) => 2,
            _ => 0,
        };
        domains.get(at).unwrap_or(&domains[0])
    }

    /// The user principal name (graph-facts §2.3; guests: §11, 15).
    pub fn principal_name(&self) -> String {
        let domain = self.domain();
        match self.kind {
            Kind::Guest => format!("{}#EXT#@{domain}", self.home().replace('@', "_")),
            Kind::Member if self.chance(stream::NAME, 10) => {
                format!("{}@{domain}", capitalised(&self.local()))
            }
            _ => format!("{}@{domain}", self.local()),
        }
    }

    /// The name to show.
    pub fn display_name(&self) -> String {
        let (given, surname) = (self.given.0, self.surname.0);
        if self.kind == Kind::Shared {
            return format!("{} {} {}", self.purpose().0, self.place.city, self.slot % 40 + 1);
        }
        match self.culture.order {
            Order::GivenFirst if self.chance(stream::NAME, 1) => {
                format!("{given} \"{}\" {surname}", self.given.1)
            }
            Order::GivenFirst => format!("{given} {surname}"),
            Order::FamilyFirst => format!("{surname} {given}"),
            Order::FamilyJoined => format!("{surname}{given}"),
        }
    }
}

/// `Anna.Mueller` of `anna.mueller`.
fn capitalised(local: &str) -> String {
    let mut start = true;
    let letters = local.chars().map(|letter| {
        let shown = if start {
            letter.to_ascii_uppercase()
        } else {
            letter
        };
        start = !letter.is_ascii_alphanumeric();
        shown
    });
    letters.collect()
}
