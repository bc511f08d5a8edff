//! The system log (N7): what was done to many records at once, each with its CSV.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use domain::id::RunId;
use domain::system_log::Kind;
use serde::Deserialize;
use store::system_log::{self, Entry, Filter};

use super::Console;
use super::layout::{Layout, Section};
use super::respond::{Problem, page as render};
use super::session::Session;
use super::words::{self, Moment};
use crate::grpc::log_entry;
use crate::lookup;
use crate::page::Page as Paging;

const SIZE: i32 = 50;

#[derive(Template)]
#[template(path = "log.html")]
struct Page {
    layout: Layout,
    lines: Vec<Line>,
    connection: String,
    run: String,
    next: String,
    first: bool,
}

#[derive(Template)]
#[template(path = "log_entry.html")]
struct EntryPage {
    layout: Layout,
    line: Line,
}

struct Line {
    id: String,
    title: String,
    kind: &'static str,
    actor: String,
    connection: String,
    run: String,
    records: u32,
    listed: u32,
    at: Moment,
}

/// Which entries.
#[derive(Deserialize)]
pub struct Which {
    #[serde(default)]
    connection: String,
    #[serde(default)]
    run: String,
    #[serde(default)]
    page: String,
}

/// The list.
pub async fn page(
    State(console): State<Console>,
    session: Session,
    Query(which): Query<Which>,
) -> Result<Html<String>, Problem> {
    let layout = Layout::load(&console, &session, Section::Log).await?;
    let list = format!("console log {} {}", which.connection, which.run);
    let paging = Paging::read(list, SIZE, &which.page)?;
    let before = paging.after_parsed(|parts| parts.first()?.parse().ok())?;
    let mut tx = console.app.store.begin("console.log").await?;
    let filter = Filter {
        organization: session.caller.organization(),
        connection: lookup::connection_filter(&mut tx, &session.caller, &which.connection).await?,
        run: match which.run.as_str() {
            "" => None,
            run => Some(lookup::parse::<RunId>("run", run)?),
        },
        kind: None,
    };
    let mut entries = system_log::list(tx.connection(), filter, before, paging.limit()).await?;
    tx.commit().await?;
    let next = paging.cut(&mut entries, |entry| vec![entry.id.to_string()]);
    let now = console.app.clock.now();
    render(&Page {
        layout,
        lines: entries.into_iter().map(|entry| Line::of(entry, now)).collect(),
        connection: which.connection,
        run: which.run,
        next,
        first: before.is_none(),
    })
}

/// One entry.
pub async fn entry(
    State(console): State<Console>,
    session: Session,
    Path(id): Path<String>,
) -> Result<Html<String>, Problem> {
    let layout = Layout::load(&console, &session, Section::Log).await?;
    let (entry, _) = log_entry(&console.app, &session.caller, "id", &id).await?;
    let line = Line::of(entry, console.app.clock.now());
    render(&EntryPage { layout, line })
}

/// The CSV of an entry.
pub async fn csv(
    State(console): State<Console>,
    session: Session,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let (entry, csv) = log_entry(&console.app, &session.caller, "id", &id).await?;
    let name = format!("attachment; filename=\"log-{}.csv\"", entry.id);
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, csv).into_response())
}

impl Line {
    fn of(entry: Entry, now: chrono::DateTime<chrono::Utc>) -> Self {
        Self {
            id: entry.id.to_string(),
            title: entry.title,
            kind: match entry.kind {
                Kind::Removals => "Removed by a run",
                Kind::Reviews => "Reviews",
                Kind::Returned => "Asset returned",
                Kind::Purge => "Purged",
            },
            actor: entry.actor,
            connection: entry.connection.unwrap_or_default(),
            run: entry.run.map(|run| run.to_string()).unwrap_or_default(),
            records: entry.records,
            listed: entry.listed,
            at: words::moment(entry.at, now),
        }
    }
}
