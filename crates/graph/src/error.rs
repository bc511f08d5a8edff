//! Why a call failed, and what to do next about it.

use std::time::Duration;

use domain::id::TenantId;

use crate::answer::Answer;
use crate::token::SignInFailure;

/// Why a call, a listing or a round failed. No variant holds a token, a secret or an address with its query.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection, no answer in time, or an answer cut off; tried as often as the limits allow.
    #[error("{host} {what}")]
    Unreachable {
        /// Which host.
        host: String,
        /// `can't be reached`, `did not answer in time`, `broke off its answer`.
        what: &'static str,
        /// What the HTTP client said.
        #[source]
        source: reqwest::Error,
    },
    /// Entra gave no token (graph-facts §1.2).
    #[error(transparent)]
    SignIn(Box<SignInFailure>),
    /// The token endpoint's answer is not one of Entra's.
    #[error("the token endpoint of {host} answered {status}, but not as Entra does: {what}")]
    NotEntra {
        /// Which host.
        host: String,
        /// HTTP status.
        status: u16,
        /// What is wrong with the answer.
        what: &'static str,
    },
    /// Still 429 after as many waits as the limits allow, or a wait longer than they allow.
    #[error("throttled: {answer}")]
    Throttled {
        /// What the last answer asked us to wait.
        after: Option<Duration>,
        /// The last answer.
        answer: Box<Answer>,
    },
    /// Still 5xx after as many tries as the limits allow.
    #[error("Microsoft's service is not available: {answer}")]
    Unavailable {
        /// The last answer.
        answer: Box<Answer>,
    },
    /// 401 with a new token, too.
    #[error("Graph does not accept the app's token: {answer}")]
    Unauthorized {
        /// The second answer.
        answer: Box<Answer>,
    },
    /// 403: an app role is missing or not consented (graph-facts §9).
    #[error("the app lacks the permission {permission}: {answer}")]
    Denied {
        /// The application permission that the call needs.
        permission: &'static str,
        /// The answer.
        answer: Box<Answer>,
    },
    /// 403: conditional access wants more than this app can show.
    #[error("conditional access blocks the app: {answer}")]
    Blocked {
        /// The answer.
        answer: Box<Answer>,
    },
    /// Any other refusal: the request itself is at fault.
    #[error("Graph refused the request: {answer}")]
    Refused {
        /// The answer.
        answer: Box<Answer>,
    },
    /// The next-page link has expired; the same link never works again (graph-facts §2.1).
    #[error("the listing's page link has expired: {answer}")]
    ExpiredPage {
        /// The answer.
        answer: Box<Answer>,
    },
    /// The listing has to begin again, through [`Pages::restart`](crate::Pages::restart).
    #[error("the listing has to begin again after page {page}")]
    RestartListing {
        /// Pages read so far.
        page: u32,
        /// Why.
        #[source]
        reason: Box<Error>,
    },
    /// The delta link is of no more use; only a full run helps (graph-facts §3.4).
    #[error("the delta link is no longer valid, a full run is needed: {answer}")]
    Resync {
        /// The answer.
        answer: Box<Answer>,
    },
    /// Redirects are not followed, so that the token goes nowhere else (design §6).
    #[error("{host} answered {status} with a redirect, which is not followed")]
    Redirected {
        /// Which host.
        host: String,
        /// HTTP status.
        status: u16,
    },
    /// A page link leads to another scheme, host or port than Graph's; the token was not sent there.
    #[error("Graph's page link leads to {found} instead of {expected}; it was not followed")]
    ForeignLink {
        /// Its origin.
        found: String,
        /// Graph's origin.
        expected: String,
    },
    /// A page link came twice: the service is in a loop (graph-facts §11).
    #[error("page {page} links to a page that was read already; Graph is in a loop")]
    RepeatedLink {
        /// The page that held the link.
        page: u32,
    },
    /// More pages than the limits allow.
    #[error("more than {limit} pages; Graph seems to be in a loop")]
    TooManyPages {
        /// The limit.
        limit: u32,
    },
    /// The listing began anew too often.
    #[error("the listing began anew {restarts} times without reaching its end")]
    TooManyRestarts {
        /// How often.
        restarts: u32,
    },
    /// The answer is not the JSON it should be.
    #[error("Graph's answer can't be read as JSON (request-id {request_id})")]
    Malformed {
        /// Microsoft's id of the request, or `unknown`.
        request_id: String,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// It is JSON, but not what was asked for.
    #[error("Graph's answer is not what was asked for: {what} (request-id {request_id})")]
    Unexpected {
        /// What is wrong.
        what: String,
        /// Microsoft's id of the request, or `unknown`.
        request_id: String,
    },
    /// The answer is larger than the limits allow.
    #[error("the answer of {host} is larger than {limit} bytes")]
    TooLarge {
        /// Which host.
        host: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The token belongs to another tenant than the connection (graph-facts §11, trap 35).
    #[error("this is tenant {found}, but the connection is for tenant {expected}")]
    WrongTenant {
        /// The connection's tenant.
        expected: TenantId,
        /// The tenant that answered.
        found: TenantId,
    },
    /// The call was asked for after an earlier one of the same listing had failed.
    #[error("the listing has failed before; begin it again")]
    Broken,
    /// The run was cancelled.
    #[error("cancelled")]
    Cancelled,
}

/// What to do next about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// It may pass; try the run again later, not before this has gone by.
    RetryLater(Option<Duration>),
    /// Begin the listing again.
    RestartListing,
    /// Do a full run instead.
    Resync,
    /// A person has to act: the configuration, a permission, or our program is at fault.
    Stop,
    /// Somebody wanted it to end.
    Cancelled,
}

impl Error {
    /// What to do next.
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Throttled { after, .. } => Disposition::RetryLater(*after),
            Self::SignIn(failure) if failure.cause.may_pass() => Disposition::RetryLater(None),
            Self::Unreachable { .. }
            | Self::Unavailable { .. }
            | Self::RepeatedLink { .. }
            | Self::TooManyPages { .. }
            | Self::TooManyRestarts { .. }
            | Self::Malformed { .. }
            | Self::Broken => Disposition::RetryLater(None),
            Self::ExpiredPage { .. } | Self::RestartListing { .. } => Disposition::RestartListing,
            Self::Resync { .. } => Disposition::Resync,
            Self::Cancelled => Disposition::Cancelled,
            Self::SignIn(_)
            | Self::NotEntra { .. }
            | Self::Unauthorized { .. }
            | Self::Denied { .. }
            | Self::Blocked { .. }
            | Self::Refused { .. }
            | Self::Redirected { .. }
            | Self::ForeignLink { .. }
            | Self::Unexpected { .. }
            | Self::TooLarge { .. }
            | Self::WrongTenant { .. } => Disposition::Stop,
        }
    }

    /// Whether it is a 429.
    pub fn is_throttled(&self) -> bool {
        matches!(self, Self::Throttled { .. })
    }

    /// The HTTP status of Graph's answer, if it is about one.
    pub fn status(&self) -> Option<u16> {
        self.answer().map(|answer| answer.status)
    }

    /// Graph's answer, if it is about one.
    pub fn answer(&self) -> Option<&Answer> {
        match self {
            Self::Throttled { answer, .. }
            | Self::Unavailable { answer }
            | Self::Unauthorized { answer }
            | Self::Denied { answer, .. }
            | Self::Blocked { answer }
            | Self::Refused { answer }
            | Self::ExpiredPage { answer }
            | Self::Resync { answer } => Some(answer),
            Self::RestartListing { reason, .. } => reason.answer(),
            _ => None,
        }
    }
}
