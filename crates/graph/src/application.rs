//! When the app's own secrets expire, as its registration tells it (B9).
//!
//! Graph never shows a secret. What ties one to ours is its `hint`, the first three characters, which secrets made before
//! 2019 do not have. Assumed here: a hint that one secret alone has is ours; where several have it, none is taken for
//! another's, and the one that ends first of those that have not ended counts (too early a warning does no harm); where no
//! secret has a hint and there is only one, it is ours.

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::client::{Call, Graph};
use crate::error::Error;

/// The application permission for the app's registration. Nothing else needs it.
pub const READ_APPLICATIONS: &str = "Application.Read.All";

/// Characters of a secret that its hint shows.
const HINT: usize = 3;

/// When the secrets of a credential expire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expiries {
    /// Of the first secret.
    pub first: Option<DateTime<Utc>>,
    /// Of the other one.
    pub other: Option<DateTime<Utc>>,
}

impl Graph {
    /// When the secrets expire that this app signs in with. Needs a permission of its own: [`Error::Denied`] names it.
    pub async fn secret_expiries(&self, now: DateTime<Utc>) -> Result<Expiries, Error> {
        let app = self.app();
        let mut url = self
            .endpoints
            .graph_url(&[&format!("applications(appId='{}')", app.client_id)]);
        url.set_query(Some("$select=passwordCredentials,keyCredentials"));
        let reply = self.get(&Call::single(url, READ_APPLICATIONS)).await?;
        let registered: Application = reply.json()?;
        let of = |secret: &SecretString| end_of(&registered.password_credentials, secret, now);
        Ok(Expiries {
            first: of(&app.secret),
            other: app.other.as_ref().and_then(of),
        })
    }
}

fn end_of(registered: &[Password], secret: &SecretString, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let hint: String = secret.expose_secret().chars().take(HINT).collect();
    let alike = registered
        .iter()
        .filter(|password| password.hint.as_deref() == Some(&*hint));
    let ends: Vec<DateTime<Utc>> = alike.filter_map(Password::end).collect();
    if !ends.is_empty() {
        let good = ends.iter().filter(|end| **end > now).min();
        return good.or_else(|| ends.iter().max()).copied();
    }
    match registered {
        [only] if only.hint.is_none() => only.end(),
        _ => None,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Application {
    #[serde(default)]
    password_credentials: Vec<Password>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Password {
    hint: Option<String>,
    end_date_time: Option<String>,
}

impl Password {
    fn end(&self) -> Option<DateTime<Utc>> {
        self.end_date_time.as_ref()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(json: &str, secret: &str) -> Option<String> {
        let registered: Application = serde_json::from_str(json).unwrap();
        let now = "2026-11-21T00:00:00Z".parse().unwrap();
        let found = end_of(&registered.password_credentials, &SecretString::from(secret), now);
        found.map(|end| end.format("%Y-%m-%d").to_string())
    }

    const TWO: &str = r#"{
        "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#applications(passwordCredentials,keyCredentials)/$entity",
        "passwordCredentials": [
            {"customKeyIdentifier": null, "displayName": "rollcall", "endDateTime": "2027-01-31T12:30:00.1234567Z",
             "hint": "Aq~", "keyId": "f0b0b335-1d71-4883-8f98-567911bfdca6", "secretText": null,
             "startDateTime": "2026-01-31T12:30:00Z"},
            {"displayName": null, "endDateTime": "2028-06-30T00:00:00Z", "hint": "Zx8", "keyId": "x"}
        ],
        "keyCredentials": []
    }"#;

    #[test]
    fn a_secret_is_known_by_its_first_three_characters() {
        assert_eq!(end(TWO, "Aq~12345").as_deref(), Some("2027-01-31"));
        assert_eq!(end(TWO, "Zx8.~4").as_deref(), Some("2028-06-30"));
        assert_eq!(end(TWO, "other"), None);
        assert_eq!(end(TWO, ""), None);
    }

    #[test]
    fn of_several_that_begin_alike_the_first_to_end_counts() {
        let json = r#"{"passwordCredentials":[
            {"hint":"Aq~","endDateTime":"2028-01-01T00:00:00Z"},
            {"hint":"Aq~","endDateTime":"2026-01-01T00:00:00Z"},
            {"hint":"Aq~","endDateTime":"2027-01-01T00:00:00Z"}]}"#;
        assert_eq!(end(json, "Aq~1").as_deref(), Some("2027-01-01"));
        let ended = r#"{"passwordCredentials":[{"hint":"Aq~","endDateTime":"2025-01-01T00:00:00Z"}]}"#;
        assert_eq!(end(ended, "Aq~1").as_deref(), Some("2025-01-01"));
    }

    #[test]
    fn without_hints_a_lone_secret_is_ours() {
        let one = r#"{"passwordCredentials":[{"hint":null,"endDateTime":"2027-01-01T00:00:00Z"}]}"#;
        assert_eq!(end(one, "Aq~1").as_deref(), Some("2027-01-01"));
        let two = r#"{"passwordCredentials":[{"endDateTime":"2027-01-01T00:00:00Z"},{"endDateTime":"2028-01-01T00:00:00Z"}]}"#;
        assert_eq!(end(two, "Aq~1"), None);
        assert_eq!(end("{}", "Aq~1"), None);
    }
}
