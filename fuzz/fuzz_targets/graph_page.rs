//! A page of Graph's, of every shape: whatever comes, each record is a user or a group, or says why it is not; nothing is
//! made up; and what was read goes over the bus unchanged.
#![no_main]

use domain::attribute::Attribute;
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
    if shape == Shape::Groups {
        let Ok(groups) = page.groups() else { return };
        assert!(format!("{groups:?}").len() < 64 * 1024 + 200 * body.len());
        return;
    }
    let Ok(records) = page.users() else { return };
    // Every record takes two bytes at least: {}.
    assert!(2 * (records.users.len() + records.unusable.len()) <= body.len());
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
        assert_eq!((again.presence, &again.problem), (user.presence, &user.problem));
        for attribute in Attribute::ALL {
            assert_eq!(again.mention(attribute), user.mention(attribute), "{attribute}");
        }
    }
});
