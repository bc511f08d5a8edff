//! The token endpoint: client credentials, and every way they fail (graph-facts §1.1, §1.2).

use super::aadsts::failure;
use super::answer::{Answer, RequestIds};
use crate::app::App;
use crate::held::read;
use crate::tenant::Tenant;
use crate::world::World;
use axum::extract::{Form, FromRequest as _, Request};
use axum::http::{HeaderMap, Method, header};
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
    if let Err((code, about)) = asked.check(&app, tenant) {
        return failure(code, &about, ids);
    }
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
            Some(secret) => match app.secrets().find(|(known, _)| *known == secret) {
                None => refused(7_000_215, &app.client_id),
                Some((_, Some(expires))) if expires <= tenant.now() => refused(7_000_222, &app.client_id),
                Some(_) => Ok(()),
            },
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
