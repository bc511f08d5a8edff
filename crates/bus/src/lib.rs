#![doc = include_str!("../README.md")]

pub mod subjects;

pub mod consumers;
pub mod streams;

mod backoff;
mod compress;
mod connect;
mod consume;
mod delivery;
mod headers;
pub mod metrics;
mod publish;
mod publisher;
mod sign_in;
mod watch;

pub use compress::{CompressionError, compress, decompress};
pub use connect::{Bus, ConnectError, Options, Tls};
pub use consume::{Consumer, ConsumerError, Lag, Received};
pub use delivery::{AckError, DecodeError, Delivery};
pub use headers::Headers;
pub use publish::{Obstacle, PublishError};
pub use publisher::{Hindrance, Publisher};
pub use watch::{Seen, Watch, WatchError};
