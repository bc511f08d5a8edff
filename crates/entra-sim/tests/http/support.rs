//! A bare HTTP client with a token, and nothing of Rollcall's own client in it.

use entra_sim::{Options, Simulator, Tenant};
use reqwest::header::HeaderMap;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// A simulator and somebody who asks it.
pub struct Visit {
    pub simulator: Simulator,
    pub tenant: Arc<Tenant>,
    pub http: reqwest::Client,
    pub token: String,
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Reply {
    pub fn json(&self) -> Value {
        let text = String::from_utf8_lossy(&self.bytes);
        serde_json::from_slice(&self.bytes).unwrap_or_else(|why| panic!("{why}: {text}"))
    }

    pub fn rows(&self) -> Vec<Value> {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.bytes));
        self.json()["value"].as_array().unwrap().clone()
    }

    pub fn ids(&self) -> Vec<String> {
        ids(&self.rows())
    }

    /// `@odata.nextLink`
    pub fn next(&self) -> Option<String> {
        self.json()["@odata.nextLink"].as_str().map(String::from)
    }

    /// `@odata.deltaLink`
    pub fn delta(&self) -> Option<String> {
        self.json()["@odata.deltaLink"].as_str().map(String::from)
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Status and `error.code`.
    pub fn error(&self) -> (u16, String) {
        (
            self.status,
            self.json()["error"]["code"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        )
    }
}

/// The ids of rows.
pub fn ids(rows: &[Value]) -> Vec<String> {
    rows.iter()
        .map(|row| row["id"].as_str().unwrap_or_default().to_owned())
        .collect()
}

impl Visit {
    pub async fn to(users: u32) -> Self {
        Self::of(Options::generate(42, users)).await
    }

    pub async fn of(options: Options) -> Self {
        // An error says that another test has installed it already.
        drop(rustls::crypto::ring::default_provider().install_default());
        let simulator = Simulator::start(options).await.unwrap();
        let tenant = simulator.default_tenant().unwrap();
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(20))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        let mut visit = Self {
            simulator,
            tenant,
            http,
            token: String::new(),
        };
        visit.token = visit.fresh_token().await;
        visit
    }

    pub async fn fresh_token(&self) -> String {
        let reply = self.post_token(self.tenant.id(), &credentials()).await;
        reply.json()["access_token"].as_str().unwrap().to_owned()
    }

    pub async fn post_token(&self, tenant: &str, form: &[(&str, &str)]) -> Reply {
        let url = format!("{}/{tenant}/oauth2/v2.0/token", self.simulator.url());
        reply(self.http.post(url).form(form)).await
    }

    /// GETs a path below `/v1.0`, or a whole link.
    pub async fn get(&self, link: &str) -> Reply {
        self.get_with(link, &[]).await
    }

    pub async fn get_with(&self, link: &str, headers: &[(&str, &str)]) -> Reply {
        let url = if link.starts_with("http") {
            link.into()
        } else {
            format!("{}/v1.0/{link}", self.simulator.url())
        };
        let mut request = self.http.get(url);
        if !headers.iter().any(|(name, _)| *name == "Authorization") {
            request = request.bearer_auth(&self.token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        reply(request).await
    }

    /// Follows nextLinks to the end. Returns all pages.
    pub async fn pages(&self, first: &str) -> Vec<Reply> {
        let mut pages = vec![self.get(first).await];
        while let Some(next) = pages.last().unwrap().next() {
            assert!(pages.len() < 1_000, "this never ends");
            pages.push(self.get(&next).await);
        }
        pages
    }

    /// Follows nextLinks to the end. Returns all rows, and the deltaLink if there is one.
    pub async fn all(&self, first: &str) -> (Vec<Value>, Option<String>) {
        let pages = self.pages(first).await;
        let rows = pages.iter().flat_map(Reply::rows).collect();
        (rows, pages.last().unwrap().delta())
    }

    /// Sends JSON to the control interface.
    pub async fn control(&self, method: reqwest::Method, path: &str, body: Value) -> Reply {
        let url = format!("{}/sim/{path}", self.simulator.url());
        reply(self.http.request(method, url).json(&body)).await
    }
}

/// Good credentials.
pub fn credentials() -> Vec<(&'static str, &'static str)> {
    vec![
        ("grant_type", "client_credentials"),
        ("client_id", "66666666-7777-8888-9999-000000000000"),
        ("client_secret", "demo-secret-value~not-a-guid"),
        ("scope", "https://graph.microsoft.com/.default"),
    ]
}

async fn reply(request: reqwest::RequestBuilder) -> Reply {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Reply {
        status,
        headers,
        bytes: response.bytes().await.unwrap().to_vec(),
    }
}
