//! Reading the key ring.

use std::path::PathBuf;

use secrecy::SecretString;
use service::config::VaultConfig;
use vault::{KeyRingError, Vault};

/// Why there is no key ring.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Neither of the two settings.
    #[error(
        "no key to encrypt secrets with: set vault.keys_file, or vault.keys (ROLLCALL_VAULT__KEYS), to keyid:base64key; \
         make a key with `openssl rand -base64 32`"
    )]
    Neither,
    /// Both: which of them holds would be a guess.
    #[error("set vault.keys or vault.keys_file, not both")]
    Both,
    /// The file.
    #[error("the key ring {} (vault.keys_file) can't be read", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// What it holds.
    #[error("the key ring can't be used")]
    Ring(#[source] KeyRingError),
}

/// The key ring, from the setting or the file.
pub fn read(config: &VaultConfig) -> Result<Vault, ReadError> {
    let keys = match (&config.keys, &config.keys_file) {
        (Some(keys), None) => keys.clone(),
        (None, Some(path)) => {
            let text = std::fs::read_to_string(path).map_err(|source| ReadError::File {
                path: path.clone(),
                source,
            })?;
            SecretString::from(text)
        }
        (Some(_), Some(_)) => return Err(ReadError::Both),
        (None, None) => return Err(ReadError::Neither),
    };
    Vault::from_key_ring(&keys).map_err(ReadError::Ring)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RING: &str = "k1:b2xkLWtleS1vbGQta2V5LW9sZC1rZXktb2xkLWtleSE=";

    fn config(keys: Option<&str>, keys_file: Option<&str>) -> VaultConfig {
        VaultConfig {
            keys: keys.map(SecretString::from),
            keys_file: keys_file.map(PathBuf::from),
            lost_keys: String::new(),
        }
    }

    #[test]
    fn a_ring_comes_from_one_place_and_the_mistake_is_named() {
        assert_eq!(read(&config(Some(RING), None)).unwrap().current_key_id(), "k1");
        let told = |keys, file| read(&config(keys, file)).unwrap_err().to_string();
        assert!(told(None, None).contains("ROLLCALL_VAULT__KEYS"));
        assert!(told(Some(RING), Some("/ring")).contains("not both"));
        assert!(told(None, Some("/nowhere/ring")).contains("/nowhere/ring"));
        assert!(!told(Some("k1:short"), None).contains("short"));
    }
}
