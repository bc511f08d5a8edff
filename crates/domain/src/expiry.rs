//! When secrets expire, and when that is said: 30, 14, 7 and 1 days before, and afterwards (B9). And when a full run is long
//! ago (R6).

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

/// Days ahead of an expiry that people are told.
const AHEAD: [i64; 4] = [30, 14, 7, 1];

/// No expiry farther away is told.
pub const FARTHEST: TimeDelta = TimeDelta::days(31);

/// A full run should not be longer ago.
pub const FULL_RUN: TimeDelta = TimeDelta::days(30);

/// How near an expiry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Near {
    /// It is past.
    Past,
    /// It is so many days away, or less: the smallest of the thresholds that are reached.
    Within(i64),
}

/// Where an expiry is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The directory tells it.
    Read,
    /// A person entered it.
    Entered,
}

/// What is known of one secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// When it expires.
    pub at: DateTime<Utc>,
    /// Who says so.
    pub source: Source,
}

/// A secret of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Its id, which it keeps when it takes another one's place.
    pub id: Uuid,
    /// Whether it is the one that takes the other one's place.
    pub next: bool,
    /// When it expires, where that is known.
    pub expiry: Option<Expiry>,
}

/// That a secret expires soon, or has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Which secret.
    pub secret: Uuid,
    /// When it expires.
    pub at: DateTime<Utc>,
    /// How near that is.
    pub near: Near,
    /// `The client secret of contoso-app expires in 6 days, on 2027-01-31.`
    pub what: String,
    /// What to do about it.
    pub next_step: String,
}

impl Warning {
    /// Both in one text.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{} {}", self.what, self.next_step)
    }
}

/// The warnings of a credential. A secret beside one that is known to be good for longer needs none.
#[must_use]
pub fn warnings(credential: &str, secrets: &[Secret], now: DateTime<Utc>) -> Vec<Warning> {
    let known = secrets.iter().filter_map(|secret| {
        let own = secret.expiry?;
        let mut others = secrets.iter().filter(|other| other.id != secret.id);
        others
            .all(|other| matters(own, other.expiry))
            .then_some((secret, own))
    });
    let warned = known.filter_map(|(secret, expiry)| {
        let words = words(expiry.at, now)?;
        let which = if secret.next { "next client secret" } else { "client secret" };
        Some(Warning {
            secret: secret.id,
            at: expiry.at,
            near: near(expiry.at, now)?,
            what: format!("The {which} of {credential} {words}."),
            next_step: "Make a new one in Entra, under the app's Certificates & secrets, and enter its value as \
                        nextClientSecret of the credential: it is used first, and the other one while it is not \
                        accepted."
                .to_owned(),
        })
    });
    warned.collect()
}

/// When a secret expires: what the directory tells of it counts more than what a person entered.
#[must_use]
pub fn of_secret(read: Option<DateTime<Utc>>, entered: Option<DateTime<Utc>>) -> Option<Expiry> {
    let known = |source| move |at| Expiry { at, source };
    read.map(known(Source::Read))
        .or_else(|| entered.map(known(Source::Entered)))
}

/// Whether a secret's expiry matters beside another one: it does not, where the other is known to be good for longer.
#[must_use]
pub fn matters(of: Expiry, other: Option<Expiry>) -> bool {
    other.is_none_or(|other| other.at <= of.at)
}

/// How near an expiry is; none: not near.
#[must_use]
pub fn near(at: DateTime<Utc>, now: DateTime<Utc>) -> Option<Near> {
    let left = at - now;
    if left <= TimeDelta::zero() {
        return Some(Near::Past);
    }
    let reached = AHEAD.into_iter().filter(|days| left <= TimeDelta::days(*days));
    reached.min().map(Near::Within)
}

/// What is told from here on of a secret that expires then: the marks of this threshold and of all the earlier ones, which are
/// not told any more. The first is the one that is told.
#[must_use]
pub fn marks(near: Near, at: DateTime<Utc>) -> Vec<String> {
    let all = [Near::Past]
        .into_iter()
        .chain(AHEAD.into_iter().rev().map(Near::Within));
    all.filter(|known| *known >= near)
        .map(|known| {
            let word = match known {
                Near::Past => "expired".to_owned(),
                Near::Within(days) => days.to_string(),
            };
            format!("expires {} {word}", at.format("%Y-%m-%d"))
        })
        .collect()
}

/// `expires in 6 days, on 2027-01-31`, for a sentence about a secret; none while that is not near.
#[must_use]
pub fn words(at: DateTime<Utc>, now: DateTime<Utc>) -> Option<String> {
    let day = at.format("%Y-%m-%d");
    Some(match near(at, now)? {
        Near::Past => format!("expired on {day}"),
        Near::Within(_) => match (at - now).num_days() {
            0 => format!("expires within a day, on {day}"),
            1 => format!("expires in 1 day, on {day}"),
            days => format!("expires in {days} days, on {day}"),
        },
    })
}

/// Whether a connection's last full run is too long ago.
#[must_use]
pub fn full_run_overdue(last_full: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    now - last_full > FULL_RUN
}

/// The warning of that.
#[must_use]
pub fn full_run_words(last_full: DateTime<Utc>) -> String {
    format!(
        "The last full run was on {}, more than {} days ago: what deltas miss shows in full runs only. Start one, or \
         give the connection a schedule.",
        last_full.format("%Y-%m-%d"),
        FULL_RUN.num_days()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    const END: &str = "2027-01-31T12:00:00Z";

    #[test]
    fn only_the_smallest_threshold_that_is_reached_counts() {
        let near = |now: &str| near(at(END), at(now));
        assert_eq!(near("2027-01-01T11:59:59Z"), None);
        assert_eq!(near("2027-01-01T12:00:00Z"), Some(Near::Within(30)));
        assert_eq!(near("2027-01-17T12:00:00Z"), Some(Near::Within(14)));
        assert_eq!(near("2027-01-25T00:00:00Z"), Some(Near::Within(7)));
        assert_eq!(near("2027-01-31T11:59:59Z"), Some(Near::Within(1)));
        assert_eq!(near(END), Some(Near::Past));
    }

    #[test]
    fn what_is_told_takes_the_earlier_thresholds_with_it() {
        assert_eq!(marks(Near::Within(30), at(END)), ["expires 2027-01-31 30"]);
        assert_eq!(
            marks(Near::Within(7), at(END)),
            [
                "expires 2027-01-31 7",
                "expires 2027-01-31 14",
                "expires 2027-01-31 30"
            ]
        );
        let past = marks(Near::Past, at(END));
        assert_eq!((past.len(), past[0].as_str()), (5, "expires 2027-01-31 expired"));
    }

    #[test]
    fn the_words_tell_days_and_date() {
        let words = |now: &str| words(at(END), at(now));
        assert_eq!(words("2026-12-01T00:00:00Z"), None);
        assert_eq!(
            words("2027-01-25T11:00:00Z").unwrap(),
            "expires in 6 days, on 2027-01-31"
        );
        assert_eq!(
            words("2027-01-31T00:00:00Z").unwrap(),
            "expires within a day, on 2027-01-31"
        );
        assert_eq!(words("2027-02-01T00:00:00Z").unwrap(), "expired on 2027-01-31");
    }

    #[test]
    fn the_directory_knows_better_and_the_longer_secret_counts() {
        let (read, entered) = (at("2027-01-31T12:00:00Z"), at("2027-06-30T00:00:00Z"));
        let known = of_secret(Some(read), Some(entered)).unwrap();
        assert_eq!((known.at, known.source), (read, Source::Read));
        let other = of_secret(None, Some(entered)).unwrap();
        assert_eq!(other.source, Source::Entered);
        assert!(!matters(known, Some(other)));
        assert!(matters(other, Some(known)));
        assert!(matters(known, None));
        assert_eq!(of_secret(None, None), None);
    }

    #[test]
    fn of_two_secrets_the_one_that_lasts_is_warned_of() {
        let now = at("2027-01-25T00:00:00Z");
        let secret = |next, end: Option<&str>| Secret {
            id: Uuid::from_u128(u128::from(next)),
            next,
            expiry: end.and_then(|end| of_secret(Some(at(end)), None)),
        };
        let told = |secrets: &[Secret]| {
            let warnings = warnings("app", secrets, now);
            warnings
                .into_iter()
                .map(|warning| warning.what)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            told(&[secret(false, Some(END))]),
            ["The client secret of app expires in 6 days, on 2027-01-31."]
        );
        // Somebody has taken care of it already.
        assert!(
            told(&[
                secret(false, Some(END)),
                secret(true, Some("2028-01-01T00:00:00Z"))
            ])
            .is_empty()
        );
        // The next one's end is not known: better once too often.
        assert_eq!(told(&[secret(false, Some(END)), secret(true, None)]).len(), 1);
        let both = told(&[
            secret(false, Some("2027-01-20T00:00:00Z")),
            secret(true, Some("2027-01-30T00:00:00Z")),
        ]);
        assert_eq!(
            both,
            ["The next client secret of app expires in 5 days, on 2027-01-30."]
        );
        assert!(told(&[secret(false, None)]).is_empty());
    }

    #[test]
    fn r6_a_full_run_is_overdue_after_thirty_days() {
        let last = at("2026-11-01T00:00:00Z");
        assert!(!full_run_overdue(last, last + TimeDelta::days(30)));
        assert!(full_run_overdue(
            last,
            last + TimeDelta::days(30) + TimeDelta::seconds(1)
        ));
        assert!(full_run_words(last).contains("2026-11-01"));
    }
}
