//! Where cargo put the programs that we start.

use std::io;
use std::path::PathBuf;

/// Why a program was not found.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// We don't know where we are ourselves.
    #[error("our own executable has no path")]
    NoSelf(#[source] io::Error),
    /// It is not there.
    #[error("{name} is not built (looked for {path}): cargo build --workspace --bins")]
    NotBuilt {
        /// The program.
        name: String,
        /// Where it should be.
        path: PathBuf,
    },
}

/// The program `name` of the same build as ours: beside us, or one level up when we are a test.
pub fn find(name: &str) -> Result<PathBuf, Error> {
    let us = std::env::current_exe().map_err(Error::NoSelf)?;
    let mut dir = us.parent().map(PathBuf::from).unwrap_or_default();
    if dir.ends_with("deps") || dir.ends_with("examples") {
        dir.pop();
    }
    let path = dir.join(name);
    if path.is_file() {
        Ok(path)
    } else {
        Err(Error::NotBuilt {
            name: name.to_owned(),
            path,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_built_says_how_to_build_it() {
        let error = find("no-such-program").unwrap_err();
        assert!(error.to_string().contains("cargo build"), "{error}");
    }
}
