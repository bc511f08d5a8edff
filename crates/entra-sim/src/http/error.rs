//! Graph's error bodies (graph-facts §8), as in the published samples.

use super::answer::{Answer, RequestIds, http_date};
use crate::clock;
use crate::fault::RetryAfter;
use axum::http::StatusCode;
use chrono::TimeDelta;
use serde_json::json;

/// What Graph refuses.
#[derive(Debug)]
pub struct GraphError {
    status: StatusCode,
    code: String,
    message: String,
    headers: Vec<(&'static str, String)>,
}

impl GraphError {
    /// Any.
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            headers: Vec::new(),
        }
    }

    /// A request that makes no sense.
    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Request_BadRequest", message)
    }

    /// A query that isn't supported.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Request_UnsupportedQuery", message)
    }

    /// A page token that is no good any more (§2.1).
    pub fn expired_page_token() -> Self {
        let message =
            "The specified page token value has expired and can no longer be included in your request.";
        Self::new(StatusCode::BAD_REQUEST, "Directory_ExpiredPageToken", message)
    }

    /// Nobody there (§2.6).
    pub fn not_found(key: &str) -> Self {
        let message = format!(
            "Resource '{key}' does not exist or one of its queried reference-property objects are not present."
        );
        Self::new(StatusCode::NOT_FOUND, "Request_ResourceNotFound", message)
    }

    /// A permission is missing (§9).
    pub fn denied() -> Self {
        Self::of_status(403, None)
    }

    /// A delta token that leads nowhere (§3.4): 400, or 410 with the link to start again.
    pub fn resync(restart: Option<String>) -> Self {
        let message = "The sync state generation is not found. The delta token is expired and data must be synchronized again.";
        match restart {
            None => Self::new(StatusCode::BAD_REQUEST, "syncStateNotFound", message),
            Some(link) => Self::new(StatusCode::GONE, "syncStateNotFound", message).header("location", link),
        }
    }

    /// The usual body of a status.
    pub fn of_status(status: u16, retry_after: Option<RetryAfter>) -> Self {
        let (code, message) = match status {
            401 => (
                "InvalidAuthenticationToken",
                "Lifetime validation failed, the token is expired.",
            ),
            403 => (
                "Authorization_RequestDenied",
                "Insufficient privileges to complete the operation.",
            ),
            404 => ("Request_ResourceNotFound", "Resource does not exist."),
            410 => ("resyncRequired", "Resync required."),
            429 => ("TooManyRequests", "Please retry again later."),
            500 => ("InternalServerError", "An internal server error occurred."),
            501 => ("NotImplemented", "This operation target is not yet supported."),
            503 => (
                "serviceNotAvailable",
                "The service is not available, try the request again after a delay.",
            ),
            502 | 504 | 507 | 509 => ("UnknownError", ""),
            _ => ("Request_BadRequest", "The request is malformed or incorrect."),
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut error = Self::new(status, code, message);
        if let Some(retry_after) = retry_after {
            error = error.header("retry-after", seconds_or_date(retry_after));
        }
        error
    }

    /// With another code or message.
    #[must_use]
    pub fn worded(mut self, code: Option<String>, message: Option<String>) -> Self {
        self.code = code.unwrap_or(self.code);
        self.message = message.unwrap_or(self.message);
        self
    }

    /// With one header more.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// As an answer.
    pub fn answer(self, ids: &RequestIds) -> Answer {
        let mut inner = json!({
            "date": clock::real().format("%Y-%m-%dT%H:%M:%S").to_string(),
            "request-id": ids.request.to_string(),
            "client-request-id": ids.client,
        });
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            for (key, value) in [
                ("code", "429"),
                ("status", "429"),
                ("message", "Please retry after"),
            ] {
                inner[key] = value.into();
            }
        }
        let body = json!({"error": {"code": self.code, "message": self.message, "innerError": inner}});
        let mut answer = Answer::value(&body).status(self.status);
        for (name, value) in self.headers {
            answer = answer.header(name, value);
        }
        answer
    }
}

/// The value of a Retry-After header.
pub fn seconds_or_date(retry_after: RetryAfter) -> String {
    match retry_after {
        RetryAfter::Seconds(seconds) => seconds.to_string(),
        RetryAfter::Date(seconds) => http_date(clock::real() + TimeDelta::seconds(i64::from(seconds))),
    }
}
