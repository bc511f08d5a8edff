//! The wire form of a decision's changed fields: for each its number, which of old and new are there, and those, each after
//! its length in groups of seven bits, the lowest first.

use std::borrow::Cow;

use domain::field::Field;
use domain::mapping::FieldChange;

const OLD: u8 = 1;
const NEW: u8 = 2;

/// Appends the changes to `out`.
pub fn encode(changes: &[FieldChange<'_>], out: &mut Vec<u8>) {
    for change in changes {
        out.push(change.field as u8);
        out.push(if change.old.is_some() { OLD } else { 0 } | if change.new.is_some() { NEW } else { 0 });
        for text in [&change.old, &change.new].into_iter().flatten() {
            put_length(text.len(), out);
            out.extend_from_slice(text.as_bytes());
        }
    }
}

/// Reads the changes; `None` when the bytes are not such.
#[must_use]
pub fn decode(mut wire: &[u8]) -> Option<Vec<FieldChange<'_>>> {
    let mut changes = Vec::new();
    while let [field, flags, rest @ ..] = wire {
        let field = Field::of_number(*field)?;
        wire = rest;
        let old = if flags & OLD != 0 {
            Some(take(&mut wire)?)
        } else {
            None
        };
        let new = if flags & NEW != 0 {
            Some(take(&mut wire)?)
        } else {
            None
        };
        changes.push(FieldChange { field, old, new });
    }
    wire.is_empty().then_some(changes)
}

fn put_length(mut length: usize, out: &mut Vec<u8>) {
    while length > 0x7f {
        out.push(length.to_le_bytes()[0] | 0x80);
        length >>= 7;
    }
    out.push(length.to_le_bytes()[0]);
}

fn take_length(wire: &mut &[u8]) -> Option<usize> {
    let mut length = 0;
    // Four groups: 256 MiB, more than any record has.
    for shift in [0, 7, 14, 21] {
        let (byte, rest) = wire.split_first()?;
        *wire = rest;
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(length);
        }
    }
    None
}

fn take<'a>(wire: &mut &'a [u8]) -> Option<Cow<'a, str>> {
    let length = take_length(wire)?;
    let (text, rest) = wire.split_at_checked(length)?;
    *wire = rest;
    std::str::from_utf8(text).ok().map(Cow::Borrowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_trip_keeps_everything() {
        let changes = vec![
            FieldChange {
                field: Field::Name,
                old: None,
                new: Some("Zoë".into()),
            },
            FieldChange {
                field: Field::City,
                old: Some("Oslo".into()),
                new: None,
            },
            FieldChange {
                field: Field::ReportingTo,
                old: Some(String::new().into()),
                new: Some("x".repeat(300).into()),
            },
        ];
        let mut wire = Vec::new();
        encode(&changes, &mut wire);
        assert_eq!(decode(&wire), Some(changes));
        assert_eq!(decode(&wire[..wire.len() - 1]), None);
        assert_eq!(decode(&[255, 0]), None);
    }
}
