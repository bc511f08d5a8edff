//! Removals that await a person.

use askama::Template;
use axum::extract::{Query, RawForm, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use contracts::v1;
use domain::account::Role;
use domain::asset::label;
use domain::id::{ReviewId, RunId};
use domain::leaver::Cause;
use serde::Deserialize;
use store::review_list::{self, Filter, Review, State as Stage};

use super::Console;
use super::layout::{Layout, Section};
use super::respond::{Problem, page as render};
use super::session::Session;
use super::words::{self, Moment};
use crate::fault::Fault;
use crate::grpc::{resolve_reviews, review_cause};
use crate::lookup;
use crate::page::Page as Paging;

const SIZE: i32 = 200;

#[derive(Template)]
#[template(path = "reviews.html")]
struct Page {
    layout: Layout,
    lines: Vec<Line>,
    causes: [Choice; 4],
    connection: String,
    cause: String,
    run: String,
    next: String,
    first: bool,
}

/// A cause that the list can be narrowed to.
struct Choice {
    key: &'static str,
    told: String,
    chosen: bool,
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
    holds: String,
    waits: bool,
    seen: Option<Moment>,
    held: Moment,
}

/// Which reviews.
#[derive(Deserialize)]
pub struct Which {
    #[serde(default)]
    connection: String,
    #[serde(default)]
    cause: String,
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
    let list = format!(
        "console reviews of {} {} {}",
        which.run, which.connection, which.cause
    );
    let paging = Paging::read(list, SIZE, &which.page)?;
    let after = paging.after_parsed(|parts| {
        let [at, id] = parts else { return None };
        Some((at.parse().ok()?, id.parse::<ReviewId>().ok()?))
    })?;
    let mut tx = console.app.store.begin("console.reviews").await?;
    let filter = Filter {
        organization: session.caller.organization(),
        connection: lookup::connection_filter(&mut tx, &session.caller, &which.connection).await?,
        run: match which.run.as_str() {
            "" => None,
            run => Some(lookup::parse::<RunId>("run", run)?),
        },
        state: Stage::Open,
        cause: review_cause(&which.cause)?,
    };
    let mut reviews = review_list::list(tx.connection(), filter, after, paging.limit()).await?;
    tx.commit().await?;
    let next = paging.cut(&mut reviews, |review| {
        vec![review.created_at.to_rfc3339(), review.id.to_string()]
    });
    let now = console.app.clock.now();
    let lines = reviews.into_iter().map(|review| Line::of(review, now)).collect();
    render(&Page {
        layout,
        lines,
        causes: Cause::ALL.map(|cause| Choice {
            key: cause.key(),
            told: cause.to_string(),
            chosen: which.cause == cause.key(),
        }),
        connection: which.connection,
        cause: which.cause,
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
        "keep" => v1::ReviewState::Kept,
        _ => return Err(Fault::invalid("verdict", "is none of approve, reject and keep").into()),
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
        let back = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(["connection", "cause", "run"].map(|name| (name, one(name))))
            .finish();
        return Ok(Redirect::to(&format!("/reviews?{back}")).into_response());
    }
    Err(Fault::Precondition {
        reason: "NOT_RESOLVED",
        message: left.join("\n"),
    }
    .into())
}

impl Line {
    fn of(review: Review, now: chrono::DateTime<chrono::Utc>) -> Self {
        let holds = holds(&review);
        Self {
            id: review.id.to_string(),
            name: review.name.unwrap_or_default(),
            upn: review.upn.unwrap_or_default(),
            role: review.role.map_or("", Role::key),
            cause: review.cause.to_string(),
            proposed: review.proposed.key(),
            holds,
            waits: review.waits_for_assets,
            seen: review.last_seen_at.map(|at| words::moment(at, now)),
            reason: review.reason,
            connection: review.connection,
            run: review.run.to_string(),
            held: words::moment(review.created_at, now),
        }
    }
}

/// `2: Laptop (T-1), Phone`; nothing for nothing.
fn holds(review: &Review) -> String {
    if review.held_count == 0 {
        return String::new();
    }
    let named: Vec<String> = review
        .held
        .iter()
        .map(|asset| label(&asset.name, asset.tag.as_deref()))
        .collect();
    let more = if review.held_count as usize > named.len() {
        ", …"
    } else {
        ""
    };
    format!("{}: {}{more}", review.held_count, named.join(", "))
}
