//! Regular expressions whose time is linear in the text, whatever they say.

use std::fmt;

use regex::{Regex, RegexBuilder};

/// Bytes that a compiled expression may take: what is larger is refused, so that no document fills the memory.
const LARGEST: usize = 256 * 1024;

/// A regular expression. Two are equal when they are written alike.
#[derive(Clone)]
pub struct Pattern {
    written: String,
    regex: Regex,
}

impl Pattern {
    /// Compiles it. It matches anywhere and without regard to letter case; `^`, `$` and `(?-i)` say otherwise.
    pub fn new(written: &str) -> Result<Self, String> {
        let regex = RegexBuilder::new(written)
            .case_insensitive(true)
            .size_limit(LARGEST)
            .dfa_size_limit(LARGEST)
            .build()
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => {
                    "is too large a regular expression; shorten it, or lower its repetitions".to_owned()
                }
                error => format!("is no regular expression that can be used: {}", last_line(&error)),
            })?;
        Ok(Self {
            written: written.to_owned(),
            regex,
        })
    }

    /// Whether it matches somewhere in the text.
    pub fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

/// A syntax error is told over several lines, of which the last says what is wrong.
fn last_line(error: &regex::Error) -> String {
    let told = error.to_string();
    let line = told.lines().last().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.written)
    }
}
