//! Calls to Graph: a token, an id of our own, retries, and the answer's meaning.

use std::fmt;
use std::sync::Arc;

use domain::id::TenantId;
use reqwest::StatusCode;
use reqwest::header::AUTHORIZATION;
use url::Url;

use crate::answer::{Part, judge};
use crate::cloud::Endpoints;
use crate::error::Error;
use crate::http::{Context, Reply, Transport};
use crate::retry::{Failed, Tries};
use crate::stats::resource;
use crate::token::{AppCredential, SignInFailure, TokenSource};

/// Graph as one app of one tenant sees it. Clones share the token.
#[derive(Clone)]
pub struct Graph {
    pub(crate) transport: Transport,
    pub(crate) endpoints: Arc<Endpoints>,
    tokens: Arc<TokenSource>,
    context: Context,
}

/// A GET.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub url: Url,
    pub part: Part,
    /// The app role that it needs.
    pub permission: &'static str,
    /// Whether it reads the index (graph-facts §2.4).
    pub eventual: bool,
    /// How many 504s end it, where a smaller page may help more than another try (graph-facts §7.4).
    pub gateway_timeouts: u32,
}

impl Call {
    pub(crate) fn single(url: Url, permission: &'static str) -> Self {
        Self {
            url,
            part: Part::Single,
            permission,
            eventual: false,
            gateway_timeouts: u32::MAX,
        }
    }
}

impl Graph {
    /// Nothing is sent yet. Its calls are counted nowhere until [`Graph::for_run`].
    pub fn new(transport: &Transport, endpoints: Endpoints, credential: AppCredential) -> Self {
        let tokens = Arc::new(TokenSource::new(&endpoints, credential));
        Self {
            transport: transport.clone(),
            endpoints: Arc::new(endpoints),
            tokens,
            context: Context::default(),
        }
    }

    /// The same, with the same token, for one run: its calls are counted and ended with it.
    #[must_use]
    pub fn for_run(&self, context: Context) -> Self {
        Self {
            context,
            ..self.clone()
        }
    }

    /// The tenant whose directory this is.
    pub fn tenant(&self) -> TenantId {
        self.tokens.tenant()
    }

    /// Where its calls go.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// Gets a token, or finds that there is one. What fails here is the credential, not a permission.
    pub async fn sign_in(&self) -> Result<(), Error> {
        self.tokens.bearer(&self.transport, &self.context).await.map(drop)
    }

    /// How the first of the credential's two secrets was refused, if it was and the other one serves (B9).
    pub async fn refused_secret(&self) -> Option<SignInFailure> {
        self.tokens.refused().await
    }

    /// The app's client id, and the beginnings of its secrets, as Graph shows them.
    pub(crate) fn app(&self) -> &AppCredential {
        self.tokens.app()
    }

    /// Drops the token: after an admin's consent only a new one carries the new permissions (graph-facts §1.1).
    pub async fn forget_token(&self) {
        self.tokens.forget_any().await;
    }

    /// Does a GET until it has succeeded, can't succeed, or has used up its tries.
    pub(crate) async fn get(&self, call: &Call) -> Result<Reply, Error> {
        let mut tries = Tries::new(self.transport.limits(), resource(&call.url));
        let mut renewed = false;
        let mut gateway_timeouts = 0;
        loop {
            let bearer = self.tokens.bearer(&self.transport, &self.context).await?;
            let failed = match self.get_once(call, bearer.header()?).await {
                Ok(reply) => return Ok(reply),
                Err(failed) => failed,
            };
            if matches!(failed.error, Error::Unauthorized { .. }) && !renewed {
                renewed = true;
                self.tokens.forget(&bearer).await;
                continue;
            }
            if failed.error.status() == Some(StatusCode::GATEWAY_TIMEOUT.as_u16()) {
                gateway_timeouts += 1;
                if gateway_timeouts >= call.gateway_timeouts {
                    return Err(failed.error);
                }
            }
            tries.wait(failed, &self.context).await?;
        }
    }

    async fn get_once(&self, call: &Call, bearer: reqwest::header::HeaderValue) -> Result<Reply, Failed> {
        let id = uuid::Builder::from_random_bytes(rand::random()).into_uuid();
        let mut request = self
            .transport
            .client()
            .get(call.url.clone())
            .header(AUTHORIZATION, bearer)
            .header("client-request-id", id.to_string())
            .header("x-ms-throttle-priority", "Low");
        if call.eventual {
            request = request.header("ConsistencyLevel", "eventual");
        }
        let reply = self.transport.send(request, &self.context).await?;
        tracing::debug!(status = reply.status.as_u16(), client_request_id = %id, path = call.url.path(), "graph.get");
        if reply.status == StatusCode::OK {
            return Ok(reply);
        }
        Err(judge(&reply, call.part, call.permission))
    }
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Graph({} at {})", self.tenant(), self.endpoints.graph_origin())
    }
}

impl Reply {
    /// Microsoft's id of the request, for errors.
    pub(crate) fn request_id(&self) -> String {
        self.headers
            .get("request-id")
            .and_then(|value| value.to_str().ok())
            .unwrap_or("unknown")
            .to_owned()
    }

    /// Reads a small answer. Listings have a decoder of their own.
    pub(crate) fn json<'a, T: serde::Deserialize<'a>>(&'a self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|source| Error::Malformed {
            request_id: self.request_id(),
            source,
        })
    }

    pub(crate) fn unexpected(&self, what: impl Into<String>) -> Error {
        Error::Unexpected {
            what: what.into(),
            request_id: self.request_id(),
        }
    }
}
