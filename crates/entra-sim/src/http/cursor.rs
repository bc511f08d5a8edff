//! What is inside page and delta tokens: sealed, so that clients can't but pass them on.

use crate::people::identifier::mix;
use crate::property::Properties;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A place in a listing or a delta round.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// What it is a place in.
    pub kind: Kind,
    /// The next position: a slot, or an entry of the change log.
    pub at: u32,
    /// Told apart from another link to the same position, after an empty page.
    pub salt: u8,
    /// Whose listing it is a place in, so that no two listings have a link in common; 0: as pages are kept.
    pub listing: u32,
    /// A listing in advanced mode: the header must be sent again (graph-facts §2.1).
    pub advanced: bool,
    /// A round covers these entries of the change log.
    pub from: u32,
    /// End of the entries, exclusive.
    pub upto: u32,
    /// Unix time when the delta token was issued.
    pub issued: i64,
    /// Which run of which tenant issued it.
    pub instance: u64,
    /// What the delta tracks.
    pub tracked: Properties,
    /// Was `$select` given?
    pub selected: bool,
    /// The users that a delta is limited to.
    pub only: Option<Vec<u32>>,
}

/// What a cursor is a place in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A listing.
    #[default]
    List,
    /// The first round of a delta.
    Initial,
    /// A later round.
    Changes,
    /// Between rounds: a delta token.
    Delta,
}

impl Cursor {
    /// The token, sealed for a tenant.
    pub fn token(&self, key: u64) -> String {
        let mut bytes = vec![
            self.kind as u8,
            self.salt,
            u8::from(self.advanced),
            u8::from(self.selected),
        ];
        bytes.extend(
            [self.at, self.from, self.upto]
                .iter()
                .flat_map(|number| number.to_be_bytes()),
        );
        if self.kind == Kind::List {
            bytes.extend(self.listing.to_be_bytes());
        } else {
            bytes.extend(self.issued.to_be_bytes());
            bytes.extend(self.instance.to_be_bytes());
            bytes.extend(self.tracked.0.to_be_bytes());
            bytes.push(u8::from(self.only.is_some()));
            bytes.extend(self.only.iter().flatten().flat_map(|slot| slot.to_be_bytes()));
        }
        sealed(key, &bytes)
    }

    /// Reads a token of this tenant; none when it was made elsewhere or tampered with.
    pub fn read(key: u64, token: &str) -> Option<Self> {
        let bytes = unsealed(key, token)?;
        let mut rest = bytes.as_slice();
        let [kind, salt, advanced, selected] = take(&mut rest)?;
        let mut cursor = Self {
            kind: [Kind::List, Kind::Initial, Kind::Changes, Kind::Delta]
                .into_iter()
                .nth(kind.into())?,
            salt,
            advanced: advanced == 1,
            selected: selected == 1,
            at: u32::from_be_bytes(take(&mut rest)?),
            from: u32::from_be_bytes(take(&mut rest)?),
            upto: u32::from_be_bytes(take(&mut rest)?),
            ..Self::default()
        };
        if cursor.kind == Kind::List {
            cursor.listing = u32::from_be_bytes(take(&mut rest)?);
        } else {
            cursor.issued = i64::from_be_bytes(take(&mut rest)?);
            cursor.instance = u64::from_be_bytes(take(&mut rest)?);
            cursor.tracked = Properties(u128::from_be_bytes(take(&mut rest)?));
            let [limited] = take(&mut rest)?;
            let slots = rest
                .chunks_exact(4)
                .filter_map(|slot| slot.try_into().ok().map(u32::from_be_bytes));
            cursor.only = (limited == 1).then(|| slots.collect());
        }
        Some(cursor)
    }
}

/// The token that these bytes make.
pub fn sealed(key: u64, bytes: &[u8]) -> String {
    let seal = checksum(key, bytes);
    let mut sealed = seal.to_be_bytes().to_vec();
    sealed.extend(masked(key ^ seal, bytes));
    URL_SAFE_NO_PAD.encode(sealed)
}

/// The bytes that a token was made of, with this key.
pub fn unsealed(key: u64, token: &str) -> Option<Vec<u8>> {
    let sealed = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (seal, bytes) = sealed.split_first_chunk::<8>()?;
    let seal = u64::from_be_bytes(*seal);
    let bytes = masked(key ^ seal, bytes);
    (checksum(key, &bytes) == seal).then_some(bytes)
}

/// The next bytes.
pub fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, others) = rest.split_first_chunk::<N>()?;
    *rest = others;
    Some(*first)
}

fn checksum(key: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(key, |sum, byte| mix(sum, u64::from(*byte)))
}

fn masked(key: u64, bytes: &[u8]) -> Vec<u8> {
    let mask = (0..).flat_map(|block| mix(key, block).to_be_bytes());
    bytes.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_cannot_be_edited() {
        let cursor = Cursor {
            kind: Kind::Changes,
            at: 7,
            salt: 1,
            listing: 0,
            from: 3,
            upto: 9,
            issued: 1_700_000_000,
            instance: 42,
            tracked: Properties(5 << 70),
            selected: true,
            only: Some(vec![1, 2]),
            advanced: false,
        };
        let token = cursor.token(11);
        assert_eq!(Cursor::read(11, &token), Some(cursor));
        assert_eq!(Cursor::read(12, &token), None);
        let mut edited = token.into_bytes();
        edited[20] = if edited[20] == b'A' { b'B' } else { b'A' };
        assert_eq!(Cursor::read(11, std::str::from_utf8(&edited).unwrap()), None);
        let list = Cursor {
            at: 999,
            listing: 3,
            ..Cursor::default()
        };
        assert_eq!(Cursor::read(11, &list.token(11)), Some(list));
    }
}
