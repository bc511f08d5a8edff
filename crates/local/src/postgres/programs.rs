//! Where PostgreSQL's programs are.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Error;

/// Debian keeps each major version's server programs out of PATH, below this.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The programs of one installed version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    /// The major version, as in `PG_VERSION`.
    pub version: String,
    /// Makes data directories.
    pub initdb: PathBuf,
    /// The server.
    pub postgres: PathBuf,
    /// The client.
    pub psql: PathBuf,
}

impl Programs {
    /// The newest installed version, or the one that made `data` when there are data already.
    pub fn find(data: &Path) -> Result<Self, Error> {
        let mut installed: Vec<Self> = directories()
            .iter()
            .filter_map(|dir| Self::in_directory(dir))
            .collect();
        installed.sort_by_key(|programs| number(&programs.version));
        let Ok(made_by) = std::fs::read_to_string(data.join("PG_VERSION")) else {
            return installed.pop().ok_or(Error::NotInstalled);
        };
        let made_by = made_by.trim();
        installed
            .into_iter()
            .find(|programs| programs.version == made_by)
            .ok_or_else(|| Error::OtherVersion {
                data: data.to_path_buf(),
                made_by: made_by.to_owned(),
            })
    }

    fn in_directory(dir: &Path) -> Option<Self> {
        let [initdb, postgres, psql] = ["initdb", "postgres", "psql"].map(|name| dir.join(name));
        if ![&initdb, &postgres, &psql]
            .iter()
            .all(|program| program.is_file())
        {
            return None;
        }
        let output = Command::new(&postgres).arg("--version").output().ok()?;
        let version = major_version(&String::from_utf8_lossy(&output.stdout))?;
        Some(Self {
            version,
            initdb,
            postgres,
            psql,
        })
    }
}

fn directories() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = std::fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"));
    std::env::split_paths(&path).chain(debian).collect()
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)` → `15`.
fn major_version(text: &str) -> Option<String> {
    let version = text
        .split_whitespace()
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
    Some(version.chars().take_while(char::is_ascii_digit).collect())
}

fn number(version: &str) -> u32 {
    version.parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_every_spelling() {
        for (text, expected) in [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", "15"),
            ("postgres (PostgreSQL) 17.2", "17"),
            ("postgres (PostgreSQL) 18beta1", "18"),
        ] {
            assert_eq!(major_version(text).as_deref(), Some(expected));
        }
        assert_eq!(major_version("no version here"), None);
    }

    #[test]
    fn data_of_a_version_that_is_not_installed_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("PG_VERSION"), "8\n").unwrap();
        assert!(
            matches!(Programs::find(dir.path()), Err(Error::OtherVersion { made_by, .. }) if made_by == "8")
        );
    }
}
