//! Faults on demand: which requests they hit, how often, and what they do (graph-facts §12).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Something that goes wrong with some requests.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// Requests whose decoded path this is. `*` stands for anything: `/v1.0/users*`, `*/oauth2/v2.0/token`.
    pub path: String,
    /// And whose decoded query contains this: `$skiptoken` hits all pages but the first.
    #[serde(default)]
    pub query: Option<String>,
    /// So many of them are let through first.
    #[serde(default)]
    pub after: u64,
    /// So many are hit then. None: all, until the fault is cleared.
    #[serde(default)]
    pub times: Option<u64>,
    /// What happens to them.
    pub effect: Effect,
}

impl Fault {
    /// Hits every request for a path.
    pub fn on(path: &str, effect: Effect) -> Self {
        Self {
            path: path.into(),
            query: None,
            after: 0,
            times: None,
            effect,
        }
    }

    /// Only those whose query contains this.
    #[must_use]
    pub fn query(mut self, text: &str) -> Self {
        self.query = Some(text.into());
        self
    }

    /// Lets so many through first.
    #[must_use]
    pub fn after(mut self, requests: u64) -> Self {
        self.after = requests;
        self
    }

    /// Hits so many.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }
}

/// What a fault does.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Effect {
    /// Answers an error, with the body that goes with the status. At the token endpoint 429 is plain text.
    Status {
        /// HTTP status.
        status: u16,
        /// Another `error.code` than the status usually has.
        #[serde(default)]
        code: Option<String>,
        /// Another message.
        #[serde(default)]
        message: Option<String>,
        /// A Retry-After header.
        #[serde(default)]
        retry_after: Option<RetryAfter>,
    },
    /// Asks for a full synchronisation: 410 with a Location, or 400 `syncStateNotFound` (§3.4).
    Resync {
        /// 410?
        gone: bool,
    },
    /// 400 `Directory_ExpiredPageToken`, from now on for this very link; a listing begun anew has others (§2.1).
    ExpiredPageToken,
    /// The token endpoint fails with this AADSTS number (§1.2).
    Aadsts {
        /// The number.
        code: u32,
    },
    /// 302 to elsewhere.
    Redirect {
        /// Where.
        location: String,
    },
    /// The answer takes this much longer.
    Delay {
        /// Milliseconds.
        milliseconds: u64,
    },
    /// An answer as it was published, whatever was asked.
    Published(Published),
    /// The nextLink is the link of this very page.
    Loop,
    /// A page without rows, and a nextLink to where it would have gone on.
    EmptyPage,
    /// The next page begins with the last rows of this one.
    Duplicates {
        /// How many.
        rows: usize,
    },
    /// The rows come in the opposite order.
    Reversed,
    /// No nextLink and no deltaLink, though there is more.
    Truncated,
    /// The nextLink leads to another scheme, host or port.
    ForeignLink {
        /// `https://elsewhere.example`
        origin: String,
    },
    /// The links stand behind the rows instead of before.
    LinkLast,
    /// In a delta the manager comes in a row of its own (§3.3).
    RelationRows,
    /// A delta tells so many earlier changes again (§3.3).
    Replay {
        /// How many.
        changes: u32,
    },
    /// The body is cut in half, and says so in its length: no valid JSON.
    MalformedJson,
    /// A byte in the body is no UTF-8.
    NotUtf8,
    /// The connection ends in the middle of the body.
    CutBody,
}

/// How Retry-After is written (§7.4).
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum RetryAfter {
    /// A number of seconds.
    Seconds(u32),
    /// An HTTP date so many seconds ahead.
    Date(u32),
}

/// A published answer.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Published {
    /// HTTP status.
    pub status: u16,
    /// Headers, beside those that every answer has.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body's bytes.
    pub body: Vec<u8>,
}

impl Published {
    /// A file of published answers as it is: a `.http` file with status line and headers, else a body, whose status
    /// is the number in the name (`error-404-…`, `token-401-…`) or 200.
    pub fn of_file(name: &str, bytes: &[u8]) -> Self {
        let kind = std::path::Path::new(name).extension();
        if kind.is_some_and(|kind| kind == "http") {
            return Self::of_message(bytes);
        }
        let number = name
            .split('-')
            .filter_map(|part| part.parse().ok())
            .find(|number| (100..600).contains(number));
        Self {
            status: number.unwrap_or(200),
            headers: BTreeMap::new(),
            body: bytes.to_vec(),
        }
    }

    fn of_message(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
        let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(": "));
        Self {
            status: status.unwrap_or(200),
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            body: body.as_bytes().to_vec(),
        }
    }

    /// With links into Graph pointing here instead: what a client follows then.
    #[must_use]
    pub fn rebased(mut self, url: &str) -> Self {
        let text = String::from_utf8_lossy(&self.body);
        self.body = text.replace("https://graph.microsoft.com", url).into_bytes();
        self
    }
}

/// The faults of a tenant.
#[derive(Debug, Default)]
pub struct Faults {
    all: Vec<(Fault, u64)>,
}

impl Faults {
    /// Adds one.
    pub fn add(&mut self, fault: Fault) {
        self.all.push((fault, 0));
    }

    /// Ends all.
    pub fn clear(&mut self) {
        self.all.clear();
    }

    /// Those still to come, with how many requests each has met.
    pub fn list(&self) -> impl Iterator<Item = (&Fault, u64)> {
        self.all.iter().map(|(fault, met)| (fault, *met))
    }

    /// What happens to a request. Faults that are used up are forgotten.
    pub fn hit(&mut self, path: &str, query: &str) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.all.retain_mut(|(fault, met)| {
            let asked = fault
                .query
                .as_ref()
                .is_none_or(|text| query.contains(text.as_str()));
            if !asked || !matches(&fault.path, path) {
                return true;
            }
            *met += 1;
            if *met > fault.after {
                effects.push(fault.effect.clone());
            }
            fault.times.is_none_or(|times| *met < fault.after + times)
        });
        effects
    }
}

/// Does a path fit a pattern with `*`?
fn matches(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == path,
        Some((head, tail)) => path.strip_prefix(head).is_some_and(|rest| {
            tail.is_empty()
                || rest
                    .char_indices()
                    .map(|(at, _)| at)
                    .chain([rest.len()])
                    .any(|at| matches(tail, &rest[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        assert!(matches("/v1.0/users", "/v1.0/users"));
        assert!(!matches("/v1.0/users", "/v1.0/users/delta"));
        assert!(matches("/v1.0/users*", "/v1.0/users/delta"));
        assert!(matches("*/oauth2/v2.0/token", "/contoso.com/oauth2/v2.0/token"));
        assert!(matches("/v1.0/*/manager", "/v1.0/users/é/manager"));
        assert!(!matches("/v1.0/*/manager", "/v1.0/users/x"));
    }

    #[test]
    fn a_fault_waits_then_hits_then_ends() {
        let mut faults = Faults::default();
        faults.add(Fault::on("/x*", Effect::Loop).query("skip").after(1).times(2));
        let hits: Vec<usize> = ["skip=1", "", "skip=2", "skip=3", "skip=4"]
            .into_iter()
            .map(|query| faults.hit("/x", query).len())
            .collect();
        assert_eq!(hits, [0, 0, 1, 1, 0]);
        assert_eq!(faults.list().count(), 0);
    }

    #[test]
    fn published_files_say_their_status() {
        assert_eq!(
            Published::of_file("error-404-resource-not-found.json", b"{}").status,
            404
        );
        assert_eq!(Published::of_file("users-list-default.json", b"{}").status, 200);
        assert_eq!(
            Published::of_file("token-401-invalid_client-7000222-x.json", b"{}").status,
            401
        );
        let text = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 60\r\n\r\nToo Many Requests";
        let published = Published::of_file("token-429.http", text);
        assert_eq!(
            (published.status, published.headers["Retry-After"].as_str()),
            (429, "60")
        );
        assert_eq!(published.body, b"Too Many Requests");
    }
}
