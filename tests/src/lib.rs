#![doc = include_str!("../README.md")]
#![expect(
    clippy::unwrap_used,
    reason = "a harness of tests stops at the first thing wrong"
)]

pub mod site;

pub mod world;

pub mod browser;

pub mod retry;

pub mod runs;

pub mod schedules;

pub mod register;

pub mod manual;

pub mod failed;

pub mod hold;

pub mod told;

pub mod undo;

pub mod people;

pub mod documents;

pub mod groups;

pub mod moved_clock;

pub mod tools;

pub mod wait;
