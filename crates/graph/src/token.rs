//! Access tokens by client credentials (graph-facts §1.1, §1.2): cached, fetched once for all who wait, never parsed.

use std::fmt;
use std::time::Duration;

use domain::id::TenantId;
use reqwest::StatusCode;
use reqwest::header::HeaderValue;
use secrecy::zeroize::Zeroize;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;
use url::{Url, form_urlencoded};
use uuid::Uuid;

use crate::advice::Cause;
use crate::answer::{Answer, shorten};
use crate::cloud::Endpoints;
use crate::error::Error;
use crate::http::{Context, Reply, Transport};
use crate::retry::{Again, Failed, Tries, retry_after};

/// A token is renewed this long before it ends; one with a short life, after three quarters of it.
const MARGIN: Duration = Duration::from_secs(300);

/// How the app proves who it is.
#[derive(Clone, Debug)]
pub struct AppCredential {
    /// The tenant it signs in to.
    pub tenant: TenantId,
    /// The app's client id.
    pub client_id: Uuid,
    /// The client secret's value.
    pub secret: SecretString,
    /// Another one, for while secrets are exchanged: used where the first is refused as wrong or expired (B9).
    pub other: Option<SecretString>,
}

/// Entra's refusal to give a token. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInFailure {
    /// What is behind it.
    pub cause: Cause,
    /// The AADSTS number.
    pub aadsts: Option<u32>,
    /// The OAuth error, such as `invalid_client`.
    pub error: String,
    /// The first line of Entra's description.
    pub description: String,
    /// Entra's id of the request.
    pub trace_id: Option<String>,
    /// Entra's id of the attempt.
    pub correlation_id: Option<String>,
    /// When, as Entra put it.
    pub timestamp: Option<String>,
}

/// The tokens of one app in one tenant.
pub(crate) struct TokenSource {
    url: Url,
    scope: String,
    credential: AppCredential,
    /// Held while a token is fetched, so that one fetch serves all.
    cached: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    token: Option<Cached>,
    fetched: u64,
    /// How the first of two secrets was refused, where the other one got the token.
    refused: Option<Box<SignInFailure>>,
}

struct Cached {
    token: SecretString,
    serial: u64,
    good_until: Instant,
}

/// A token for one call.
pub(crate) struct Bearer {
    token: SecretString,
    serial: u64,
}

struct Fetched {
    token: SecretString,
    lifetime: Duration,
}

impl AppCredential {
    /// Whether the secret has the form of a GUID, as a secret's *id* has and its *value* never has (C2).
    pub fn secret_looks_like_an_id(&self) -> bool {
        Uuid::try_parse(self.secret.expose_secret().trim()).is_ok()
    }
}

impl Bearer {
    /// The header, marked as sensitive, so that no one shows it.
    pub(crate) fn header(&self) -> Result<HeaderValue, Error> {
        let text = format!("Bearer {}", self.token.expose_secret());
        let mut header = HeaderValue::from_str(&text).map_err(|_| Error::Unexpected {
            what: "the access token has characters that no header can carry".to_owned(),
            request_id: "unknown".to_owned(),
        })?;
        header.set_sensitive(true);
        Ok(header)
    }
}

impl TokenSource {
    pub(crate) fn new(endpoints: &Endpoints, credential: AppCredential) -> Self {
        Self {
            url: endpoints.token_url(credential.tenant),
            scope: endpoints.scope(),
            credential,
            cached: Mutex::default(),
        }
    }

    pub(crate) const fn app(&self) -> &AppCredential {
        &self.credential
    }

    pub(crate) fn tenant(&self) -> TenantId {
        self.credential.tenant
    }

    /// The cached token while it is good, else a new one.
    pub(crate) async fn bearer(&self, transport: &Transport, context: &Context) -> Result<Bearer, Error> {
        let mut cache = self.lock(context).await?;
        if let Some(cached) = &cache.token
            && Instant::now() < cached.good_until
        {
            return Ok(cached.bearer());
        }
        cache.token = None;
        let asked = Instant::now();
        let (Fetched { token, lifetime }, refused) = self.fetch_by_either(transport, context).await?;
        cache.refused = refused;
        context.stats.got_token();
        cache.fetched += 1;
        let cached = Cached {
            token,
            serial: cache.fetched,
            good_until: asked + lifetime.saturating_sub(MARGIN.min(lifetime / 4)),
        };
        let bearer = cached.bearer();
        cache.token = Some(cached);
        Ok(bearer)
    }

    /// Drops a token that was refused, unless a newer one has taken its place.
    pub(crate) async fn forget(&self, bearer: &Bearer) {
        let mut cache = self.cached.lock().await;
        cache.token = cache.token.take().filter(|cached| cached.serial != bearer.serial);
    }

    pub(crate) async fn forget_any(&self) {
        self.cached.lock().await.token = None;
    }

    /// Whoever holds the lock may be waiting out a throttle; a cancelled run does not wait for that.
    async fn lock(&self, context: &Context) -> Result<MutexGuard<'_, Cache>, Error> {
        tokio::select! {
            biased;
            () = context.cancel.cancelled() => Err(Error::Cancelled),
            cache = self.cached.lock() => Ok(cache),
        }
    }

    /// How the first of two secrets was refused, if it was and the other one serves.
    pub(crate) async fn refused(&self) -> Option<SignInFailure> {
        self.cached.lock().await.refused.as_deref().cloned()
    }

    /// The first secret is the one that stays, so it is tried first. What is said when neither serves is said of it.
    async fn fetch_by_either(
        &self,
        transport: &Transport,
        context: &Context,
    ) -> Result<(Fetched, Option<Box<SignInFailure>>), Error> {
        let first = self.fetch(&self.credential.secret, transport, context).await;
        let (failure, other) = match (first, &self.credential.other) {
            (Ok(fetched), _) => return Ok((fetched, None)),
            (Err(Error::SignIn(failure)), Some(other)) if failure.cause.is_of_the_secret() => {
                (failure, other)
            }
            (Err(error), _) => return Err(error),
        };
        match self.fetch(other, transport, context).await {
            Ok(fetched) => Ok((fetched, Some(failure))),
            Err(Error::SignIn(second)) if second.cause.is_of_the_secret() => Err(Error::SignIn(failure)),
            Err(error) => Err(error),
        }
    }

    async fn fetch(
        &self,
        secret: &SecretString,
        transport: &Transport,
        context: &Context,
    ) -> Result<Fetched, Error> {
        let mut tries = Tries::new(transport.limits(), "a token".to_owned());
        loop {
            match self.fetch_once(secret, transport, context).await {
                Ok(fetched) => return Ok(fetched),
                Err(failed) => tries.wait(failed, context).await?,
            }
        }
    }

    async fn fetch_once(
        &self,
        secret: &SecretString,
        transport: &Transport,
        context: &Context,
    ) -> Result<Fetched, Failed> {
        let client_id = self.credential.client_id.to_string();
        let request = transport.client().post(self.url.clone()).form(&[
            ("grant_type", "client_credentials"),
            ("client_id", &client_id),
            ("scope", &self.scope),
            ("client_secret", secret.expose_secret()),
        ]);
        let mut reply = transport.send(request, context).await?;
        if reply.status == StatusCode::OK {
            let read = self.read_token(&reply).map_err(Failed::stop);
            // It holds the token in plain text.
            reply.body.zeroize();
            return read;
        }
        // Entra does not quote secrets; what answers in its place may. Before anything is cut off.
        reply.body = self.redacted(&String::from_utf8_lossy(&reply.body)).into_bytes();
        Err(self.judge(&reply))
    }

    /// What the parser says is left out: it may quote the token.
    fn read_token(&self, reply: &Reply) -> Result<Fetched, Error> {
        let answer: TokenAnswer = serde_json::from_slice(&reply.body).map_err(|_| {
            self.not_entra(
                reply,
                "it is not JSON with access_token, token_type and expires_in",
            )
        })?;
        let token = SecretString::from(answer.access_token);
        if token.expose_secret().is_empty() {
            return Err(self.not_entra(reply, "the access_token is empty"));
        }
        if !answer.token_type.eq_ignore_ascii_case("bearer") {
            return Err(self.not_entra(reply, "the token_type is not Bearer"));
        }
        let seconds = match answer.expires_in {
            Seconds::Number(seconds) => Some(seconds),
            Seconds::Text(text) => text.parse().ok(),
        };
        let seconds =
            seconds.ok_or_else(|| self.not_entra(reply, "expires_in is not a number of seconds"))?;
        Ok(Fetched {
            token,
            // A token that claims to live for years would be kept past its real end.
            lifetime: Duration::from_secs(seconds.min(24 * 3600)),
        })
    }

    fn judge(&self, reply: &Reply) -> Failed {
        let again = retry_after(&reply.headers).map_or(Again::Backoff, Again::After);
        if reply.status == StatusCode::TOO_MANY_REQUESTS {
            let after = retry_after(&reply.headers);
            let answer = Box::new(Answer::read(reply));
            return Failed {
                error: Error::Throttled { after, answer },
                again,
            };
        }
        let Ok(refusal) = serde_json::from_slice::<Refusal>(&reply.body) else {
            if reply.status.is_server_error() {
                let answer = Box::new(Answer::read(reply));
                return Failed {
                    error: Error::Unavailable { answer },
                    again,
                };
            }
            return Failed::stop(self.not_entra(reply, "it is not one of Entra's error messages"));
        };
        let mut failure = refusal.failure();
        if reply.status.is_server_error() {
            failure.cause = Cause::Transient;
        }
        let again = if failure.cause.may_pass() {
            again
        } else {
            Again::No
        };
        Failed {
            error: Error::SignIn(Box::new(failure)),
            again,
        }
    }

    /// Without the secrets, as they are and as a form has them.
    fn redacted(&self, text: &str) -> String {
        let secrets = [Some(&self.credential.secret), self.credential.other.as_ref()];
        let known = secrets.into_iter().flatten().map(ExposeSecret::expose_secret);
        known
            .filter(|secret| !secret.is_empty())
            .fold(text.to_owned(), |text, secret| {
                let in_a_form: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
                text.replace(secret, "…").replace(&in_a_form, "…")
            })
    }

    fn not_entra(&self, reply: &Reply, what: &'static str) -> Error {
        Error::NotEntra {
            host: self.url.host_str().unwrap_or_default().to_owned(),
            status: reply.status.as_u16(),
            what,
        }
    }
}

impl Cached {
    fn bearer(&self) -> Bearer {
        Bearer {
            token: self.token.clone(),
            serial: self.serial,
        }
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    token_type: String,
    expires_in: Seconds,
}

/// A number in v2 answers, text in v1 ones.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(u64),
    Text(String),
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
    #[serde(default)]
    error_description: String,
    #[serde(default)]
    error_codes: Vec<u32>,
    trace_id: Option<String>,
    correlation_id: Option<String>,
    timestamp: Option<String>,
}

impl Refusal {
    fn failure(self) -> SignInFailure {
        let aadsts = self
            .error_codes
            .first()
            .copied()
            .or_else(|| number_in(&self.error_description));
        let mut lines = self.error_description.lines();
        let description = lines.next().map(shorten).unwrap_or_default();
        // Answers without the fields have the same facts in the description's further lines.
        let line = |name: &str| {
            self.error_description
                .lines()
                .find_map(|line| line.trim().strip_prefix(name).map(shorten))
        };
        let said = |field: Option<String>| field.as_deref().map(shorten);
        SignInFailure {
            cause: Cause::of_sign_in(&self.error, aadsts),
            aadsts,
            trace_id: said(self.trace_id).or_else(|| line("Trace ID:")),
            correlation_id: said(self.correlation_id).or_else(|| line("Correlation ID:")),
            timestamp: said(self.timestamp).or_else(|| line("Timestamp:")),
            error: shorten(&self.error),
            description,
        }
    }
}

/// The number in `AADSTS7000215: …`.
fn number_in(description: &str) -> Option<u32> {
    let digits = description.split_once("AADSTS")?.1;
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok()
}

impl std::error::Error for SignInFailure {}

impl fmt::Display for SignInFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entra gave no token: {}", self.error)?;
        if !self.description.is_empty() {
            write!(f, ", {}", self.description)?;
        }
        let support = [
            ("trace id", &self.trace_id),
            ("correlation id", &self.correlation_id),
            ("at", &self.timestamp),
        ];
        for (name, value) in support {
            if let Some(value) = value {
                write!(f, "; {name} {value}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(body: &str) -> SignInFailure {
        serde_json::from_str::<Refusal>(body).unwrap().failure()
    }

    #[test]
    fn a_refusal_without_error_codes_is_read_from_its_description() {
        let failure = failure(
            r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided.\r\nTrace ID: t-1\r\nCorrelation ID: c-1\r\nTimestamp: 2022-08-02 12:02:24Z","error_uri":"x"}"#,
        );
        assert_eq!(failure.aadsts, Some(7_000_215));
        assert_eq!(failure.cause, Cause::WrongSecret);
        assert_eq!(
            failure.to_string(),
            "Entra gave no token: invalid_client, AADSTS7000215: Invalid client secret provided.; trace id t-1; \
             correlation id c-1; at 2022-08-02 12:02:24Z"
        );
    }

    #[test]
    fn error_codes_come_first_and_unknown_ones_keep_a_default() {
        let known =
            failure(r#"{"error":"invalid_client","error_codes":[7000222],"error_description":"AADSTS1: x"}"#);
        assert_eq!(
            (known.aadsts, known.cause),
            (Some(7_000_222), Cause::ExpiredSecret)
        );
        let unknown = failure(r#"{"error":"something_new","error_description":"AADSTS999999: New."}"#);
        assert_eq!((unknown.aadsts, unknown.cause), (Some(999_999), Cause::Other));
        assert_eq!(failure(r#"{"error":"invalid_request"}"#).aadsts, None);
    }

    #[test]
    fn neither_debug_nor_errors_show_the_secret() {
        let credential = AppCredential {
            tenant: TenantId(Uuid::from_u128(1)),
            client_id: Uuid::from_u128(2),
            secret: SecretString::from("s3cret~value"),
            other: Some(SecretString::from("other~s3cret")),
        };
        assert!(!format!("{credential:?}").contains("s3cret"));
        assert!(!credential.secret_looks_like_an_id());
        let endpoints = Endpoints::new(crate::Cloud::Global, None, None, None).unwrap();
        let source = TokenSource::new(&endpoints, credential);
        assert_eq!(
            source.redacted("no such secret: s3cret~value, other~s3cret, s3cret%7Evalue!"),
            "no such secret: …, …, …!"
        );
    }

    #[test]
    fn a_pasted_secret_id_is_noticed() {
        let credential = AppCredential {
            tenant: TenantId(Uuid::from_u128(1)),
            client_id: Uuid::from_u128(2),
            secret: SecretString::from(" 6ea91a8d-e32e-41a1-b7bd-d2d185eed0e0 "),
            other: None,
        };
        assert!(credential.secret_looks_like_an_id());
    }
}
