//! Rollcall end to end; see the package's README.

#![expect(clippy::unwrap_used, reason = "helpers of tests stop at the first thing wrong")]

mod architecture;
mod features;
mod faults;
mod oracle;
mod simulation;
mod walkthrough;
