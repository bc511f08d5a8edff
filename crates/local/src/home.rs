//! The directory that everything started from here lives in.
//!
//! ```text
//! endpoints.json   where things are, while they run (readable by its owner alone: it holds a token)
//! ports.json       the ports of the last run, taken again where they are free
//! secrets/         token and key ring, made up once
//! logs/            one file per process
//! pids/            one file per process, for a next run that finds orphans
//! addresses/       what each service listens on
//! postgres/ nats/  data
//! ```

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::{orphan, secret};

const DIRECTORIES: [&str; 4] = ["logs", "pids", "addresses", "secrets"];

/// Why a home is not usable.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Someone else runs from it.
    #[error(
        "{dir} is in use by process {holder}: stop that first (Ctrl-C in its terminal, or kill {holder})"
    )]
    Held {
        /// The home.
        dir: PathBuf,
        /// The process that holds it.
        holder: String,
    },
    /// A file of it could not be read or written.
    #[error("{path} is not usable")]
    File {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A temporary one could not be made.
    #[error("no temporary directory")]
    Scratch(#[source] io::Error),
}

/// A home, ours alone while this value lives.
#[derive(Debug)]
pub struct Home {
    dir: PathBuf,
    _lock: File,
    scratch: Option<tempfile::TempDir>,
}

impl Home {
    /// Takes the home in `dir`, made if it does not exist, and refuses when another process has it.
    pub fn kept(dir: &Path) -> Result<Self, Error> {
        make(dir)?;
        let dir = dir.canonicalize().map_err(|source| Error::File {
            path: dir.to_path_buf(),
            source,
        })?;
        Self::open(dir, None)
    }

    /// A temporary home that goes when it is dropped.
    pub fn temporary() -> Result<Self, Error> {
        let scratch = tempfile::Builder::new()
            .prefix("rollcall-")
            .tempdir()
            .map_err(Error::Scratch)?;
        let dir = scratch.path().join("home");
        make(&dir)?;
        Self::open(dir, Some(scratch))
    }

    fn open(dir: PathBuf, scratch: Option<tempfile::TempDir>) -> Result<Self, Error> {
        let lock = lock(&dir)?;
        for name in DIRECTORIES {
            make(&dir.join(name))?;
        }
        Ok(Self {
            dir,
            _lock: lock,
            scratch,
        })
    }

    /// A file or directory of it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The log of a process.
    pub fn log(&self, name: &str) -> PathBuf {
        self.dir.join("logs").join(format!("{name}.log"))
    }

    /// The pid file of a process.
    pub fn pid_file(&self, name: &str) -> PathBuf {
        self.dir.join("pids").join(format!("{name}.pid"))
    }

    /// Where a service writes what it listens on.
    pub fn address_file(&self, name: &str) -> PathBuf {
        self.dir.join("addresses").join(format!("{name}.json"))
    }

    /// The secret of that name, made up the first time.
    pub fn secret(&self, name: &str, make: impl FnOnce() -> String) -> Result<String, Error> {
        let path = self.dir.join("secrets").join(name);
        secret::kept(&path, make).map_err(|source| Error::File { path, source })
    }

    /// What the watchdogs remove when we end without doing so: the directory of a temporary home.
    pub fn scratch(&self) -> Option<&Path> {
        self.scratch.as_ref().map(tempfile::TempDir::path)
    }

    /// Stops what a former run left behind, and says what that was.
    pub async fn stop_orphans(&self) -> Result<Vec<String>, Error> {
        let path = self.path("pids");
        orphan::stop_all(&path)
            .await
            .map_err(|source| Error::File { path, source })
    }

    /// The ports of the last run.
    pub fn ports(&self) -> PortBook {
        let text = std::fs::read_to_string(self.path("ports.json")).unwrap_or_default();
        // Without a readable book everything just gets other ports.
        PortBook(serde_json::from_str(&text).unwrap_or_default())
    }

    /// Remembers the ports for the next run.
    pub fn keep_ports(&self, book: &PortBook) -> Result<(), Error> {
        let path = self.path("ports.json");
        let text = serde_json::Value::from_iter(book.0.clone()).to_string();
        std::fs::write(&path, text).map_err(|source| Error::File { path, source })
    }
}

/// Which port each thing had last.
#[derive(Debug, Clone, Default)]
pub struct PortBook(BTreeMap<String, u16>);

impl PortBook {
    /// The port it had.
    pub fn last(&self, name: &str) -> Option<u16> {
        self.0.get(name).copied()
    }

    /// Writes down the port it has now.
    pub fn note(&mut self, name: &str, port: u16) {
        self.0.insert(name.to_owned(), port);
    }
}

fn make(dir: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(dir).map_err(|source| Error::File {
        path: dir.to_path_buf(),
        source,
    })
}

/// The lock goes with the process that has it, however that ends; the file's text only says who it is.
fn lock(dir: &Path) -> Result<File, Error> {
    let path = dir.join("lock");
    let failed = |source| Error::File {
        path: path.clone(),
        source,
    };
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => (),
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            file.read_to_string(&mut holder).map_err(failed)?;
            return Err(Error::Held {
                dir: dir.to_path_buf(),
                holder: holder.trim().to_owned(),
            });
        }
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    file.set_len(0).map_err(failed)?;
    file.rewind().map_err(failed)?;
    writeln!(file, "{}", std::process::id()).map_err(failed)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_has_one_holder_at_a_time_and_says_who() {
        let dir = tempfile::tempdir().unwrap();
        let held = Home::kept(dir.path()).unwrap();
        let error = Home::kept(dir.path()).unwrap_err().to_string();
        assert!(
            error.contains(&format!("process {}", std::process::id())),
            "{error}"
        );
        drop(held);
        Home::kept(dir.path()).unwrap();
    }

    #[test]
    fn ports_and_secrets_stay_from_run_to_run() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::kept(dir.path()).unwrap();
        let token = home.secret("token", secret::password).unwrap();
        let mut book = home.ports();
        assert_eq!(book.last("nats"), None);
        book.note("nats", 20_123);
        home.keep_ports(&book).unwrap();
        drop(home);

        let home = Home::kept(dir.path()).unwrap();
        assert_eq!(home.ports().last("nats"), Some(20_123));
        assert_eq!(home.secret("token", secret::password).unwrap(), token);
    }
}
