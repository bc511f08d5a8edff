//! Signing in with a token, and out.

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::respond::{Problem, page as render};
use super::session::{self, Session};
use super::{Console, assets};
use crate::auth;
use crate::fault::Fault;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct Page {
    assets: assets::Links,
    next: String,
    problem: String,
}

/// Where to go on after signing in.
#[derive(Deserialize)]
pub struct Next {
    #[serde(default)]
    next: String,
}

/// What the form brings.
#[derive(Deserialize)]
pub struct SignIn {
    token: String,
    #[serde(default)]
    next: String,
}

/// What the form for signing out brings.
#[derive(Deserialize)]
pub struct SignOut {
    form_token: String,
}

/// The form.
pub async fn page(Query(next): Query<Next>) -> Result<Html<String>, Problem> {
    render(&Page {
        assets: assets::links(),
        next: within(&next.next).to_owned(),
        problem: String::new(),
    })
}

/// Takes the token and begins a session.
pub async fn sign_in(State(console): State<Console>, Form(form): Form<SignIn>) -> Result<Response, Problem> {
    let now = console.app.clock.now();
    console.limiter.check(now)?;
    match auth::caller(&console.app, form.token.trim()).await {
        Ok(caller) => {
            let cookie = session::begin(&console, &caller).await?;
            tracing::info!(token = caller.name(), "signed in to the console");
            Ok(([(header::SET_COOKIE, cookie)], Redirect::to(within(&form.next))).into_response())
        }
        Err(Fault::Unauthenticated(_)) => {
            console.limiter.wrong(now);
            let page = render(&Page {
                assets: assets::links(),
                next: within(&form.next).to_owned(),
                problem: "This token is not known, or it was revoked.".to_owned(),
            })?;
            Ok((StatusCode::UNAUTHORIZED, page).into_response())
        }
        Err(fault) => Err(fault.into()),
    }
}

/// Ends the session.
pub async fn sign_out(
    State(console): State<Console>,
    session: Session,
    headers: HeaderMap,
    Form(form): Form<SignOut>,
) -> Result<Response, Problem> {
    session.check_form(&form.form_token)?;
    let cookie = session::end(&console, &headers).await?;
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/sign-in")).into_response())
}

/// The address, if it is one of ours; else the overview. `//host` and `/\host` lead elsewhere.
fn within(next: &str) -> &str {
    let ours = next.starts_with('/')
        && !next[1..].starts_with(['/', '\\'])
        && !next.contains(|c: char| c.is_control() || c.is_whitespace());
    if ours { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_leads_nowhere_else() {
        assert_eq!(within("/runs?page=x"), "/runs?page=x");
        for elsewhere in [
            "",
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "/a\r\nb",
            "runs",
        ] {
            assert_eq!(within(elsewhere), "/", "{elsewhere:?}");
        }
    }
}
