//! The list of runs.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Html;
use chrono::{DateTime, Utc};
use contracts::v1;
use domain::id::RunId;
use serde::Deserialize;
use store::run::Kind;
use store::run_view::{self, RunView, State as Stage};

use super::Console;
use super::layout::{Layout, Section};
use super::respond::{Problem, page as render};
use super::session::Session;
use super::words::{self, Moment, Pill};
use crate::fault::Fault;
use crate::page::Page as Paging;
use crate::runs::list;
use crate::view;

const SIZE: i32 = 25;

#[derive(Template)]
#[template(path = "runs.html")]
struct Page {
    layout: Layout,
    runs: Vec<Line>,
    asked: Which,
    names: Vec<String>,
    choices: Vec<Choice>,
    /// Whether anything is asked for.
    filtered: bool,
    /// What is asked for, for links.
    query: String,
    next: String,
    first: bool,
}

/// One of a few, as a form offers it.
struct Choice {
    name: &'static str,
    label: &'static str,
    /// Key, word, and whether it is chosen.
    options: Vec<(String, String, bool)>,
}

/// A run as a line of a table.
pub struct Line {
    /// Its key.
    pub id: String,
    /// What was asked for.
    pub kind: &'static str,
    /// What it reads.
    pub connection: String,
    /// How far it is.
    pub state: Pill,
    /// When it was asked for.
    pub created: Moment,
    /// How long it took.
    pub took: String,
    /// Objects read.
    pub seen: String,
    /// Counts that are not zero.
    pub counts: Vec<(Pill, String)>,
    /// Whether it was counted at all.
    pub counted: bool,
}

/// Which runs.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Which {
    connection: String,
    kind: String,
    state: String,
    trigger: String,
    with: String,
    since: String,
    person: String,
    page: String,
}

/// How far back, in seconds.
const SINCE: [(&str, &str, u32); 4] = [
    ("1d", "The last day", 86_400),
    ("7d", "The last week", 604_800),
    ("30d", "The last 30 days", 2_592_000),
    ("90d", "The last 90 days", 7_776_000),
];
/// What people ask for; an address may ask for anything else, such as `schedule nightly`.
const TRIGGERS: [(&str, &str); 4] = [
    ("schedule", "Schedule"),
    ("console", "Console"),
    ("cli", "Command line"),
    ("api", "API"),
];
const WITH: [(&str, &str); 2] = [("changes", "Changes"), ("failures", "Failures")];

impl Which {
    /// The same question as the API puts it.
    fn request(&self) -> Result<v1::ListRunsRequest, Fault> {
        let none = |what| Fault::invalid(what, "is none that this version knows");
        let kind = match self.kind.as_str() {
            "" => None,
            key => Some(Kind::of_key(key).ok_or_else(|| none("kind"))?),
        };
        let state = match self.state.as_str() {
            "" => None,
            key => Some(
                Stage::ALL
                    .into_iter()
                    .find(|state| state.key() == key)
                    .ok_or_else(|| none("state"))?,
            ),
        };
        let since = match self.since.as_str() {
            "" => 0,
            key => SINCE
                .into_iter()
                .find(|(known, ..)| *known == key)
                .map(|(.., seconds)| seconds)
                .ok_or_else(|| none("since"))?,
        };
        if !self.with.is_empty() && !WITH.into_iter().any(|(key, _)| key == self.with) {
            return Err(none("with"));
        }
        Ok(v1::ListRunsRequest {
            connection: self.connection.clone(),
            kinds: kind
                .map(|kind| view::run::kind(kind).into())
                .into_iter()
                .collect(),
            states: state
                .map(|state| view::run::state(state).into())
                .into_iter()
                .collect(),
            trigger: self.trigger.clone(),
            since_seconds: since,
            with_failures: self.with == "failures",
            with_changes: self.with == "changes",
            person: self.person.clone(),
            ..v1::ListRunsRequest::default()
        })
    }

    fn query(&self) -> String {
        let asked = [
            ("connection", &self.connection),
            ("kind", &self.kind),
            ("state", &self.state),
            ("trigger", &self.trigger),
            ("with", &self.with),
            ("since", &self.since),
            ("person", &self.person),
        ];
        url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(asked.into_iter().filter(|(_, value)| !value.is_empty()))
            .finish()
    }

    fn choices(&self) -> Vec<Choice> {
        let choice = |name, label, all, asked: &str, options: Vec<(&'static str, &'static str)>| {
            let known = asked.is_empty() || options.iter().any(|(key, _)| *key == asked);
            let other = (!known).then_some((asked, asked));
            let options = std::iter::once(("", all)).chain(options).chain(other);
            Choice {
                name,
                label,
                options: options
                    .map(|(key, word)| (key.to_owned(), word.to_owned(), key == asked))
                    .collect(),
            }
        };
        let kinds = Kind::ALL.into_iter().map(|kind| (kind.key(), words::kind(kind)));
        let states = Stage::ALL
            .into_iter()
            .map(|state| (state.key(), words::state(state).word));
        let since = SINCE.into_iter().map(|(key, word, _)| (key, word));
        vec![
            choice("kind", "Kind", "All", &self.kind, kinds.collect()),
            choice("state", "State", "All", &self.state, states.collect()),
            choice(
                "trigger",
                "Set off by",
                "Anything",
                &self.trigger,
                TRIGGERS.to_vec(),
            ),
            choice("with", "Only with", "Anything", &self.with, WITH.to_vec()),
            choice("since", "Asked for in", "All time", &self.since, since.collect()),
        ]
    }
}

/// The page.
pub async fn page(
    State(console): State<Console>,
    session: Session,
    Query(which): Query<Which>,
) -> Result<Html<String>, Problem> {
    let layout = Layout::load(&console, &session, Section::Runs).await?;
    let (request, query) = (which.request()?, which.query());
    let paging = Paging::read(format!("console runs {query}"), SIZE, &which.page)?;
    let before = paging.after_parsed(|parts| {
        let [at, id] = parts else { return None };
        Some((at.parse().ok()?, id.parse::<RunId>().ok()?))
    })?;
    let organization = session.caller.organization();
    let now = console.app.clock.now();
    let mut tx = console.app.store.begin("console.runs").await?;
    let asked = list::filter(&mut tx, &session.caller, &request, now).await?;
    let mut runs = run_view::list(tx.connection(), organization, &asked, before, paging.limit()).await?;
    let names = store::connection::names(tx.connection(), organization).await?;
    tx.commit().await?;
    let next = paging.cut(&mut runs, |run| {
        vec![run.created_at.to_rfc3339(), run.id.to_string()]
    });
    render(&Page {
        layout,
        runs: runs.iter().map(|run| Line::of(run, now)).collect(),
        choices: which.choices(),
        filtered: !query.is_empty(),
        query,
        asked: which,
        names,
        next,
        first: before.is_none(),
    })
}

impl Line {
    /// The run, seen at `now`.
    pub fn of(run: &RunView, now: DateTime<Utc>) -> Self {
        let counts = &run.counts;
        let told = [
            ("added", "good", counts.added),
            ("updated", "busy", counts.updated),
            ("removed", "wait", counts.removed),
            ("held", "wait", counts.held),
            ("failed", "bad", counts.failed),
        ];
        Self {
            id: run.id.to_string(),
            kind: words::kind(run.kind),
            connection: run.connection_name.clone(),
            state: words::state(run.state),
            created: words::moment(run.created_at, now),
            took: words::took(run, now).unwrap_or_default(),
            seen: if run.planned_at.is_some() {
                words::thousands(counts.seen)
            } else {
                String::new()
            },
            counted: run.planned_at.is_some(),
            counts: told
                .into_iter()
                .filter(|(_, _, number)| *number > 0)
                .map(|(word, tone, number)| (Pill { word, tone }, words::thousands(number)))
                .collect(),
        }
    }
}
