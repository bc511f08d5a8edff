//! A message of the bus: unpacked within its limit, or refused; a user in it is read as it would be written.
#![no_main]

use contracts::bus::v1::Page;
use domain::id::ObjectId;
use domain::observed::Completeness;
use libfuzzer_sys::fuzz_target;
use prost::Message;

const LIMIT: usize = 1 << 20;

fn users(page: &Page) {
    for wire in &page.users {
        for completeness in [Completeness::Whole, Completeness::Partial] {
            let Ok(user) = contracts::observed::decode(ObjectId(Default::default()), completeness, wire)
            else {
                continue;
            };
            let mut canonical = Vec::new();
            contracts::observed::encode(&user, &mut canonical);
            let again = contracts::observed::decode(ObjectId(Default::default()), completeness, &canonical)
                .expect("our own form");
            let mut twice = Vec::new();
            contracts::observed::encode(&again, &mut twice);
            assert_eq!(canonical, twice);
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(unpacked) = bus::decompress(bytes, LIMIT) {
        assert!(unpacked.len() <= LIMIT);
        if let Ok(page) = Page::decode(unpacked) {
            users(&page);
        }
    }
    let packed = bus::compress(bytes).expect("anything can be packed");
    assert_eq!(
        bus::decompress(&packed, bytes.len()).expect("what we packed"),
        bytes
    );
    if !bytes.is_empty() {
        assert!(bus::decompress(&packed, bytes.len() - 1).is_err());
    }
    if let Ok(page) = Page::decode(bytes) {
        users(&page);
        assert_eq!(
            Page::decode(page.encode_to_vec().as_slice()).expect("our own form"),
            page
        );
    }
});
