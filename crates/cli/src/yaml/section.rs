//! Reads the keys of a map, and tells every key that is unknown, missing or of the wrong type.

use std::collections::BTreeSet;
use std::fmt;

use crate::suggest::did_you_mean;
use crate::yaml::node::{At, Fault, Key, Node, Value};

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    pub file: String,
    pub at: At,
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.at, self.message)
    }
}

/// Everything that is wrong with a file's documents.
pub struct Problems {
    file: String,
    /// The document that is read now: `mapping contoso-staff`.
    document: String,
    found: BTreeSet<Problem>,
}

impl Problems {
    pub fn of_file(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            document: String::new(),
            found: BTreeSet::new(),
        }
    }

    /// From here on problems are told as this document's.
    pub fn begin(&mut self, document: &str) {
        document.clone_into(&mut self.document);
    }

    pub fn add(&mut self, at: At, message: impl fmt::Display) {
        let message = if self.document.is_empty() {
            message.to_string()
        } else {
            format!("{}: {message}", self.document)
        };
        self.found.insert(Problem {
            file: self.file.clone(),
            at,
            message,
        });
    }

    pub fn add_fault(&mut self, fault: Fault) {
        self.found.insert(Problem {
            file: self.file.clone(),
            at: fault.at,
            message: fault.message,
        });
    }

    /// All of them, in the order of the file.
    pub fn into_sorted(self) -> impl Iterator<Item = Problem> {
        self.found.into_iter()
    }
}

/// A map that is being read. Every key that is asked for is a known key; [`Section::finish`] tells the others.
pub struct Section<'a> {
    /// `brake` or `fields[2]`; empty for the document itself.
    path: String,
    at: At,
    entries: &'a [(Key, Node)],
    known: Vec<&'static str>,
    problems: &'a mut Problems,
}

impl<'a> Section<'a> {
    /// The map at `node`, or nothing and a problem when it is none.
    pub fn of(path: &str, node: &'a Node, problems: &'a mut Problems) -> Option<Self> {
        if let Value::Map(entries) = &node.value {
            return Some(Self {
                path: path.to_owned(),
                at: node.at,
                entries,
                known: Vec::new(),
                problems,
            });
        }
        let place = if path.is_empty() {
            String::new()
        } else {
            format!("{path}: ")
        };
        problems.add(
            node.at,
            format_args!("{place}expected a map of keys, found {}", node.describe()),
        );
        None
    }

    /// The value under `key`, which is hereby known.
    pub fn node(&mut self, key: &'static str) -> Option<&'a Node> {
        self.known.push(key);
        self.entries
            .iter()
            .find(|(found, _)| found.name == key)
            .map(|(_, node)| node)
    }

    pub fn text(&mut self, key: &'static str) -> Option<String> {
        let node = self.node(key)?;
        let text = node.text().filter(|_| node.describe() == "text");
        if text.is_none() {
            let quotes = match node.describe() {
                "a number" | "true or false" => "; put it in quotes",
                _ => "",
            };
            self.problem(
                key,
                node.at,
                format_args!("expected text, found {}{quotes}", node.describe()),
            );
        }
        text.map(str::to_owned)
    }

    /// Text that must be there.
    pub fn required(&mut self, key: &'static str) -> String {
        let present = self.node(key).is_some();
        let text = self.text(key);
        match text {
            Some(text) if text.trim().is_empty() => self.missing(key, "is empty"),
            Some(text) => return text,
            None if !present => self.missing(key, "is missing"),
            None => {}
        }
        String::new()
    }

    /// An id such as Entra shows it: 36 characters, with dashes.
    pub fn guid(&mut self, key: &'static str) -> String {
        let text = self.required(key);
        if !text.is_empty() && !is_guid(&text) {
            let at = self.node(key).map_or(self.at, |node| node.at);
            let example = "11111111-2222-3333-4444-555555555555";
            self.problem(
                key,
                at,
                format_args!("{text:?} is not a GUID; it looks like {example}"),
            );
        }
        text.to_ascii_lowercase()
    }

    pub fn flag(&mut self, key: &'static str) -> Option<bool> {
        let node = self.node(key)?;
        match &node.value {
            Value::Scalar { text, plain: true } if matches!(text.as_str(), "true" | "True" | "TRUE") => {
                Some(true)
            }
            Value::Scalar { text, plain: true } if matches!(text.as_str(), "false" | "False" | "FALSE") => {
                Some(false)
            }
            _ => {
                self.problem(
                    key,
                    node.at,
                    format_args!("expected true or false, found {}", node.describe()),
                );
                None
            }
        }
    }

    pub fn number(&mut self, key: &'static str) -> Option<u32> {
        let node = self.node(key)?;
        let number = match &node.value {
            Value::Scalar { text, plain: true } => text.parse::<u32>().ok(),
            _ => None,
        };
        if number.is_none() {
            let found = match (node.describe(), node.text()) {
                ("a number", Some(text)) => text,
                (kind, _) => kind,
            };
            self.problem(
                key,
                node.at,
                format_args!("expected a whole number from 0 up, found {found}"),
            );
        }
        number
    }

    /// One of a closed set of words.
    pub fn word<T: Copy>(&mut self, key: &'static str, words: &[(&'static str, T)]) -> Option<T> {
        let at = self.node(key)?.at;
        let text = self.text(key)?;
        let found = words
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, value)| *value);
        if found.is_none() {
            let names: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            let suggestion = did_you_mean(&text, names.iter().copied());
            let message = format!("{text:?} is none of {}{suggestion}", names.join(", "));
            self.problem(key, at, message);
        }
        found
    }

    /// A list of texts.
    pub fn texts(&mut self, key: &'static str) -> Vec<String> {
        let mut texts = Vec::new();
        for (index, node) in self.items(key).iter().enumerate() {
            match node.text() {
                Some(text) if node.describe() == "text" => texts.push(text.to_owned()),
                _ => {
                    let place = format!("[{index}]: expected text, found {}", node.describe());
                    self.problem_at(node.at, format_args!("{}{place}", self.full(key)));
                }
            }
        }
        texts
    }

    /// What stands under `key`, or the items of a list there, as they are written: what type they are, their reader
    /// knows.
    pub fn scalars(&mut self, key: &'static str) -> Vec<String> {
        let Some(node) = self.node(key) else {
            return Vec::new();
        };
        let nodes = match &node.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let mut texts = Vec::with_capacity(nodes.len());
        for node in nodes {
            match node.text().filter(|_| !node.is_nothing()) {
                Some(text) => texts.push(text.to_owned()),
                None => self.problem(
                    key,
                    node.at,
                    format_args!(
                        "expected a text, a number, or a list of those, found {}",
                        node.describe()
                    ),
                ),
            }
        }
        texts
    }

    /// The map under `key`, read by `read`.
    pub fn section<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Section<'_>) -> T) -> Option<T> {
        let node = self.node(key)?;
        let mut section = Section::of(&self.full(key), node, self.problems)?;
        let value = read(&mut section);
        section.finish();
        Some(value)
    }

    /// The list of maps under `key`, each read by `read`.
    pub fn sections<T>(&mut self, key: &'static str, mut read: impl FnMut(&mut Section<'_>) -> T) -> Vec<T> {
        let items = self.items(key);
        let mut values = Vec::with_capacity(items.len());
        for (index, node) in items.iter().enumerate() {
            let path = format!("{}[{index}]", self.full(key));
            if let Some(mut section) = Section::of(&path, node, self.problems) {
                values.push(read(&mut section));
                section.finish();
            }
        }
        values
    }

    /// The list of lists of maps under `key`, each map read by `read`.
    pub fn lists_of_sections<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&mut Section<'_>) -> T,
    ) -> Vec<Vec<T>> {
        let mut lists = Vec::new();
        for (outer, node) in self.items(key).iter().enumerate() {
            let path = format!("{}[{outer}]", self.full(key));
            let Value::List(items) = &node.value else {
                let found = node.describe();
                self.problem_at(
                    node.at,
                    format_args!("{path}: expected a list of maps, found {found}; write it as - [ {{ … }} ]"),
                );
                continue;
            };
            let mut values = Vec::with_capacity(items.len());
            for (inner, node) in items.iter().enumerate() {
                if let Some(mut section) = Section::of(&format!("{path}[{inner}]"), node, self.problems) {
                    values.push(read(&mut section));
                    section.finish();
                }
            }
            lists.push(values);
        }
        lists
    }

    fn items(&mut self, key: &'static str) -> &'a [Node] {
        let Some(node) = self.node(key) else { return &[] };
        if let Value::List(items) = &node.value {
            return items;
        }
        self.problem(
            key,
            node.at,
            format_args!("expected a list, found {}", node.describe()),
        );
        &[]
    }

    /// A key of the design that this version does not take yet.
    pub fn not_available(&mut self, keys: &[&'static str]) {
        for (key, _) in self
            .entries
            .iter()
            .filter(|(key, _)| keys.contains(&key.name.as_str()))
        {
            self.problems.add(
                key.at,
                format_args!(
                    "{}{:?} is not available in this version; remove it",
                    self.prefix(),
                    key.name
                ),
            );
        }
        self.known.extend(keys);
    }

    /// Tells something about the value under `key`.
    pub fn problem(&mut self, key: &str, at: At, message: impl fmt::Display) {
        let full = self.full(key);
        self.problem_at(at, format_args!("{full}: {message}"));
    }

    /// Tells something about the value under `key`, at the value's own place.
    pub fn problem_with(&mut self, key: &'static str, message: impl fmt::Display) {
        let at = self.node(key).map_or(self.at, |node| node.at);
        self.problem(key, at, message);
    }

    /// Tells something about the section as a whole.
    pub fn problem_here(&mut self, message: impl fmt::Display) {
        let message = format!("{}{message}", self.prefix());
        self.problem_at(self.at, message);
    }

    fn problem_at(&mut self, at: At, message: impl fmt::Display) {
        self.problems.add(at, message);
    }

    fn missing(&mut self, key: &'static str, how: &str) {
        let at = self.node(key).map_or(self.at, |node| node.at);
        let message = format!("{}{key:?} {how}", self.prefix());
        self.problem_at(at, message);
    }

    /// Tells every key that nobody asked for.
    pub fn finish(self) {
        for (key, _) in self
            .entries
            .iter()
            .filter(|(key, _)| !self.known.contains(&key.name.as_str()))
        {
            let advice = if key.name == "<<" {
                "; merge keys are not taken here".to_owned()
            } else {
                did_you_mean(&key.name, self.known.iter().copied())
            };
            self.problems.add(
                key.at,
                format_args!("{}unknown key {:?}{advice}", self.prefix(), key.name),
            );
        }
    }

    fn full(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    fn prefix(&self) -> String {
        if self.path.is_empty() {
            String::new()
        } else {
            format!("{}: ", self.path)
        }
    }
}

fn is_guid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}
