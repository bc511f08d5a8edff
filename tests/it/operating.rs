//! Backup and restore, and the reference of the configuration.
