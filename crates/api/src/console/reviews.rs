//! Removals that await a person.

use std::collections::HashMap;

use askama::Template;
use axum::body::Body;
use axum::extract::{Query, RawForm, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use contracts::v1;
use domain::account::Role;
use domain::asset::label;
use domain::id::{ReviewId, RunId};
use domain::leaver::Cause;
use serde::Deserialize;
use store::review_list::{self, Filter, Review, State as Stage};
use uuid::Uuid;

use super::Console;
use super::layout::{Layout, Section};
use super::respond::{Problem, page as render};
use super::reviews_csv;
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
    query: String,
    next: String,
    first: bool,
    told: Option<Told>,
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
    show(&console, &session, which, None).await
}

/// What was decided, when not all of it could be done.
struct Told {
    done: usize,
    left: Vec<String>,
}

impl Which {
    async fn filter(&self, console: &Console, session: &Session) -> Result<Filter, Fault> {
        let mut tx = console.app.store.begin("console.reviews_of").await?;
        let connection = lookup::connection_filter(&mut tx, &session.caller, &self.connection).await?;
        tx.commit().await?;
        Ok(Filter {
            organization: session.caller.organization(),
            connection,
            run: match self.run.as_str() {
                "" => None,
                run => Some(lookup::parse::<RunId>("run", run)?),
            },
            state: Stage::Open,
            cause: review_cause(&self.cause)?,
        })
    }

    /// The same list, in an address.
    fn query(&self) -> String {
        let asked = [
            ("connection", &self.connection),
            ("cause", &self.cause),
            ("run", &self.run),
        ];
        url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(asked.into_iter().filter(|(_, value)| !value.is_empty()))
            .finish()
    }
}

async fn show(
    console: &Console,
    session: &Session,
    which: Which,
    told: Option<Told>,
) -> Result<Html<String>, Problem> {
    let layout = Layout::load(console, session, Section::Reviews).await?;
    let list = format!(
        "console reviews of {} {} {}",
        which.run, which.connection, which.cause
    );
    let paging = Paging::read(list, SIZE, &which.page)?;
    let after = paging.after_parsed(|parts| {
        let [at, id] = parts else { return None };
        Some((at.parse().ok()?, id.parse::<ReviewId>().ok()?))
    })?;
    let filter = which.filter(console, session).await?;
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
        causes: Cause::ALL.map(|cause| Choice {
            key: cause.key(),
            told: cause.to_string(),
            chosen: which.cause == cause.key(),
        }),
        query: which.query(),
        connection: which.connection,
        cause: which.cause,
        run: which.run,
        next,
        first: after.is_none(),
        told,
    })
}

/// The same list as a file, all of it.
pub async fn csv(
    State(console): State<Console>,
    session: Session,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    let filter = which.filter(&console, &session).await?;
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"reviews.csv\"",
        ),
    ];
    let stream = reviews_csv::stream(console.app.store.clone(), filter);
    Ok((headers, Body::from_stream(stream)).into_response())
}

/// Decides on the chosen ones. Whatever could not be done is told with the list.
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
    let (verdict, action) = match one("verdict").as_str() {
        "approve" => (v1::ReviewState::Approved, v1::LeaverAction::Unspecified),
        "deactivate" => (v1::ReviewState::Approved, v1::LeaverAction::Deactivate),
        "reject" => (v1::ReviewState::Rejected, v1::LeaverAction::Unspecified),
        "keep" => (v1::ReviewState::Kept, v1::LeaverAction::Unspecified),
        _ => {
            let problem = "is none of approve, deactivate, reject and keep";
            return Err(Fault::invalid("verdict", problem).into());
        }
    };
    let chosen = all("id");
    if chosen.is_empty() {
        let problem = "is nobody; tick the boxes of those that you decide on, then go back to it";
        return Err(Fault::invalid("The choice", problem).into());
    }
    let request = v1::ResolveReviewsRequest {
        review_ids: chosen,
        action: action.into(),
        reason: one("reason"),
        ..v1::ResolveReviewsRequest::default()
    };
    let answer = resolve_reviews(&console.app, &session.caller, request, verdict).await?;
    let which = Which {
        connection: one("connection"),
        cause: one("cause"),
        run: one("run"),
        page: String::new(),
    };
    let (done, left): (Vec<_>, Vec<_>) = answer.results.into_iter().partition(|result| result.resolved);
    if left.is_empty() {
        return Ok(Redirect::to(&format!("/reviews?{}", which.query())).into_response());
    }
    let told = Told {
        done: done.len(),
        left: by_name(&console, &session, left).await?,
    };
    let page = show(&console, &session, which, Some(told)).await?;
    Ok((StatusCode::CONFLICT, page).into_response())
}

/// What could not be done, each with whom it is about.
async fn by_name(
    console: &Console,
    session: &Session,
    left: Vec<v1::ReviewResolution>,
) -> Result<Vec<String>, Problem> {
    let ids: Vec<Uuid> = left
        .iter()
        .filter_map(|result| result.review_id.parse().ok())
        .collect();
    let mut connection = console.app.store.connection().await?;
    let names = review_list::names(&mut connection, session.caller.organization(), &ids).await?;
    let names: HashMap<String, String> = names
        .into_iter()
        .map(|(id, name)| (id.to_string(), name))
        .collect();
    let told = |result: v1::ReviewResolution| {
        let whom = names.get(&result.review_id).unwrap_or(&result.review_id);
        format!("{whom}: {}", result.message)
    };
    Ok(left.into_iter().map(told).collect())
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
pub(super) fn holds(review: &Review) -> String {
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
