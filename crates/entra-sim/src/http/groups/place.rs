//! What is inside page and delta tokens of groups.

use crate::groups::property::GroupProperties;
use crate::http::cursor::{sealed, take, unsealed};
use uuid::Uuid;

/// A place in a listing of groups or of members, or in a delta round of groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// What it is a place in.
    pub kind: Kind,
    /// Told apart from another link to the same place, after an empty page.
    pub salt: u8,
    /// In advanced mode: the header must be sent again (graph-facts §2.1).
    pub advanced: bool,
    /// Was `$select` given?
    pub selected: bool,
    /// The next group, or the next entry of the log.
    pub at: u32,
    /// A group whose members are not all told: it, or its entry of the log, and the last member told.
    pub begun: Option<(u32, Uuid)>,
    /// A round covers these entries of the log.
    pub from: u32,
    /// End of the entries, exclusive.
    pub upto: u32,
    /// Unix time when the delta token was issued.
    pub issued: i64,
    /// Which run of which tenant issued it.
    pub instance: u64,
    /// What the delta tracks.
    pub tracked: GroupProperties,
}

/// What a place is in. The numbers are others than those of users' cursors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A listing.
    #[default]
    List = 16,
    /// The first round of a delta.
    Initial = 17,
    /// A later round.
    Changes = 18,
    /// Between rounds: a delta token.
    Delta = 19,
}

impl Place {
    /// The token, sealed for a tenant.
    pub fn token(&self, key: u64) -> String {
        let (group, last) = self.begun.unwrap_or_default();
        let mut bytes = vec![
            self.kind as u8,
            self.salt,
            u8::from(self.advanced),
            u8::from(self.selected),
            u8::from(self.begun.is_some()),
        ];
        for number in [self.at, group, self.from, self.upto] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend(last.as_bytes());
        bytes.extend(self.issued.to_be_bytes());
        bytes.extend(self.instance.to_be_bytes());
        bytes.extend(self.tracked.0.to_be_bytes());
        sealed(key, &bytes)
    }

    /// Reads a token of this tenant; none when it was made elsewhere, tampered with, or is not about groups.
    pub fn read(key: u64, token: &str) -> Option<Self> {
        let bytes = unsealed(key, token)?;
        let mut rest = bytes.as_slice();
        let [kind, salt, advanced, selected, begun] = take(&mut rest)?;
        let kind = [Kind::List, Kind::Initial, Kind::Changes, Kind::Delta]
            .into_iter()
            .find(|known| *known as u8 == kind)?;
        let at = u32::from_be_bytes(take(&mut rest)?);
        let group = u32::from_be_bytes(take(&mut rest)?);
        Some(Self {
            kind,
            salt,
            advanced: advanced == 1,
            selected: selected == 1,
            at,
            from: u32::from_be_bytes(take(&mut rest)?),
            upto: u32::from_be_bytes(take(&mut rest)?),
            begun: {
                let last = Uuid::from_bytes(take(&mut rest)?);
                (begun == 1).then_some((group, last))
            },
            issued: i64::from_be_bytes(take(&mut rest)?),
            instance: u64::from_be_bytes(take(&mut rest)?),
            tracked: GroupProperties(u64::from_be_bytes(take(&mut rest)?)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::cursor::Cursor;

    #[test]
    fn a_token_reads_back_and_is_no_users() {
        let place = Place {
            kind: Kind::Changes,
            salt: 3,
            advanced: false,
            selected: true,
            at: 7,
            begun: Some((5, Uuid::from_u128(9))),
            from: 1,
            upto: 8,
            issued: 1_700_000_000,
            instance: 42,
            tracked: GroupProperties(5 << 40),
        };
        assert_eq!(Place::read(11, &place.token(11)), Some(place.clone()));
        assert_eq!(Place::read(12, &place.token(11)), None);
        assert_eq!(Cursor::read(11, &place.token(11)), None);
        assert_eq!(Place::read(11, &Cursor::default().token(11)), None);
    }
}
