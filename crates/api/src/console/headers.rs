//! What goes around every answer: a time limit, the origin check, and the headers that keep a page to itself.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument;

use super::respond::Problem;
use super::{Console, LARGEST_FORM};
use crate::fault::Fault;

/// For an answer to be ready.
const LIMIT: Duration = Duration::from_secs(55);

/// Nothing but our own files, no script or style inside a page, and no frame around it.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    // Without a referrer within the console browsers send no usable Origin with forms.
    (header::REFERRER_POLICY, "same-origin"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=()",
    ),
];

/// Answers through `next`, within limits and with the headers.
pub async fn guard(State(console): State<Console>, request: Request, next: Next) -> Response {
    let span = tracing::info_span!(
        "console.request",
        http.request.method = %request.method(),
        url.path = request.uri().path(),
        http.response.status_code = tracing::field::Empty,
        run.id = tracing::field::Empty,
    );
    let mut response = answer(request, next).instrument(span.clone()).await;
    span.record("http.response.status_code", response.status().as_u16());
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if console.config.https {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    response
}

async fn answer(request: Request, next: Next) -> Response {
    if request.method() != Method::GET && request.method() != Method::HEAD && !is_ours(request.headers()) {
        return Problem(Fault::Precondition {
            reason: "FOREIGN_FORM",
            message: "the form came from another site; open the page here and try again".to_owned(),
        })
        .into_response();
    }
    if announced(request.headers()).is_some_and(|length| length > LARGEST_FORM) {
        return too_large();
    }
    match tokio::time::timeout(LIMIT, next.run(request)).await {
        // It did not say how long it is, and was. What reads forms says so in a line of its own.
        Ok(response) if response.status() == StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        Ok(response) => response,
        Err(_) => Problem(Fault::TooMany("the answer took too long; try again in a moment")).into_response(),
    }
}

/// How long a form says it is.
fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large() -> Response {
    Problem(Fault::TooLarge(
        "a form may have 64 KiB at most; choose or write less at once, or use the command line",
    ))
    .into_response()
}

/// Whether a form was sent by a page of ours, as far as the browser tells. Programs tell nothing; they have no cookie
/// either.
fn is_ours(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if let Some(site) = text(HeaderName::from_static("sec-fetch-site")) {
        return site == "same-origin" || site == "none";
    }
    match (text(header::ORIGIN), text(header::HOST)) {
        (None, _) => true,
        (Some(origin), Some(host)) => origin
            .split_once("://")
            .is_some_and(|(_, authority)| authority == host),
        (Some(_), None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_other_sites_are_told_apart() {
        let check = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, HeaderValue::from_static(value));
            }
            is_ours(&headers)
        };
        assert!(check(&[]));
        assert!(check(&[("sec-fetch-site", "same-origin"), ("origin", "null")]));
        assert!(!check(&[("sec-fetch-site", "cross-site")]));
        assert!(!check(&[("sec-fetch-site", "same-site")]));
        assert!(check(&[
            ("origin", "http://127.0.0.1:7456"),
            ("host", "127.0.0.1:7456")
        ]));
        assert!(!check(&[
            ("origin", "https://evil.example"),
            ("host", "127.0.0.1:7456")
        ]));
        assert!(!check(&[("origin", "null"), ("host", "127.0.0.1:7456")]));
    }
}
