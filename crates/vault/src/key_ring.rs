//! Reading a key ring, and making a key.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use chacha20poly1305::aead::{Generate, Key as CipherKey};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::Key;

/// Bytes in a key.
const LENGTH: usize = 32;
/// Characters in a key id at most; ids are stored beside every sealed value.
const ID_LENGTH: usize = 64;

/// What is wrong with a key ring. Entries are counted from 1; their text is never shown.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyRingError {
    /// No entry at all.
    #[error("the key ring is empty: it needs at least one keyid:base64key")]
    Empty,
    /// No colon between id and key.
    #[error("key ring entry {entry} has no colon: expected keyid:base64key")]
    NoColon {
        /// Which entry.
        entry: usize,
    },
    /// The id has other characters than allowed, or too many.
    #[error("key ring entry {entry}: a key id is 1 to 64 letters, digits, '.', '_' or '-'")]
    BadId {
        /// Which entry.
        entry: usize,
    },
    /// The key is not base64.
    #[error("key \"{id}\" is not base64: make one with `openssl rand -base64 32`")]
    NotBase64 {
        /// The key's id.
        id: String,
    },
    /// The key is too short or too long.
    #[error("key \"{id}\" has {length} bytes, expected 32: make one with `openssl rand -base64 32`")]
    WrongLength {
        /// The key's id.
        id: String,
        /// Its length in bytes.
        length: usize,
    },
    /// Two entries have the same id.
    #[error("key \"{id}\" is in the key ring twice: give each key its own id")]
    Repeated {
        /// The id.
        id: String,
    },
    /// The operating system gave no random bytes for a new key.
    #[error("no random bytes for a key: the operating system's random source failed")]
    Random,
}

/// Makes a key ring entry of a new random key.
pub fn new_key(id: &str) -> Result<SecretString, KeyRingError> {
    if !is_id(id) {
        return Err(KeyRingError::BadId { entry: 1 });
    }
    let key = CipherKey::<XChaCha20Poly1305>::try_generate().map_err(|_| KeyRingError::Random)?;
    let key = Zeroizing::new(<[u8; LENGTH]>::from(key));
    let encoded = Zeroizing::new(TOLERANT.encode(key.as_slice()));
    Ok(SecretString::from(format!("{id}:{}", encoded.as_str())))
}

/// Standard alphabet, padded or not: both come out of common tools.
const TOLERANT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(crate) fn parse(text: &str) -> Result<Vec<Key>, KeyRingError> {
    let entries = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|entry| !entry.is_empty());
    let mut keys: Vec<Key> = Vec::new();
    for (index, entry) in entries.enumerate() {
        let key = parse_entry(index + 1, entry)?;
        if keys.iter().any(|known| known.id == key.id) {
            return Err(KeyRingError::Repeated { id: key.id });
        }
        keys.push(key);
    }
    if keys.is_empty() {
        return Err(KeyRingError::Empty);
    }
    Ok(keys)
}

fn parse_entry(entry: usize, text: &str) -> Result<Key, KeyRingError> {
    let (id, encoded) = text.split_once(':').ok_or(KeyRingError::NoColon { entry })?;
    let (id, encoded) = (id.trim(), encoded.trim());
    if !is_id(id) {
        return Err(KeyRingError::BadId { entry });
    }
    let bytes = TOLERANT
        .decode(encoded)
        .map(Zeroizing::new)
        .map_err(|_| KeyRingError::NotBase64 { id: id.to_owned() })?;
    let cipher = XChaCha20Poly1305::new_from_slice(&bytes).map_err(|_| KeyRingError::WrongLength {
        id: id.to_owned(),
        length: bytes.len(),
    })?;
    Ok(Key {
        id: id.to_owned(),
        cipher,
    })
}

fn is_id(id: &str) -> bool {
    (1..=ID_LENGTH).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    const KEY: &str = "b2xkLWtleS1vbGQta2V5LW9sZC1rZXktb2xkLWtleSE=";

    fn error(ring: &str) -> KeyRingError {
        parse(ring).err().expect("the ring is bad")
    }

    #[test]
    fn lines_commas_comments_and_blanks_are_read_in_order() {
        let ring = format!(
            "# keys\n\n b : {KEY} ,c:{KEY}\r\na:{}\n",
            KEY.trim_end_matches('=')
        );
        let ids: Vec<_> = parse(&ring).unwrap().into_iter().map(|key| key.id).collect();
        assert_eq!(ids, ["b", "c", "a"]);
    }

    #[test]
    fn each_mistake_is_told_without_showing_the_key() {
        assert_eq!(error("  \n# nothing\n"), KeyRingError::Empty);
        assert_eq!(error(KEY), KeyRingError::NoColon { entry: 1 });
        assert_eq!(
            error(&format!("a:{KEY}\nb c:{KEY}")),
            KeyRingError::BadId { entry: 2 }
        );
        assert_eq!(error(&format!(":{KEY}")), KeyRingError::BadId { entry: 1 });
        let id = || "a".to_owned();
        assert_eq!(error("a:not base64!"), KeyRingError::NotBase64 { id: id() });
        assert_eq!(
            error("a:c2hvcnQ="),
            KeyRingError::WrongLength { id: id(), length: 5 }
        );
        assert_eq!(error("a:"), KeyRingError::WrongLength { id: id(), length: 0 });
        assert_eq!(
            error(&format!("a:{KEY},a:{KEY}")),
            KeyRingError::Repeated { id: id() }
        );
        assert!(!error(&format!("x\na:{KEY}")).to_string().contains(KEY));
    }

    #[test]
    fn a_new_key_is_a_ring_by_itself() {
        let one = new_key("k1").unwrap();
        assert_eq!(parse(one.expose_secret()).unwrap()[0].id, "k1");
        assert_ne!(one.expose_secret(), new_key("k1").unwrap().expose_secret());
        assert!(new_key("bad id").is_err());
    }
}
