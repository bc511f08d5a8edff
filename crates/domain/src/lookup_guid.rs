//! `onPremisesImmutableId` as the register's lookup GUID.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;

/// How an on-premises source anchor is written as a lookup GUID: base64 of 16 bytes is a GUID in Windows byte order,
/// whose first three parts are little-endian (graph-facts, trap 17); anything else is text.
#[must_use]
pub fn of_immutable_id(immutable_id: &str) -> String {
    STANDARD
        .decode(immutable_id)
        .ok()
        .and_then(|bytes| <[u8; 16]>::try_from(bytes).ok())
        .map_or_else(
            || immutable_id.to_owned(),
            |bytes| Uuid::from_bytes_le(bytes).to_string(),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bytes_are_a_mixed_endian_guid() {
        let guid: Uuid = "12345678-9abc-def0-1122-334455667788".parse().unwrap();
        let anchor = STANDARD.encode(guid.to_bytes_le());
        assert_eq!(of_immutable_id(&anchor), guid.to_string());
    }

    #[test]
    fn other_anchors_are_text() {
        assert_eq!(of_immutable_id("E1234"), "E1234");
        assert_eq!(of_immutable_id("AAAA"), "AAAA");
    }
}
