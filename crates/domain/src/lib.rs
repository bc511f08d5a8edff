#![doc = include_str!("../README.md")]

pub mod account;
pub mod attribute;
pub mod brake;
pub mod criteria;
pub mod csv_cell;
pub mod decide;
pub mod decision;
pub mod field;
pub mod id;
pub mod leaver;
pub mod lookup_guid;
pub mod mapping;
pub mod notice;
pub mod observed;
pub mod overwrite;
pub mod settle;
