//! The decisions of a run, a page at a time.

use askama::Template;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use domain::decision::{Action, Outcome};
use serde::Deserialize;
use store::change_list::{self, Change, Place};
use store::custom_field;
use store::run_view::{Counts, State as Stage};

use super::Console;
use super::layout::{Layout, Section};
use super::respond::{Problem, page as render};
use super::session::Session;
use super::words::{self, Pill};
use crate::fault::Fault;
use crate::page::Page as Paging;
use crate::{lookup, runs};

const SIZE: i32 = 50;

#[derive(Template)]
#[template(path = "changes.html")]
struct Page {
    layout: Layout,
    id: String,
    kind: &'static str,
    connection: String,
    tabs: Vec<Tab>,
    outcome: String,
    search: String,
    /// What is asked for, for links.
    query: String,
    /// The details are gone.
    pruned: bool,
    lines: Vec<Line>,
    next: String,
    first: bool,
}

struct Tab {
    key: &'static str,
    word: &'static str,
    number: String,
    chosen: bool,
}

struct Line {
    name: String,
    upn: String,
    object: String,
    outcome: Pill,
    why: Vec<String>,
    fields: Vec<(&'static str, Option<String>, Option<String>)>,
    applied: bool,
    /// It did something that whoever looks at it may take back.
    can_revert: bool,
}

/// Which decisions.
#[derive(Deserialize)]
pub struct Which {
    #[serde(default)]
    outcome: String,
    #[serde(default)]
    search: String,
    #[serde(default)]
    page: String,
}

impl Which {
    fn outcome(&self) -> Result<Option<Outcome>, Fault> {
        match self.outcome.as_str() {
            "" => Ok(None),
            key => words::OUTCOMES
                .into_iter()
                .find(|outcome| words::outcome_key(*outcome) == key)
                .map(Some)
                .ok_or_else(|| Fault::invalid("outcome", "is none that this version knows")),
        }
    }

    fn words(&self) -> Vec<String> {
        self.search.split_whitespace().map(str::to_owned).collect()
    }

    fn query(&self) -> String {
        let asked = [("outcome", &self.outcome), ("search", &self.search)];
        url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(asked.into_iter().filter(|(_, value)| !value.is_empty()))
            .finish()
    }
}

/// The same as a file.
pub async fn csv(
    State(console): State<Console>,
    session: Session,
    Path(id): Path<String>,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    let run = lookup::run(&console.app, &session.caller, &id).await?;
    runs::details::kept(&run)?;
    let organization = session.caller.organization();
    let custom = custom_field::list(&mut *console.app.store.connection().await?, organization).await?;
    let stream = runs::changes_csv::stream(runs::changes_csv::Reading {
        store: console.app.store.clone(),
        run: run.id,
        outcome: which.outcome()?,
        words: which.words(),
        custom,
    });
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"changes-{}.csv\"", run.id),
        ),
    ];
    Ok((headers, Body::from_stream(stream)).into_response())
}

/// The page.
pub async fn page(
    State(console): State<Console>,
    session: Session,
    Path(id): Path<String>,
    Query(which): Query<Which>,
) -> Result<Html<String>, Problem> {
    let layout = Layout::load(&console, &session, Section::Runs).await?;
    let run = lookup::run(&console.app, &session.caller, &id).await?;
    let (outcome, words, query) = (which.outcome()?, which.words(), which.query());
    let paging = Paging::read(
        format!("console changes of {} {query}", run.id),
        SIZE,
        &which.page,
    )?;
    let after = paging.after_parsed(|parts| {
        let [page, position] = parts else { return None };
        Some(Place {
            page: page.parse().ok()?,
            position: position.parse().ok()?,
        })
    })?;
    let mut connection = console.app.store.connection().await?;
    let mut changes = change_list::list(
        &mut connection,
        run.id,
        change_list::Which {
            outcome,
            words: &words,
        },
        after.unwrap_or(Place::START),
        paging.limit(),
    )
    .await?;
    drop(connection);
    let next = paging.cut(&mut changes, |change| {
        vec![change.place.page.to_string(), change.place.position.to_string()]
    });
    let can_revert = layout.admin && run.state == Stage::Finished && !run.details_pruned;
    render(&Page {
        layout,
        id: run.id.to_string(),
        kind: words::kind(run.kind),
        connection: run.connection_name,
        tabs: words::OUTCOMES
            .into_iter()
            .map(|of| Tab {
                key: words::outcome_key(of),
                word: words::outcome(of).word,
                number: words::thousands(count(&run.counts, of)),
                chosen: outcome == Some(of),
            })
            .collect(),
        outcome: which.outcome,
        search: which.search,
        query,
        pruned: run.details_pruned,
        lines: changes
            .into_iter()
            .map(|change| Line::of(change, can_revert))
            .collect(),
        next,
        first: after.is_none(),
    })
}

/// How many objects came to this.
pub const fn count(counts: &Counts, outcome: Outcome) -> u32 {
    match outcome {
        Outcome::Added => counts.added,
        Outcome::Updated => counts.updated,
        Outcome::Unchanged => counts.unchanged,
        Outcome::Skipped => counts.skipped,
        Outcome::Removed => counts.removed,
        Outcome::Held => counts.held,
        Outcome::Failed => counts.failed,
    }
}

impl Line {
    fn of(change: Change, can_revert: bool) -> Self {
        let does_something = matches!(
            change.outcome,
            Outcome::Added | Outcome::Updated | Outcome::Removed | Outcome::Held
        );
        let action = match change.action {
            Action::None | Action::Create | Action::Update => "",
            Action::Deactivate => "deactivate",
            Action::Delete => "delete",
            Action::Reactivate => "active again",
            Action::CreateDeactivated => "created deactivated",
        };
        let why = [
            action.to_owned(),
            change.cause.map(|cause| cause.to_string()).unwrap_or_default(),
            words::rule(change.rule),
            change.reason.unwrap_or_default(),
        ];
        Self {
            can_revert: can_revert && does_something && change.object.is_some(),
            name: change.name.unwrap_or_default(),
            upn: change.upn.unwrap_or_default(),
            object: change.object.map(|id| id.to_string()).unwrap_or_default(),
            outcome: words::outcome(change.outcome),
            why: why.into_iter().filter(|text| !text.is_empty()).collect(),
            fields: change
                .fields
                .into_iter()
                .map(|field| (field.field.title(), field.old, field.new))
                .collect(),
            applied: change.applied,
        }
    }
}
