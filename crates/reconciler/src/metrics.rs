//! What the reconciler counts.

use chrono::DateTime;
use domain::decision::{Decision, Outcome};
use domain::id::RunId;
use service::Clock;
use service::metrics::{Counter, Timer, counter, long_timer, timer};
use store::run::Kind;
use store::run_plan::State;

/// Pages decided.
pub const PAGES: &str = "rollcall.reconciler.pages";
/// How long deciding a page took.
pub const PAGE_DURATION: &str = "rollcall.reconciler.page_duration";
/// Decisions, by [`OUTCOME`] and overwrite [`RULE`].
pub const DECISIONS: &str = "rollcall.reconciler.decisions";
/// Runs of which the brake held the removals.
pub const BRAKED: &str = "rollcall.reconciler.brake_tripped";
/// How long applying a plan took.
pub const APPLY_DURATION: &str = "rollcall.reconciler.apply_duration";
/// Runs ended, by [`STATE`].
pub const RUNS: &str = "rollcall.reconciler.runs";
/// How long finished runs took, from the request on, by [`KIND`]; of a preview, with the time that it waited for a person.
pub const RUN_DURATION: &str = "rollcall.run.duration";
/// Events published, by [`SUBJECT`].
pub const EVENTS: &str = "rollcall.reconciler.events";

// What the database says of all organizations together: every copy tells the same, so the max over them is the answer.

/// Connections, by [`STATE`]: `working`, `failing`, `quarantined`.
pub const CONNECTIONS: &str = "rollcall.connections";
/// Runs that have not ended, by [`STATE`]: `waiting`, `reading`, `planning`, `planned`, `applying`.
pub const RUNS_OPEN: &str = "rollcall.runs.open";
/// Reviews that wait for a person.
pub const REVIEWS: &str = "rollcall.reviews.open";
/// Age of the oldest of them.
pub const REVIEW_AGE: &str = "rollcall.reviews.oldest";
/// Age of the oldest delta token that a schedule goes on from.
pub const CURSOR_AGE: &str = "rollcall.delta_token.age";
/// Time until the first credential in use expires.
pub const CREDENTIAL_EXPIRY: &str = "rollcall.credential.expires_in";
/// Time since the last successful run, where that is longest ago.
pub const LAST_SUCCESS: &str = "rollcall.schedule.last_success_age";
/// How long a connection has been due without success, where that is longest.
pub const OVERDUE: &str = "rollcall.schedule.overdue";
/// Events that wait to be published.
pub const OUTBOX: &str = "rollcall.outbox.waiting";
/// Age of the oldest of them.
pub const OUTBOX_AGE: &str = "rollcall.outbox.oldest";
/// Mails that wait to be sent.
pub const MAILS: &str = "rollcall.mails.waiting";
/// Age of the oldest of them.
pub const MAIL_AGE: &str = "rollcall.mails.oldest";

/// Label of [`DECISIONS`].
pub const OUTCOME: &str = "outcome";
/// Label of [`DECISIONS`]: 1 to 6, or `none`.
pub const RULE: &str = "rule";
/// Label of [`RUNS`], [`CONNECTIONS`] and [`RUNS_OPEN`].
pub const STATE: &str = "state";
/// Label of [`RUN_DURATION`]: what was asked for.
pub const KIND: &str = "kind";
/// Label of [`EVENTS`].
pub const SUBJECT: &str = "subject";

/// The instruments.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// [`PAGES`]
    pub pages: Counter,
    /// [`PAGE_DURATION`]
    pub page_duration: Timer,
    /// [`DECISIONS`]
    pub decisions: Counter,
    /// [`BRAKED`]
    pub braked: Counter,
    /// [`APPLY_DURATION`]
    pub apply_duration: Timer,
    /// [`RUNS`]
    pub runs: Counter,
    /// [`RUN_DURATION`]
    pub run_duration: Timer,
    /// [`EVENTS`]
    pub events: Counter,
}

impl Metrics {
    /// Makes them.
    pub fn new() -> Self {
        Self {
            pages: counter(PAGES, "Pages decided.").from_zero(&[]),
            page_duration: timer(PAGE_DURATION, "Deciding a page."),
            decisions: counter(DECISIONS, "Decisions, by outcome and overwrite rule."),
            braked: counter(BRAKED, "Runs of which the brake held the removals.").from_zero(&[]),
            apply_duration: long_timer(APPLY_DURATION, "Applying a plan."),
            runs: counter(RUNS, "Runs ended, by state.")
                .from_zero(&[(STATE, State::Finished.key())])
                .from_zero(&[(STATE, State::Failed.key())])
                .from_zero(&[(STATE, State::Cancelled.key())]),
            run_duration: long_timer(RUN_DURATION, "Finished runs, from their request on."),
            events: counter(EVENTS, "Events published."),
        }
    }

    /// Counts the end of a run.
    pub fn ended(&self, run: RunId, kind: Kind, state: State, clock: &Clock) {
        self.runs.add(1, &[(STATE, state.key())]);
        if state != State::Finished {
            return;
        }
        // A run's id is made when it is asked for.
        let asked = run.0.get_timestamp().and_then(|at| {
            let (seconds, nanoseconds) = at.to_unix();
            DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanoseconds)
        });
        let took = asked.and_then(|at| (clock.now() - at).to_std().ok());
        if let Some(took) = took {
            self.run_duration.record(took, &[(KIND, kind.key())]);
        }
    }

    /// Counts a decision.
    pub fn count(&self, decision: &Decision<'_>) {
        let outcome = match decision.outcome {
            Outcome::Added => "added",
            Outcome::Updated => "updated",
            Outcome::Unchanged => "unchanged",
            Outcome::Skipped => "skipped",
            Outcome::Removed => "removed",
            Outcome::Held => "held",
            Outcome::Failed => "failed",
        };
        let rule = match decision.rule.map_or(0, |rule| rule as u8) {
            0 => "none",
            1 => "1",
            2 => "2",
            3 => "3",
            4 => "4",
            5 => "5",
            _ => "6",
        };
        self.decisions.add(1, &[(OUTCOME, outcome), (RULE, rule)]);
    }
}
