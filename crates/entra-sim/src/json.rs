//! A JSON writer over bytes: pages are written straight into one buffer.

use chrono::{DateTime, Datelike, Timelike, Utc};

/// Bytes of JSON being written.
#[derive(Clone, Debug, Default)]
pub struct Json(pub Vec<u8>);

impl Json {
    /// Appends as it is.
    pub fn raw(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    /// A whole string with its quotes.
    pub fn string(&mut self, text: &str) {
        self.0.push(b'"');
        self.text(text);
        self.0.push(b'"');
    }

    /// A piece inside a string, escaped.
    pub fn text(&mut self, text: &str) {
        if text
            .bytes()
            .all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\')
        {
            self.raw(text);
            return;
        }
        for character in text.chars() {
            match character {
                '"' => self.raw("\\\""),
                '\\' => self.raw("\\\\"),
                '\n' => self.raw("\\n"),
                control if control < ' ' => self.raw(&format!("\\u{:04x}", u32::from(control))),
                other => self.raw(other.encode_utf8(&mut [0; 4])),
            }
        }
    }

    /// `"name":`
    pub fn key(&mut self, name: &str) {
        self.0.push(b'"');
        self.raw(name);
        self.raw("\":");
    }

    /// A number with at least `width` digits, zeros in front.
    pub fn number(&mut self, mut value: u64, width: usize) {
        let mut digits = [b'0'; 20];
        let mut at = digits.len();
        while value > 0 || at > digits.len() - width.max(1) {
            at -= 1;
            digits[at] += u8::try_from(value % 10).expect("a digit is below ten");
            value /= 10;
        }
        self.0.extend_from_slice(&digits[at..]);
    }

    /// A date as Graph writes it, as a whole string.
    pub fn date(&mut self, date: DateTime<Utc>) {
        self.0.push(b'"');
        self.number(u64::try_from(date.year()).unwrap_or_default(), 4);
        for (separator, part) in [
            ("-", date.month()),
            ("-", date.day()),
            ("T", date.hour()),
            (":", date.minute()),
            (":", date.second()),
        ] {
            self.raw(separator);
            self.number(u64::from(part), 2);
        }
        self.raw("Z\"");
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, value: bool) {
        self.raw(if value { "true" } else { "false" });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let text = "a \"quoted\" \\ tab\t nul\u{0} line\n 𠮷田";
        let mut json = Json::default();
        json.string(text);
        assert_eq!(serde_json::from_slice::<String>(&json.0).unwrap(), text);
    }

    #[test]
    fn numbers_are_padded() {
        let mut json = Json::default();
        json.number(0, 1);
        json.raw(" ");
        json.number(42, 4);
        json.raw(" ");
        json.number(u64::MAX, 2);
        assert_eq!(json.0, b"0 0042 18446744073709551615");
    }

    #[test]
    fn dates_are_iso() {
        let mut json = Json::default();
        json.date(DateTime::from_timestamp(1_400_000_000, 0).unwrap());
        assert_eq!(json.0, b"\"2014-05-13T16:53:20Z\"");
    }
}
