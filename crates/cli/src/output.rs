//! What goes to standard output, in the form that was asked for.

use std::io::Write;

use clap::ValueEnum;

use crate::failure::Failure;

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// The protobuf JSON of the answer.
    Json,
    /// The same as YAML.
    Yaml,
}

impl Output {
    /// Prints an answer; `table` says how people read it.
    pub fn answer<M>(self, message: &M, table: impl FnOnce(&M) -> String) -> Result<(), Failure>
    where
        M: prost::Message + prost::Name,
    {
        match self {
            Self::Table => print(&table(message)),
            Self::Json => {
                let mut text = serde_json::to_string_pretty(&contracts::json::to_json(message)?)?;
                text.push('\n');
                print(&text)
            }
            Self::Yaml => print(&serde_saphyr::to_string(&contracts::json::to_json(message)?)?),
        }
    }

    /// Prints one of many that come one by one: a line, a JSON object on a line, a YAML document.
    pub fn item<M>(self, message: &M, line: impl FnOnce(&M) -> String) -> Result<(), Failure>
    where
        M: prost::Message + prost::Name,
    {
        match self {
            Self::Table => print(&line(message)),
            Self::Json => print(&format!(
                "{}\n",
                serde_json::to_string(&contracts::json::to_json(message)?)?
            )),
            Self::Yaml => print(&format!(
                "---\n{}",
                serde_saphyr::to_string(&contracts::json::to_json(message)?)?
            )),
        }
    }
}

/// Writes to standard output at once.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(Failure::Output)
}
