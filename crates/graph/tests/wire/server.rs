//! A scripted server: each test says what it answers, and sees what it was asked.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use domain::id::TenantId;
use rollcall_graph::{AppCredential, Cloud, Context, Endpoints, Graph, Limits, Transport};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use uuid::Uuid;

pub const TENANT: TenantId = TenantId(Uuid::from_u128(0x1111));
pub const SECRET: &str = "s3cret~value";

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Path and query.
    pub target: String,
    pub headers: HeaderMap,
    pub body: String,
    /// How many requests to Graph, or to the token endpoint, came before it.
    pub before: usize,
}

impl Seen {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn is_token(&self) -> bool {
        self.target.ends_with("/oauth2/v2.0/token")
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Answer {
    pub fn new(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    pub fn ok(body: impl Into<String>) -> Self {
        Self::new(200, body)
    }

    pub fn error(status: u16, code: &str) -> Self {
        Self::new(
            status,
            format!(r#"{{"error":{{"code":"{code}","message":"m","innerError":{{}}}}}}"#),
        )
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = Response::builder().status(self.status);
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        response.body(Body::from(self.body)).unwrap()
    }
}

/// A server that answers by a script until it is dropped.
pub struct Server {
    pub origin: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    _task: JoinSet<()>,
}

impl Server {
    /// The script gets every request; `None` means a good token at the token endpoint, and 404 elsewhere.
    pub async fn start(script: impl Fn(&Seen) -> Option<Answer> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let script = Arc::new(script);
        let log = Arc::clone(&seen);
        let router = Router::new().fallback(move |request: Request| {
            let (log, script) = (Arc::clone(&log), Arc::clone(&script));
            async move { answer(request, &log, script.as_ref()).await }
        });
        let mut task = JoinSet::new();
        task.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            origin,
            seen,
            _task: task,
        }
    }

    /// The requests to Graph so far.
    pub fn graph(&self) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| !seen.is_token()).collect()
    }

    /// The requests for a token so far.
    pub fn tokens(&self) -> Vec<Seen> {
        self.seen().into_iter().filter(Seen::is_token).collect()
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A client of it that waits little.
    pub fn client(&self) -> Graph {
        self.client_within(quick())
    }

    pub fn client_within(&self, limits: Limits) -> Graph {
        client_of(&self.origin, limits)
    }
}

pub fn client_of(origin: &str, limits: Limits) -> Graph {
    client_with(origin, limits, None)
}

/// The same with a second secret.
pub fn client_with(origin: &str, limits: Limits, other: Option<&str>) -> Graph {
    let endpoints = Endpoints::new(Cloud::Custom, Some(origin), Some(origin), None).unwrap();
    let credential = AppCredential {
        tenant: TENANT,
        client_id: Uuid::from_u128(0x2222),
        secret: SecretString::from(SECRET),
        other: other.map(SecretString::from),
    };
    Graph::new(&Transport::new(limits).unwrap(), endpoints, credential).for_run(Context::default())
}

pub fn quick() -> Limits {
    Limits {
        first_wait: Duration::from_millis(2),
        longest_wait: Duration::from_millis(10),
        tries: 4,
        patience: Duration::from_secs(10),
        ..Limits::default()
    }
}

async fn answer(
    request: Request,
    log: &Mutex<Vec<Seen>>,
    script: &(impl Fn(&Seen) -> Option<Answer> + Sync),
) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let mut seen = Seen {
        target: parts.uri.to_string(),
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
        before: 0,
    };
    {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        seen.before = log
            .iter()
            .filter(|other| other.is_token() == seen.is_token())
            .count();
        log.push(seen.clone());
    }
    script(&seen).unwrap_or_else(|| usual(&seen)).into_response()
}

fn usual(seen: &Seen) -> Answer {
    if seen.is_token() {
        let number = seen.before + 1;
        return Answer::ok(format!(
            r#"{{"token_type":"Bearer","expires_in":3599,"access_token":"token-{number}"}}"#
        ));
    }
    Answer::error(404, "Request_ResourceNotFound")
}
