//! Starting, applying, cancelling, reverting and following runs; for gRPC and the console alike.

pub mod apply;
pub mod cancel;
pub mod changes_csv;
pub mod details;
pub mod failed_csv;
pub mod list;
pub mod manual;
pub mod revert;
pub mod start;
pub mod watch;
