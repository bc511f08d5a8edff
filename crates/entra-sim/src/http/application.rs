//! `GET /applications(appId='…')`: the app's own registration, its secrets by their first three characters.

use super::answer::Answer;
use super::error::GraphError;
use super::front::Call;
use crate::held::read;
use chrono::{SecondsFormat, TimeDelta};
use serde_json::json;

/// Characters of a secret that its hint shows.
const HINT: usize = 3;

/// The registration of this client id.
pub fn get(call: &Call<'_>, client_id: &str) -> Result<Answer, GraphError> {
    let app = read(&call.tenant.app).clone();
    if !client_id.eq_ignore_ascii_case(&app.client_id) {
        return Err(GraphError::not_found(client_id));
    }
    // Without an end of its own a secret lives for two years, as the portal offers.
    let usual = call.tenant.now() + TimeDelta::days(730);
    let secrets = app.secrets().enumerate().map(|(number, (secret, end))| {
        json!({
            "customKeyIdentifier": null,
            "displayName": format!("secret {}", number + 1),
            "endDateTime": end.unwrap_or(usual).to_rfc3339_opts(SecondsFormat::Micros, true),
            "hint": secret.chars().take(HINT).collect::<String>(),
            "keyId": format!("00000000-0000-4000-8000-00000000000{number}"),
            "secretText": null,
            "startDateTime": "2026-01-01T00:00:00Z",
        })
    });
    let context = format!(
        "{}/v1.0/$metadata#applications(passwordCredentials,keyCredentials)/$entity",
        call.base
    );
    Ok(Answer::value(&json!({
        "@odata.context": context,
        "passwordCredentials": secrets.collect::<Vec<_>>(),
        "keyCredentials": [],
    })))
}
