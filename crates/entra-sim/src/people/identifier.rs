//! Object ids that need no table: a slot number, enciphered.

use uuid::Uuid;

/// A well-mixed 64-bit hash of two numbers (splitmix64's finalizer).
pub fn mix(seed: u64, value: u64) -> u64 {
    let mut hash = seed ^ value.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// A number below `limit`, evenly spread.
pub fn below(hash: u64, limit: u32) -> u32 {
    u32::try_from(((hash >> 32) * u64::from(limit)) >> 32).expect("a product of 32 bits, halved")
}

const HALF: u64 = 0x00ff_ffff;

/// The object id of a slot.
pub fn guid(seed: u64, slot: u32) -> Uuid {
    let (mut left, mut right) = (u64::from(slot) >> 24, u64::from(slot) & HALF);
    for round in 0..4 {
        (left, right) = (right, left ^ (mix(seed ^ round, right) & HALF));
    }
    sealed(seed, (left << 24) | right)
}

/// The slot of an object id, if the id was made with this seed.
pub fn slot(seed: u64, id: Uuid) -> Option<u32> {
    let head = id.as_u128() >> 80;
    let head = u64::try_from(head).ok()?;
    let (mut left, mut right) = (head >> 24, head & HALF);
    for round in (0..4).rev() {
        (left, right) = (right ^ (mix(seed ^ round, left) & HALF), left);
    }
    let slot = u32::try_from((left << 24) | right).ok()?;
    (guid(seed, slot) == id).then_some(slot)
}

/// Puts the enciphered 48 bits in front of a checksum, as a version 4 GUID.
fn sealed(seed: u64, head: u64) -> Uuid {
    let tail = (u128::from(mix(seed, head)) << 16) | u128::from(mix(!seed, head) & 0xffff);
    let bits = (u128::from(head) << 80) | (tail & ((1 << 80) - 1));
    let bits = bits & !(0xf << 76) | (0x4 << 76);
    Uuid::from_u128(bits & !(0x3 << 62) | (0x2 << 62))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_lead_back_to_their_slot() {
        for number in [0, 1, 999, 1_000_000, u32::MAX] {
            let id = guid(7, number);
            assert_eq!(slot(7, id), Some(number));
            assert_eq!(
                (id.get_version_num(), id.get_variant()),
                (4, uuid::Variant::RFC4122)
            );
            assert_eq!(slot(8, id), None);
        }
        assert_eq!(slot(7, Uuid::nil()), None);
    }
}
