//! Secrets made up for this machine, kept in files that only we can read.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// A password that needs no escaping in a URL or a shell.
pub fn password() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 24]>())
}

/// A 256-bit key in base64.
pub fn key() -> String {
    STANDARD.encode(rand::random::<[u8; 32]>())
}

/// Writes a file that only its owner can read, whole or not at all.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    if let Err(error) = std::fs::remove_file(&new)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path)
}

/// Reads the secret in `path`, or makes one up and keeps it there.
pub fn kept(path: &Path, make: impl FnOnce() -> String) -> io::Result<String> {
    match std::fs::read_to_string(path) {
        Ok(secret) => Ok(secret),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let secret = make();
            write(path, &secret)?;
            Ok(secret)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_kept_secret_stays_the_same_and_is_ours_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let first = kept(&path, password).unwrap();
        assert_eq!(kept(&path, password).unwrap(), first);
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert!(first.len() >= 32);
        assert_ne!(password(), password());
    }
}
