//! An error and its causes, on one line.

use std::error::Error;
use std::fmt;

/// Shows `error` and every cause below it, as `what failed: why: why that`.
///
/// For the one place that logs or answers an error. Line breaks and other control characters become spaces, so that the
/// text of a remote party cannot start a line of its own.
pub fn chain<'a>(error: &'a (dyn Error + 'static)) -> Chain<'a> {
    Chain(error)
}

/// What [`chain`] returns.
#[derive(Clone, Copy)]
pub struct Chain<'a>(&'a (dyn Error + 'static));

impl fmt::Debug for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = one_line(&self.0.to_string());
        f.write_str(&said)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let text = one_line(&error.to_string());
            // Some libraries repeat their cause in their own text; once is enough.
            if !said.ends_with(&text) {
                write!(f, ": {text}")?;
                said = text;
            }
            cause = error.source();
        }
        Ok(())
    }
}

fn one_line(text: &str) -> String {
    text.trim().replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("could not load the register")]
    struct Outer(#[source] Middle);

    #[derive(Debug, thiserror::Error)]
    #[error("connection to {0} failed")]
    struct Middle(&'static str, #[source] std::io::Error);

    #[test]
    fn every_cause_is_named_once_and_on_one_line() {
        let error = Outer(Middle("db", std::io::Error::other("refused\nby peer")));
        assert_eq!(
            chain(&error).to_string(),
            "could not load the register: connection to db failed: refused by peer"
        );
    }

    #[test]
    fn a_text_that_already_ends_with_its_cause_does_not_repeat_it() {
        #[derive(Debug, thiserror::Error)]
        #[error("read failed: gone")]
        struct Repeats(#[source] std::io::Error);
        assert_eq!(
            chain(&Repeats(std::io::Error::other("gone"))).to_string(),
            "read failed: gone"
        );
    }
}
