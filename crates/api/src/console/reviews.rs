//! Removals that await a person.

use askama::Template;
use axum::extract::{Query, RawForm, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use contracts::v1;
use domain::account::Role;
use domain::id::{ReviewId, RunId};
use serde::Deserialize;
use store::review_list::{self, Filter, Review, State as Stage};

use super::Console;
use super::layout::{Layout, Section};
use super::respond::{Problem, page as render};
use super::session::Session;
use super::words::{self, Moment};
use crate::fault::Fault;
use crate::grpc::resolve_reviews;
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
        cause: None,
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

/// Approves or rejects the chosen ones. All of it is told when one could not be resolved.
pub async fn resolve(
    State(console): State<Console>,
    session: Session,
    RawForm(form): RawForm,
) -> Result<Response, Problem> {
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(&form).into_owned().collect();
    let all = |wanted: &str| {
        let of = pairs.iter().filter(|(name, _)| name == wanted);
        of.map(|(_, value)| value.clone()).collect::<Vec<_>>()
    };
    let one = |wanted: &str| all(wanted).pop().unwrap_or_default();
    session.check_form(&one("form_token"))?;
    session.caller.must_be_admin("deciding on reviews")?;
    let verdict = match one("verdict").as_str() {
        "approve" => v1::ReviewState::Approved,
        "reject" => v1::ReviewState::Rejected,
        _ => return Err(Fault::invalid("verdict", "is neither approve nor reject").into()),
    };
    let request = v1::ResolveReviewsRequest {
        review_ids: all("id"),
        reason: one("reason"),
        ..v1::ResolveReviewsRequest::default()
    };
    let answer = resolve_reviews(&console.app, &session.caller, request, verdict).await?;
    let left: Vec<String> = answer
        .results
        .into_iter()
        .filter(|result| !result.resolved)
        .map(|result| format!("{}: {}", result.review_id, result.message))
        .collect();
    if left.is_empty() {
        return Ok(Redirect::to("/reviews").into_response());
    }
    Err(Fault::Precondition {
        reason: "NOT_RESOLVED",
        message: left.join("\n"),
    }
    .into())
}

impl Line {
    fn of(review: Review, now: chrono::DateTime<chrono::Utc>) -> Self {
        Self {
            id: review.id.to_string(),
            name: review.name.unwrap_or_default(),
            upn: review.upn.unwrap_or_default(),
            role: review.role.map_or("", Role::key),
            cause: review.cause.to_string(),
            proposed: review.proposed.key(),
            reason: review.reason,
            connection: review.connection,
            run: review.run.to_string(),
            held: words::moment(review.created_at, now),
        }
    }
}
