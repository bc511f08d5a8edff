//! Removals that await a person.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Html;
use domain::id::{ReviewId, RunId};
use serde::Deserialize;
use store::review_list::{self, Filter, Review, State as Stage};

use super::Console;
use super::layout::{Layout, Section};
use super::respond::{Problem, page as render};
use super::session::Session;
use super::words::{self, Moment};
use crate::lookup;
use crate::page::Page as Paging;

const SIZE: i32 = 50;

#[derive(Template)]
#[template(path = "reviews.html")]
struct Page {
    layout: Layout,
    lines: Vec<Line>,
    run: String,
    next: String,
    first: bool,
}

struct Line {
    id: String,
    name: String,
    upn: String,
    role: &'static str,
    cause: String,
    proposed: &'static str,
    reason: String,
    connection: String,
    run: String,
    held: Moment,
}

/// Which reviews.
#[derive(Deserialize)]
pub struct Which {
    #[serde(default)]
    run: String,
    #[serde(default)]
    page: String,
}

/// The page.
pub async fn page(
    State(console): State<Console>,
    session: Session,
    Query(which): Query<Which>,
) -> Result<Html<String>, Problem> {
    let layout = Layout::load(&console, &session, Section::Reviews).await?;
    let paging = Paging::read(format!("console reviews of {}", which.run), SIZE, &which.page)?;
    let after = paging.after_parsed(|parts| {
        let [at, id] = parts else { return None };
        Some((at.parse().ok()?, id.parse::<ReviewId>().ok()?))
    })?;
    let filter = Filter {
        organization: session.caller.organization(),
        connection: None,
        run: match which.run.as_str() {
            "" => None,
            run => Some(lookup::parse::<RunId>("run", run)?),
        },
        state: Stage::Open,
    };
    let mut connection = console.app.store.connection().await?;
    let mut reviews = review_list::list(&mut connection, filter, after, paging.limit()).await?;
    drop(connection);
    let next = paging.cut(&mut reviews, |review| {
        vec![review.created_at.to_rfc3339(), review.id.to_string()]
    });
    let now = console.app.clock.now();
    let lines = reviews.into_iter().map(|review| Line::of(review, now)).collect();
    render(&Page {
        layout,
        lines,
        run: which.run,
        next,
        first: after.is_none(),
    })
}

impl Line {
    fn of(review: Review, now: chrono::DateTime<chrono::Utc>) -> Self {
        Self {
            id: review.id.to_string(),
            name: review.name.unwrap_or_default(),
            upn: review.upn.unwrap_or_default(),
            role: review.role.key(),
            cause: review.cause.to_string(),
            proposed: review.proposed.key(),
            reason: review.reason,
            connection: review.connection,
            run: review.run.to_string(),
            held: words::moment(review.created_at, now),
        }
    }
}
