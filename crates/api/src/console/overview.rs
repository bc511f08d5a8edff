//! The overview: connections with their state, and the last runs.

use askama::Template;
use axum::extract::State;
use axum::response::Html;
use chrono::{DateTime, Utc};
use domain::schedule::Kind;
use store::run_filter::Filter;
use store::{connection, run_view};

use super::Console;
use super::layout::{Layout, Section};
use super::respond::{Problem, page as render};
use super::runs::Line;
use super::session::Session;
use super::words::{self, Moment, Pill};
use crate::lookup;
use crate::view::connection::{Known, State as Condition};

/// Connections that are shown at most.
const MOST: i64 = 200;
/// Runs that are shown.
const RUNS: i64 = 8;

#[derive(Template)]
#[template(path = "overview.html")]
struct Page {
    layout: Layout,
    cards: Vec<Card>,
    runs: Vec<Line>,
    linked: String,
    first: bool,
}

/// A connection, as a card or a page shows it.
pub struct Card {
    /// Its name.
    pub name: String,
    /// The tenant's name, or its id while that is not known.
    pub tenant: String,
    /// The tenant's id.
    pub tenant_id: String,
    /// How it is.
    pub state: Pill,
    /// The tenant's verified domains, the first few.
    pub domains: Vec<String>,
    /// How many more there are.
    pub more_domains: usize,
    /// How many accounts it feeds.
    pub linked: String,
    /// The last full run that was applied.
    pub last_full: Option<Moment>,
    /// The last delta that was applied.
    pub last_delta: Option<Moment>,
    /// The last run for leavers alone that was applied.
    pub last_deprovision: Option<Moment>,
    /// When runs come by themselves.
    pub schedule: Option<Scheduled>,
    /// When the next ones begin: full, delta, deprovision.
    pub next: [Option<Moment>; 3],
    /// Why the next delta will be full.
    pub next_full: String,
    /// What is wrong, and what to do.
    pub trouble: Option<(String, String)>,
    /// Its quarantine.
    pub quarantine: Option<Quarantined>,
    /// What is wrong, or will be, although it works.
    pub warnings: Vec<String>,
    /// Whether a run can be started.
    pub can_run: bool,
}

/// A schedule, as a card or a page shows it.
pub struct Scheduled {
    /// What it says, in words.
    pub told: String,
    /// Whether full runs and deltas are on.
    pub on: bool,
    /// Whether it is said when they would come.
    pub can_be_on: bool,
    /// Whether nightly deprovisions are on.
    pub deprovision: bool,
    /// Why nothing comes at present.
    pub waits: Option<String>,
}

/// A quarantine, as a card or a page shows it.
pub struct Quarantined {
    /// When it began.
    pub since: Moment,
    /// Why, and what to do.
    pub reason: String,
    /// When the connection is tried again by itself, if it is.
    pub next_try: Option<Moment>,
}

/// The page.
pub async fn page(State(console): State<Console>, session: Session) -> Result<Html<String>, Problem> {
    let layout = Layout::load(&console, &session, Section::Overview).await?;
    let organization = session.caller.organization();
    let now = console.app.clock.now();
    let mut tx = console.app.store.begin("console.overview").await?;
    let connections = connection::list(tx.connection(), organization, None, MOST).await?;
    let known = lookup::known(&mut tx, connections).await?;
    let runs = run_view::list(tx.connection(), organization, &Filter::default(), None, RUNS).await?;
    tx.commit().await?;
    let linked = known
        .iter()
        .map(|known| known.facts.linked)
        .fold(0, u32::saturating_add);
    render(&Page {
        layout,
        first: known.is_empty(),
        cards: known.iter().map(|known| Card::of(known, now)).collect(),
        runs: runs.iter().map(|run| Line::of(run, now)).collect(),
        linked: words::thousands(linked),
    })
}

impl Card {
    /// The connection, seen at `now`.
    pub fn of(known: &Known, now: DateTime<Utc>) -> Self {
        const SHOWN: usize = 3;
        let condition = known.state();
        let status = known.status.as_ref();
        let domains = status
            .map(|status| status.verified_domains.as_slice())
            .unwrap_or_default();
        let tenant_id = known.connection.tenant.to_string();
        Self {
            name: known.connection.name.clone(),
            tenant: status
                .and_then(|status| status.display_name.clone())
                .unwrap_or_else(|| tenant_id.clone()),
            tenant_id,
            state: match condition {
                _ if known.quarantine().is_some() => Pill {
                    word: "In quarantine",
                    tone: "bad",
                },
                Condition::New => Pill {
                    word: "Not tested yet",
                    tone: "quiet",
                },
                Condition::Connected => Pill {
                    word: "Connected",
                    tone: "good",
                },
                Condition::Failing => Pill {
                    word: "Failing",
                    tone: "bad",
                },
                Condition::Disconnected => Pill {
                    word: "Disconnected",
                    tone: "quiet",
                },
            },
            domains: domains.iter().take(SHOWN).cloned().collect(),
            more_domains: domains.len().saturating_sub(SHOWN),
            linked: words::thousands(known.facts.linked),
            last_full: known.facts.last_full.map(|at| words::moment(at, now)),
            last_delta: known.facts.last_delta.map(|at| words::moment(at, now)),
            last_deprovision: known.facts.last_deprovision.map(|at| words::moment(at, now)),
            schedule: known.schedule.as_ref().map(|planned| Scheduled {
                told: planned.stored.schedule.to_string(),
                on: planned.stored.schedule.on,
                can_be_on: planned.stored.schedule.full.is_some(),
                deprovision: planned.stored.schedule.deprovision.on,
                waits: planned.waits_because(now),
            }),
            next: Kind::ALL.map(|kind| known.next(kind, now).map(|at| words::moment(at, now))),
            next_full: known.next_full_reason(now).unwrap_or_default(),
            trouble: (condition == Condition::Failing).then(|| trouble(known)),
            quarantine: known.quarantine().map(|quarantine| Quarantined {
                since: words::moment(quarantine.since, now),
                reason: quarantine.why.text.clone(),
                next_try: known.next_try(now).map(|at| words::moment(at, now)),
            }),
            warnings: known.warnings(now),
            can_run: condition != Condition::Disconnected,
        }
    }
}

fn trouble(known: &Known) -> (String, String) {
    let failed = known
        .status
        .iter()
        .flat_map(|status| &status.checks)
        .find(|check| !check.passed);
    match failed {
        Some(check) => (check.message.clone(), check.next_step.clone()),
        None => (
            "The last run failed.".to_owned(),
            "Open it to see why and what to do.".to_owned(),
        ),
    }
}
