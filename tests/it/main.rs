//! Rollcall end to end; see the package's README.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests stop at the first thing wrong"
)]

mod api;
mod architecture;
mod console;
mod copies;
mod faults;
mod features;
mod helm;
mod image;
mod limits;
mod operating;
mod oracle;
mod simulation;
mod trace;
mod walkthrough;
mod watching;
