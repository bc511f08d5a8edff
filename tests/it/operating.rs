//! Operating it, as docs/operating.md and docs/configuration.md say: backup and restore, a broker that lost everything, key
//! rotation, and the reference of the configuration.

mod commands;
mod configuration;
mod restore;
mod ring;
mod rotation;
mod streams;
