//! Ports for servers that must come back on the same address after a kill.
//!
//! The kernel hands out ports for port 0 and for outgoing connections from its ephemeral range, so a port from there can be
//! gone by the time a killed server returns. These come from below that range, and a lock file per port keeps our own
//! processes (tests run side by side) from choosing the same one.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rand::Rng;

/// Below Linux's default ephemeral range (32768–60999) and above the well-known servers.
const RANGE: Range<u16> = 20_000..32_000;
const ATTEMPTS: usize = 500;

/// Why no port could be reserved.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory of the lock files could not be made or read.
    #[error("the directory of port locks {path} is not usable")]
    LockDirectory {
        /// Where it should be.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Someone else owns the directory of the lock files.
    #[error("the directory of port locks {path} belongs to another user")]
    NotOurs {
        /// Where it is.
        path: PathBuf,
    },
    /// Every port that was tried is in use.
    #[error("no free port found between 20000 and 32000")]
    NoneFree,
}

/// A loopback port that is ours until this value is dropped, whether or not a server listens on it at the moment.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _lock: File,
}

impl Port {
    /// Reserves a free port.
    pub fn reserve() -> Result<Self, Error> {
        let locks = lock_directory()?;
        let mut rng = rand::rng();
        (0..ATTEMPTS)
            .find_map(|_| claim(&locks, rng.random_range(RANGE)))
            .ok_or(Error::NoneFree)
    }

    /// Reserves this port if it is free, else another: addresses stay the same between runs where they can.
    pub fn prefer(number: Option<u16>) -> Result<Self, Error> {
        let locks = lock_directory()?;
        match number
            .filter(|number| RANGE.contains(number))
            .and_then(|number| claim(&locks, number))
        {
            Some(port) => Ok(port),
            None => Self::reserve(),
        }
    }

    /// The port's number.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.number)
    }
}

fn claim(locks: &Path, number: u16) -> Option<Port> {
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(locks.join(number.to_string()))
        .ok()?;
    match lock.try_lock() {
        Ok(()) => (),
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => return None,
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
    Some(Port { number, _lock: lock })
}

fn lock_directory() -> Result<PathBuf, Error> {
    let us = rustix::process::geteuid().as_raw();
    let path = std::env::temp_dir().join(format!("rollcall-ports-{us}"));
    let made = DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&path)
        .and_then(|()| std::fs::metadata(&path));
    match made {
        Ok(found) if found.uid() == us => Ok(path),
        Ok(_) => Err(Error::NotOurs { path }),
        Err(source) => Err(Error::LockDirectory { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_port_is_given_to_nobody_else_while_it_is_held() {
        let held = Port::reserve().unwrap();
        let other = Port::prefer(Some(held.number())).unwrap();
        assert_ne!(held.number(), other.number());

        let number = held.number();
        drop(held);
        assert_eq!(Port::prefer(Some(number)).unwrap().number(), number);
    }

    #[test]
    fn a_port_that_someone_listens_on_is_not_free() {
        let port = Port::reserve().unwrap();
        let number = port.number();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, number)).unwrap();
        drop(port);
        assert_ne!(Port::prefer(Some(number)).unwrap().number(), number);
        drop(listener);
    }
}
