//! Sending mails: due deliveries are leased, tried once, and the try is recorded.

mod attachment;
mod html;
mod message;
mod password;
mod sender;
mod smtp;

pub use sender::Sender;
pub use smtp::{SendError, SetupError, Smtp};
