//! One HTTP client for all connections, with a limit on everything.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, RequestBuilder, Response, StatusCode, redirect};
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::retry::{Again, Failed};
use crate::stats::CallStats;

/// Bytes of an error answer that are read.
const ERROR_BODY: usize = 64 * 1024;

/// The bounds of every call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Until a connection stands.
    pub connect: Duration,
    /// Between two pieces of an answer.
    pub read: Duration,
    /// For one try, from the first byte sent to the last one read.
    pub call: Duration,
    /// Bytes of one answer.
    pub body: usize,
    /// Tries of one call.
    pub tries: u32,
    /// For all tries of one call, the waits between them included.
    pub patience: Duration,
    /// The first wait between two tries; it doubles.
    pub first_wait: Duration,
    /// The longest wait of our own choosing; a longer `Retry-After` is kept, within `patience`.
    pub longest_wait: Duration,
    /// Pages of one listing or round.
    pub pages: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            read: Duration::from_secs(60),
            call: Duration::from_secs(180),
            body: 32 * 1024 * 1024,
            tries: 10,
            patience: Duration::from_secs(15 * 60),
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(60),
            pages: 100_000,
        }
    }
}

/// The HTTP client and its limits. Clones share the connections.
#[derive(Clone, Debug)]
pub struct Transport {
    client: Client,
    limits: Arc<Limits>,
}

/// Why there is no HTTP client.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client can't be made")]
pub struct TransportError(#[source] reqwest::Error);

/// Whose calls these are: where they are counted and what ends them. Clones share both.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// Where the calls are counted.
    pub stats: Arc<CallStats>,
    /// Ends calls and waits at once.
    pub cancel: CancellationToken,
}

/// A whole answer.
pub(crate) struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Transport {
    /// Makes the client. Certificates are checked against this machine's; where it has none, https fails and plain
    /// http to this machine still works.
    pub fn new(limits: Limits) -> Result<Self, TransportError> {
        // Someone else may have installed a provider before: any of them serves.
        let _already = rustls::crypto::ring::default_provider().install_default();
        let client = builder(&limits)
            .build()
            .or_else(|error| {
                tracing::warn!(error = %error, "no certificates on this machine: install ca-certificates");
                builder(&limits).tls_certs_only([]).build()
            })
            .map_err(TransportError)?;
        Ok(Self {
            client,
            limits: Arc::new(limits),
        })
    }

    /// The bounds of every call.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// One try: sends a request and reads its whole answer, whatever its status, redirects excepted.
    pub(crate) async fn send(&self, request: RequestBuilder, context: &Context) -> Result<Reply, Failed> {
        tokio::select! {
            biased;
            () = context.cancel.cancelled() => Err(Failed::stop(Error::Cancelled)),
            reply = self.exchange(request, context) => reply,
        }
    }

    async fn exchange(&self, request: RequestBuilder, context: &Context) -> Result<Reply, Failed> {
        let response = request.send().await.map_err(|error| unanswered(error, context))?;
        context
            .stats
            .answered(response.status().as_u16(), resource_units(response.headers()));
        if response.status().is_redirection() {
            return Err(Failed::stop(Error::Redirected {
                host: host(&response),
                status: response.status().as_u16(),
            }));
        }
        let status = response.status();
        let headers = response.headers().clone();
        let body = if status.is_success() {
            self.read_whole(response, context).await?
        } else {
            read_start(response).await
        };
        Ok(Reply {
            status,
            headers,
            body,
        })
    }

    async fn read_whole(&self, mut response: Response, context: &Context) -> Result<Vec<u8>, Failed> {
        let limit = self.limits.body;
        let host = host(&response);
        let announced = response
            .content_length()
            .and_then(|length| usize::try_from(length).ok());
        let mut body = Vec::with_capacity(announced.unwrap_or_default().min(limit));
        while let Some(piece) = response
            .chunk()
            .await
            .map_err(|error| unanswered(error, context))?
        {
            if body.len() + piece.len() > limit {
                return Err(Failed::stop(Error::TooLarge { host, limit }));
            }
            body.extend_from_slice(&piece);
        }
        context.stats.received(body.len());
        Ok(body)
    }
}

/// An error answer serves to explain; what can't be read of it is left out, since its status says enough.
async fn read_start(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await {
        let room = ERROR_BODY - body.len();
        body.extend_from_slice(&piece[..piece.len().min(room)]);
        if body.len() == ERROR_BODY {
            break;
        }
    }
    body
}

fn builder(limits: &Limits) -> reqwest::ClientBuilder {
    Client::builder()
        .user_agent(concat!("Rollcall/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .referer(false)
        .connect_timeout(limits.connect)
        .read_timeout(limits.read)
        .timeout(limits.call)
        .pool_idle_timeout(Duration::from_secs(60))
}

fn unanswered(error: reqwest::Error, context: &Context) -> Failed {
    context.stats.unanswered();
    let host = error
        .url()
        .and_then(|url| url.host_str())
        .unwrap_or("the server")
        .to_owned();
    let what = if error.is_timeout() {
        "did not answer in time"
    } else if error.is_connect() {
        "can't be reached"
    } else {
        "broke off its answer"
    };
    Failed {
        // A page link's query is a token of its own kind: it does not belong into an error.
        error: Error::Unreachable {
            host,
            what,
            source: error.without_url(),
        },
        again: Again::Backoff,
    }
}

fn resource_units(headers: &HeaderMap) -> u64 {
    headers
        .get("x-ms-resource-unit")
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .unwrap_or_default()
}

fn host(response: &Response) -> String {
    response.url().host_str().unwrap_or("the server").to_owned()
}
