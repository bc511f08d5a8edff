//! One run: live progress, true counts, why, and what it found.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{Html, IntoResponse, Response};
use chrono::{DateTime, Utc};
use store::run_view::{RunView, State as Stage};
use store::run_wait::Waits;

use super::Console;
use super::layout::{Layout, Section};
use super::respond::{Problem, page as render};
use super::session::Session;
use super::words::{self, Moment, Pill};
use crate::lookup;
use crate::view::run::{eta_seconds, note, percent, reason, trace_id, waiting_for};

/// Tells the page's script that nothing more will change.
const ENDED: HeaderName = HeaderName::from_static("x-run-ended");

#[derive(Template)]
#[template(path = "run.html")]
struct Page {
    layout: Layout,
    live: Live,
    id: String,
    kind: &'static str,
    connection: String,
    requested_by: String,
    trigger: String,
    created: Moment,
    trace: String,
    can: Can,
    reverts: String,
    reverted_by: Vec<String>,
    revert_reason: String,
    pruned: bool,
    changes: Vec<(Pill, &'static str, String)>,
}

/// What whoever looks at it may do with it now.
struct Can {
    cancel: bool,
    apply: bool,
    revert: bool,
}

#[derive(Template)]
#[template(path = "run_live.html")]
struct LivePart {
    live: Live,
}

/// What changes while a run goes on.
struct Live {
    ended: bool,
    state: Pill,
    steps: [Step; 4],
    bar: Option<Bar>,
    took: String,
    reason: String,
    error: String,
    removals_note: String,
    note: String,
    planned: bool,
    tiles: Vec<Tile>,
    sums: Sums,
    facts: Vec<(&'static str, String)>,
    waits: Vec<(String, String)>,
    waiting: String,
    behind: Option<String>,
}

/// One of the steps that every run takes.
struct Step {
    word: &'static str,
    /// done, now, stopped or later.
    when: &'static str,
}

struct Bar {
    percent: Option<u32>,
    told: String,
    eta: String,
}

struct Tile {
    word: &'static str,
    tone: &'static str,
    number: String,
    detail: String,
}

/// The counting rule, as a sum on either side.
struct Sums {
    left: Vec<(&'static str, String)>,
    right: Vec<(&'static str, String)>,
    total: String,
    adds_up: bool,
}

/// The page.
pub async fn page(
    State(console): State<Console>,
    session: Session,
    Path(id): Path<String>,
) -> Result<Html<String>, Problem> {
    let layout = Layout::load(&console, &session, Section::Runs).await?;
    let run = lookup::run(&console.app, &session.caller, &id).await?;
    let now = console.app.clock.now();
    let admin = layout.admin;
    render(&Page {
        layout,
        id: run.id.to_string(),
        kind: words::kind(run.kind),
        connection: run.connection_name.clone(),
        requested_by: run.requested_by.clone(),
        trigger: run.trigger.clone(),
        created: words::moment(run.created_at, now),
        trace: run
            .traceparent
            .as_deref()
            .and_then(trace_id)
            .unwrap_or_default()
            .to_owned(),
        can: Can {
            cancel: admin
                && run.cancel_requested.is_none()
                && (!run.state.has_ended() || run.state == Stage::Planned),
            apply: admin && run.state == Stage::Planned,
            revert: admin && run.state == Stage::Finished && !run.details_pruned,
        },
        reverts: run.reverts.map(|id| id.to_string()).unwrap_or_default(),
        reverted_by: run.reverted_by.iter().map(ToString::to_string).collect(),
        revert_reason: run.revert_reason.clone().unwrap_or_default(),
        pruned: run.details_pruned,
        changes: changes(&run),
        live: Live::of(&run, now),
    })
}

/// The part that changes, for the page's script.
pub async fn live(
    State(console): State<Console>,
    session: Session,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let run = lookup::run(&console.app, &session.caller, &id).await?;
    let live = Live::of(&run, console.app.clock.now());
    let ended = HeaderValue::from_static(if live.ended { "1" } else { "0" });
    Ok(([(ENDED, ended)], render(&LivePart { live })?).into_response())
}

fn changes(run: &RunView) -> Vec<(Pill, &'static str, String)> {
    words::OUTCOMES
        .into_iter()
        .map(|outcome| {
            let count = super::changes::count(&run.counts, outcome);
            (
                words::outcome(outcome),
                words::outcome_key(outcome),
                number(run, count),
            )
        })
        .collect()
}

impl Live {
    fn of(run: &RunView, now: DateTime<Utc>) -> Self {
        Self {
            ended: run.state.has_ended(),
            state: match run.cancel_requested {
                Some(_) if !run.state.has_ended() => Pill {
                    word: "Cancelling",
                    tone: "wait",
                },
                _ => words::state(run.state),
            },
            steps: steps(run),
            bar: bar(run, now),
            took: words::took(run, now).unwrap_or_default(),
            reason: reason(run).unwrap_or_default(),
            error: run.error.clone().unwrap_or_default(),
            removals_note: run.removals_note.clone().unwrap_or_default(),
            note: note(run).unwrap_or_default(),
            planned: run.state == Stage::Planned,
            tiles: tiles(run),
            sums: sums(run),
            facts: facts(run),
            waits: run.waits.iter().map(waits).collect(),
            waiting: waiting(run, now),
            behind: run
                .behind
                .filter(|_| run.state == Stage::Requested)
                .map(|behind| behind.to_string()),
        }
    }
}

fn steps(run: &RunView) -> [Step; 4] {
    // Where a run that did not go to its end has stopped, as far as the times tell.
    let (reached, stopped) = match run.state {
        Stage::Requested => (0, false),
        Stage::Fetching => (1, false),
        Stage::Planning => (2, false),
        Stage::Planned | Stage::Applying => (3, false),
        Stage::Finished => (4, false),
        Stage::Failed | Stage::Cancelled | Stage::Expired => match (run.started_at, run.planned_at) {
            (_, Some(_)) => (3, true),
            (Some(_), None) if run.progress.pages_decided < run.progress.pages_fetched => (2, true),
            (Some(_), None) => (1, true),
            (None, None) => (0, true),
        },
    };
    let words = [
        ["Asked for", "Asked for"],
        ["Read", "Reading"],
        ["Decided", "Deciding"],
        [
            "Applied",
            if run.state == Stage::Planned {
                "Waits to be applied"
            } else {
                "Applying"
            },
        ],
    ];
    let mut index = 0;
    words.map(|[done, doing]| {
        let when = match index {
            index if index < reached => "done",
            index if index == reached && stopped => "stopped",
            index if index == reached => "now",
            _ => "later",
        };
        index += 1;
        Step {
            word: if when == "now" { doing } else { done },
            when,
        }
    })
}

fn bar(run: &RunView, now: DateTime<Utc>) -> Option<Bar> {
    if run.state.has_ended() {
        return None;
    }
    let progress = &run.progress;
    let told = match run.state {
        Stage::Fetching => match progress.records_expected {
            Some(all) => format!(
                "{} of about {} records read",
                words::thousands(progress.records_read),
                words::thousands(all)
            ),
            None => format!("{} records read", words::thousands(progress.records_read)),
        },
        Stage::Planning => format!(
            "{} of {} pages decided",
            words::thousands(progress.pages_decided),
            words::thousands(progress.pages_fetched)
        ),
        Stage::Applying => format!(
            "{} of {} pages applied",
            words::thousands(progress.pages_applied),
            words::thousands(progress.pages_to_apply)
        ),
        _ => "not begun yet".to_owned(),
    };
    let eta = eta_seconds(run, now).map(|seconds| {
        format!(
            "about {} left",
            words::lasted(chrono::TimeDelta::seconds(seconds.max(1).into()))
        )
    });
    Some(Bar {
        percent: percent(run),
        told,
        eta: eta.unwrap_or_default(),
    })
}

/// The tallies are made when everything is decided; until then there is nothing to tell.
fn number(run: &RunView, number: u32) -> String {
    if run.planned_at.is_some() {
        words::thousands(number)
    } else {
        "–".to_owned()
    }
}

fn tiles(run: &RunView) -> Vec<Tile> {
    let counts = &run.counts;
    let inside =
        |number: u32, word: &str| (number > 0).then(|| format!("{} {word}", words::thousands(number)));
    let updated: Vec<String> = [
        inside(counts.overwritten, "overwritten"),
        inside(counts.reactivated, "reactivated"),
    ]
    .into_iter()
    .flatten()
    .collect();
    [
        ("Added", "good", counts.added, String::new()),
        ("Updated", "busy", counts.updated, updated.join(", ")),
        ("Unchanged", "quiet", counts.unchanged, String::new()),
        ("Skipped", "quiet", counts.skipped, String::new()),
        ("Removed", "wait", counts.removed, String::new()),
        ("Held", "wait", counts.held, String::new()),
        ("Failed", "bad", counts.failed, String::new()),
    ]
    .into_iter()
    .map(|(word, tone, count, detail)| Tile {
        word,
        tone: if count == 0 { "none" } else { tone },
        number: number(run, count),
        detail,
    })
    .collect()
}

fn sums(run: &RunView) -> Sums {
    let counts = &run.counts;
    let left = [("Seen", counts.seen), ("Gone", counts.gone)];
    let right = [
        ("Added", counts.added),
        ("Updated", counts.updated),
        ("Unchanged", counts.unchanged),
        ("Skipped", counts.skipped),
        ("Removed", counts.removed),
        ("Held", counts.held),
        ("Failed", counts.failed),
    ];
    let total = |numbers: &[(&str, u32)]| numbers.iter().map(|(_, number)| u64::from(*number)).sum::<u64>();
    let told = |numbers: &[(&'static str, u32)]| {
        numbers
            .iter()
            .map(|(word, count)| (*word, number(run, *count)))
            .collect::<Vec<_>>()
    };
    Sums {
        total: number(run, u32::try_from(total(&left)).unwrap_or(u32::MAX)),
        adds_up: run.planned_at.is_some() && total(&left) == total(&right),
        left: told(&left),
        right: told(&right),
    }
}

/// What it waits for, as the end of a sentence.
fn waiting(run: &RunView, now: DateTime<Utc>) -> String {
    let Some(what) = waiting_for(run, now).filter(|_| !run.state.has_ended()) else {
        return String::new();
    };
    let timed = what.starts_with(|c: char| c.is_ascii_digit());
    if timed { what } else { format!("for {what}") }
}

fn waits(of: &Waits) -> (String, String) {
    let lasted = |length: u64| {
        words::lasted(chrono::TimeDelta::milliseconds(
            i64::try_from(length).unwrap_or(i64::MAX),
        ))
    };
    let cause = match of.resource.as_str() {
        "" => of.cause.clone(),
        resource => format!("{} on {resource}", of.cause),
    };
    let told = format!(
        "{} ×, {} in all, {} the longest",
        words::thousands(of.count),
        lasted(of.total_ms),
        lasted(of.longest_ms)
    );
    (cause, told)
}

fn facts(run: &RunView) -> Vec<(&'static str, String)> {
    let progress = &run.progress;
    let reads = match run.delta {
        Some(true) => "changes since the last run",
        Some(false) => "everything",
        None if run.reverts.is_some() => "nothing",
        None => "not begun",
    };
    let waits = match progress.waits {
        0 => "none".to_owned(),
        waits => format!(
            "{} ({} in all)",
            words::thousands(waits),
            words::lasted(chrono::TimeDelta::milliseconds(
                i64::try_from(progress.wait_ms).unwrap_or(i64::MAX)
            ))
        ),
    };
    vec![
        ("Reads", reads.to_owned()),
        ("Records read", words::thousands(progress.records_read)),
        ("Pages", words::thousands(progress.pages_fetched)),
        ("Graph calls", words::thousands(progress.calls)),
        ("Resource units", words::thousands(progress.resource_units)),
        ("Throttle waits", waits),
    ]
}
