//! The bell.

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use domain::id::NoticeId;
use domain::notice::Kind;
use serde::Deserialize;
use store::notice_list::{self, Entry};

use super::Console;
use super::layout::{Layout, Section};
use super::respond::{Problem, page as render};
use super::session::Session;
use super::words::{self, Moment};
use crate::grpc::mark_read as mark;
use crate::page::Page as Paging;

const SIZE: i32 = 30;

#[derive(Template)]
#[template(path = "notices.html")]
struct Page {
    layout: Layout,
    lines: Vec<Line>,
    next: String,
    first: bool,
}

struct Line {
    id: String,
    tone: &'static str,
    title: String,
    body: String,
    run: String,
    reviews: bool,
    log: bool,
    written: Moment,
    read: bool,
}

/// Which notices.
#[derive(Deserialize)]
pub struct Which {
    #[serde(default)]
    page: String,
}

/// Which notice was read; all of them when it is empty.
#[derive(Deserialize)]
pub struct Read {
    form_token: String,
    #[serde(default)]
    notice: String,
}

/// The page.
pub async fn page(
    State(console): State<Console>,
    session: Session,
    Query(which): Query<Which>,
) -> Result<Html<String>, Problem> {
    let layout = Layout::load(&console, &session, Section::Notices).await?;
    let paging = Paging::read("console notices", SIZE, &which.page)?;
    let before = paging.after_parsed(|parts| parts.first()?.parse::<NoticeId>().ok())?;
    let mut connection = console.app.store.connection().await?;
    let mut entries = notice_list::list(
        &mut connection,
        session.caller.reader(),
        false,
        before,
        paging.limit(),
    )
    .await?;
    drop(connection);
    let next = paging.cut(&mut entries, |entry| vec![entry.id().to_string()]);
    let now = console.app.clock.now();
    let lines = entries.into_iter().map(|entry| Line::of(entry, now)).collect();
    render(&Page {
        layout,
        lines,
        next,
        first: before.is_none(),
    })
}

/// Marks one notice, or all, as read.
pub async fn mark_read(
    State(console): State<Console>,
    session: Session,
    Form(form): Form<Read>,
) -> Result<Redirect, Problem> {
    session.check_form(&form.form_token)?;
    let which: Vec<String> = Some(form.notice)
        .filter(|notice| !notice.is_empty())
        .into_iter()
        .collect();
    mark(&console.app, &session.caller, &which).await?;
    Ok(Redirect::to("/notices"))
}

/// How many are unread, for the page's script.
pub async fn unread(State(console): State<Console>, session: Session) -> Result<Response, Problem> {
    let mut connection = console.app.store.connection().await?;
    let unread = notice_list::unread(&mut connection, session.caller.reader()).await?;
    Ok(axum::Json(serde_json::json!({ "unread": unread })).into_response())
}

impl Line {
    fn of(entry: Entry, now: chrono::DateTime<chrono::Utc>) -> Self {
        let kind = Kind::of_key(&entry.kind);
        Self {
            id: entry.id().to_string(),
            tone: match kind {
                Some(Kind::RunFinished | Kind::ConnectionRecovered) => "good",
                Some(Kind::RunFailed | Kind::MailFailed | Kind::ConnectionQuarantined) => "bad",
                Some(
                    Kind::ReviewsWaiting
                    | Kind::PreviewReady
                    | Kind::CredentialExpires
                    | Kind::FullRunOverdue,
                ) => "wait",
                Some(Kind::Removed) | None => "quiet",
            },
            reviews: kind == Some(Kind::ReviewsWaiting),
            log: kind == Some(Kind::Removed),
            run: entry.run().map(|run| run.to_string()).unwrap_or_default(),
            written: words::moment(entry.created_at, now),
            title: entry.title,
            // The link in its text leads to the run, as the one below it does.
            body: entry
                .body
                .lines()
                .filter(|line| !line.starts_with("http"))
                .collect::<Vec<_>>()
                .join("\n"),
            read: entry.read,
        }
    }
}
