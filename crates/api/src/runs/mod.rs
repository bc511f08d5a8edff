//! Starting, applying, cancelling, reverting and following runs; for gRPC and the console alike.

pub mod apply;
pub mod cancel;
pub mod failed_csv;
pub mod manual;
pub mod revert;
pub mod start;
pub mod watch;
