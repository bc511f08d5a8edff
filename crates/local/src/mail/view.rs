//! The kept messages and the faults over HTTP.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;
use tokio::net::TcpListener;

use super::{Fault, Message};

type Shared = Arc<super::State>;

pub(super) async fn serve(listener: TcpListener, state: Shared) {
    let routes = Router::new()
        .route("/", get(list))
        .route("/messages", get(list).delete(forget))
        .route("/messages/{number}", get(one))
        .route("/faults", post(add_fault).delete(end_faults))
        .with_state(state);
    // It retries accepting by itself and ends only with its task.
    axum::serve(listener, routes).await.ok();
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Messages {
    messages: Vec<Row>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    number: u64,
    /// Milliseconds since 1970, UTC.
    received_at: u128,
    from: String,
    to: Vec<String>,
    subject: Option<String>,
    message_id: Option<String>,
    user: Option<String>,
    encrypted: bool,
    bytes: usize,
}

impl From<&Message> for Row {
    fn from(message: &Message) -> Self {
        Self {
            number: message.number,
            received_at: message
                .received
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_millis(),
            from: message.from.clone(),
            to: message.to.clone(),
            subject: message.header("Subject"),
            message_id: message.header("Message-ID"),
            user: message.user.clone(),
            encrypted: message.encrypted,
            bytes: message.raw.len(),
        }
    }
}

async fn list(State(state): State<Shared>) -> Json<Messages> {
    Json(Messages {
        messages: state
            .mailbox
            .all()
            .iter()
            .map(|message| Row::from(&**message))
            .collect(),
    })
}

async fn one(State(state): State<Shared>, Path(number): Path<u64>) -> Response {
    match state.mailbox.get(number) {
        // As text, so that a browser shows it and runs nothing in it.
        Some(message) => {
            let headers = [
                (header::CONTENT_TYPE, "text/plain"),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ];
            (headers, message.raw.clone()).into_response()
        }
        None => (StatusCode::NOT_FOUND, format!("no message {number} is kept\n")).into_response(),
    }
}

async fn forget(State(state): State<Shared>) -> StatusCode {
    state.mailbox.clear();
    StatusCode::NO_CONTENT
}

async fn add_fault(State(state): State<Shared>, Json(fault): Json<Fault>) -> StatusCode {
    state.faults.add(fault);
    StatusCode::NO_CONTENT
}

async fn end_faults(State(state): State<Shared>) -> StatusCode {
    state.faults.clear();
    StatusCode::NO_CONTENT
}
