//! The console as a browser meets it.

use reqwest::header::{COOKIE, HeaderMap, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, StatusCode};

use crate::world::World;

/// A browser: it keeps its cookie, and follows nothing by itself.
pub struct Browser {
    http: Client,
    /// The console's address.
    pub console: String,
    /// What it was given last.
    pub cookie: String,
}

/// An answer of the console.
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its text.
    pub body: String,
}

impl Answer {
    /// A header; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap())
            .unwrap_or_default()
    }

    /// What the forms of this page bring back.
    pub fn form_token(&self) -> String {
        let (_, after) = self
            .body
            .split_once("name=\"form_token\" value=\"")
            .expect("a form");
        after.split('"').next().unwrap().to_owned()
    }
}

impl Browser {
    /// Of the console of this world, not signed in.
    pub fn of(world: &World) -> Self {
        let http = Client::builder().redirect(Policy::none()).build().unwrap();
        Self {
            http,
            console: world.endpoints().console.clone(),
            cookie: String::new(),
        }
    }

    /// Signed in as the world's admin.
    pub async fn signed_in(world: &World) -> Self {
        let mut browser = Self::of(world);
        let answer = browser.sign_in(&world.token).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (StatusCode::SEE_OTHER, "/runs"),
            "{}",
            answer.body
        );
        browser
    }

    /// Signs in with a token.
    pub async fn sign_in(&mut self, token: &str) -> Answer {
        let answer = self
            .post("/sign-in", &[("token", token), ("next", "/runs")])
            .await;
        if let Some(cookie) = answer.headers.get(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            assert!(
                cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
                "{cookie}"
            );
            cookie.split(';').next().unwrap().clone_into(&mut self.cookie);
        }
        answer
    }

    /// Asks for a page.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.http.get(format!("{}{path}", self.console))).await
    }

    /// Sends a form.
    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        self.send(self.form(path, form)).await
    }

    /// A form, to be changed before it is sent.
    pub fn form(&self, path: &str, form: &[(&str, &str)]) -> RequestBuilder {
        self.http.post(format!("{}{path}", self.console)).form(form)
    }

    /// Sends a request with the cookie.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let response = request.header(COOKIE, &self.cookie).send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Answer {
            status,
            headers,
            body: response.text().await.unwrap(),
        }
    }

    /// A page that must be there.
    pub async fn page(&self, path: &str) -> Answer {
        let answer = self.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        answer
    }
}
