//! The list of runs.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Html;
use chrono::{DateTime, Utc};
use domain::id::RunId;
use serde::Deserialize;
use store::run_view::{self, RunView};

use super::Console;
use super::layout::{Layout, Section};
use super::respond::{Problem, page as render};
use super::session::Session;
use super::words::{self, Moment, Pill};
use crate::lookup;
use crate::page::Page as Paging;

const SIZE: i32 = 25;

#[derive(Template)]
#[template(path = "runs.html")]
struct Page {
    layout: Layout,
    runs: Vec<Line>,
    connection: String,
    names: Vec<String>,
    next: String,
    first: bool,
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
#[derive(Deserialize)]
pub struct Which {
    #[serde(default)]
    connection: String,
    #[serde(default)]
    page: String,
}

/// The page.
pub async fn page(
    State(console): State<Console>,
    session: Session,
    Query(which): Query<Which>,
) -> Result<Html<String>, Problem> {
    let layout = Layout::load(&console, &session, Section::Runs).await?;
    let paging = Paging::read(format!("console runs of {}", which.connection), SIZE, &which.page)?;
    let before = paging.after_parsed(|parts| {
        let [at, id] = parts else { return None };
        Some((at.parse().ok()?, id.parse::<RunId>().ok()?))
    })?;
    let organization = session.caller.organization();
    let mut tx = console.app.store.begin("console.runs").await?;
    let of = lookup::connection_filter(&mut tx, &session.caller, &which.connection).await?;
    let mut runs = run_view::list(tx.connection(), organization, of, before, paging.limit()).await?;
    let names = store::connection::names(tx.connection(), organization).await?;
    tx.commit().await?;
    let next = paging.cut(&mut runs, |run| {
        vec![run.created_at.to_rfc3339(), run.id.to_string()]
    });
    let now = console.app.clock.now();
    render(&Page {
        layout,
        runs: runs.iter().map(|run| Line::of(run, now)).collect(),
        connection: which.connection,
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
