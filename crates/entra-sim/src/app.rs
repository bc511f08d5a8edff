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
    /// A second secret, as long as there is one, and when it ends.
    pub other: Option<(String, Option<DateTime<Utc>>)>,
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
    /// A second secret beside the first, for while they are exchanged. An empty text takes it away.
    pub other_secret: Option<String>,
    /// When that one expires, likewise.
    pub other_expires_in_seconds: Option<i64>,
    /// Other permissions, for tokens issued from now on.
    pub roles: Option<Vec<String>>,
    /// Disables or enables the service principal.
    pub disabled: Option<bool>,
}

impl App {
    /// The secrets with their ends.
    pub fn secrets(&self) -> impl Iterator<Item = (&str, Option<DateTime<Utc>>)> {
        let other = self.other.iter().map(|(secret, end)| (secret.as_str(), *end));
        [(self.secret.as_str(), self.secret_expires)]
            .into_iter()
            .chain(other)
    }

    /// Applies a change.
    pub fn change(&mut self, change: AppChange, now: DateTime<Utc>) {
        if let Some(secret) = change.secret {
            self.secret = secret;
            self.secret_expires = None;
        }
        if let Some(seconds) = change.secret_expires_in_seconds {
            self.secret_expires = Some(now + TimeDelta::seconds(seconds));
        }
        if let Some(other) = change.other_secret {
            self.other = (!other.is_empty()).then_some((other, None));
        }
        if let (Some((_, expires)), Some(seconds)) = (&mut self.other, change.other_expires_in_seconds) {
            *expires = Some(now + TimeDelta::seconds(seconds));
        }
        if let Some(roles) = change.roles {
            self.roles = roles;
        }
        if let Some(disabled) = change.disabled {
            self.disabled = disabled;
        }
    }
}
