//! What the comments of a TOML file say of its keys.

use std::collections::BTreeMap;

/// What stands about each key, by the key's path. A commented-out key counts.
#[derive(Default)]
pub(super) struct Comments(BTreeMap<String, About>);

#[derive(Default)]
struct About {
    /// The comment above it; empty for one that follows another without a comment of its own.
    said: String,
    /// The text that it is set to there.
    sample: Option<String>,
}

impl Comments {
    /// Reads them.
    pub(super) fn of(toml: &str) -> Self {
        let mut found: BTreeMap<String, About> = BTreeMap::new();
        let mut section = String::new();
        let mut said: Vec<&str> = Vec::new();
        for line in toml.lines().map(str::trim) {
            let text = line.trim_start_matches('#').trim();
            if let Some(name) = section_of(text) {
                name.clone_into(&mut section);
                said.clear();
            } else if let Some(key) = key_of(text) {
                let path = [section.as_str(), key].join(".");
                let about = About {
                    said: said.join(" "),
                    sample: text.split('"').nth(1).map(str::to_owned),
                };
                found.insert(path, about);
                said.clear();
            } else if line.starts_with('#') {
                said.push(text);
            } else {
                said.clear();
            }
        }
        Self(found)
    }

    /// These, and where `later` says something of a key, that.
    pub(super) fn over(mut self, later: Self) -> Self {
        for (path, about) in later.0 {
            let known = self.0.entry(path).or_default();
            if !about.said.is_empty() {
                known.said = about.said;
            }
            known.sample = about.sample.or(known.sample.take());
        }
        self
    }

    /// What is said of a key.
    pub(super) fn of_key(&self, path: &str) -> Option<String> {
        let about = self.0.get(path)?;
        (!about.said.is_empty()).then(|| about.said.clone())
    }

    /// The text that a key is set to.
    pub(super) fn sample_of(&self, path: &str) -> Option<String> {
        self.0.get(path)?.sample.clone()
    }

    /// The keys of which something is said.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

fn section_of(text: &str) -> Option<&str> {
    let name = text.strip_prefix('[')?.split_once(']')?.0;
    is_path(name).then_some(name)
}

fn key_of(text: &str) -> Option<&str> {
    let (key, _) = text.split_once(" = ")?;
    (is_path(key) && !key.contains('.')).then_some(key)
}

fn is_path(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    !text.is_empty() && text.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_comment_above_a_key_is_its_own() {
        let comments = Comments::of(
            "# A file.\n\n[a]\n# One\n# and more.\none = 1\ntwo = 2\n# Three.\n# three = 3\n# [a.b]\n# Four.\n# four = \"x\"   example\n",
        );
        let keys: Vec<_> = comments.keys().collect();
        assert_eq!(keys, ["a.b.four", "a.one", "a.three", "a.two"]);
        assert_eq!(comments.of_key("a.two"), None);
        assert_eq!(comments.sample_of("a.b.four").unwrap(), "x");
        assert_eq!(comments.of_key("a.one").unwrap(), "One and more.");
        assert_eq!(comments.of_key("a.b.four").unwrap(), "Four.");
    }
}
