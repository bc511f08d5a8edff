//! One connection: how it is, what its last test found, and its runs.

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::response::{Html, Redirect};
use chrono::{DateTime, Utc};
use contracts::v1;
use domain::criteria::Criteria;
use domain::expiry::Expiry;
use domain::schedule::Kind;
use serde::Deserialize;
use store::credential::Credential;
use store::credential_expiry::{self, Read};
use store::mapping::{self, Target};
use store::run_filter::Filter;
use store::{review_list, run_view, schedule};

use super::Console;
use super::layout::{Layout, Section};
use super::overview::Card;
use super::respond::{Problem, page as render};
use super::run_actions::Press;
use super::runs::Line;
use super::session::Session;
use super::words::{self, Moment};
use crate::configuration::{release, switch};
use crate::fault::Fault;
use crate::lookup;
use crate::view::connection::{said_by, unknown_expiry};

const RUNS: i64 = 15;

#[derive(Template)]
#[template(path = "connection.html")]
struct Page {
    layout: Layout,
    card: Card,
    domains: Vec<String>,
    cloud: String,
    /// Its secrets, and when they expire.
    secrets: Vec<(&'static str, String)>,
    brake: String,
    policies: [(&'static str, &'static str); 5],
    mappings: Vec<(String, String)>,
    checks: Vec<Check>,
    tested: Option<Moment>,
    waiting: u32,
    runs: Vec<Line>,
    times: [(&'static str, Option<Moment>, Option<Moment>); 3],
}

/// What the form for the schedule brings.
#[derive(Deserialize)]
pub struct Switch {
    form_token: String,
    /// Which of its buttons: `on`, `off`, `deprovision-on` or `deprovision-off`.
    what: String,
}

struct Check {
    name: String,
    passed: bool,
    message: String,
    next_step: String,
}

/// The page.
pub async fn page(
    State(console): State<Console>,
    session: Session,
    Path(name): Path<String>,
) -> Result<Html<String>, Problem> {
    let layout = Layout::load(&console, &session, Section::Overview).await?;
    let now = console.app.clock.now();
    let mut tx = console.app.store.begin("console.connection").await?;
    let found = lookup::connection(&mut tx, &session.caller, &name).await?;
    let known = lookup::known(&mut tx, vec![found]).await?;
    let Some(known) = known.first() else {
        return Err(Fault::NotFound {
            what: "connection",
            name,
            hint: String::new(),
        }
        .into());
    };
    let of = &known.connection;
    let runs = run_view::list(
        tx.connection(),
        of.organization,
        &Filter::of_connection(of.id),
        None,
        RUNS,
    )
    .await?;
    let mappings = mapping::of_connection(tx.connection(), of.id).await?;
    let waiting = review_list::open(tx.connection(), of.organization, Some(of.id)).await?;
    tx.commit().await?;
    let status = known.status.as_ref();
    render(&Page {
        layout,
        card: Card::of(known, now),
        domains: status
            .map(|status| status.verified_domains.clone())
            .unwrap_or_default(),
        cloud: of.graph_url.clone().unwrap_or_else(|| of.cloud.clone()),
        secrets: known.credential.as_ref().map_or_else(Vec::new, secrets),
        brake: format!(
            "{} % or {} records, from {} linked up",
            of.brake.percent, of.brake.count, of.brake.from
        ),
        policies: [
            ("Disabled", of.leavers.disabled.key()),
            ("Soft-deleted", of.leavers.soft_deleted.key()),
            ("Gone", of.leavers.gone.key()),
            ("Out of scope", of.leavers.out_of_scope.key()),
            ("Back again", of.leavers.returning.key()),
        ],
        mappings: mappings
            .iter()
            .map(|mapping| {
                let rules = || format!("{}; {}", rows(mapping.rows.len()), whom(&mapping.criteria));
                let told = match &mapping.target {
                    Target::Accounts { .. } => rules(),
                    Target::People { place, .. } => {
                        format!("people of {} in {}; {}", place.collection, place.entity, rules())
                    }
                    Target::Groups => "groups and their members, as an inventory".to_owned(),
                };
                (mapping.name.clone(), told)
            })
            .collect(),
        checks: status
            .iter()
            .flat_map(|status| &status.checks)
            .map(Check::of)
            .collect(),
        tested: status.map(|status| words::moment(status.tested_at, now)),
        waiting,
        runs: runs.iter().map(|run| Line::of(run, now)).collect(),
        times: [
            ("Full", known.facts.last_full, Kind::Full),
            ("Delta", known.facts.last_delta, Kind::Delta),
            ("Deprovision", known.facts.last_deprovision, Kind::Deprovision),
        ]
        .map(|(name, last, kind)| {
            let told = |at: Option<DateTime<Utc>>| at.map(|at| words::moment(at, now));
            (name, told(last), told(known.next(kind, now)))
        }),
    })
}

/// Ends its quarantine.
pub async fn release(
    State(console): State<Console>,
    session: Session,
    Path(name): Path<String>,
    Form(form): Form<Press>,
) -> Result<Redirect, Problem> {
    session.check_form(&form.form_token)?;
    session.caller.must_be_admin("releasing a connection")?;
    let request = v1::ReleaseConnectionRequest {
        connection: name,
        ..v1::ReleaseConnectionRequest::default()
    };
    let connection = release::release(&console.app, &session.caller, request).await?;
    // By its id, which needs no escaping, unlike its name.
    Ok(Redirect::to(&format!("/connections/{}", connection.id)))
}

/// Switches its schedule, or the nightly part of it, on or off.
pub async fn switch_schedule(
    State(console): State<Console>,
    session: Session,
    Path(name): Path<String>,
    Form(form): Form<Switch>,
) -> Result<Redirect, Problem> {
    session.check_form(&form.form_token)?;
    session.caller.must_be_admin("switching a schedule")?;
    let (on, deprovision) = match form.what.as_str() {
        "on" => (Some(true), None),
        "off" => (Some(false), None),
        "deprovision-on" => (None, Some(true)),
        "deprovision-off" => (None, Some(false)),
        _ => {
            return Err(
                Fault::invalid("what", "is none of on, off, deprovision-on and deprovision-off").into(),
            );
        }
    };
    let mut database = console.app.store.begin("console.switch_schedule").await?;
    let found = lookup::connection(&mut database, &session.caller, &name).await?;
    let schedules = schedule::of_connections(database.connection(), &[found.id]).await?;
    database.commit().await?;
    let Some(schedule) = schedules.first() else {
        return Err(Fault::NotFound {
            what: "schedule of the connection",
            name,
            hint: "; add a document of kind Schedule with rollcall apply -f FILE".to_owned(),
        }
        .into());
    };
    let request = v1::SwitchScheduleRequest {
        schedule: schedule.id.to_string(),
        on,
        deprovision,
        ..v1::SwitchScheduleRequest::default()
    };
    switch::switch(&console.app, &session.caller, request).await?;
    Ok(Redirect::to(&format!("/connections/{}", found.id)))
}

/// When each secret of a credential expires.
fn secrets((credential, read): &(Credential, Option<Read>)) -> Vec<(&'static str, String)> {
    let secrets = credential_expiry::secrets(credential, read.as_ref());
    let told = secrets.into_iter().map(|secret| {
        let which = if secret.next {
            "Next client secret"
        } else {
            "Client secret"
        };
        let end = match secret.expiry {
            Some(Expiry { at, source }) => format!("until {}, {}", at.format("%Y-%m-%d"), said_by(source)),
            None => unknown_expiry(read.as_ref()),
        };
        (which, end)
    });
    told.collect()
}

fn rows(number: usize) -> String {
    match number {
        0 => "every attribute, by default rows".to_owned(),
        1 => "1 row".to_owned(),
        number => format!("{number} rows"),
    }
}

fn whom(criteria: &Criteria) -> String {
    match criteria.filters.len() {
        0 => "for everyone".to_owned(),
        1 => format!("for those with {criteria}"),
        number => format!("for whom one of {number} filters takes in: {criteria}"),
    }
}

impl Check {
    fn of(check: &store::connection_status::Check) -> Self {
        Self {
            name: check.name.clone(),
            passed: check.passed,
            message: check.message.clone(),
            next_step: check.next_step.clone(),
        }
    }
}
