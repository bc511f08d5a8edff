#![doc = include_str!("../README.md")]

pub mod attribute;
pub mod field;
pub mod id;
pub mod observed;
