#![doc = include_str!("../README.md")]

mod app;
mod cache;
mod clock;
mod directory;
mod fault;
mod groups;
mod held;
mod http;
mod json;
mod people;
mod property;
mod settings;
mod simulator;
mod tenant;
mod throttle;
mod world;

pub use app::AppChange;
pub use directory::corruption::Corruption;
pub use directory::operation::{Applied, Operation, OperationError};
pub use directory::snapshot::Snapshot;
pub use fault::{Effect, Fault, Published, RetryAfter};
pub use groups::snapshot::GroupSnapshot;
pub use groups::{GroupKind, MemberKind};
pub use settings::{Settings, Throttling};
pub use simulator::{Options, Simulator};
pub use tenant::{Counts, Tenant, TenantOptions};
