//! Signed-in browsers.

use std::sync::{Mutex, PoisonError};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use store::console_session;

use super::Console;
use super::respond::Problem;
use crate::auth::{self, Caller};
use crate::fault::Fault;

/// The cookie's name; the prefix makes browsers hold it to https and to this host.
const COOKIE: &str = "rollcall_session";
const HTTPS_COOKIE: &str = "__Host-rollcall_session";

/// Who is signed in.
pub struct Session {
    /// Who.
    pub caller: Caller,
    /// What each form must bring back.
    pub form_token: String,
}

impl Session {
    /// Refuses a form that does not come from a page of this session.
    pub fn check_form(&self, token: &str) -> Result<(), Problem> {
        if token == self.form_token {
            return Ok(());
        }
        Err(Problem(Fault::Precondition {
            reason: "FOREIGN_FORM",
            message: "the form is of another session; open the page again and repeat".to_owned(),
        }))
    }
}

impl FromRequestParts<Console> for Session {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Response> {
        let cookie = of_request(&parts.headers, console.config.https);
        let found = match cookie {
            Some(secret) => find(console, secret).await.map_err(IntoResponse::into_response)?,
            None => None,
        };
        found.ok_or_else(|| {
            let wanted = parts.uri.path_and_query().map_or("/", |path| path.as_str());
            Redirect::to(&sign_in_url(wanted)).into_response()
        })
    }
}

/// Where to sign in, to go on to `next` afterwards.
fn sign_in_url(next: &str) -> String {
    if next == "/" {
        return "/sign-in".to_owned();
    }
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("next", next)
        .finish();
    format!("/sign-in?{query}")
}

async fn find(console: &Console, secret: &str) -> Result<Option<Session>, Problem> {
    let mut connection = console.app.store.connection().await?;
    let now = console.app.clock.now();
    let token = console_session::find_token(&mut connection, &auth::hash(secret), now).await?;
    Ok(token.map(|token| Session {
        caller: Caller(token),
        form_token: form_token(secret),
    }))
}

/// Begins a session; the `Set-Cookie` header.
pub async fn begin(console: &Console, caller: &Caller) -> Result<String, Problem> {
    let secret = auth::new_secret();
    let now = console.app.clock.now();
    let hours = console.config.session_hours;
    let mut connection = console.app.store.connection().await?;
    let until = now + TimeDelta::hours(hours.into());
    console_session::insert(&mut connection, &auth::hash(&secret), caller.0.id, now, until).await?;
    Ok(cookie(&secret, u64::from(hours) * 3_600, console.config.https))
}

/// Ends the session of this request, if there is one; the `Set-Cookie` header.
pub async fn end(console: &Console, headers: &HeaderMap) -> Result<String, Problem> {
    if let Some(secret) = of_request(headers, console.config.https) {
        let mut connection = console.app.store.connection().await?;
        console_session::delete(&mut connection, &auth::hash(secret)).await?;
    }
    Ok(cookie("", 0, console.config.https))
}

/// Derived from the cookie, which no other site can read.
fn form_token(secret: &str) -> String {
    let hash = auth::hash(&format!("form of {secret}"));
    URL_SAFE_NO_PAD.encode(&hash[..24])
}

fn of_request(headers: &HeaderMap, https: bool) -> Option<&str> {
    let name = if https { HTTPS_COOKIE } else { COOKIE };
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(of, value)| (of == name && !value.is_empty()).then_some(value))
}

fn cookie(secret: &str, seconds: u64, https: bool) -> String {
    let (name, secure) = if https {
        (HTTPS_COOKIE, "; Secure")
    } else {
        (COOKIE, "")
    };
    format!("{name}={secret}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}")
}

/// Slows down guessing: so many wrong tokens a minute, whoever sends them.
pub struct Limiter {
    most: u32,
    window: Mutex<Option<(DateTime<Utc>, u32)>>,
}

impl Limiter {
    /// Lets `most` wrong tokens a minute pass.
    pub const fn new(most: u32) -> Self {
        Self {
            most,
            window: Mutex::new(None),
        }
    }

    /// Refuses while there were too many.
    pub fn check(&self, now: DateTime<Utc>) -> Result<(), Fault> {
        let window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        match *window {
            Some((since, wrong)) if now - since < TimeDelta::minutes(1) && wrong >= self.most => Err(
                Fault::TooMany("too many wrong tokens; wait a minute, then try again"),
            ),
            _ => Ok(()),
        }
    }

    /// Counts a wrong token.
    pub fn wrong(&self, now: DateTime<Utc>) {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        *window = match *window {
            Some((since, wrong)) if now - since < TimeDelta::minutes(1) => {
                Some((since, wrong.saturating_add(1)))
            }
            _ => Some((now, 1)),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, "a=b; rollcall_session=rc_1; c=d".parse().unwrap());
        assert_eq!(of_request(&headers, false), Some("rc_1"));
        assert_eq!(of_request(&headers, true), None);
    }

    #[test]
    fn the_cookie_stays_with_the_server() {
        let plain = cookie("rc_1", 60, false);
        assert!(plain.contains("HttpOnly; SameSite=Strict") && !plain.contains("Secure"));
        assert!(
            cookie("rc_1", 60, true).starts_with("__Host-") && cookie("rc_1", 60, true).ends_with("; Secure")
        );
    }

    #[test]
    fn guessing_pauses_and_goes_on_after_a_minute() {
        let limiter = Limiter::new(2);
        let now: DateTime<Utc> = "2026-11-21T12:00:00Z".parse().unwrap();
        limiter.wrong(now);
        assert!(limiter.check(now).is_ok());
        limiter.wrong(now);
        assert!(limiter.check(now + TimeDelta::seconds(59)).is_err());
        assert!(limiter.check(now + TimeDelta::seconds(60)).is_ok());
    }

    #[test]
    fn a_form_token_tells_nothing_of_the_cookie() {
        assert_eq!(form_token("rc_1").len(), 32);
        assert_ne!(form_token("rc_1"), form_token("rc_2"));
    }

    #[test]
    fn after_signing_in_one_goes_on() {
        assert_eq!(sign_in_url("/"), "/sign-in");
        assert_eq!(
            sign_in_url("/runs?connection=a&page=b"),
            "/sign-in?next=%2Fruns%3Fconnection%3Da%26page%3Db"
        );
    }
}
