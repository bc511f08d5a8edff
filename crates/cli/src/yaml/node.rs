//! A YAML file as a tree in which every key and value knows its place.

use std::collections::HashMap;
use std::fmt;

use serde_saphyr::granit_parser::{self, Event, Parser, ScalarStyle, Span, Tag};

/// The most values that one file may hold, each alias counted as all that it stands for.
const MAX_NODES: usize = 50_000;

/// The deepest nesting; documents need four.
const MAX_DEPTH: usize = 32;

/// Line and column, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    pub line: usize,
    pub column: usize,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    pub at: At,
    pub value: Value,
}

/// What stands there.
#[derive(Clone, Debug)]
pub enum Value {
    /// `plain` when it is written without quotes, so that its look decides its type.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key of a map and where it stands.
#[derive(Clone, Debug)]
pub struct Key {
    pub at: At,
    pub name: String,
}

/// Something that is no YAML, or YAML that we don't take.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    pub at: At,
    pub message: String,
}

/// Reads all documents. At a syntax error the documents before it are still given, so that all errors can be told.
pub fn compose(text: &str) -> (Vec<Node>, Vec<Fault>) {
    let options = granit_parser::options! {
        block_nesting_limit: MAX_DEPTH,
        flow_nesting_limit: MAX_DEPTH,
        emit_comments: false,
    };
    let mut composer = Composer::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let step = match event {
            Ok((event, span)) => composer.take(event, &span),
            Err(error) => Err(Fault {
                at: At::of(*error.marker()),
                message: error.info(),
            }),
        };
        if let Err(fault) = step {
            composer.faults.push(fault);
            break;
        }
    }
    (composer.documents, composer.faults)
}

#[derive(Default)]
struct Composer {
    documents: Vec<Node>,
    faults: Vec<Fault>,
    open: Vec<Open>,
    anchors: HashMap<usize, Anchored>,
    nodes: usize,
}

/// A collection whose end has not come yet.
struct Open {
    at: At,
    anchor: usize,
    nodes_before: usize,
    key: Option<Key>,
    value: Value,
}

struct Anchored {
    node: Node,
    nodes: usize,
}

impl Composer {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), Fault> {
        let at = At::of(span.start);
        let tag_at = span.tag_start.map_or(at, At::of);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && !forced_text(tag.as_deref(), tag_at)?;
                let node = Node {
                    at,
                    value: Value::Scalar {
                        text: text.into_owned(),
                        plain,
                    },
                };
                self.count(1, at)?;
                self.remember(anchor, &node, 1);
                self.place(node)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.begin((at, tag_at), anchor, tag.as_deref(), Value::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                self.begin((at, tag_at), anchor, tag.as_deref(), Value::Map(Vec::new()))
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => {
                let Some(anchored) = self.anchors.get(&anchor) else {
                    return fault(at, "this alias stands inside what it stands for");
                };
                let (node, nodes) = (
                    Node {
                        at,
                        ..anchored.node.clone()
                    },
                    anchored.nodes,
                );
                self.count(nodes, at)?;
                self.place(node)
            }
            _ => Ok(()),
        }
    }

    fn begin(
        &mut self,
        (at, tag_at): (At, At),
        anchor: usize,
        tag: Option<&Tag>,
        value: Value,
    ) -> Result<(), Fault> {
        if let Some(tag) = tag {
            return fault(
                tag_at,
                format!("tags are not taken here: remove {}", tag.original()),
            );
        }
        self.open.push(Open {
            at,
            anchor,
            nodes_before: self.nodes,
            key: None,
            value,
        });
        self.count(1, at)
    }

    fn end(&mut self) -> Result<(), Fault> {
        let Some(done) = self.open.pop() else {
            return Ok(());
        };
        let node = Node {
            at: done.at,
            value: done.value,
        };
        self.remember(done.anchor, &node, self.nodes - done.nodes_before);
        self.place(node)
    }

    /// Puts a finished value where it belongs: into the open collection, or it is a document.
    fn place(&mut self, node: Node) -> Result<(), Fault> {
        let Some(open) = self.open.last_mut() else {
            if !node.is_nothing() {
                self.documents.push(node);
            }
            return Ok(());
        };
        match (&mut open.value, open.key.take()) {
            (Value::Map(entries), Some(key)) => {
                if let Some((first, _)) = entries.iter().find(|(known, _)| known.name == key.name) {
                    let message = format!(
                        "key {:?} is there twice, first on line {}",
                        key.name, first.at.line
                    );
                    self.faults.push(Fault { at: key.at, message });
                } else {
                    entries.push((key, node));
                }
            }
            (Value::Map(_), None) => match node.value {
                Value::Scalar { text, .. } => {
                    open.key = Some(Key {
                        at: node.at,
                        name: text,
                    });
                }
                Value::List(_) | Value::Map(_) => return fault(node.at, "a key must be text"),
            },
            (Value::List(items), _) => items.push(node),
            (Value::Scalar { .. }, _) => unreachable!("only collections are opened"),
        }
        Ok(())
    }

    fn remember(&mut self, anchor: usize, node: &Node, nodes: usize) {
        if anchor != 0 {
            self.anchors.insert(
                anchor,
                Anchored {
                    node: node.clone(),
                    nodes,
                },
            );
        }
    }

    fn count(&mut self, nodes: usize, at: At) -> Result<(), Fault> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            return fault(
                at,
                format!(
                    "more than {MAX_NODES} values, aliases counted as what they stand for: split the file"
                ),
            );
        }
        Ok(())
    }
}

/// Whether `!!str` makes text of a plain scalar; any other tag is refused.
fn forced_text(tag: Option<&Tag>, at: At) -> Result<bool, Fault> {
    match tag {
        None => Ok(false),
        Some(tag) if tag.is_yaml_core_schema_tag("str") => Ok(true),
        Some(tag) => fault(at, format!("tags are not taken here: remove {}", tag.original())),
    }
}

fn fault<T>(at: At, message: impl Into<String>) -> Result<T, Fault> {
    Err(Fault {
        at,
        message: message.into(),
    })
}

impl At {
    fn of(marker: granit_parser::Marker) -> Self {
        Self {
            line: marker.line(),
            column: marker.col() + 1,
        }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl Node {
    /// Whether nothing stands there: `key:`, `~` or `null`.
    pub fn is_nothing(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The value under `key`, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<(&Key, &Node)> {
        match &self.value {
            Value::Map(entries) => entries
                .iter()
                .find(|(known, _)| known.name == key)
                .map(|(known, node)| (known, node)),
            _ => None,
        }
    }

    /// The scalar's text, if this is one.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// What stands there, for an error message. Values are not repeated: one may be a secret.
    pub fn describe(&self) -> &'static str {
        match &self.value {
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
            Value::Scalar { .. } if self.is_nothing() => "nothing",
            Value::Scalar { plain: false, .. } => "text",
            Value::Scalar { text, .. } => match text.as_str() {
                "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => "true or false",
                number if looks_like_number(number) => "a number",
                _ => "text",
            },
        }
    }
}

/// Whether YAML 1.2 takes a plain scalar for a number.
pub fn looks_like_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let hex = digits
        .strip_prefix("0x")
        .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_hexdigit()));
    let octal = digits
        .strip_prefix("0o")
        .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_digit(8)));
    let special = matches!(digits, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN");
    hex || octal
        || special
        || (digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') && text.parse::<f64>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault_of(text: &str) -> String {
        let (_, faults) = compose(text);
        assert_eq!(faults.len(), 1, "{faults:?}");
        format!("{}: {}", faults[0].at, faults[0].message)
    }

    #[test]
    fn places_are_one_based() {
        let (documents, faults) = compose("a: 1\nb:\n  - x\n  - { c: d }\n---\n\n---\ne: f\n");
        assert!(faults.is_empty(), "{faults:?}");
        assert_eq!(documents.len(), 2, "an empty document is none");
        let (key, list) = documents[0].get("b").unwrap();
        assert_eq!(key.at, At { line: 2, column: 1 });
        let Value::List(items) = &list.value else {
            panic!("{list:?}")
        };
        let (inner, value) = items[1].get("c").unwrap();
        assert_eq!(
            (inner.at, value.at),
            (At { line: 4, column: 7 }, At { line: 4, column: 10 })
        );
    }

    #[test]
    fn aliases_stand_for_their_anchor() {
        let (documents, faults) = compose("a: &x { k: v }\nb: *x\n");
        assert!(faults.is_empty());
        let (_, alias) = documents[0].get("b").unwrap();
        assert_eq!(alias.get("k").unwrap().1.text(), Some("v"));
        assert_eq!(alias.at, At { line: 2, column: 4 });
    }

    #[test]
    fn alias_bombs_are_refused_before_they_unfold() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let below = format!("*a{}, ", level - 1).repeat(10);
            bomb.extend([
                "a",
                &level.to_string(),
                ": &a",
                &level.to_string(),
                " [",
                &below,
                "]\n",
            ]);
        }
        assert!(fault_of(&bomb).contains("more than 50000 values"));
        let recursive = fault_of("a: &a\n  b: *a\n");
        assert!(recursive.contains("inside what it stands for"), "{recursive}");
    }

    #[test]
    fn many_aliases_are_no_bomb() {
        let text = format!("a: &a x\nb: [{}]\n", "*a, ".repeat(10_000));
        let (documents, faults) = compose(&text);
        assert!(faults.is_empty());
        assert_eq!(documents.len(), 1);
    }

    #[test]
    fn depth_is_limited() {
        assert!(!compose(&"[".repeat(100)).1.is_empty());
        assert!(!compose(&"- ".repeat(100_000)).1.is_empty());
    }

    #[test]
    fn a_key_twice_is_told_with_both_places_and_the_rest_goes_on() {
        let (documents, faults) = compose("a: 1\na: 2\nb: 3\nb: 4\n");
        assert_eq!(documents.len(), 1);
        assert_eq!(faults.len(), 2);
        assert_eq!(faults[0].at, At { line: 2, column: 1 });
        assert_eq!(faults[0].message, "key \"a\" is there twice, first on line 1");
    }

    #[test]
    fn a_syntax_error_keeps_the_documents_before_it() {
        let (documents, faults) = compose("a: 1\n---\nb: [1\n");
        assert_eq!(documents.len(), 1);
        assert_eq!(faults.len(), 1);
        assert!(fault_of("a: 1\n\tb: 2\n").contains("found a tab"));
    }

    #[test]
    fn tags_are_refused_but_for_text() {
        assert_eq!(
            fault_of("a: !secret b"),
            "1:4: tags are not taken here: remove !secret"
        );
        let (documents, _) = compose("a: !!str 12");
        assert_eq!(documents[0].get("a").unwrap().1.describe(), "text");
    }

    #[test]
    fn plain_scalars_show_their_type() {
        for (text, found) in [
            ("12", "a number"),
            ("-1.5e3", "a number"),
            ("0x1F", "a number"),
            ("true", "true or false"),
            ("yes", "text"),
            ("~", "nothing"),
            ("'12'", "text"),
            ("11111111-2222-3333-4444-555555555555", "text"),
            ("1e", "text"),
            ("infinity", "text"),
        ] {
            let (documents, _) = compose(&format!("a: {text}"));
            assert_eq!(documents[0].get("a").unwrap().1.describe(), found, "{text}");
        }
    }
}
