//! An error answer of Graph, and what it means (graph-facts §8): status first, then code, never the message.

use std::fmt;

use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap};
use serde_json::Value;

use crate::error::Error;
use crate::http::Reply;
use crate::retry::{Again, Failed, retry_after};

/// Codes that ask for a full synchronization, compared without letter case (graph-facts §3.4).
const RESYNC: [&str; 4] = [
    "resyncRequired",
    "syncStateNotFound",
    "resyncApplyDifferences",
    "resyncUploadDifferences",
];
const EXPIRED_PAGE: &str = "Directory_ExpiredPageToken";
/// A licence is missing, not a permission.
const NOT_PREMIUM: &str = "Authentication_RequestFromNonPremiumTenantOrB2CTenant";
/// Conditional access wants more than the token says.
const CLAIMS: &str = "insufficient_claims";
/// Characters of a message that are kept.
const MESSAGE: usize = 300;
/// How deep inner errors are followed.
const DEPTH: usize = 8;

/// What an error answer said, and what Microsoft's support asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The error code, then the codes of inner errors. May be empty.
    pub codes: Vec<String>,
    /// The message, shortened.
    pub message: String,
    /// Microsoft's id of the request.
    pub request_id: Option<String>,
    /// Our id of the request.
    pub client_request_id: Option<String>,
    /// When, as the answer put it.
    pub date: Option<String>,
}

/// What a call is part of; the same answer means different things to different calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A page of a listing.
    Listing,
    /// A page of a delta round.
    Round,
    /// A call by itself.
    Single,
}

impl Answer {
    /// The first code, or nothing.
    pub fn code(&self) -> &str {
        self.codes.first().map_or("", String::as_str)
    }

    /// Whether a code is the answer's or an inner error's, letter case aside.
    pub fn has_code(&self, code: &str) -> bool {
        self.codes.iter().any(|own| own.eq_ignore_ascii_case(code))
    }

    pub(crate) fn read(reply: &Reply) -> Self {
        let header = |name: &str| text_header(&reply.headers, name);
        let mut answer = Self {
            status: reply.status.as_u16(),
            request_id: header("request-id"),
            client_request_id: header("client-request-id"),
            date: header(DATE.as_str()),
            ..Self::default()
        };
        answer.take_body(&reply.body);
        answer
    }

    /// What the body alone says. Every text is short and on one line, whatever the body holds.
    #[must_use]
    pub fn of_body(status: u16, body: &[u8]) -> Self {
        let mut answer = Self {
            status,
            ..Self::default()
        };
        answer.take_body(body);
        answer
    }

    fn take_body(&mut self, body: &[u8]) {
        match serde_json::from_slice::<Value>(body) {
            Ok(body) => self.take_error(&body["error"], 0),
            Err(_) => self.message = shorten(&String::from_utf8_lossy(body)),
        }
    }

    fn take_error(&mut self, error: &Value, depth: usize) {
        let text = |name: &str| {
            let told = error[name].as_str().map(shorten);
            told.filter(|text| !text.is_empty())
        };
        self.codes.extend(text("code"));
        if depth == 0 {
            self.message = text("message").unwrap_or_default();
        }
        self.request_id = self.request_id.take().or_else(|| text("request-id"));
        self.client_request_id = self
            .client_request_id
            .take()
            .or_else(|| text("client-request-id"));
        // The body's date is the service's own; the header's may be a gateway's.
        if let Some(date) = text("date") {
            self.date = Some(date);
        }
        if depth < DEPTH {
            for name in ["innerError", "innererror"] {
                if error[name].is_object() {
                    self.take_error(&error[name], depth + 1);
                }
            }
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        for text in [self.code(), &self.message] {
            if !text.is_empty() {
                write!(f, " {text}")?;
            }
        }
        let support = [
            ("request-id", &self.request_id),
            ("client-request-id", &self.client_request_id),
            ("date", &self.date),
        ];
        let support: Vec<_> = support
            .into_iter()
            .filter_map(|(name, value)| value.as_ref().map(|value| format!("{name} {value}")))
            .collect();
        if support.is_empty() {
            return Ok(());
        }
        write!(f, " ({})", support.join(", "))
    }
}

/// What a refusing answer means to the call it answers. `permission` is the app role that the call needs.
pub(crate) fn judge(reply: &Reply, part: Part, permission: &'static str) -> Failed {
    let answer = Box::new(Answer::read(reply));
    let again = retry_after(&reply.headers).map_or(Again::Backoff, Again::After);
    let (error, again) = match reply.status {
        StatusCode::UNAUTHORIZED => (Error::Unauthorized { answer }, Again::No),
        StatusCode::FORBIDDEN if answer.has_code(CLAIMS) => (Error::Blocked { answer }, Again::No),
        StatusCode::FORBIDDEN if !answer.has_code(NOT_PREMIUM) => {
            (Error::Denied { permission, answer }, Again::No)
        }
        StatusCode::TOO_MANY_REQUESTS => {
            let after = retry_after(&reply.headers);
            (Error::Throttled { after, answer }, again)
        }
        status if is_passing(status) => (Error::Unavailable { answer }, again),
        status => match reset(status, &answer, part) {
            Some(Reset::Round) => (Error::Resync { answer }, Again::No),
            Some(Reset::Listing) => (Error::ExpiredPage { answer }, Again::No),
            None => (Error::Refused { answer }, Again::No),
        },
    };
    Failed { error, again }
}

enum Reset {
    Round,
    Listing,
}

fn reset(status: StatusCode, answer: &Answer, part: Part) -> Option<Reset> {
    let resync = status == StatusCode::GONE || RESYNC.iter().any(|code| answer.has_code(code));
    let expired = answer.has_code(EXPIRED_PAGE);
    match part {
        Part::Round if resync || expired => Some(Reset::Round),
        Part::Listing if resync || expired => Some(Reset::Listing),
        Part::Round | Part::Listing | Part::Single => None,
    }
}

/// Statuses after which the same GET may succeed. 202 is documented for GET of a user.
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 202 | 408 | 500 | 502 | 503 | 504 | 507 | 509)
}

fn text_header(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(shorten(headers.get(name)?.to_str().ok()?))
}

pub(crate) fn shorten(text: &str) -> String {
    let clean: String = text
        .trim()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MESSAGE + 1)
        .collect();
    match clean.char_indices().nth(MESSAGE) {
        Some((at, _)) => format!("{}…", &clean[..at]),
        None => clean,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        Reply {
            status: StatusCode::from_u16(status).unwrap(),
            headers: [("request-id", "from-header")]
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .collect(),
            body: body.as_bytes().to_vec(),
        }
    }

    fn judged(status: u16, body: &str, part: Part) -> Failed {
        judge(&reply(status, body), part, "User.Read.All")
    }

    fn coded(code: &str) -> String {
        format!(r#"{{"error":{{"code":"{code}","message":"m","innerError":{{}}}}}}"#)
    }

    #[test]
    fn codes_are_found_in_both_spellings_of_inner_errors_and_support_facts_are_kept() {
        let body = r#"{"error":{"code":"","message":"Gone.","innererror":{"code":"a","date":"2021-05-18T19:03:10",
            "request-id":"inner","client-request-id":"ours","innerError":{"code":"SyncStateNotFound"}}}}"#;
        let answer = Answer::read(&reply(400, body));
        assert_eq!(answer.codes, ["a", "SyncStateNotFound"]);
        assert!(answer.has_code("syncstatenotfound"));
        assert_eq!(
            answer.to_string(),
            "400 a Gone. (request-id from-header, client-request-id ours, date 2021-05-18T19:03:10)"
        );
    }

    #[test]
    fn text_and_odd_bodies_are_kept_short() {
        assert_eq!(
            Answer::read(&reply(429, "Too Many Requests\r\n")).message,
            "Too Many Requests"
        );
        assert_eq!(
            Answer::read(&reply(500, &"x".repeat(9000)))
                .message
                .chars()
                .count(),
            301
        );
        for odd in [
            "",
            "[]",
            "null",
            r#"{"error":"text"}"#,
            r#"{"error":{"code":7,"message":[]}}"#,
        ] {
            assert!(Answer::read(&reply(400, odd)).codes.is_empty(), "{odd}");
        }
    }

    #[test]
    fn no_text_of_an_answer_is_long_or_holds_control_characters() {
        let odd = format!("a\0b\r\n{}", "x".repeat(9000));
        let inner =
            serde_json::json!({"code": odd, "request-id": odd, "client-request-id": odd, "date": odd});
        let body =
            serde_json::json!({"error": {"code": odd, "message": odd, "innerError": inner}}).to_string();
        let answer = Answer::of_body(400, body.as_bytes());
        let ids = [&answer.request_id, &answer.client_request_id, &answer.date];
        let texts = answer.codes.iter().chain(ids.into_iter().flatten());
        let mut seen = 0;
        for text in texts.chain([&answer.message]) {
            assert!(
                text.starts_with("a b  xx") && text.chars().count() == 301,
                "{text}"
            );
            seen += 1;
        }
        assert_eq!(seen, 6);
    }

    #[test]
    fn every_resync_answer_means_resync_in_a_round_only() {
        for (status, body) in [
            (410, String::new()),
            (410, coded("SyncStateNotFound")),
            (400, coded("syncStateNotFound")),
            (404, coded("RESYNCREQUIRED")),
            (409, coded("resyncApplyDifferences")),
            (
                400,
                r#"{"error":{"code":"x","innerError":{"code":"resyncUploadDifferences"}}}"#.to_owned(),
            ),
            (400, coded("Directory_ExpiredPageToken")),
        ] {
            let error = judged(status, &body, Part::Round).error;
            assert!(matches!(error, Error::Resync { .. }), "{status} {body}: {error}");
            let error = judged(status, &body, Part::Single).error;
            assert!(matches!(error, Error::Refused { .. }), "{status} {body}: {error}");
        }
        let error = judged(400, &coded("Directory_ExpiredPageToken"), Part::Listing).error;
        assert!(matches!(error, Error::ExpiredPage { .. }), "{error}");
        let error = judged(400, &coded("Request_UnsupportedQuery"), Part::Round).error;
        assert!(matches!(error, Error::Refused { .. }), "{error}");
    }

    #[test]
    fn status_decides_before_code() {
        let again = |status| judged(status, &coded("UnknownError"), Part::Single).again;
        for status in [202, 408, 429, 500, 502, 503, 504, 507, 509] {
            assert_eq!(again(status), Again::Backoff, "{status}");
        }
        for status in [400, 401, 403, 404, 409, 410, 501] {
            assert_eq!(again(status), Again::No, "{status}");
        }
        let denied = judged(403, &coded("Authorization_RequestDenied"), Part::Single).error;
        assert!(matches!(
            denied,
            Error::Denied {
                permission: "User.Read.All",
                ..
            }
        ));
        assert!(matches!(
            judged(403, &coded(CLAIMS), Part::Single).error,
            Error::Blocked { .. }
        ));
        assert!(matches!(
            judged(403, &coded(NOT_PREMIUM), Part::Single).error,
            Error::Refused { .. }
        ));
        assert!(judged(429, "", Part::Single).error.is_throttled());
    }
}
