#![doc = include_str!("../README.md")]

mod key_ring;

use std::fmt;

use chacha20poly1305::aead::{Aead, Generate, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;
use zeroize::Zeroizing;

pub use key_ring::{KeyRingError, new_key};

/// Bytes of nonce in front of each ciphertext.
const NONCE: usize = 24;

/// Seals and opens secrets with the keys of one key ring.
pub struct Vault {
    /// The current key first; never empty.
    keys: Vec<Key>,
}

/// A secret as it is stored. Nothing in it is secret without the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The id of the key that sealed it.
    pub key_id: String,
    /// 24 bytes of nonce, then the ciphertext with its tag.
    pub ciphertext: Vec<u8>,
}

/// Why a secret could not be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The operating system gave no random bytes for the nonce.
    #[error("no random bytes for a nonce: the operating system's random source failed")]
    Random,
    /// The cipher refused, which it does only for plaintexts of many gigabytes.
    #[error("the secret is too long to be sealed")]
    TooLong,
}

/// Why a sealed secret could not be opened.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum OpenError {
    /// The key ring lacks the key that sealed it.
    #[error("key \"{key_id}\" is not in the key ring ({known}): add it below the current key, then restart")]
    UnknownKey {
        /// The missing key's id.
        key_id: String,
        /// The ids that the ring has.
        known: String,
    },
    /// The stored value is shorter than a nonce and a tag.
    #[error("the sealed value is cut off ({length} bytes): enter the secret again")]
    Truncated {
        /// Its length in bytes.
        length: usize,
    },
    /// Wrong key under the right id, another row or purpose, or changed bytes: a cipher does not tell which.
    #[error(
        "the value sealed as {purpose} for row {row_id} does not open with key \"{key_id}\": the key has another \
         value than when it was sealed, or the stored bytes were changed or moved; restore the key or enter the \
         secret again"
    )]
    Refused {
        /// What it was opened as.
        purpose: &'static str,
        /// The row it was opened for.
        row_id: Uuid,
        /// The key that was tried.
        key_id: String,
    },
    /// It opened, but holds no text.
    #[error("the opened value is not text: enter the secret again")]
    NotText,
}

struct Key {
    id: String,
    cipher: XChaCha20Poly1305,
}

impl Vault {
    /// Reads a key ring: `keyid:base64key` per line or comma, the first being the current one.
    pub fn from_key_ring(text: &SecretString) -> Result<Self, KeyRingError> {
        Ok(Self {
            keys: key_ring::parse(text.expose_secret())?,
        })
    }

    /// The id of the key that seals.
    pub fn current_key_id(&self) -> &str {
        &self.keys[0].id
    }

    /// The ids of its keys, the current one first.
    pub fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.id.as_str())
    }

    /// Seals a secret for one row. `purpose` names the place it is stored in, such as `credential.client_secret`.
    pub fn seal(
        &self,
        plaintext: &SecretString,
        purpose: &'static str,
        row_id: Uuid,
    ) -> Result<Sealed, SealError> {
        let key = &self.keys[0];
        let nonce = XNonce::try_generate().map_err(|_| SealError::Random)?;
        let payload = Payload {
            msg: plaintext.expose_secret().as_bytes(),
            aad: &associated_data(purpose, row_id),
        };
        let sealed = key
            .cipher
            .encrypt(&nonce, payload)
            .map_err(|_| SealError::TooLong)?;
        let mut ciphertext = nonce.to_vec();
        ciphertext.extend_from_slice(&sealed);
        Ok(Sealed {
            key_id: key.id.clone(),
            ciphertext,
        })
    }

    /// Opens what [`Vault::seal`] sealed for the same purpose and row.
    pub fn open(
        &self,
        sealed: &Sealed,
        purpose: &'static str,
        row_id: Uuid,
    ) -> Result<SecretString, OpenError> {
        let key = self.key(&sealed.key_id)?;
        let Some((nonce, ciphertext)) = sealed.ciphertext.split_first_chunk::<NONCE>() else {
            return Err(OpenError::Truncated {
                length: sealed.ciphertext.len(),
            });
        };
        let payload = Payload {
            msg: ciphertext,
            aad: &associated_data(purpose, row_id),
        };
        let plaintext = key
            .cipher
            .decrypt(&XNonce::from(*nonce), payload)
            .map(Zeroizing::new)
            .map_err(|_| OpenError::Refused {
                purpose,
                row_id,
                key_id: key.id.clone(),
            })?;
        let text = std::str::from_utf8(&plaintext).map_err(|_| OpenError::NotText)?;
        Ok(SecretString::from(text))
    }

    /// Whether it was sealed by a key that is no longer the current one.
    pub fn needs_rotation(&self, sealed: &Sealed) -> bool {
        sealed.key_id != self.current_key_id()
    }

    fn key(&self, id: &str) -> Result<&Key, OpenError> {
        self.keys
            .iter()
            .find(|key| key.id == id)
            .ok_or_else(|| OpenError::UnknownKey {
                key_id: id.to_owned(),
                known: self.ids(),
            })
    }

    fn ids(&self) -> String {
        let ids: Vec<_> = self.key_ids().collect();
        ids.join(", ")
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({})", self.ids())
    }
}

/// The zero byte keeps purpose and row id apart; a purpose holds none.
fn associated_data(purpose: &str, row_id: Uuid) -> Vec<u8> {
    let mut data = Vec::with_capacity(purpose.len() + 17);
    data.extend_from_slice(purpose.as_bytes());
    data.push(0);
    data.extend_from_slice(row_id.as_bytes());
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "k1:b2xkLWtleS1vbGQta2V5LW9sZC1rZXktb2xkLWtleSE=";
    const NEW: &str = "k2:TUFLRS1ZT1VSLU9XTi1LRVktMzItQllURVMtTE9ORyE=";
    const PURPOSE: &str = "credential.client_secret";
    const ROW: Uuid = Uuid::from_u128(1);

    fn vault(ring: &str) -> Vault {
        Vault::from_key_ring(&SecretString::from(ring)).unwrap()
    }

    fn sealed(by: &Vault) -> Sealed {
        by.seal(&SecretString::from("s3cret~value"), PURPOSE, ROW)
            .unwrap()
    }

    #[test]
    fn what_was_sealed_opens_and_two_seals_differ() {
        let vault = vault(NEW);
        let one = sealed(&vault);
        assert_eq!(
            vault.open(&one, PURPOSE, ROW).unwrap().expose_secret(),
            "s3cret~value"
        );
        assert_eq!(one.key_id, "k2");
        assert_ne!(one.ciphertext, sealed(&vault).ciphertext);
        assert!(!one.ciphertext.windows(6).any(|bytes| bytes == b"s3cret"));
    }

    #[test]
    fn another_row_or_purpose_does_not_open() {
        let vault = vault(NEW);
        let one = sealed(&vault);
        for (purpose, row) in [(PURPOSE, Uuid::from_u128(2)), ("connection.delta_link", ROW)] {
            assert!(matches!(
                vault.open(&one, purpose, row),
                Err(OpenError::Refused { .. })
            ));
        }
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let vault = vault(NEW);
        let one = sealed(&vault);
        for at in 0..one.ciphertext.len() {
            let mut changed = one.clone();
            changed.ciphertext[at] ^= 1;
            assert!(vault.open(&changed, PURPOSE, ROW).is_err(), "byte {at}");
        }
        for length in 0..one.ciphertext.len() {
            let mut cut = one.clone();
            cut.ciphertext.truncate(length);
            assert!(vault.open(&cut, PURPOSE, ROW).is_err(), "cut to {length}");
        }
    }

    #[test]
    fn a_rotated_ring_opens_the_old_and_seals_with_the_new() {
        let old = sealed(&vault(OLD));
        let both = vault(&format!("{NEW}\n{OLD}\n"));
        assert_eq!(
            both.open(&old, PURPOSE, ROW).unwrap().expose_secret(),
            "s3cret~value"
        );
        assert!(both.needs_rotation(&old));
        let new = sealed(&both);
        assert!(!both.needs_rotation(&new));
        assert!(vault(NEW).open(&new, PURPOSE, ROW).is_ok());
    }

    #[test]
    fn a_missing_key_is_named_with_the_next_step() {
        let error = vault(NEW).open(&sealed(&vault(OLD)), PURPOSE, ROW).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("\"k1\"") && text.contains("k2") && text.contains("restart"),
            "{text}"
        );
    }

    #[test]
    fn another_key_under_the_same_id_is_refused() {
        let error = vault(&NEW.replace("k2", "k1"))
            .open(&sealed(&vault(OLD)), PURPOSE, ROW)
            .unwrap_err();
        assert!(matches!(error, OpenError::Refused { .. }), "{error}");
        assert!(!error.to_string().contains("s3cret"));
    }

    #[test]
    fn debug_shows_ids_only() {
        assert_eq!(format!("{:?}", vault(&format!("{NEW},{OLD}"))), "Vault(k2, k1)");
    }
}
