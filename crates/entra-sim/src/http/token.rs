//! The token endpoint: client credentials, and every way they fail (graph-facts §1.1, §1.2).

use super::answer::{Answer, RequestIds};
use crate::app::App;
use crate::clock;
use crate::held::read;
use crate::tenant::Tenant;
use crate::world::World;
use axum::extract::{Form, FromRequest as _, Request};
use axum::http::{HeaderMap, Method, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;

/// Application permissions are asked for all at once, of one resource.
const DEFAULT_SCOPE: &str = "/.default";

/// Answers a token request.
pub async fn answer(world: &World, tenant: &Arc<Tenant>, request: Request, ids: &RequestIds) -> Answer {
    if let Some(code) = tenant.settings().wrong_cloud {
        return failure(code, tenant.id(), ids);
    }
    if request.method() != Method::POST {
        return failure(900_561, "", ids);
    }
    let basic = basic(request.headers());
    let own = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .map(|host| format!("http://{host}"));
    let Ok(Form(form)) = Form::<HashMap<String, String>>::from_request(request, &()).await else {
        return failure(900_144, "grant_type", ids);
    };
    let asked = Asked { form, basic, own };
    let app = read(&tenant.app).clone();
    match asked.check(&app, tenant) {
        Err((code, about)) => failure(code, &about, ids),
        Ok(()) => {
            // Random, as documented: 60 to 90 minutes.
            let seconds = rand::random_range(3_599..=5_399);
            let token = world.issue(tenant, &app.client_id, app.roles, seconds);
            let body = json!({
                "token_type": "Bearer",
                "expires_in": seconds,
                "ext_expires_in": seconds,
                "access_token": token,
            });
            let mut answer = Answer::value(&body);
            answer.content_type = "application/json; charset=utf-8";
            answer
        }
    }
}

/// The tenant is nowhere.
pub fn unknown_tenant(name: &str, ids: &RequestIds) -> Answer {
    failure(90_002, name, ids)
}

/// What was asked.
struct Asked {
    form: HashMap<String, String>,
    basic: Option<(String, String)>,
    own: Option<String>,
}

impl Asked {
    fn get(&self, field: &str) -> Option<&str> {
        self.form
            .get(field)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    fn check(&self, app: &App, tenant: &Tenant) -> Result<(), (u32, String)> {
        let refused = |code, about: &str| Err((code, about.to_owned()));
        match self.get("grant_type") {
            None => return refused(900_144, "grant_type"),
            Some("client_credentials") => {}
            Some(other) => return refused(70_003, other),
        }
        let (basic_id, basic_secret) = self.basic.clone().unzip();
        let Some(client_id) = self.get("client_id").or(basic_id.as_deref()) else {
            return refused(900_144, "client_id");
        };
        self.check_scope()?;
        if !client_id.eq_ignore_ascii_case(&app.client_id) {
            let directory = &tenant.options.display_name;
            return Err((
                700_016,
                format!("'{client_id}' was not found in the directory '{directory}'"),
            ));
        }
        if app.disabled {
            return refused(7_000_112, &app.client_id);
        }
        if self.get("client_assertion").is_some() {
            return refused(700_027, &app.client_id);
        }
        match self.get("client_secret").or(basic_secret.as_deref()) {
            None => refused(7_000_218, ""),
            Some(secret) if secret != app.secret => refused(7_000_215, &app.client_id),
            Some(_) if app.secret_expires.is_some_and(|expires| expires <= tenant.now()) => {
                refused(7_000_222, &app.client_id)
            }
            Some(_) => Ok(()),
        }
    }

    /// One resource, this Graph, all its permissions.
    fn check_scope(&self) -> Result<(), (u32, String)> {
        let Some(scope) = self.get("scope") else {
            return Err((900_144, "scope".into()));
        };
        if scope.split_whitespace().count() > 1 {
            return Err((70_011, scope.into()));
        }
        let Some(resource) = scope.strip_suffix(DEFAULT_SCOPE) else {
            return Err((70_011, scope.into()));
        };
        let graph = resource.trim_end_matches('/');
        let known = [
            "https://graph.microsoft.com",
            "00000003-0000-0000-c000-000000000000",
        ];
        if known.contains(&graph) || self.own.as_deref() == Some(graph) {
            Ok(())
        } else {
            Err((500_011, resource.into()))
        }
    }
}

/// `Authorization: Basic`, both halves form-encoded.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let sent = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let bytes = STANDARD.decode(sent.strip_prefix("Basic ")?.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (id, secret) = text.split_once(':')?;
    let pair = format!("/?id={id}&secret={secret}").parse().ok()?;
    let mut fields = axum::extract::Query::<HashMap<String, String>>::try_from_uri(&pair)
        .ok()?
        .0;
    fields.remove("id").zip(fields.remove("secret"))
}

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
        900_382 => (
            "invalid_request",
            "Confidential Client is not supported in Cross Cloud request.".into(),
        ),
        900_432 => (
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
