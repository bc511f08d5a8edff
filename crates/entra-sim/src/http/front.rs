//! The way of a request: counted, faults, token, permission, throttle, then the endpoint itself.

use super::answer::{Answer, RequestIds};
use super::endpoint::{Endpoint, decoded_path, decoded_query};
use super::error::{GraphError, seconds_or_date};
use super::query::Query;
use super::{aadsts, application, deleted, delta, groups, organization, token, user, users};
use crate::fault::{Effect, Published, RetryAfter};
use crate::held::lock;
use crate::settings::Settings;
use crate::tenant::Tenant;
use crate::throttle;
use crate::world::{Grant, World};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri, header};
use std::sync::Arc;
use std::time::Duration;

/// A Graph request on its way to an endpoint.
pub struct Call<'a> {
    /// Whose directory.
    pub tenant: &'a Tenant,
    /// Its request headers.
    pub headers: &'a HeaderMap,
    /// Its query.
    pub query: Query,
    /// `http://127.0.0.1:12345`, as the client addressed us.
    pub base: String,
    /// The whole link.
    pub link: String,
    /// What its token allows.
    pub roles: Vec<String>,
    /// Faults of the page.
    pub effects: Vec<Effect>,
    /// How the tenant behaves.
    pub settings: Settings,
}

/// Answers everything outside `/sim`.
pub async fn answer(State(world): State<Arc<World>>, request: Request) -> Response<Body> {
    let ids = RequestIds::of(request.headers());
    let path = decoded_path(request.uri());
    let answer = if path.ends_with("/oauth2/v2.0/token") {
        token_answer(&world, request, &path, &ids).await
    } else if let Some(resource) = path.strip_prefix("/v1.0/") {
        graph_answer(
            &world,
            &request.into_parts().0,
            &path,
            Endpoint::of(resource),
            &ids,
        )
        .await
    } else {
        Answer::text(StatusCode::NOT_FOUND, format!("There is nothing at {path}."))
    };
    answer.response(&ids)
}

async fn token_answer(world: &World, request: Request, path: &str, ids: &RequestIds) -> Answer {
    let name = path
        .trim_start_matches('/')
        .split('/')
        .next()
        .unwrap_or_default()
        .to_owned();
    let Some(tenant) = world.tenant(&name).cloned() else {
        return token::unknown_tenant(&name, ids);
    };
    tenant.count(format!("{} /oauth2/v2.0/token", request.method()));
    let effects = lock(&tenant.faults).hit(path, &decoded_query(request.uri()));
    pause(&effects, 0).await;
    let answer = match effects.iter().find_map(|effect| token_fault(effect, ids)) {
        Some(answer) => answer,
        None => token::answer(world, &tenant, request, ids).await,
    };
    broken(answer, &effects)
}

fn token_fault(effect: &Effect, ids: &RequestIds) -> Option<Answer> {
    match effect {
        // Not JSON, and a whole minute (graph-facts §1.1).
        Effect::Status {
            status: 429,
            retry_after,
            ..
        } => {
            let wait = seconds_or_date(retry_after.unwrap_or(RetryAfter::Seconds(60)));
            let answer = Answer::text(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests");
            Some(answer.header("retry-after", wait))
        }
        Effect::Aadsts { code } => Some(aadsts::failure(*code, "", ids)),
        other => graph_fault(other, ids),
    }
}

fn graph_fault(effect: &Effect, ids: &RequestIds) -> Option<Answer> {
    match effect {
        Effect::Status {
            status,
            code,
            message,
            retry_after,
        } => {
            let error = GraphError::of_status(*status, *retry_after).worded(code.clone(), message.clone());
            Some(error.answer(ids))
        }
        Effect::Redirect { location } => {
            Some(Answer::text(StatusCode::FOUND, "").header("location", location.clone()))
        }
        Effect::Published(published) => Some(published_answer(published)),
        _ => None,
    }
}

async fn graph_answer(
    world: &World,
    request: &Parts,
    path: &str,
    endpoint: Option<Endpoint>,
    ids: &RequestIds,
) -> Answer {
    let grant = granted(world, &request.headers);
    // Without a good token faults are those of the first tenant, so that published answers need no token.
    let tenant = grant.as_ref().map_or_else(
        |_| world.tenants.first().cloned(),
        |grant| Some(grant.tenant.clone()),
    );
    let Some(tenant) = tenant else {
        return GraphError::of_status(401, None).answer(ids);
    };
    let name = endpoint
        .as_ref()
        .map_or_else(|| path.to_owned(), |endpoint| endpoint.name().to_owned());
    tenant.count(format!("{} {name}", request.method));
    let query = decoded_query(&request.uri);
    let effects = lock(&tenant.faults).hit(path, &query);
    let settings = tenant.settings();
    pause(&effects, settings.latency_ms).await;
    if let Some(answer) = effects.iter().find_map(|effect| graph_fault(effect, ids)) {
        return broken(answer, &effects);
    }
    let checked = grant.and_then(|grant| {
        let endpoint = endpoint.ok_or_else(|| unknown_segment(path))?;
        checked(&request.method, &endpoint, &grant)?;
        Ok((grant, endpoint))
    });
    let outcome = checked.and_then(|(grant, endpoint)| {
        let base = base(&request.headers);
        let link = format!("{base}{}", link_of(&request.uri));
        let query = Query::of(&request.uri)?;
        let headers = &request.headers;
        let roles = grant.roles.clone();
        let call = Call {
            tenant: &tenant,
            headers,
            query,
            base,
            link,
            roles,
            effects: effects.clone(),
            settings,
        };
        Ok(throttled(&call, &endpoint, &grant.client_id, ids))
    });
    let answer = outcome.unwrap_or_else(|error| error.answer(ids));
    broken(answer, &effects)
}

/// Books the call's cost, and answers it if there is budget left.
fn throttled(call: &Call<'_>, endpoint: &Endpoint, client_id: &str, ids: &RequestIds) -> Answer {
    let query = &call.query;
    let top = query.top().ok().flatten();
    let cost = endpoint.cost(query.get("select").is_some(), query.get("expand").is_some(), top);
    let Some(throttling) = &call.settings.throttling else {
        return dispatch(call, endpoint, ids).header("x-ms-resource-unit", cost.to_string());
    };
    let budget = throttling
        .budget
        .unwrap_or_else(|| throttle::budget(call.tenant.counts().live));
    let verdict = lock(&call.tenant.throttle).book(client_id, cost, budget, call.tenant.now());
    let mut answer = match verdict.wait {
        Some(wait) => GraphError::of_status(429, Some(RetryAfter::Seconds(wait)))
            .header("x-ms-throttle-information", "ResourceUnitLimitExceeded")
            .header(
                "x-ms-throttle-scope",
                format!("Tenant_Application/ReadWrite/{client_id}/{}", call.tenant.id()),
            )
            .answer(ids),
        None => dispatch(call, endpoint, ids),
    };
    if matches!(answer.status, StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN) {
        lock(&call.tenant.throttle).refund(client_id, cost);
    }
    answer = answer.header("x-ms-resource-unit", cost.to_string());
    if verdict.used >= 0.8 {
        answer = answer.header(
            "x-ms-throttle-limit-percentage",
            format!("{:.1}", verdict.used.min(1.8)),
        );
    }
    answer
}

fn dispatch(call: &Call<'_>, endpoint: &Endpoint, ids: &RequestIds) -> Answer {
    let outcome = match endpoint {
        Endpoint::Application(client_id) => application::get(call, client_id),
        Endpoint::Organizations => Ok(organization::list(call)),
        Endpoint::Organization(id) => organization::get(call, id),
        Endpoint::Users => users::list(call),
        Endpoint::UserCount => users::count(call),
        Endpoint::UserDelta => delta::round(call),
        Endpoint::User(key) => user::get(call, key),
        Endpoint::UserManager(key) => user::manager(call, key),
        Endpoint::MemberOf(key) => groups::relation::groups_of(call, key, false),
        Endpoint::TransitiveMemberOf(key) => groups::relation::groups_of(call, key, true),
        Endpoint::Groups => groups::list::page(call, groups::list::Source::Live),
        Endpoint::GroupCount => groups::list::count(call),
        Endpoint::GroupDelta => groups::delta::round(call),
        Endpoint::Group(id) => groups::list::get(call, id),
        Endpoint::Members(id, kind) => groups::relation::members(call, id, kind.as_deref(), false),
        Endpoint::TransitiveMembers(id, kind) => groups::relation::members(call, id, kind.as_deref(), true),
        Endpoint::DeletedGroups => groups::list::page(call, groups::list::Source::Deleted),
        Endpoint::DeletedUsers => deleted::list(call),
        Endpoint::DeletedItems => Err(deleted::untyped()),
    };
    outcome.unwrap_or_else(|error| error.answer(ids))
}

/// What the bearer token stands for, or 401.
fn granted(world: &World, headers: &HeaderMap) -> Result<Grant, GraphError> {
    let refused = |message: &str| {
        GraphError::of_status(401, None)
            .worded(None, Some(message.into()))
            .header("www-authenticate", "Bearer realm=\"\", error=\"invalid_token\"")
    };
    let sent = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let token = sent
        .and_then(|value| value.split_once(' '))
        .filter(|(kind, _)| kind.eq_ignore_ascii_case("bearer"));
    let Some((_, token)) = token else {
        return Err(refused("Access token is empty."));
    };
    match world.grant(token.trim()) {
        None => Err(refused("Access token validation failure.")),
        Some(grant) if grant.expired() => Err(refused("Lifetime validation failed, the token is expired.")),
        Some(grant) => Ok(grant),
    }
}

/// Reads only, and only with a permission (graph-facts §9).
fn checked(method: &Method, endpoint: &Endpoint, grant: &Grant) -> Result<(), GraphError> {
    if method != Method::GET {
        let message = "Only reading is simulated.";
        return Err(GraphError::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "Request_BadRequest",
            message,
        ));
    }
    let roles = endpoint.roles();
    if grant.roles.iter().any(|role| roles.contains(&role.as_str())) {
        Ok(())
    } else {
        Err(GraphError::denied())
    }
}

impl Call<'_> {
    /// Was `ConsistencyLevel: eventual` sent?
    pub fn eventual(&self) -> bool {
        let level = self
            .headers
            .get("consistencylevel")
            .and_then(|level| level.to_str().ok());
        level.is_some_and(|level| level.eq_ignore_ascii_case("eventual"))
    }

    /// Was this asked for by a Prefer header?
    pub fn prefers(&self, preference: &str) -> bool {
        let mut sent = self
            .headers
            .get_all("prefer")
            .iter()
            .filter_map(|value| value.to_str().ok());
        sent.any(|value| {
            value
                .split(',')
                .any(|part| part.trim().eq_ignore_ascii_case(preference))
        })
    }

    /// Has the token nothing but `User.ReadBasic.All`?
    pub fn basic_only(&self) -> bool {
        !self
            .roles
            .iter()
            .any(|role| Endpoint::UserDelta.roles().contains(&role.as_str()))
    }
}

fn unknown_segment(path: &str) -> GraphError {
    let segment = path.rsplit('/').next().unwrap_or_default();
    let message = format!("Resource not found for the segment '{segment}'.");
    GraphError::new(StatusCode::BAD_REQUEST, "BadRequest", message)
}

fn base(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    format!("http://{}", host.unwrap_or("localhost"))
}

fn link_of(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", |link| link.as_str())
}

fn published_answer(published: &Published) -> Answer {
    let status = StatusCode::from_u16(published.status).unwrap_or(StatusCode::OK);
    let mut answer = Answer::json(published.body.clone()).status(status);
    for (name, value) in &published.headers {
        answer = answer.header(name.clone(), value.clone());
    }
    answer
}

async fn pause(effects: &[Effect], latency_ms: u64) {
    let delays = effects.iter().map(|effect| match effect {
        Effect::Delay { milliseconds } => *milliseconds,
        _ => 0,
    });
    let total = delays.sum::<u64>() + latency_ms;
    if total > 0 {
        tokio::time::sleep(Duration::from_millis(total)).await;
    }
}

fn broken(mut answer: Answer, effects: &[Effect]) -> Answer {
    answer.cut = effects.contains(&Effect::CutBody);
    answer
}
