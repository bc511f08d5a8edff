//! Pages and errors as HTTP answers.

use askama::Template;
use axum::http::{StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use store::StoreError;

use super::assets;
use crate::fault::Fault;

/// A page that can't be shown.
pub struct Problem(pub Fault);

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    assets: assets::Links,
    title: &'static str,
    message: String,
}

/// A rendered page.
pub fn page(template: &impl Template) -> Result<Html<String>, Problem> {
    template.render().map(Html).map_err(|error| {
        tracing::error!(%error, "a page could not be rendered");
        Problem(Fault::Internal("a page could not be rendered"))
    })
}

/// Where nothing is.
pub async fn nothing_here(uri: Uri) -> Problem {
    Problem(Fault::NotFound {
        what: "page",
        name: uri.path().to_owned(),
        hint: "; begin at the overview".to_owned(),
    })
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self(fault)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.0.log();
        let status = self.0.kind().http;
        let title = match status {
            StatusCode::NOT_FOUND => "Not found",
            StatusCode::FORBIDDEN => "Not allowed",
            StatusCode::BAD_REQUEST => "Something in the request can’t be",
            StatusCode::CONFLICT => "Not possible just now",
            StatusCode::PAYLOAD_TOO_LARGE => "Too much at once",
            StatusCode::TOO_MANY_REQUESTS => "One moment",
            StatusCode::SERVICE_UNAVAILABLE => "Not available just now",
            _ => "Something went wrong",
        };
        let page = ProblemPage {
            assets: assets::links(),
            title,
            message: self.0.told(),
        };
        match page.render() {
            Ok(html) => (status, Html(html)).into_response(),
            Err(_) => (
                status,
                [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
                self.0.told(),
            )
                .into_response(),
        }
    }
}
