//! Many copies of everything side by side, restarted one by one under load; a broker that loses a server; and a database that
//! is older or newer than the program.

mod load;
mod migrating;
mod next_version;
mod rolling;
mod settled;
mod streams;
