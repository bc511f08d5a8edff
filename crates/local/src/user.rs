//! The user that PostgreSQL runs as: it refuses to run as root.

use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

const PASSWD: &str = "/etc/passwd";
/// Tried in this order: the one that Debian's package makes, then the one that every system has.
const CANDIDATES: [&str; 2] = ["postgres", "nobody"];

/// Why no user could be chosen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The list of users could not be read.
    #[error("{PASSWD} could not be read")]
    Passwd(#[source] io::Error),
    /// None of the candidates exists.
    #[error("running as root, PostgreSQL needs a user `postgres` or `nobody`, and {PASSWD} has neither")]
    NoCandidate,
    /// A directory could not be given to the user.
    #[error("{path} could not be given to the user {user}")]
    Chown {
        /// The directory or file.
        path: PathBuf,
        /// Who should have it.
        user: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Another user than the one we run as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its name.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// Its group's number.
    pub gid: u32,
}

impl User {
    /// Whom a program that refuses root must run as: `None` when we are not root, so that it can run as we do.
    pub fn instead_of_root() -> Result<Option<Self>, Error> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let passwd = std::fs::read_to_string(PASSWD).map_err(Error::Passwd)?;
        match CANDIDATES.iter().find_map(|name| entry(&passwd, name)) {
            Some(user) => Ok(Some(user)),
            None => Err(Error::NoCandidate),
        }
    }

    /// Makes this user the owner.
    pub fn own(&self, path: &Path) -> Result<(), Error> {
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid)).map_err(|source| Error::Chown {
            path: path.to_path_buf(),
            user: self.name.clone(),
            source,
        })
    }

    /// Whether this user may pass through every directory down to `path`. A clone under /root is one that it may not.
    pub fn can_reach(&self, path: &Path) -> bool {
        path.ancestors().all(|ancestor| {
            std::fs::metadata(ancestor).is_ok_and(|found| {
                let mode = found.permissions().mode();
                mode & 0o001 != 0
                    || (found.uid() == self.uid && mode & 0o100 != 0)
                    || (found.gid() == self.gid && mode & 0o010 != 0)
            })
        })
    }
}

fn entry(passwd: &str, wanted: &str) -> Option<User> {
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, gid, ..] = fields.as_slice() else {
            return None;
        };
        (*name == wanted).then_some(())?;
        Some(User {
            name: (*name).to_owned(),
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\npostgresql:x:7:7::/:/bin/sh\npostgres:x:101:104:,,,:/var:/bin/bash\n";
        assert_eq!(
            entry(passwd, "postgres"),
            Some(User {
                name: "postgres".into(),
                uid: 101,
                gid: 104
            })
        );
        assert_eq!(entry(passwd, "nobody"), None);
    }

    #[test]
    fn a_private_directory_above_blocks_the_way() {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        let stranger = User {
            name: "stranger".into(),
            uid: 54_321,
            gid: 54_321,
        };

        std::fs::set_permissions(outer.path(), PermissionsExt::from_mode(0o700)).unwrap();
        assert!(!stranger.can_reach(&inner));
        std::fs::set_permissions(outer.path(), PermissionsExt::from_mode(0o711)).unwrap();
        assert!(stranger.can_reach(&inner));
    }
}
