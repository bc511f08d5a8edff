//! The `ROLLCALL_…` variables, as a layer of configuration.

use std::collections::BTreeMap;
use std::ffi::OsString;

use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::ConfigError;

const PREFIX: &str = "ROLLCALL_";

/// Names the configuration file; so does `--config`.
pub(crate) const FILE_VARIABLE: &str = "ROLLCALL_CONFIG";

/// With the prefix, but not settings: the file's name, and two of the command line that people export in their shell.
const NOT_SETTINGS: [&str; 3] = [FILE_VARIABLE, "ROLLCALL_API", "ROLLCALL_TOKEN"];

/// The environment of a process, or one made for a test.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// This process' variables.
    pub fn of_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// One made of `variables`, each a name and a value.
    pub fn of<const N: usize>(variables: [(&str, &str); N]) -> Self {
        Self(
            variables
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }

    /// The variable `name`, where it is set to anything but nothing. Not for settings: those come through [`super::load`].
    pub fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(std::ffi::OsStr::new(name))?;
        value.to_str().filter(|text| !text.is_empty())
    }

    /// The variables that are settings.
    pub(super) fn settings(&self) -> Result<Settings, ConfigError> {
        let mut variables = BTreeMap::new();
        for (name, value) in &self.0 {
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
                continue;
            };
            let value = value.to_str().ok_or_else(|| ConfigError::NotText {
                variable: name.to_owned(),
            })?;
            if NOT_SETTINGS.contains(&name) || is_service_link(name, value) {
                continue;
            }
            let path = name[PREFIX.len()..].to_lowercase().replace("__", ".");
            if !path.contains('.') {
                return Err(ConfigError::NotASetting {
                    variable: name.to_owned(),
                });
            }
            variables.insert(
                path,
                Variable {
                    name: name.to_owned(),
                    value: value.to_owned(),
                },
            );
        }
        Ok(Settings(variables))
    }
}

/// Settings by their path, such as `database.url`.
#[derive(Debug)]
pub(super) struct Settings(BTreeMap<String, Variable>);

#[derive(Debug)]
struct Variable {
    name: String,
    value: String,
}

impl Settings {
    /// The variable that sets `path`, or something inside it.
    pub(super) fn variable_of(&self, path: &str) -> Option<&str> {
        let inside = format!("{path}.");
        let found = self
            .0
            .iter()
            .find(|(key, _)| *key == path || key.starts_with(&inside));
        found.map(|(_, variable)| variable.name.as_str())
    }

    /// A layer to merge over `defaults`, whose types say how a variable is read.
    pub(super) fn over(&self, defaults: &Figment) -> Layer {
        let mut root = Dict::new();
        for (path, variable) in &self.0 {
            let text_by_default = matches!(defaults.find_value(path), Ok(Value::String(..)));
            let value = if text_by_default {
                Value::from(variable.value.clone())
            } else {
                guess(&variable.value)
            };
            insert(&mut root, path, value);
        }
        Layer(root)
    }
}

/// A tree of values as a source of configuration.
pub(super) struct Layer(pub(super) Dict);

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named("environment")
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.0.clone()))
    }
}

/// A number, a truth value, a list or a table where it looks like one, else text.
fn guess(text: &str) -> Value {
    match text.parse() {
        Ok(value) => value,
        Err(never) => match never {},
    }
}

fn insert(dict: &mut Dict, path: &str, value: Value) {
    let Some((section, rest)) = path.split_once('.') else {
        dict.insert(path.to_owned(), value);
        return;
    };
    let entry = dict
        .entry(section.to_owned())
        .or_insert_with(|| Value::from(Dict::new()));
    if !matches!(entry, Value::Dict(..)) {
        *entry = Value::from(Dict::new());
    }
    if let Value::Dict(_, inner) = entry {
        insert(inner, rest, value);
    }
}

/// Whether Kubernetes made this variable for a Service called `rollcall-…` (`ROLLCALL_API_SERVICE_HOST`,
/// `ROLLCALL_API_PORT=tcp://…`), in every pod of the namespace unless told not to.
fn is_service_link(name: &str, value: &str) -> bool {
    let has_scheme = ["tcp://", "udp://", "sctp://"]
        .iter()
        .any(|scheme| value.starts_with(scheme));
    !name.contains("__")
        && (name.ends_with("_SERVICE_HOST")
            || name.contains("_SERVICE_PORT")
            || ["_TCP_", "_UDP_", "_SCTP_"]
                .iter()
                .any(|part| name.contains(part))
            || (name.contains("_PORT") && has_scheme))
}
