//! The compose file, read as Compose reads it.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Map, Value};

use super::read;

/// What stands in `deploy/.env`.
pub(super) type Variables = BTreeMap<String, String>;

/// `deploy/compose.yaml`, its merge keys resolved.
pub(super) struct Compose(Value);

impl Compose {
    pub(super) fn read() -> Self {
        Self(yaml("deploy/compose.yaml"))
    }

    pub(super) fn services(&self) -> &Map<String, Value> {
        self.0["services"].as_object().unwrap()
    }

    pub(super) fn volumes(&self) -> &Map<String, Value> {
        self.0["volumes"].as_object().unwrap()
    }

    /// What this service is told, the variables put in.
    pub(super) fn environment(&self, service: &str, variables: &Variables) -> Variables {
        let environment = self.services()[service]["environment"].as_object().unwrap();
        environment
            .iter()
            .map(|(name, value)| {
                let value = value
                    .as_str()
                    .unwrap_or_else(|| panic!("{service}: {name} is no text, so that Compose may change it"));
                (name.clone(), interpolate(value, variables).unwrap())
            })
            .collect()
    }
}

/// A YAML file of the workspace.
pub(super) fn yaml(name: &str) -> Value {
    serde_saphyr::from_str(&read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What stands between `${` and `}`, each time.
pub(super) fn references(text: &str) -> Vec<&str> {
    text.split("${")
        .skip(1)
        .map(|rest| rest.split_once('}').unwrap().0)
        .collect()
}

/// Puts variables in, as Compose does: `${NAME:?why}` needs one, `${NAME:-else}` does not.
pub(super) fn interpolate(text: &str, variables: &Variables) -> Result<String, String> {
    let mut parts = text.split("${");
    let mut done = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (reference, rest) = part.split_once('}').ok_or("a brace is open")?;
        let (name, otherwise) = reference.split_once(':').ok_or("what if it is not set?")?;
        let value = variables.get(name).filter(|value| !value.is_empty());
        match (value, otherwise.split_at(1)) {
            (Some(value), _) => done.push_str(value),
            (None, ("-", default)) => done.push_str(default),
            (None, (_, why)) => return Err(format!("{name}: {why}")),
        }
        done.push_str(rest);
    }
    Ok(done)
}

/// Makes `deploy/.env` with the very lines that the document gives, elsewhere, and reads it.
pub(super) fn variables_as_documented() -> Variables {
    let document = read("docs/compose.md");
    let block = document
        .split("```")
        .find(|block| block.contains("> .env"))
        .unwrap()
        .strip_prefix("sh\n")
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("deploy")).unwrap();
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", block])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let file = folder.path().join("deploy/.env");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "others can read the secrets");
    assert!(
        read(".gitignore").lines().any(|line| line == "/deploy/.env"),
        "git would take the secrets"
    );
    std::fs::read_to_string(file)
        .unwrap()
        .lines()
        .map(|line| line.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
