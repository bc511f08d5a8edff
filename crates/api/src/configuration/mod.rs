//! Configuration as code (B15): checking, comparing, applying and exporting documents.

mod address;
pub mod apply;
mod check;
mod check_criteria;
mod check_custom;
mod check_mapping;
mod check_schedule;
pub mod disconnect;
pub mod export;
mod fallout;
mod passwords;
mod properties;
pub mod release;
pub mod switch;
mod write;

#[cfg(test)]
mod tests;

/// What a client secret is sealed for.
pub const SECRET_PURPOSE: &str = keys::purpose::CLIENT_SECRET;
