//! Which texts are fit for the register, and texts whose bytes were not.

use domain::attribute::{Attribute, Kind};

/// Stands where bytes were not UTF-8. A noncharacter: no text of Entra's holds it.
const MEND: char = '\u{FDD0}';
/// Characters of a bad value that are shown.
const SHOWN: usize = 40;

/// What control characters a text may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// None: what people log in, are called or are written to by.
    None,
    /// The line feeds between the entries of a list.
    LineFeeds,
    /// Tab, carriage return and line feed: prose.
    Layout,
}

/// Tells what control character was found that the attribute may not hold.
pub(crate) fn check(attribute: Attribute, text: &str) -> Result<(), String> {
    let allowed = match (is_strict(attribute), attribute.kind() == Kind::List) {
        (true, false) => Allowed::None,
        (true, true) => Allowed::LineFeeds,
        (false, _) => Allowed::Layout,
    };
    check_for(allowed, text)
}

/// Tells what control character was found that is not allowed.
pub(crate) fn check_for(allowed: Allowed, text: &str) -> Result<(), String> {
    // The careful look is for the few that have something.
    if text
        .bytes()
        .all(|byte| byte >= 0x20 && byte != 0x7F && byte != 0xC2)
    {
        return Ok(());
    }
    let refused = |c: char| match c {
        '\n' if allowed == Allowed::LineFeeds => false,
        '\t' | '\r' | '\n' | '\u{80}'..='\u{9F}' => allowed != Allowed::Layout,
        c => c.is_control(),
    };
    match text.chars().find(|c| refused(*c)) {
        Some(c) => Err(format!("holds the control character U+{:04X}", u32::from(c))),
        None => Ok(()),
    }
}

/// Whether no text that stands in an answer without escapes can hold a control character: JSON has the first 32 escaped,
/// so only DEL and those that begin with C2 in UTF-8 are left. One pass over the answer saves one over every value.
pub(crate) fn is_plain(answer: &str) -> bool {
    memchr::memchr2(0x7F, 0xC2, answer.as_bytes()).is_none()
}

/// Names, logins and addresses.
fn is_strict(attribute: Attribute) -> bool {
    matches!(
        attribute,
        Attribute::UserPrincipalName
            | Attribute::DisplayName
            | Attribute::GivenName
            | Attribute::Surname
            | Attribute::Mail
            | Attribute::MailNickname
            | Attribute::ProxyAddresses
            | Attribute::OtherMails
            | Attribute::ImAddresses
            | Attribute::OnPremisesUserPrincipalName
            | Attribute::OnPremisesDomainName
            | Attribute::OnPremisesSamAccountName
            | Attribute::OnPremisesImmutableId
    )
}

/// Whether it begins as ISO 8601 does: `2014-01-01T00:00:00`.
pub(crate) fn is_date(text: &str) -> bool {
    const FORM: &[u8; 19] = b"dddd-dd-ddTdd:dd:dd";
    text.len() > FORM.len()
        && text.bytes().zip(FORM).all(|(byte, form)| match form {
            b'd' => byte.is_ascii_digit(),
            form => byte == *form,
        })
}

/// The text of an answer, and whether bytes had to be replaced to make it one.
pub(crate) fn of_bytes(bytes: Vec<u8>) -> (String, bool) {
    match String::from_utf8(bytes) {
        Ok(text) => (text, false),
        Err(error) => {
            let mut text = String::with_capacity(error.as_bytes().len());
            for chunk in error.as_bytes().utf8_chunks() {
                text.push_str(chunk.valid());
                if !chunk.invalid().is_empty() {
                    text.push(MEND);
                }
            }
            (text, true)
        }
    }
}

/// Whether bytes of it were replaced.
pub(crate) fn is_mended(text: &str) -> bool {
    text.contains(MEND)
}

/// With the usual sign in place of what could not be read.
pub(crate) fn readable(text: &str) -> String {
    text.replace(MEND, "\u{FFFD}")
}

/// With the usual sign in place of control characters.
pub(crate) fn without_control(text: &str) -> String {
    text.replace(char::is_control, "\u{FFFD}")
}

/// The beginning of a bad value, fit to be shown.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(SHOWN)
        .map(|c| {
            if c.is_control() || c == MEND {
                '\u{FFFD}'
            } else {
                c
            }
        })
        .collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_refused_by_kind() {
        let ok = |attribute, text: &str| check(attribute, text).is_ok();
        for text in ["Zoë", "Éva Â", "李 小龍", "a\u{00A0}b"] {
            assert!(ok(Attribute::DisplayName, text), "{text}");
        }
        for text in ["a\0b", "a\tb", "a\nb", "a\u{7F}", "a\u{85}", "\u{1B}[31m"] {
            assert!(!ok(Attribute::DisplayName, text), "{text:?}");
        }
        assert!(ok(Attribute::StreetAddress, "1 Way\r\n\tTown\u{92}"));
        assert!(!ok(Attribute::StreetAddress, "1 Way\0"));
        assert!(!ok(Attribute::JobTitle, "\u{1}"));
        assert!(ok(Attribute::ProxyAddresses, "SMTP:a@b\nsmtp:c@d"));
        assert!(!ok(Attribute::ProxyAddresses, "SMTP:a@b\tc"));
        assert_eq!(
            check(Attribute::Mail, "a\u{1}").unwrap_err(),
            "holds the control character U+0001"
        );
    }

    #[test]
    fn dates_have_graphs_form() {
        for date in [
            "2014-01-01T00:00:00Z",
            "0001-01-01T00:00:00.123Z",
            "2014-01-01T00:00:00+01:00",
        ] {
            assert!(is_date(date), "{date}");
        }
        for other in [
            "2014-01-01",
            "2014-01-01T00:00:00",
            "01/02/2014 00:00:00 AM",
            "yesterday, at about noon",
        ] {
            assert!(!is_date(other), "{other}");
        }
    }

    #[test]
    fn bad_bytes_are_marked_and_shown_as_unreadable() {
        let (text, mended) = of_bytes(b"a\xFF\xFEb".to_vec());
        assert!(mended && is_mended(&text));
        assert_eq!(readable(&text), "a\u{FFFD}\u{FFFD}b");
        assert_eq!(
            of_bytes("Zoë \u{FFFD}".into()),
            ("Zoë \u{FFFD}".to_owned(), false)
        );
    }
}
