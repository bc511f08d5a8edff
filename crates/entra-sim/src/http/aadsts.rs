//! Failures of the token endpoint: number, `error`, status and text (graph-facts §1.2).

use super::answer::{Answer, RequestIds};
use crate::clock;
use axum::http::StatusCode;
use serde_json::json;

/// A failure by its number, worded as Entra does. `about` is what the text names.
pub fn failure(code: u32, about: &str, ids: &RequestIds) -> Answer {
    let (error, text) = wording(code, about);
    let correlation = uuid::Uuid::try_parse(&ids.client).unwrap_or(ids.request);
    let timestamp = clock::real().format("%Y-%m-%d %H:%M:%SZ").to_string();
    let trace = ids.request.to_string();
    let description = format!(
        "AADSTS{code}: {text}\r\nTrace ID: {trace}\r\nCorrelation ID: {correlation}\r\nTimestamp: {timestamp}"
    );
    let body = json!({
        "error": error,
        "error_description": description,
        "error_codes": [code],
        "timestamp": timestamp,
        "trace_id": trace,
        "correlation_id": correlation.to_string(),
        "error_uri": format!("https://login.microsoftonline.com/error?code={code}"),
    });
    let status = match error {
        "invalid_client" => StatusCode::UNAUTHORIZED,
        "temporarily_unavailable" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    };
    let mut answer = Answer::value(&body).status(status);
    answer.content_type = "application/json; charset=utf-8";
    answer
}

/// `error` and text of each number in graph-facts §1.2.
fn wording(code: u32, about: &str) -> (&'static str, String) {
    let (error, text) = match code {
        7_000_215 => (
            "invalid_client",
            format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, \
             not the client secret ID, for a secret added to app '{about}'."
            ),
        ),
        7_000_222 => (
            "invalid_client",
            format!(
                "The provided client secret keys for app '{about}' are expired. Visit the Azure portal to create new keys \
             for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added \
             security: https://aka.ms/certCreds."
            ),
        ),
        7_000_218 => (
            "invalid_client",
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
                .into(),
        ),
        700_016 => (
            "unauthorized_client",
            format!(
                "Application with identifier {about}. This can happen if the application has not been installed by the \
             administrator of the tenant or consented to by any user in the tenant. You may have sent your \
             authentication request to the wrong tenant."
            ),
        ),
        90_002 => (
            "invalid_request",
            format!(
                "Tenant '{about}' not found. Check to make sure you have the correct tenant ID and are signing into the \
             correct cloud. Check with your subscription administrator, this may happen if there are no active \
             subscriptions for the tenant."
            ),
        ),
        90_038 => (
            "invalid_request",
            format!(
                "Tenant '{about}' request is being redirected to the National Cloud 'MicrosoftOnline.US'."
            ),
        ),
        900_382 | 900_432 => (
            "invalid_request",
            "Confidential Client is not supported in Cross Cloud request.".into(),
        ),
        900_144 => (
            "invalid_request",
            format!("The request body must contain the following parameter: '{about}'."),
        ),
        900_561 => (
            "invalid_request",
            "The endpoint only accepts POST requests.".into(),
        ),
        70_003 => (
            "unsupported_grant_type",
            format!("The app requested an unsupported grant type '{about}'."),
        ),
        70_011 => (
            "invalid_scope",
            format!(
                "The provided value for the input parameter 'scope' is not valid. The scope {about} is not valid."
            ),
        ),
        500_011 => (
            "invalid_resource",
            format!("The resource principal named {about} was not found in the tenant."),
        ),
        7_000_112 => (
            "unauthorized_client",
            format!("Application '{about}' is disabled."),
        ),
        700_027 => (
            "invalid_client",
            format!(
                "The certificate with identifier used to sign the client assertion is not registered on application \
             '{about}'."
            ),
        ),
        _ => (error_of(code), "The request could not be completed.".into()),
    };
    (error, text)
}

/// `error` of the numbers that only a fault brings up.
fn error_of(code: u32) -> &'static str {
    match code {
        700_025 | 50_012 | 50_013 | 500_133 => "invalid_client",
        70_001 => "unauthorized_client",
        28_002 | 700_022 | 700_023 => "invalid_scope",
        50_072 | 50_074 | 50_076 | 50_079 | 50_158 => "interaction_required",
        90_006 | 90_012 | 90_024 | 90_033 | 50_033 | 90_090 | 90_055 => "temporarily_unavailable",
        9_001_023 => "invalid_request",
        _ => "invalid_grant",
    }
}
