//! The gRPC API as programs meet it.

mod reflection;

mod guard;

mod errors;

mod pages;

mod once;

mod watch;
