//! An observed user to and from `bus::v1::ObservedUser`'s wire form.
//!
//! Written by hand because it is the hottest path there is: prost's generated struct would copy forty strings a user
//! on either side. A test holds it against prost.

use std::borrow::Cow;

use bytes::Buf;
use domain::attribute::Attribute;
use domain::id::ObjectId;
use domain::membership::Membership;
use domain::observed::{Completeness, Mention, ObservedUser, Presence};
use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};
use uuid::Uuid;

const PRESENCE: u32 = 1;
const CLEARED: u32 = 2;
const PROBLEM: u32 = 3;
const GROUPS: u32 = 4;
const FIRST_ATTRIBUTE: u32 = 16;
/// Of one membership: the group's id, then 1 for a direct one.
const MEMBERSHIP_BYTES: usize = 17;

/// Bytes that are not an observed user.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The protobuf framing is broken.
    #[error("the observed user is not valid protobuf")]
    Wire(#[source] prost::DecodeError),
    /// A field has another wire type than the contract says.
    #[error("field {field} of an observed user has wire type {wire:?}")]
    WireType {
        /// Field number.
        field: u32,
        /// What came instead.
        wire: WireType,
    },
    /// A length points behind the end.
    #[error("field {field} of an observed user is cut off")]
    Truncated {
        /// Field number.
        field: u32,
    },
    /// A text is not UTF-8.
    #[error("field {field} of an observed user is not UTF-8")]
    NotText {
        /// Field number.
        field: u32,
    },
}

/// Appends the wire form to `out`. The same observation always gives the same bytes.
pub fn encode(user: &ObservedUser<'_>, out: &mut Vec<u8>) {
    if user.presence != Presence::Present {
        encode_key(PRESENCE, WireType::Varint, out);
        encode_varint(
            if user.presence == Presence::SoftDeleted {
                1
            } else {
                2
            },
            out,
        );
    }
    if user.completeness == Completeness::Partial {
        encode_cleared(user, out);
    }
    if let Some(problem) = &user.problem {
        encode_text(PROBLEM, problem, out);
    }
    encode_groups(user.groups.as_deref().unwrap_or_default(), out);
    for (number, mention) in (FIRST_ATTRIBUTE..).zip(&user.attributes) {
        if let Mention::Value(value) = mention {
            encode_text(number, value, out);
        }
    }
}

/// Reads the wire form, borrowing from it.
pub fn decode(
    id: ObjectId,
    completeness: Completeness,
    mut wire: &[u8],
) -> Result<ObservedUser<'_>, DecodeError> {
    let mut user = ObservedUser::new(id, Presence::Present, completeness);
    while wire.has_remaining() {
        let (field, wire_type) = decode_key(&mut wire).map_err(DecodeError::Wire)?;
        match (field, wire_type) {
            (PRESENCE, WireType::Varint) => {
                user.presence = match decode_varint(&mut wire).map_err(DecodeError::Wire)? {
                    0 => Presence::Present,
                    1 => Presence::SoftDeleted,
                    _ => Presence::Gone,
                };
            }
            (CLEARED, WireType::LengthDelimited) => {
                let mut numbers = take(field, &mut wire)?;
                while numbers.has_remaining() {
                    let number = decode_varint(&mut numbers).map_err(DecodeError::Wire)?;
                    if let Some(mention) = usize::try_from(number)
                        .ok()
                        .and_then(|number| user.attributes.get_mut(number))
                    {
                        *mention = Mention::Cleared;
                    }
                }
            }
            (PROBLEM, WireType::LengthDelimited) => {
                user.problem = Some(Cow::Borrowed(take_text(field, &mut wire)?));
            }
            (GROUPS, WireType::LengthDelimited) => {
                user.groups = Some(decode_groups(take(field, &mut wire)?)?.into());
            }
            (FIRST_ATTRIBUTE.., WireType::LengthDelimited) => {
                let text = take_text(field, &mut wire)?;
                if let Some(mention) = user.attributes.get_mut((field - FIRST_ATTRIBUTE) as usize) {
                    *mention = Mention::Value(Cow::Borrowed(text));
                }
            }
            (field, wire) => return Err(DecodeError::WireType { field, wire }),
        }
    }
    Ok(user)
}

/// The hash by which an unchanged object is known: xxh3-64 of the wire form. A collision would hide a change with
/// p ≈ 5e-20 per changed user.
#[must_use]
pub fn hash(wire: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(wire)
}

fn encode_cleared(user: &ObservedUser<'_>, out: &mut Vec<u8>) {
    let cleared = Attribute::ALL
        .into_iter()
        .filter(|attribute| user.attributes[*attribute as usize] == Mention::Cleared);
    // Attribute numbers are below 128, so each takes one byte.
    let length = cleared.clone().count();
    if length > 0 {
        encode_key(CLEARED, WireType::LengthDelimited, out);
        encode_varint(length as u64, out);
        out.extend(cleared.map(|attribute| attribute as u8));
    }
}

fn encode_groups(groups: &[Membership], out: &mut Vec<u8>) {
    if groups.is_empty() {
        return;
    }
    encode_key(GROUPS, WireType::LengthDelimited, out);
    encode_varint((groups.len() * MEMBERSHIP_BYTES) as u64, out);
    for membership in groups {
        out.extend_from_slice(membership.group.0.as_bytes());
        out.push(u8::from(membership.direct));
    }
}

fn decode_groups(bytes: &[u8]) -> Result<Vec<Membership>, DecodeError> {
    let (memberships, rest) = bytes.as_chunks::<MEMBERSHIP_BYTES>();
    if !rest.is_empty() {
        return Err(DecodeError::Truncated { field: GROUPS });
    }
    let membership = |[id @ .., direct]: &[u8; MEMBERSHIP_BYTES]| Membership {
        group: ObjectId(Uuid::from_bytes(*id)),
        direct: *direct != 0,
    };
    Ok(memberships.iter().map(membership).collect())
}

fn encode_text(field: u32, text: &str, out: &mut Vec<u8>) {
    encode_key(field, WireType::LengthDelimited, out);
    encode_varint(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

fn take<'a>(field: u32, wire: &mut &'a [u8]) -> Result<&'a [u8], DecodeError> {
    let length = decode_varint(wire).map_err(DecodeError::Wire)?;
    let length = usize::try_from(length).map_err(|_| DecodeError::Truncated { field })?;
    let (taken, rest) = wire
        .split_at_checked(length)
        .ok_or(DecodeError::Truncated { field })?;
    *wire = rest;
    Ok(taken)
}

fn take_text<'a>(field: u32, wire: &mut &'a [u8]) -> Result<&'a str, DecodeError> {
    std::str::from_utf8(take(field, wire)?).map_err(|_| DecodeError::NotText { field })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::v1 as wire;
    use prost::Message;

    fn user(completeness: Completeness) -> ObservedUser<'static> {
        let mut user = ObservedUser::new(ObjectId(Uuid::from_u128(7)), Presence::SoftDeleted, completeness);
        user.attributes[Attribute::DisplayName as usize] = Mention::Value("Zoë Ångström".into());
        user.attributes[Attribute::Manager as usize] =
            Mention::Value("11111111-2222-3333-4444-555555555555".into());
        user.groups = Some(vec![membership(8, true), membership(9, false)].into());
        user
    }

    fn membership(group: u128, direct: bool) -> Membership {
        Membership {
            group: ObjectId(Uuid::from_u128(group)),
            direct,
        }
    }

    #[test]
    fn prost_reads_what_we_write() {
        let mut partial = user(Completeness::Partial);
        partial.attributes[Attribute::City as usize] = Mention::Cleared;
        partial.problem = Some("mail is a number".into());
        let mut bytes = Vec::new();
        encode(&partial, &mut bytes);
        let read = wire::ObservedUser::decode(bytes.as_slice()).unwrap();
        assert_eq!(read.presence(), wire::Presence::SoftDeleted);
        assert_eq!(read.cleared, [Attribute::City as u32]);
        assert_eq!(read.problem, "mail is a number");
        assert_eq!(read.display_name.as_deref(), Some("Zoë Ångström"));
        assert_eq!(
            read.manager.as_deref(),
            Some("11111111-2222-3333-4444-555555555555")
        );
        assert_eq!(read.city, None);
        let (one, other) = read.groups.split_at(MEMBERSHIP_BYTES);
        assert_eq!((&one[..16], one[16]), (&Uuid::from_u128(8).as_bytes()[..], 1));
        assert_eq!((&other[..16], other[16]), (&Uuid::from_u128(9).as_bytes()[..], 0));
    }

    #[test]
    fn we_read_what_prost_writes() {
        let written = wire::ObservedUser {
            presence: wire::Presence::Gone.into(),
            cleared: vec![Attribute::Mail as u32, 200],
            groups: [&Uuid::from_u128(3).as_bytes()[..], &[1]].concat(),
            mobile_phone: Some("+1 425 555 0109".into()),
            ..Default::default()
        }
        .encode_to_vec();
        let read = decode(ObjectId(Uuid::nil()), Completeness::Partial, &written).unwrap();
        assert_eq!(read.presence, Presence::Gone);
        assert_eq!(*read.mention(Attribute::Mail), Mention::Cleared);
        assert_eq!(read.value(Attribute::MobilePhone), Some("+1 425 555 0109"));
        assert_eq!(*read.mention(Attribute::City), Mention::Unmentioned);
        assert_eq!(read.groups.as_deref(), Some(&[membership(3, true)][..]));
    }

    #[test]
    fn who_is_in_no_group_that_is_asked_for_is_written_as_before() {
        let mut bytes = Vec::new();
        encode(
            &ObservedUser::new(ObjectId(Uuid::nil()), Presence::Present, Completeness::Whole),
            &mut bytes,
        );
        assert!(bytes.is_empty());
        let read = decode(ObjectId(Uuid::nil()), Completeness::Whole, &bytes).unwrap();
        assert_eq!(read.groups.as_deref(), Some(&[][..]));
        let half = wire::ObservedUser {
            groups: vec![1; 20],
            ..Default::default()
        }
        .encode_to_vec();
        assert!(decode(ObjectId(Uuid::nil()), Completeness::Whole, &half).is_err());
    }

    #[test]
    fn a_round_trip_keeps_everything() {
        for completeness in [Completeness::Whole, Completeness::Partial] {
            let before = user(completeness);
            let mut bytes = Vec::new();
            encode(&before, &mut bytes);
            assert_eq!(decode(before.id, completeness, &bytes).unwrap(), before);
        }
    }

    #[test]
    fn cut_off_bytes_are_an_error() {
        let mut bytes = Vec::new();
        encode(&user(Completeness::Whole), &mut bytes);
        bytes.pop();
        assert!(decode(ObjectId(Uuid::nil()), Completeness::Whole, &bytes).is_err());
    }
}
