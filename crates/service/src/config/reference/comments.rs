//! What the comments of a TOML file say of its keys.

use std::collections::BTreeMap;

/// The comment above each key, by the key's path. A commented-out key counts; one that follows another without a comment of
/// its own has none.
pub(super) struct Comments(BTreeMap<String, String>);

impl Comments {
    /// Reads them.
    pub(super) fn of(toml: &str) -> Self {
        let mut found = BTreeMap::new();
        let mut section = String::new();
        let mut said: Vec<&str> = Vec::new();
        for line in toml.lines().map(str::trim) {
            let text = line.trim_start_matches('#').trim();
            if let Some(name) = section_of(text) {
                name.clone_into(&mut section);
                said.clear();
            } else if let Some(key) = key_of(text) {
                let path = [section.as_str(), key].join(".");
                if !said.is_empty() {
                    found.insert(path, said.join(" "));
                }
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
        self.0.extend(later.0);
        self
    }

    /// What is said of a key.
    pub(super) fn of_key(&self, path: &str) -> Option<String> {
        self.0.get(path).cloned()
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
        assert_eq!(keys, ["a.b.four", "a.one", "a.three"]);
        assert_eq!(comments.of_key("a.one").unwrap(), "One and more.");
        assert_eq!(comments.of_key("a.b.four").unwrap(), "Four.");
    }
}
