//! How values look in tables and messages.

use std::fmt::Write as _;

use chrono::DateTime;
use prost_types::Timestamp;

/// `2026-11-21T03:54:19Z`; empty for no time.
pub fn time(timestamp: Option<&Timestamp>) -> String {
    timestamp
        .and_then(|time| DateTime::from_timestamp(time.seconds, u32::try_from(time.nanos).ok()?))
        .map(|time| time.format("%Y-%m-%dT%H:%M:%SZ").to_string())
        .unwrap_or_default()
}

/// From one time to another: `1m 12s`; empty while one of them is missing.
pub fn duration(from: Option<&Timestamp>, to: Option<&Timestamp>) -> String {
    match (from, to) {
        (Some(from), Some(to)) => seconds(u64::try_from(to.seconds - from.seconds).unwrap_or_default()),
        _ => String::new(),
    }
}

/// `1h 2m`, `1m 12s`, `12s`.
pub fn seconds(total: u64) -> String {
    match (total / 3600, total / 60 % 60, total % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m {seconds}s"),
        (hours, minutes, _) => format!("{hours}h {minutes}m"),
    }
}

/// `10,000`.
pub fn count(number: u32) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `yes` or `no`.
pub fn flag(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

/// The text with everything that could steer a terminal or turn a line around written out: `\n`, `\u{1b}`. What joins
/// letters in some scripts stays.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            c if c.is_control() || turns_or_breaks(c) => {
                let _ = write!(safe, "\\u{{{:x}}}", u32::from(c));
            }
            c => safe.push(c),
        }
    }
    safe
}

/// Bidirectional overrides and isolates, line separators, the byte order mark and tag characters.
fn turns_or_breaks(c: char) -> bool {
    matches!(
        c,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_to_the_second() {
        let time_of = |seconds, nanos| time(Some(&Timestamp { seconds, nanos }));
        assert_eq!(time_of(1_795_233_259, 999_999_999), "2026-11-21T03:54:19Z");
        assert_eq!(time(None), "");
        assert_eq!(time_of(i64::MAX, -1), "");
    }

    #[test]
    fn durations_are_short() {
        assert_eq!(
            [seconds(9), seconds(72), seconds(3720)],
            ["9s", "1m 12s", "1h 2m"]
        );
    }

    #[test]
    fn counts_have_thousands() {
        assert_eq!(
            [count(0), count(999), count(1000), count(1_234_567)],
            ["0", "999", "1,000", "1,234,567"]
        );
    }

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(escape("a\u{1b}[2Jb\u{7}\u{9b}"), "a\\u{1b}[2Jb\\u{7}\\u{9b}");
        assert_eq!(escape("x\u{202e}gpj"), "x\\u{202e}gpj");
        assert_eq!(escape("क्‍ष 👩‍🚀 عبد"), "क्‍ष 👩‍🚀 عبد");
        assert_eq!(escape("two\nlines"), "two\\nlines");
    }
}
