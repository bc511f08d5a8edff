//! Configuration: defaults, then a file, then the environment, read once into plain values.

mod environment;
mod reference;
mod sections;

use std::fmt;
use std::path::{Path, PathBuf};

use figment::error::Kind;
use figment::providers::{Format, Toml};
use figment::value::{Dict, Value};
use figment::{Figment, Provider};
use serde::Deserialize;
use serde::de::DeserializeOwned;

pub use environment::Environment;
pub(crate) use environment::FILE_VARIABLE;
pub use reference::reference;
pub use sections::{
    ClientTls, DatabaseConfig, GrpcClientConfig, GrpcServerConfig, LogConfig, LogFormat, MetricsConfig,
    NatsConfig, ProcessConfig, ServerTls, VaultConfig, path_or_none, secret, secret_or_none,
};

/// The chassis' own defaults, with a comment for each key.
pub const CHASSIS_DEFAULTS: &str = include_str!("chassis.toml");

/// The sections that [`Chassis`] takes; a service's own type does not see them.
const CHASSIS_SECTIONS: [&str; 4] = ["process", "log", "metrics", "grpc"];

/// Where configuration comes from, the later over the earlier.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// The service's own defaults, as TOML; they may change the chassis'.
    pub defaults: &'a str,
    /// A TOML file.
    pub file: Option<&'a Path>,
    /// The variables.
    pub environment: &'a Environment,
}

/// What was read.
#[derive(Clone, Debug)]
pub struct Loaded<C> {
    /// The chassis' part.
    pub chassis: Chassis,
    /// The service's part.
    pub service: C,
}

/// What the chassis itself needs to know.
#[derive(Clone, Debug, Deserialize)]
pub struct Chassis {
    /// `[process]`
    pub process: ProcessConfig,
    /// `[log]`
    pub log: LogConfig,
    /// `[metrics]`
    pub metrics: MetricsConfig,
    /// `[grpc]`
    pub grpc: GrpcServerConfig,
}

/// Why the configuration cannot be used. Holds no value that might be a secret.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there or not readable.
    #[error("cannot read the configuration file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The text is not TOML.
    #[error("{origin} is not TOML: {problem}")]
    Syntax {
        /// File or defaults.
        origin: String,
        /// What the parser says, without the line it quotes.
        problem: String,
    },
    /// A variable holds something other than UTF-8.
    #[error("variable {variable} is not UTF-8 text")]
    NotText {
        /// Its name.
        variable: String,
    },
    /// A variable with our prefix that names no section.
    #[error(
        "variable {variable} is no setting: those are ROLLCALL_SECTION__KEY, with two underscores, such as \
         ROLLCALL_DATABASE__URL"
    )]
    NotASetting {
        /// Its name.
        variable: String,
    },
    /// A key that nothing reads.
    #[error("unknown key {key} in {origin}; known there: {known}")]
    Unknown {
        /// Its path.
        key: String,
        /// Where it stands.
        origin: String,
        /// What would have been understood.
        known: String,
    },
    /// A key without which the service cannot run.
    #[error("missing key {key}: set it in the configuration file or as {variable}")]
    Missing {
        /// Its path.
        key: String,
        /// Its variable.
        variable: String,
    },
    /// A value of the wrong type or out of range.
    #[error("key {key} in {origin}: {problem}")]
    Invalid {
        /// Its path.
        key: String,
        /// Where it stands.
        origin: String,
        /// What is wrong.
        problem: String,
    },
}

/// Reads the configuration.
///
/// `C` is the service's own type; it and its sections should `deny_unknown_fields`.
///
/// # Errors
/// The first thing wrong, named with where it stands.
pub fn load<C: DeserializeOwned>(sources: Sources<'_>) -> Result<Loaded<C>, ConfigError> {
    let settings = sources.environment.settings()?;
    let defaults = Figment::new()
        .merge(layer("the chassis' defaults", CHASSIS_DEFAULTS)?)
        .merge(layer("the service's defaults", sources.defaults)?);
    let file = match sources.file {
        Some(path) => Some(read_file(path)?),
        None => None,
    };
    let with_file = file.iter().fold(defaults.clone(), |figment, dict| {
        figment.merge(environment::Layer(dict.clone()))
    });
    let figment = with_file.merge(settings.over(&defaults));
    let origins = Origins {
        settings: &settings,
        file: sources.file.zip(file.as_ref()),
    };

    let chassis: Chassis = figment.extract().map_err(|error| origins.explain(error))?;
    let service = without_chassis(&figment)
        .extract()
        .map_err(|error| origins.explain(error))?;
    Ok(Loaded { chassis, service })
}

fn read_file(path: &Path) -> Result<Dict, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    layer(&path.display().to_string(), &text).map(|layer| layer.0)
}

fn layer(origin: &str, text: &str) -> Result<environment::Layer, ConfigError> {
    let syntax = |error: figment::Error| ConfigError::Syntax {
        origin: origin.to_owned(),
        problem: without_quoted_lines(&error.kind.to_string()),
    };
    Figment::from(Toml::string(text))
        .extract::<Dict>()
        .map(environment::Layer)
        .map_err(syntax)
}

/// The parser quotes the line it stumbled over, which may hold a secret.
fn without_quoted_lines(text: &str) -> String {
    let quoted = |line: &&str| {
        line.trim_start_matches(|c: char| c == ' ' || c.is_ascii_digit())
            .starts_with('|')
    };
    text.lines()
        .filter(|line| !quoted(line))
        .collect::<Vec<_>>()
        .join("; ")
}

fn without_chassis(figment: &Figment) -> Figment {
    let mut dict = figment
        .data()
        .ok()
        .and_then(|mut all| all.remove(&figment::Profile::Default))
        .unwrap_or_default();
    dict.retain(|key, _| !CHASSIS_SECTIONS.contains(&key.as_str()));
    Figment::from(environment::Layer(dict))
}

/// Turns a reader's error into one that says where the key stands.
struct Origins<'a> {
    settings: &'a environment::Settings,
    file: Option<(&'a Path, &'a Dict)>,
}

impl Origins<'_> {
    fn explain(&self, error: figment::Error) -> ConfigError {
        let within = |last: &str| {
            error
                .path
                .iter()
                .map(String::as_str)
                .chain([last])
                .collect::<Vec<_>>()
                .join(".")
        };
        let here = || error.path.join(".");
        match error.kind {
            Kind::UnknownField(name, known) => {
                // The reader has the unknown name in its path already.
                let key = here();
                let top = key == name;
                let known = known.iter().chain(CHASSIS_SECTIONS.iter().filter(|_| top));
                let known = known.copied().collect::<Vec<_>>().join(", ");
                ConfigError::Unknown {
                    origin: self.origin_of(&key),
                    key,
                    known,
                }
            }
            Kind::MissingField(name) => {
                let key = within(&name);
                let variable = format!("ROLLCALL_{}", key.to_uppercase().replace('.', "__"));
                ConfigError::Missing { key, variable }
            }
            Kind::InvalidType(actual, expected) => {
                let problem = format!("expected {expected}, found {}", kind_of(&actual));
                ConfigError::Invalid {
                    origin: self.origin_of(&here()),
                    key: here(),
                    problem,
                }
            }
            other => ConfigError::Invalid {
                origin: self.origin_of(&here()),
                key: here(),
                problem: other.to_string(),
            },
        }
    }

    fn origin_of(&self, key: &str) -> String {
        if let Some(variable) = self.settings.variable_of(key) {
            return format!("variable {variable}");
        }
        match self.file {
            Some((path, dict)) if has(dict, key) => path.display().to_string(),
            _ => "the built-in defaults".to_owned(),
        }
    }
}

fn has(dict: &Dict, key: &str) -> bool {
    match key.split_once('.') {
        None => dict.contains_key(key),
        Some((section, rest)) => matches!(dict.get(section), Some(Value::Dict(_, inner)) if has(inner, rest)),
    }
}

/// The kind of a value, without the value: it may be a secret in the wrong place.
fn kind_of(actual: &figment::error::Actual) -> impl fmt::Display {
    use figment::error::Actual;
    match actual {
        Actual::Bool(_) => "true or false",
        Actual::Unsigned(_) | Actual::Signed(_) => "a whole number",
        Actual::Float(_) => "a number",
        Actual::Char(_) | Actual::Str(_) => "text",
        Actual::Seq => "a list",
        Actual::Map => "a table",
        _ => "something else",
    }
}

#[cfg(test)]
mod tests;
