//! Files as the commands read them, for whoever checks that no text breaks the reading.

use std::path::Path;

use contracts::v1::Document;

use crate::command::import::{self, WholeFile};
use crate::yaml::{self, export, section::Problem};

/// What is wrong with a YAML file, and where; both count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misplaced {
    /// The line.
    pub line: usize,
    /// The character in it.
    pub column: usize,
    /// What is wrong, and what to do.
    pub message: String,
}

/// The documents of a YAML file, as `apply` reads them where every variable of the environment has a value.
///
/// # Errors
/// Everything that is wrong with it.
pub fn documents(text: &str) -> Result<Vec<Document>, Vec<Misplaced>> {
    let placed = yaml::of_text("-", text, &|_| Ok("a value".to_owned())).map_err(|problems| {
        let misplaced = |problem: Problem| Misplaced {
            line: problem.at.line,
            column: problem.at.column,
            message: problem.message,
        };
        problems.into_iter().map(misplaced).collect::<Vec<_>>()
    })?;
    Ok(placed.into_iter().map(|placed| placed.document).collect())
}

/// Documents as `export` writes them.
///
/// # Errors
/// Why they can't be written.
pub fn yaml(documents: &[Document]) -> Result<String, String> {
    export::to_yaml(documents).map_err(|error| error.to_string())
}

/// The header of a CSV file, and each row with the line on which it starts, as `import csv` reads them.
///
/// # Errors
/// Why it can't be read.
pub fn rows(file: &Path) -> Result<WholeFile, String> {
    import::read_all(file).map_err(|failure| failure.report())
}
