//! `/sim`: another process changes the tenant, and looks behind the scenes. JSON in, JSON out.
//!
//! `?tenant=` names a tenant by id or domain; without it the first is meant.

use super::front::Call;
use super::listing;
use super::query::Query;
use crate::app::AppChange;
use crate::directory::operation::Operation;
use crate::fault::{Effect, Fault, Published};
use crate::held::lock;
use crate::tenant::Tenant;
use crate::world::World;
use axum::extract::{DefaultBodyLimit, Path, Query as UrlQuery, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Many operations may come at once.
const BODY_LIMIT: usize = 64 << 20;

/// The paths below `/sim`.
pub fn router() -> Router<Arc<World>> {
    Router::new()
        .route("/tenants", get(tenants))
        .route("/operations", post(operations))
        .route("/users", get(users))
        .route("/users/{key}", get(user))
        .route("/groups", get(groups))
        .route("/groups/{id}", get(group))
        .route("/counts", get(counts))
        .route("/faults", get(faults).post(add_fault).delete(clear_faults))
        .route("/replay", put(replay))
        .route("/settings", get(settings).put(set_settings))
        .route("/app", put(change_app))
        .route("/tokens", axum::routing::delete(revoke_tokens))
        .route("/clock", get(clock).post(advance))
        .route("/requests", get(requests).delete(forget_requests))
        .route("/prerender", post(prerender))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
}

/// A request that was refused, and why.
struct Refused(StatusCode, String);

impl Refused {
    fn bad(why: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, why.into())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}

type Answered = Result<Json<Value>, Refused>;

#[derive(Deserialize)]
struct Which {
    tenant: Option<String>,
}

impl Which {
    fn of(&self, world: &World) -> Result<Arc<Tenant>, Refused> {
        let found = match &self.tenant {
            Some(key) => world.tenant(key),
            None => world.tenants.first(),
        };
        found
            .cloned()
            .ok_or_else(|| Refused(StatusCode::NOT_FOUND, "there is no such tenant".into()))
    }
}

type Shared = State<Arc<World>>;

async fn tenants(State(world): Shared) -> Json<Value> {
    let tenants = world.tenants.iter().map(|tenant| {
        let options = &tenant.options;
        json!({
            "id": tenant.id(),
            "displayName": options.display_name,
            "domains": options.domains,
            "clientId": options.client_id,
            "seed": options.seed,
            "counts": tenant.counts(),
        })
    });
    Json(tenants.collect())
}

async fn operations(
    State(world): Shared,
    UrlQuery(which): UrlQuery<Which>,
    Json(body): Json<Value>,
) -> Answered {
    let tenant = which.of(&world)?;
    let many = body.is_array();
    let items = if let Value::Array(items) = body {
        items
    } else {
        vec![body]
    };
    let mut results = Vec::with_capacity(items.len());
    for (number, item) in items.into_iter().enumerate() {
        let operation: Operation =
            serde_json::from_value(item).map_err(|why| Refused::bad(format!("operation {number}: {why}")))?;
        let applied = tenant.apply(&operation);
        let applied =
            applied.map_err(|why| Refused(StatusCode::CONFLICT, format!("operation {number}: {why}")))?;
        results.push(json!(applied));
    }
    Ok(Json(if many { results.into() } else { results.remove(0) }))
}

#[derive(Deserialize)]
struct Wanted {
    tenant: Option<String>,
    #[serde(default)]
    deleted: bool,
    #[serde(default)]
    skip: usize,
    limit: Option<usize>,
}

async fn users(State(world): Shared, UrlQuery(wanted): UrlQuery<Wanted>) -> Answered {
    let tenant = Which {
        tenant: wanted.tenant,
    }
    .of(&world)?;
    let users = tenant.snapshots(wanted.deleted, wanted.skip, wanted.limit.unwrap_or(usize::MAX));
    Ok(Json(json!(users)))
}

async fn user(State(world): Shared, UrlQuery(which): UrlQuery<Which>, Path(key): Path<String>) -> Answered {
    let user = which.of(&world)?.user(&key);
    let user = user.ok_or_else(|| Refused(StatusCode::NOT_FOUND, format!("there is no live user {key}")))?;
    Ok(Json(json!(user)))
}

async fn groups(State(world): Shared, UrlQuery(wanted): UrlQuery<Wanted>) -> Answered {
    let tenant = Which {
        tenant: wanted.tenant,
    }
    .of(&world)?;
    let groups = if wanted.deleted {
        tenant.deleted_groups()
    } else {
        tenant.groups()
    };
    let limit = wanted.limit.unwrap_or(usize::MAX);
    let groups: Vec<_> = groups.into_iter().skip(wanted.skip).take(limit).collect();
    Ok(Json(json!(groups)))
}

async fn group(State(world): Shared, UrlQuery(which): UrlQuery<Which>, Path(id): Path<String>) -> Answered {
    let group = which.of(&world)?.group(&id);
    let group =
        group.ok_or_else(|| Refused(StatusCode::NOT_FOUND, format!("there is no live group {id}")))?;
    Ok(Json(json!(group)))
}

async fn counts(State(world): Shared, UrlQuery(which): UrlQuery<Which>) -> Answered {
    Ok(Json(json!(which.of(&world)?.counts())))
}

async fn faults(State(world): Shared, UrlQuery(which): UrlQuery<Which>) -> Answered {
    let tenant = which.of(&world)?;
    let all: Vec<Value> = lock(&tenant.faults)
        .list()
        .map(|(fault, met)| json!({"fault": fault, "met": met}))
        .collect();
    Ok(Json(all.into()))
}

async fn add_fault(
    State(world): Shared,
    UrlQuery(which): UrlQuery<Which>,
    Json(fault): Json<Value>,
) -> Answered {
    let fault: Fault = serde_json::from_value(fault).map_err(|why| Refused::bad(why.to_string()))?;
    which.of(&world)?.fault(fault);
    Ok(Json(json!({})))
}

async fn clear_faults(State(world): Shared, UrlQuery(which): UrlQuery<Which>) -> Answered {
    which.of(&world)?.clear_faults();
    Ok(Json(json!({})))
}

/// A published answer for a path.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Replay {
    path: String,
    query: Option<String>,
    times: Option<u64>,
    file: std::path::PathBuf,
    status: Option<u16>,
    #[serde(default)]
    rebase: bool,
}

async fn replay(
    State(world): Shared,
    UrlQuery(which): UrlQuery<Which>,
    headers: HeaderMap,
    Json(replay): Json<Value>,
) -> Answered {
    let replay: Replay = serde_json::from_value(replay).map_err(|why| Refused::bad(why.to_string()))?;
    let bytes = tokio::fs::read(&replay.file).await;
    let bytes = bytes.map_err(|why| Refused::bad(format!("{}: {why}", replay.file.display())))?;
    let name = replay.file.file_name().unwrap_or_default().to_string_lossy();
    let mut published = Published::of_file(&name, &bytes);
    published.status = replay.status.unwrap_or(published.status);
    if replay.rebase {
        published = published.rebased(&base(&headers));
    }
    let effect = Effect::Published(published);
    let fault = Fault {
        path: replay.path,
        query: replay.query,
        after: 0,
        times: replay.times,
        effect,
    };
    which.of(&world)?.fault(fault);
    Ok(Json(json!({})))
}

async fn settings(State(world): Shared, UrlQuery(which): UrlQuery<Which>) -> Answered {
    Ok(Json(json!(which.of(&world)?.settings())))
}

async fn set_settings(
    State(world): Shared,
    UrlQuery(which): UrlQuery<Which>,
    Json(change): Json<serde_json::Map<String, Value>>,
) -> Answered {
    let tenant = which.of(&world)?;
    let mut settings = json!(tenant.settings());
    for (name, value) in change {
        settings[name] = value;
    }
    let changed: crate::settings::Settings =
        serde_json::from_value(settings).map_err(|why| Refused::bad(why.to_string()))?;
    tenant.set(|settings| *settings = changed);
    Ok(Json(json!(tenant.settings())))
}

async fn change_app(
    State(world): Shared,
    UrlQuery(which): UrlQuery<Which>,
    Json(change): Json<Value>,
) -> Answered {
    let change: AppChange = serde_json::from_value(change).map_err(|why| Refused::bad(why.to_string()))?;
    which.of(&world)?.change_app(change);
    Ok(Json(json!({})))
}

async fn revoke_tokens(State(world): Shared, UrlQuery(which): UrlQuery<Which>) -> Answered {
    which.of(&world)?.revoke_tokens();
    Ok(Json(json!({})))
}

async fn clock(State(world): Shared, UrlQuery(which): UrlQuery<Which>) -> Answered {
    Ok(Json(json!({"now": which.of(&world)?.now().to_rfc3339()})))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Advance {
    advance_seconds: u64,
}

async fn advance(
    State(world): Shared,
    UrlQuery(which): UrlQuery<Which>,
    Json(by): Json<Advance>,
) -> Answered {
    let tenant = which.of(&world)?;
    tenant.advance(Duration::from_secs(by.advance_seconds));
    Ok(Json(json!({"now": tenant.now().to_rfc3339()})))
}

async fn requests(State(world): Shared, UrlQuery(which): UrlQuery<Which>) -> Answered {
    Ok(Json(json!(which.of(&world)?.requests())))
}

async fn forget_requests(State(world): Shared, UrlQuery(which): UrlQuery<Which>) -> Answered {
    which.of(&world)?.forget_requests();
    Ok(Json(json!({})))
}

/// The first link of a listing, as the client will ask for it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Prerender {
    link: String,
}

/// Renders all pages of a listing that aren't rendered yet, and keeps them.
async fn prerender(
    State(world): Shared,
    UrlQuery(which): UrlQuery<Which>,
    headers: HeaderMap,
    Json(wanted): Json<Prerender>,
) -> Answered {
    let tenant = which.of(&world)?;
    tenant.set(|settings| settings.prerender = true);
    let uri: Uri = wanted
        .link
        .parse()
        .map_err(|_| Refused::bad("the link is no URI"))?;
    let pages = tokio::task::spawn_blocking(move || {
        let base = base(&headers);
        let link = format!("{base}{}", uri.path_and_query().map_or("/", |link| link.as_str()));
        let query = Query::of(&uri).map_err(|_| Refused::bad("the link's query is malformed"))?;
        let roles = vec!["Directory.Read.All".to_owned()];
        let settings = tenant.settings();
        let call = Call {
            tenant: &tenant,
            headers: &headers,
            query,
            base,
            link,
            roles,
            effects: Vec::new(),
            settings,
        };
        listing::prerender(&call).map_err(|_| Refused::bad("the link is no listing of users"))
    });
    let pages = pages.await.map_err(|why| Refused::bad(why.to_string()))??;
    Ok(Json(json!({"pages": pages})))
}

fn base(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    format!("http://{}", host.unwrap_or("localhost"))
}
