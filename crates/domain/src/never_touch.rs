//! The never-touch list: whom no sync creates, changes, links, deactivates or deletes (B18).

use std::fmt;

use crate::account::{Account, Role, fold};
use crate::attribute::Attribute;
use crate::field::Field;
use crate::id::ObjectId;
use crate::membership::Membership;
use crate::observed::ObservedUser;

/// Characters in a pattern or in a note at most.
pub const LONGEST: usize = 256;

/// The entries that hold for a connection. Without any it keeps nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NeverTouch {
    /// The entries. The first that hits is told.
    pub entries: Vec<Entry>,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whom it keeps.
    pub whom: Whom,
    /// Why, in the words of whoever added it; may be empty.
    pub note: String,
}

/// Whom an entry keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// The object of this id.
    Object(ObjectId),
    /// Everyone whose UPN is like this one, in the directory or in the register.
    Upn(UpnPattern),
    /// Everyone in this group of the directory, or in a group inside it.
    Group(ObjectId),
    /// Everyone whose account has this role in the register.
    Role(Role),
}

/// A UPN with wildcards: `*` is any number of characters, `?` is one. The whole UPN must be like it, letter case aside.
/// Made by [`UpnPattern::new`] only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpnPattern {
    written: String,
    folded: Vec<char>,
}

impl NeverTouch {
    /// The entry that keeps this user, if one does. `account` is the one that is linked to the user, or matched.
    #[must_use]
    pub fn hit(&self, observed: &ObservedUser<'_>, account: Option<&Account>) -> Option<&Entry> {
        if self.entries.is_empty() {
            return None;
        }
        let groups = observed.groups.as_deref().unwrap_or_default();
        let upn = observed.value(Attribute::UserPrincipalName);
        self.find(observed.id, upn, groups, account)
    }

    /// The entry that keeps an object of which the directory says nothing just now, by its id and its account.
    #[must_use]
    pub fn hit_unseen(&self, object: ObjectId, account: Option<&Account>) -> Option<&Entry> {
        self.find(object, None, &[], account)
    }

    /// The groups that entries name: who belongs to them must be known.
    pub fn groups(&self) -> impl Iterator<Item = ObjectId> {
        self.entries.iter().filter_map(|entry| match entry.whom {
            Whom::Group(id) => Some(id),
            _ => None,
        })
    }

    fn find(
        &self,
        object: ObjectId,
        upn: Option<&str>,
        groups: &[Membership],
        account: Option<&Account>,
    ) -> Option<&Entry> {
        let stored = account.and_then(|account| account.value(Field::Upn));
        self.entries.iter().find(|entry| match &entry.whom {
            Whom::Object(id) => *id == object,
            Whom::Upn(pattern) => [upn, stored].into_iter().flatten().any(|upn| pattern.is(upn)),
            Whom::Group(id) => groups.iter().any(|membership| membership.group == *id),
            Whom::Role(role) => account.is_some_and(|account| account.role == *role),
        })
    }
}

impl Entry {
    /// The reason for which the user is skipped.
    #[must_use]
    pub fn reason(&self) -> String {
        format!("on the never-touch list: {self}")
    }
}

impl UpnPattern {
    /// Checks a pattern. The problem is to be read after the field's name.
    pub fn new(written: &str) -> Result<Self, String> {
        let written = written.trim();
        if written.is_empty() {
            return Err("is empty; give a UPN such as *@svc.contoso.com".to_owned());
        }
        if written.chars().count() > LONGEST {
            return Err(format!("is longer than {LONGEST} characters; shorten it with *"));
        }
        if written
            .chars()
            .any(|c| c.is_control() || c.is_whitespace() || c == '\u{fffd}')
        {
            return Err("holds blanks or control characters, which no UPN has".to_owned());
        }
        if written.chars().all(|c| matches!(c, '*' | '?' | '@')) {
            return Err("would keep everyone; name at least one character of the UPN".to_owned());
        }
        Ok(Self {
            written: written.to_owned(),
            folded: fold(written).chars().collect(),
        })
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// Whether a UPN is like it.
    #[must_use]
    pub fn is(&self, upn: &str) -> bool {
        let upn: Vec<char> = fold(upn).chars().collect();
        like(&self.folded, &upn)
    }
}

/// Takes the shortest stretch for each `*`, and comes back to the last one only: no text makes it slow.
fn like(pattern: &[char], text: &[char]) -> bool {
    let (mut at, mut place) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while place < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, place));
                at += 1;
            }
            Some(c) if *c == '?' || *c == text[place] => {
                at += 1;
                place += 1;
            }
            _ => match star {
                Some((behind, taken)) => {
                    star = Some((behind, taken + 1));
                    at = behind + 1;
                    place = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

impl Whom {
    /// The kind's name in the table and in the API.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Object(_) => "object",
            Self::Upn(_) => "upn",
            Self::Group(_) => "group",
            Self::Role(_) => "role",
        }
    }

    /// What is kept, as it is written.
    #[must_use]
    pub fn value(&self) -> String {
        match self {
            Self::Object(id) | Self::Group(id) => id.to_string(),
            Self::Upn(pattern) => pattern.as_str().to_owned(),
            Self::Role(role) => role.key().to_owned(),
        }
    }

    /// From a kind and what is written with it. The problem is to be read after the kind's name.
    pub fn of(kind: &str, value: &str) -> Result<Self, String> {
        match kind {
            "object" => value
                .trim()
                .parse()
                .map(Self::Object)
                .map_err(|_| "is not an object id (a UUID)".to_owned()),
            "group" => value
                .trim()
                .parse()
                .map(Self::Group)
                .map_err(|_| "is not a group's object id (a UUID)".to_owned()),
            "upn" => UpnPattern::new(value).map(Self::Upn),
            "role" => Role::of_key(value.trim())
                .map(Self::Role)
                .ok_or_else(|| "is no role; use user, technician, admin or owner".to_owned()),
            _ => Err("is no kind of entry; use object, upn, group or role".to_owned()),
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.whom.kind(), self.whom.value())?;
        if self.note.is_empty() {
            Ok(())
        } else {
            write!(f, " ({})", self.note)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is(pattern: &str, upn: &str) -> bool {
        UpnPattern::new(pattern).unwrap().is(upn)
    }

    #[test]
    fn b18_a_pattern_meets_the_whole_upn_letter_case_aside() {
        for (pattern, upn, meets) in [
            ("*@svc.contoso.com", "Backup@SVC.contoso.com", true),
            ("*@svc.contoso.com", "backup@svc.contoso.com.evil", false),
            ("*@svc.contoso.com", "backup@xsvc.contoso.com", false),
            ("admin?@contoso.com", "ADMIN1@contoso.com", true),
            ("admin?@contoso.com", "admin@contoso.com", false),
            ("admin?@contoso.com", "admin12@contoso.com", false),
            ("svc-*@*.com", "svc-a@b.c.com", true),
            ("*a*a*@x", "bab@x", false),
            ("*a*a*@x", "baba@x", true),
            ("ÄRGER*", "ärger@x", true),
            ("ann@contoso.com", "ann@contoso.com", true),
            ("ann@contoso.com**", "ann@contoso.com", true),
        ] {
            assert_eq!(is(pattern, upn), meets, "{pattern} and {upn}");
        }
    }

    #[test]
    fn b18_a_pattern_that_keeps_everyone_or_nobody_is_refused() {
        for bad in ["", "  ", "*", "*@*", "??", "a b@x", "a\n@x"] {
            assert!(UpnPattern::new(bad).is_err(), "{bad:?}");
        }
        assert!(UpnPattern::new(&"a".repeat(LONGEST + 1)).is_err());
    }

    #[test]
    fn b18_what_is_written_is_read_again() {
        for (kind, value) in [
            ("object", "99999999-aaaa-bbbb-cccc-dddddddddddd"),
            ("upn", "*@svc.contoso.com"),
            ("role", "technician"),
        ] {
            let whom = Whom::of(kind, value).unwrap();
            assert_eq!((whom.kind(), whom.value().as_str()), (kind, value));
        }
        for (kind, value) in [
            ("object", "ann"),
            ("role", "boss"),
            ("mail", "ann@x"),
            ("upn", "*"),
        ] {
            assert!(Whom::of(kind, value).is_err(), "{kind} {value}");
        }
    }

    /// As plainly as it can be said, and as slow as that is.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some(('*', rest)), None) => naive(rest, text),
            (Some(('*', rest)), Some((_, behind))) => naive(rest, text) || naive(pattern, behind),
            (Some((c, rest)), Some((d, behind))) => (*c == '?' || c == d) && naive(rest, behind),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    proptest! {
        #[test]
        fn b18_wildcards_are_what_they_are_called(pattern in "[ab*?]{0,8}", text in "[ab]{0,10}") {
            let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
            prop_assert_eq!(like(&pattern, &text), naive(&pattern, &text));
        }
    }
}
