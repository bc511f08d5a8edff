//! Forms and files of runs: start, cancel, apply, revert, and the failed ones as CSV.

use axum::Form;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use contracts::v1;
use serde::Deserialize;

use super::Console;
use super::respond::Problem;
use super::session::Session;
use crate::fault::Fault;
use crate::{lookup, runs};

/// What the form for a new run brings.
#[derive(Deserialize)]
pub struct Start {
    form_token: String,
    connection: String,
    kind: String,
}

/// What a form with nothing to fill in brings.
#[derive(Deserialize)]
pub struct Press {
    /// Proves that the form is ours.
    pub form_token: String,
}

/// What the form for a revert brings.
#[derive(Deserialize)]
pub struct Revert {
    form_token: String,
    #[serde(default)]
    reason: String,
    /// Which of the two buttons: `plan` or `do`.
    what: String,
    /// The one object whose record is meant; all of the run when empty.
    #[serde(default)]
    object: String,
}

/// "Sync now".
pub async fn start(
    State(console): State<Console>,
    session: Session,
    Form(form): Form<Start>,
) -> Result<Redirect, Problem> {
    session.check_form(&form.form_token)?;
    session.caller.must_be_admin("starting a run")?;
    let kind = match form.kind.as_str() {
        "full" => v1::RunKind::Full,
        "delta" => v1::RunKind::Delta,
        "preview" => v1::RunKind::Preview,
        "deprovision" => v1::RunKind::Deprovision,
        _ => return Err(Fault::invalid("kind", "is none of full, delta, preview and deprovision").into()),
    };
    let request = v1::StartRunRequest {
        connection: form.connection,
        kind: kind.into(),
        trigger: "console".to_owned(),
        ..v1::StartRunRequest::default()
    };
    let run = runs::start::start(&console.app, &session.caller, request).await?;
    Ok(Redirect::to(&format!("/runs/{}", run.id)))
}

/// Asks for a run's end.
pub async fn cancel(
    State(console): State<Console>,
    session: Session,
    Path(run_id): Path<String>,
    Form(form): Form<Press>,
) -> Result<Redirect, Problem> {
    session.check_form(&form.form_token)?;
    session.caller.must_be_admin("cancelling a run")?;
    let request = v1::CancelRunRequest {
        run_id,
        ..v1::CancelRunRequest::default()
    };
    let run = runs::cancel::cancel(&console.app, &session.caller, request).await?;
    Ok(Redirect::to(&format!("/runs/{}", run.id)))
}

/// Applies a plan as it was shown.
pub async fn apply(
    State(console): State<Console>,
    session: Session,
    Path(run_id): Path<String>,
    Form(form): Form<Press>,
) -> Result<Redirect, Problem> {
    session.check_form(&form.form_token)?;
    session.caller.must_be_admin("applying a plan")?;
    let request = v1::ApplyRunRequest {
        run_id,
        ..v1::ApplyRunRequest::default()
    };
    let run = runs::apply::apply(&console.app, &session.caller, request).await?;
    Ok(Redirect::to(&format!("/runs/{}", run.id)))
}

/// Takes back what a run did, or shows what that would do.
pub async fn revert(
    State(console): State<Console>,
    session: Session,
    Path(run_id): Path<String>,
    Form(form): Form<Revert>,
) -> Result<Redirect, Problem> {
    session.check_form(&form.form_token)?;
    session.caller.must_be_admin("reverting a run")?;
    let dry_run = match form.what.as_str() {
        "plan" => true,
        "do" => false,
        _ => return Err(Fault::invalid("what", "is none of plan and do").into()),
    };
    let request = v1::RevertRunRequest {
        run_id,
        object_ids: Some(form.object)
            .filter(|object| !object.is_empty())
            .into_iter()
            .collect(),
        dry_run,
        reason: form.reason,
        trigger: "console".to_owned(),
        ..v1::RevertRunRequest::default()
    };
    let run = runs::revert::revert(&console.app, &session.caller, request).await?;
    Ok(Redirect::to(&format!("/runs/{}", run.id)))
}

/// The failed records.
pub async fn failed_csv(
    State(console): State<Console>,
    session: Session,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let run = lookup::run(&console.app, &session.caller, &id).await?;
    runs::details::kept(&run)?;
    let csv = runs::failed_csv::failed_csv(&console.app, run.id).await?;
    let name = format!("attachment; filename=\"failed-{}.csv\"", run.id);
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, csv).into_response())
}
