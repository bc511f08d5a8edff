//! Which metrics and labels an expression names: as much of `PromQL` as that needs.

use std::collections::BTreeSet;

/// What an expression is made of.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Its metrics.
    pub metrics: BTreeSet<String>,
    /// Labels that it selects or groups by.
    pub labels: BTreeSet<String>,
}

/// Words that are followed by labels in brackets.
const GROUPING: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
/// Words between expressions.
const OPERATORS: [&str; 5] = ["and", "or", "unless", "bool", "offset"];

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Text,
    Sign(char),
}

/// What `expression` names.
pub fn names(expression: &str) -> Names {
    let tokens = tokens(expression);
    let mut names = Names::default();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        let next = tokens.get(at);
        match token {
            Token::Word(word) if GROUPING.contains(&word.as_str()) => {
                at = labels(&tokens, at, ')', &mut names.labels);
            }
            Token::Word(word) if is_called(next) || OPERATORS.contains(&word.as_str()) => (),
            Token::Word(word) => {
                names.metrics.insert(word.clone());
            }
            Token::Sign('{') => at = labels(&tokens, at, '}', &mut names.labels),
            // A duration.
            Token::Sign('[') => {
                while tokens.get(at).is_some_and(|token| *token != Token::Sign(']')) {
                    at += 1;
                }
            }
            Token::Text | Token::Sign(_) => (),
        }
    }
    names
}

/// Whether this follows a function's name: its arguments, or what it groups by.
fn is_called(next: Option<&Token>) -> bool {
    match next {
        Some(Token::Sign(sign)) => *sign == '(',
        Some(Token::Word(word)) => ["by", "without"].contains(&word.as_str()),
        Some(Token::Text) | None => false,
    }
}

/// Takes the words up to the closing sign as labels; where it stands.
fn labels(tokens: &[Token], mut at: usize, close: char, found: &mut BTreeSet<String>) -> usize {
    while let Some(token) = tokens.get(at) {
        match token {
            Token::Sign(sign) if *sign == close => break,
            Token::Word(word) => {
                found.insert(word.clone());
            }
            Token::Text | Token::Sign(_) => (),
        }
        at += 1;
    }
    at
}

fn tokens(expression: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = expression.chars().peekable();
    while let Some(first) = rest.next() {
        match first {
            '"' => {
                while rest.next().is_some_and(|next| next != '"') {}
                tokens.push(Token::Text);
            }
            first if first.is_ascii_alphabetic() || first == '_' || first == '$' => {
                let mut word = first.to_string();
                while let Some(next) = rest.next_if(|next| next.is_ascii_alphanumeric() || *next == '_') {
                    word.push(next);
                }
                tokens.push(Token::Word(word));
            }
            // A number, which may end in letters.
            first if first.is_ascii_digit() => while rest.next_if(char::is_ascii_alphanumeric).is_some() {},
            first if first.is_whitespace() => (),
            sign => tokens.push(Token::Sign(sign)),
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn metrics_and_labels_are_found_and_nothing_else() {
        let found = names(
            "sum by (le, job) (rate(a_bucket{b=\"by (c)\", d=~\"e|f\"}[$__rate_interval])) / on (g) max(h) > 5 * 86400 or absent(i)",
        );
        assert_eq!(found.metrics, set(&["a_bucket", "h", "i"]));
        assert_eq!(found.labels, set(&["b", "d", "g", "job", "le"]));
    }
}
