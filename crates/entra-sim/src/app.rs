//! The registered application: secret, permissions, and the tokens it was given.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use std::fmt;

/// An app registration.
#[derive(Clone)]
pub struct App {
    /// Client id.
    pub client_id: String,
    /// Client secret.
    pub secret: String,
    /// When the secret ends.
    pub secret_expires: Option<DateTime<Utc>>,
    /// Application permissions that an administrator consented to. Tokens keep those they were issued with.
    pub roles: Vec<String>,
    /// Is the service principal disabled?
    pub disabled: bool,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("App");
        shown
            .field("client_id", &self.client_id)
            .field("roles", &self.roles)
            .finish_non_exhaustive()
    }
}

/// A change of the registration: what is left out stays.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AppChange {
    /// Another secret. The old one is wrong from now on.
    pub secret: Option<String>,
    /// Makes the secret expire so many seconds from now; it has expired already when negative.
    pub secret_expires_in_seconds: Option<i64>,
    /// Other permissions, for tokens issued from now on.
    pub roles: Option<Vec<String>>,
    /// Disables or enables the service principal.
    pub disabled: Option<bool>,
}

impl App {
    /// Applies a change.
    pub fn change(&mut self, change: AppChange, now: DateTime<Utc>) {
        if let Some(secret) = change.secret {
            self.secret = secret;
            self.secret_expires = None;
        }
        if let Some(seconds) = change.secret_expires_in_seconds {
            self.secret_expires = Some(now + TimeDelta::seconds(seconds));
        }
        if let Some(roles) = change.roles {
            self.roles = roles;
        }
        if let Some(disabled) = change.disabled {
            self.disabled = disabled;
        }
    }
}
