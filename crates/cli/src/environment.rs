//! The environment of the command. It has no configuration file; what it reads from the environment, it reads here
//! (and `ROLLCALL_API` and `ROLLCALL_CA` with the arguments).

use std::env::VarError;

/// A variable's value.
#[expect(
    clippy::disallowed_methods,
    reason = "the chassis' configuration is for services; YAML names variables"
)]
pub fn variable(name: &str) -> Result<String, VarError> {
    std::env::var(name)
}
