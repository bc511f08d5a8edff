//! Deciding who is told: events come in, notices and deliveries are written.

mod consume;
mod sweep;
mod teller;
mod watch;

pub use consume::{Decider, take_changes};
pub use sweep::Sweep;
pub use teller::{Event, Teller, Told};
