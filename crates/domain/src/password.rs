//! Local passwords of imported accounts: what they must have, random ones, and the mail that brings them (M6).

use std::fmt;

use crate::notice::{Letter, single_line};

/// What every password must have.
#[expect(clippy::struct_excessive_bools, reason = "each is a rule of its own")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Characters at least.
    pub length: u8,
    /// A lower-case letter.
    pub lower: bool,
    /// An upper-case letter.
    pub upper: bool,
    /// A digit.
    pub digit: bool,
    /// Anything else.
    pub symbol: bool,
    /// Not the login.
    pub not_login: bool,
}

/// The fewest characters that a policy may ask for.
pub const SHORTEST: u8 = 8;
/// The most characters that a policy may ask for.
pub const LONGEST: u8 = 64;

/// One rule of a policy that a password breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// It has fewer characters.
    Short(u8),
    /// It has no lower-case letter.
    NoLower,
    /// It has no upper-case letter.
    NoUpper,
    /// It has no digit.
    NoDigit,
    /// It has letters and digits only.
    NoSymbol,
    /// The login is in it.
    HoldsLogin,
}

/// Logins of fewer characters are in too many passwords by chance.
const SHORTEST_LOGIN: usize = 3;
/// Random passwords are not shorter than this, whatever the policy.
const SHORTEST_RANDOM: u8 = 12;

// Without l, I, 1, o, O and 0, which people mistake for each other.
const LOWER: &str = "abcdefghijkmnpqrstuvwxyz";
const UPPER: &str = "ABCDEFGHJKLMNPQRSTUVWXYZ";
const DIGIT: &str = "23456789";
const SYMBOL: &str = "!#%*+-=?@";

impl Default for Policy {
    fn default() -> Self {
        Self {
            length: 12,
            lower: true,
            upper: true,
            digit: true,
            symbol: true,
            not_login: true,
        }
    }
}

impl Policy {
    /// Every rule that the password breaks as that of this login; empty for a login that is not known yet.
    #[must_use]
    pub fn breaches(&self, password: &str, login: &str) -> Vec<Breach> {
        let has = |kind: fn(char) -> bool| password.chars().any(kind);
        let holds_login = login.chars().count() >= SHORTEST_LOGIN
            && password.to_lowercase().contains(&login.to_lowercase());
        [
            (
                password.chars().count() < usize::from(self.length),
                Breach::Short(self.length),
            ),
            (self.lower && !has(char::is_lowercase), Breach::NoLower),
            (self.upper && !has(char::is_uppercase), Breach::NoUpper),
            (self.digit && !has(|c| c.is_ascii_digit()), Breach::NoDigit),
            (self.symbol && !has(|c| !c.is_alphanumeric()), Breach::NoSymbol),
            (self.not_login && holds_login, Breach::HoldsLogin),
        ]
        .into_iter()
        .filter_map(|(broken, breach)| broken.then_some(breach))
        .collect()
    }

    /// A password that keeps the policy, for this login. `pick` gives a random number below its argument.
    pub fn random(&self, login: &str, pick: &mut impl FnMut(usize) -> usize) -> String {
        // Without the login's first letter the login can't come about.
        let first = login.chars().next().filter(|_| self.not_login);
        let without = |alphabet: &str| -> Vec<char> {
            alphabet
                .chars()
                .filter(|c| !first.is_some_and(|first| c.to_lowercase().eq(first.to_lowercase())))
                .collect()
        };
        let [lower, upper, digit, symbol] = [LOWER, UPPER, DIGIT, SYMBOL].map(without);
        let mut all: Vec<char> = [lower.as_slice(), &upper, &digit].concat();
        if self.symbol {
            all.extend(&symbol);
        }
        let mut password: Vec<char> = [
            (self.lower, &lower),
            (self.upper, &upper),
            (self.digit, &digit),
            (self.symbol, &symbol),
        ]
        .into_iter()
        .filter(|(needed, _)| *needed)
        .map(|(_, alphabet)| alphabet[pick(alphabet.len())])
        .collect();
        while password.len() < usize::from(self.length.max(SHORTEST_RANDOM)) {
            password.push(all[pick(all.len())]);
        }
        for place in (1..password.len()).rev() {
            password.swap(place, pick(place + 1));
        }
        password.into_iter().collect()
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short(length) => write!(f, "has fewer than {length} characters"),
            Self::NoLower => f.write_str("has no lower-case letter"),
            Self::NoUpper => f.write_str("has no upper-case letter"),
            Self::NoDigit => f.write_str("has no digit"),
            Self::NoSymbol => f.write_str("has no symbol"),
            Self::HoldsLogin => f.write_str("holds the login"),
        }
    }
}

/// Where the password stands in a letter. What is stored has this gap.
const GAP: &str = "{password}";

/// The mail that brings a password, with a gap in its place.
#[must_use]
pub fn letter(name: &str, login: &str, must_change: bool) -> Letter {
    let plain = |text: &str| single_line(text).replace(GAP, "");
    let mut body = format!(
        "Hello {},\n\nan account has been made for you.\n\n  login     {}\n  password  {GAP}\n\n",
        plain(name),
        plain(login)
    );
    if must_change {
        body.push_str("You are asked for a new password when you first sign in.\n");
    }
    body.push_str("This password is told nowhere else, and nobody can look it up. Who lost it asks an administrator for another one.\n");
    Letter {
        subject: "Your new account".to_owned(),
        body,
        attach_failed: false,
    }
}

/// A letter's body with the password in its place.
#[must_use]
pub fn fill(body: &str, password: &str) -> String {
    body.replace(GAP, password)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_breach_is_named() {
        let policy = Policy::default();
        assert_eq!(policy.breaches("Cor-rect7horse", "ann"), []);
        assert_eq!(
            policy.breaches("", "ann"),
            [
                Breach::Short(12),
                Breach::NoLower,
                Breach::NoUpper,
                Breach::NoDigit,
                Breach::NoSymbol
            ]
        );
        assert_eq!(policy.breaches("Horse-7-ANNa", "ann"), [Breach::HoldsLogin]);
        assert_eq!(policy.breaches("Horse-7-ANNa", "an"), [], "too short to tell");
        let lax = Policy {
            length: 3,
            lower: false,
            upper: false,
            digit: false,
            symbol: false,
            not_login: false,
        };
        assert_eq!(lax.breaches("ann", "ann"), []);
    }

    #[test]
    fn a_letter_has_one_gap_whatever_the_names() {
        let letter = letter("Ann {password}", "ann\r\nBcc: x", true);
        assert_eq!(letter.body.matches(GAP).count(), 1);
        assert!(!letter.body.contains("\nBcc"));
        let filled = fill(&letter.body, "s3cret");
        assert!(
            filled.contains("password  s3cret\n") && !filled.contains(GAP),
            "{filled}"
        );
        assert!(filled.contains("first sign in"));
    }

    proptest! {
        #[test]
        fn a_random_password_keeps_every_policy(
            length in SHORTEST..=LONGEST,
            classes in any::<[bool; 5]>(),
            login in "[a-zA-Z0-9!åß.]{0,8}",
            picks in proptest::collection::vec(any::<usize>(), 1..200),
        ) {
            let [lower, upper, digit, symbol, not_login] = classes;
            let policy = Policy { length, lower, upper, digit, symbol, not_login };
            let mut picks = picks.iter().cycle();
            let password = policy.random(&login, &mut |below| picks.next().map_or(0, |pick| pick % below));
            prop_assert_eq!(policy.breaches(&password, &login), []);
            prop_assert!(!password.contains(['l', 'I', '1', 'o', 'O', '0']));
        }
    }
}
