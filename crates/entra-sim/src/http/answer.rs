//! An answer before it goes out, and the headers that every answer has (graph-facts §7.3).

use crate::clock;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use chrono::{DateTime, Utc};
use std::borrow::Cow;
use std::io;
use uuid::Uuid;

/// The content type of Graph's JSON.
const GRAPH_JSON: &str =
    "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// Content type.
    pub content_type: &'static str,
    /// Further headers.
    pub headers: Vec<(Cow<'static, str>, String)>,
    /// The body.
    pub body: Bytes,
    /// Does the connection end in the middle of it?
    pub cut: bool,
}

impl Answer {
    /// 200 with a Graph body.
    pub fn json(body: impl Into<Bytes>) -> Self {
        Self {
            status: StatusCode::OK,
            content_type: GRAPH_JSON,
            headers: Vec::new(),
            body: body.into(),
            cut: false,
        }
    }

    /// 200 with a body made of a value.
    pub fn value(value: &serde_json::Value) -> Self {
        Self::json(value.to_string())
    }

    /// Plain text.
    pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            content_type: "text/plain",
            ..Self::json(body)
        }
    }

    /// With another status.
    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// With one header more.
    #[must_use]
    pub fn header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// As HTTP, with the headers of every answer.
    pub fn response(self, ids: &RequestIds) -> Response<Body> {
        let mut headers = HeaderMap::new();
        let mut put = |name: &str, value: &str| {
            // Ours are valid; one from a published answer that isn't is left out.
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
                headers.insert(name, value);
            }
        };
        put("content-type", self.content_type);
        put("request-id", &ids.request.to_string());
        put("client-request-id", &ids.client);
        put("date", &http_date(clock::real()));
        put("odata-version", "4.0");
        put("cache-control", "no-cache");
        put("strict-transport-security", "max-age=31536000");
        put(
            "x-ms-ags-diagnostic",
            r#"{"ServerInfo":{"DataCenter":"Simulator","Slice":"E","Ring":"1","ScaleUnit":"000"}}"#,
        );
        for (name, value) in &self.headers {
            put(name, value);
        }
        let body = if self.cut {
            half(&self.body, &mut headers)
        } else {
            Body::from(self.body)
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = headers;
        response
    }
}

/// Announces the whole length, sends half of it, and breaks off.
fn half(whole: &Bytes, headers: &mut HeaderMap) -> Body {
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(whole.len()));
    let first = whole.slice(..whole.len() / 2);
    let steps = futures::stream::unfold(Some(first), |left| async move {
        // A pause lets the first half out before the connection ends.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        match left {
            Some(bytes) if !bytes.is_empty() => Some((Ok(bytes), None)),
            _ => Some((Err(io::Error::from(io::ErrorKind::ConnectionReset)), None)),
        }
    });
    Body::from_stream(steps)
}

/// A date as HTTP writes it.
pub fn http_date(date: DateTime<Utc>) -> String {
    date.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// The two ids of a request.
#[derive(Clone, Debug)]
pub struct RequestIds {
    /// Ours.
    pub request: Uuid,
    /// The client's; ours where it sent none.
    pub client: String,
}

impl RequestIds {
    /// A new id, and the client's.
    pub fn of(headers: &HeaderMap) -> Self {
        let request = uuid::Builder::from_random_bytes(rand::random()).into_uuid();
        let sent = headers.get("client-request-id").and_then(|id| id.to_str().ok());
        Self {
            request,
            client: sent.map_or_else(|| request.to_string(), String::from),
        }
    }
}
