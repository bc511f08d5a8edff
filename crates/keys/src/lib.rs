#![doc = include_str!("../README.md")]

mod check;
pub mod purpose;
mod read;
mod reseal;

pub use check::{CheckError, Trouble, check};
pub use read::{ReadError, read};
pub use reseal::reseal;
