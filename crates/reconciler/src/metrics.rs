//! What the reconciler counts.

use domain::decision::{Decision, Outcome};
use service::metrics::{Counter, counter};

/// Pages decided.
pub const PAGES: &str = "rollcall.reconciler.pages";
/// Decisions, by outcome and overwrite rule.
pub const DECISIONS: &str = "rollcall.reconciler.decisions";
/// Runs ended, by state.
pub const RUNS: &str = "rollcall.reconciler.runs";
/// Events published.
pub const EVENTS: &str = "rollcall.reconciler.events";

/// The instruments.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// [`PAGES`]
    pub pages: Counter,
    /// [`DECISIONS`]
    pub decisions: Counter,
    /// [`RUNS`]
    pub runs: Counter,
    /// [`EVENTS`]
    pub events: Counter,
}

impl Metrics {
    /// Makes them.
    pub fn new() -> Self {
        Self {
            pages: counter(PAGES, "pages decided"),
            decisions: counter(DECISIONS, "decisions by outcome and overwrite rule"),
            runs: counter(RUNS, "runs ended by state"),
            events: counter(EVENTS, "events published"),
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
        self.decisions.add(1, &[("outcome", outcome), ("rule", rule)]);
    }
}
