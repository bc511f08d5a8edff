//! gRPC: the port on which a service answers, and the channels to others.

mod ask;
mod client;
mod connection;
mod deadline;
mod health;
mod late;
mod memory;
mod observe;
mod server;
mod surface;
mod tls;

pub(crate) use ask::ask;
pub use client::{ChannelError, Connection, GrpcChannel, Propagate, channel};
pub use health::Health;
pub(crate) use health::{DRAINING, STARTING};
pub use server::ServeError;
pub(crate) use server::{Port, Serving};
pub use surface::Surface;
pub use tls::TlsError;

/// The largest message that a server or client of ours takes, in bytes. tonic's own default, stated; a server of ours refuses
/// a larger one when it begins.
pub const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;

#[cfg(test)]
mod tests;
