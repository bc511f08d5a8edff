//! A page of Graph's, of every shape: whatever comes, each record is a user or a group, or says why it is not; nothing is
//! made up; and what was read goes over the bus unchanged.
#![no_main]

use domain::observed::Completeness;
use graph::{PageBody, Shape};
use libfuzzer_sys::fuzz_target;

const SHAPES: [Shape; 4] = [Shape::Listing, Shape::Deleted, Shape::Round, Shape::Groups];

fuzz_target!(|bytes: &[u8]| {
    let Some((first, body)) = bytes.split_first() else {
        return;
    };
    let shape = SHAPES[usize::from(*first) % SHAPES.len()];
    let Ok(page) = PageBody::of_bytes(body.to_vec(), shape, 1, "fuzz".to_owned()) else {
        return;
    };
    // Every record takes two bytes at least: {}.
    if shape == Shape::Groups {
        let Ok(groups) = page.groups() else { return };
        assert!(format!("{groups:?}").len() < 64 * 1024 + 200 * body.len());
        return;
    }
    let Ok(records) = page.users() else { return };
    assert!(records.users.len() + records.unusable.len() <= body.len());
    for unusable in &records.unusable {
        assert!(!unusable.reason.is_empty());
    }
    for user in &records.users {
        assert!(!user.id.0.is_nil());
        let mut wire = Vec::new();
        contracts::observed::encode(user, &mut wire);
        let again = contracts::observed::decode(user.id, user.completeness, &wire).expect("our own form");
        let mut wire_again = Vec::new();
        contracts::observed::encode(&again, &mut wire_again);
        assert_eq!(wire, wire_again);
        if user.completeness == Completeness::Partial {
            assert_eq!(&again.attributes, &user.attributes);
        }
    }
});
