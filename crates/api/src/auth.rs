//! Who calls, and what they may do.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use domain::id::OrganizationId;
use http::{HeaderMap, Request, header};
use sha2::{Digest, Sha256};
use store::notice_list::Reader;
use store::token::{self, Role, Token};
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tower::Service;

use crate::app::App;
use crate::fault::Fault;

/// In front of every secret of ours, so that scanners and people know it for one.
const PREFIX: &str = "rc_";
/// Longer ones are none of ours.
const LONGEST: usize = 512;

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller(pub Token);

impl Caller {
    /// Whose things the caller sees.
    pub const fn organization(&self) -> OrganizationId {
        self.0.organization
    }

    /// What runs and audit entries call the caller.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The caller as the bell knows it.
    pub const fn reader(&self) -> Reader {
        Reader {
            organization: self.0.organization,
            token: self.0.id,
        }
    }

    /// Whether the caller may change things.
    pub fn is_admin(&self) -> bool {
        self.0.role == Role::Admin
    }

    /// Refuses a viewer.
    pub fn must_be_admin(&self, action: &str) -> Result<(), Fault> {
        if self.is_admin() {
            return Ok(());
        }
        Err(Fault::Forbidden {
            token: self.0.name.clone(),
            action: action.to_owned(),
        })
    }

    /// Who made this call; the layer has put it there.
    pub fn of<T>(request: &tonic::Request<T>) -> Result<Self, Fault> {
        request
            .extensions()
            .get::<Self>()
            .cloned()
            .ok_or(Fault::Internal("a call came past the authentication"))
    }
}

/// A new secret: 256 random bits in hexadecimal.
pub fn new_secret() -> String {
    let (high, low) = (rand::random::<u128>(), rand::random::<u128>());
    format!("{PREFIX}{high:032x}{low:032x}")
}

/// What of a secret is stored.
pub fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// Who has this secret.
pub async fn caller(app: &App, secret: &str) -> Result<Caller, Fault> {
    const UNKNOWN: Fault = Fault::Unauthenticated(
        "the token is not known, or was revoked; ask an admin for one (rollcall token create NAME --role viewer)",
    );
    if secret.is_empty() || secret.len() > LONGEST {
        return Err(UNKNOWN);
    }
    let mut connection = app.store.connection().await?;
    token::find_by_hash(&mut connection, &hash(secret))
        .await?
        .map(Caller)
        .ok_or(UNKNOWN)
}

/// A gRPC service whose callers are known. Every method that is not for reading needs an admin.
#[derive(Clone)]
pub struct Authenticated<S> {
    inner: S,
    app: App,
}

impl<S> Authenticated<S> {
    /// Lets only known callers through to `inner`.
    pub const fn new(inner: S, app: App) -> Self {
        Self { inner, app }
    }
}

impl<S: NamedService> NamedService for Authenticated<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Authenticated<S>
where
    S: Service<Request<Body>, Response = http::Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let app = self.app.clone();
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        Box::pin(async move {
            match admit(&app, request.headers(), request.uri().path()).await {
                Ok(caller) => {
                    request.extensions_mut().insert(caller);
                    inner.call(request).await
                }
                Err(fault) => Ok(Status::from(fault).into_http()),
            }
        })
    }
}

async fn admit(app: &App, headers: &HeaderMap, path: &str) -> Result<Caller, Fault> {
    let caller = caller(app, bearer(headers)?).await?;
    let method = path.rsplit('/').next().unwrap_or_default();
    if !is_reading(method) {
        caller.must_be_admin(method)?;
    }
    Ok(caller)
}

fn bearer(headers: &HeaderMap) -> Result<&str, Fault> {
    let missing = Fault::Unauthenticated(
        "no token came with the call; send the metadata `authorization: Bearer TOKEN` (the CLI takes ROLLCALL_TOKEN)",
    );
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Err(missing);
    };
    let (scheme, secret) = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .ok_or(missing)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Fault::Unauthenticated(
            "the authorization is not of the form `Bearer TOKEN`",
        ));
    }
    Ok(secret.trim())
}

/// Methods that only read, and a reader's own bell.
fn is_reading(method: &str) -> bool {
    ["Get", "List", "Watch", "Export", "Explain"]
        .iter()
        .any(|start| method.starts_with(start))
        || method == "MarkNoticesRead"
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    #[test]
    fn only_a_bearer_token_is_taken() {
        let mut headers = HeaderMap::new();
        assert!(bearer(&headers).is_err());
        for (value, taken) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Basic abc", None),
            ("abc", None),
        ] {
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            assert_eq!(bearer(&headers).ok(), taken, "{value}");
        }
    }

    #[test]
    fn a_viewer_may_call_just_these_methods() {
        let files = prost_types::FileDescriptorSet::decode(contracts::FILE_DESCRIPTOR_SET).unwrap();
        let ours = files.file.iter().filter(|file| file.package() == "rollcall.v1");
        let methods = ours
            .flat_map(|file| &file.service)
            .flat_map(|service| &service.method);
        let mut reading: Vec<&str> = methods
            .map(prost_types::MethodDescriptorProto::name)
            .filter(|name| is_reading(name))
            .collect();
        reading.sort_unstable();
        assert_eq!(
            reading,
            [
                "ExplainAccount",
                "ExportConfiguration",
                "GetAccount",
                "GetConnection",
                "GetEntry",
                "GetPerson",
                "GetRun",
                "GetSchedule",
                "ListAccounts",
                "ListAssets",
                "ListAuditEntries",
                "ListChanges",
                "ListConnections",
                "ListCredentials",
                "ListDeliveries",
                "ListEntries",
                "ListFailedRecords",
                "ListFields",
                "ListGroupMembers",
                "ListGroups",
                "ListKeys",
                "ListLinks",
                "ListMappings",
                "ListNeverTouch",
                "ListNotices",
                "ListPeople",
                "ListReviews",
                "ListRuns",
                "ListSchedules",
                "ListTokens",
                "MarkNoticesRead",
                "WatchNotices",
                "WatchRun",
            ]
        );
    }

    #[test]
    fn secrets_are_long_and_never_alike() {
        let (one, other) = (new_secret(), new_secret());
        assert!(one.starts_with(PREFIX) && one.len() == PREFIX.len() + 64);
        assert_ne!(one, other);
        assert_ne!(hash(&one), hash(&other));
    }
}
