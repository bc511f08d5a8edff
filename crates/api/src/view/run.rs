//! Runs.

use chrono::{DateTime, Utc};
use contracts::v1;
use domain::decision::Outcome;
use store::run::Kind;
use store::run_view::{Counts, RunView, State};
use store::run_wait::Waits;

use super::time;

/// A run, seen at `now`.
pub fn run(run: &RunView, now: DateTime<Utc>) -> v1::Run {
    v1::Run {
        id: run.id.to_string(),
        connection: run.connection_name.clone(),
        kind: kind(run.kind).into(),
        state: state(run.state).into(),
        trigger: run.trigger.clone(),
        requested_by: run.requested_by.clone(),
        reason: reason(run).unwrap_or_default(),
        preview: run.preview,
        create_time: Some(time(run.created_at)),
        start_time: run.started_at.map(time),
        end_time: run.ended_at.map(time),
        counts: Some(counts(&run.counts)),
        progress: Some(progress(run, now)),
        error: run.error.clone().unwrap_or_default(),
        removals_note: run.removals_note.clone().unwrap_or_default(),
        trace_id: run
            .traceparent
            .as_deref()
            .and_then(trace_id)
            .unwrap_or_default()
            .to_owned(),
        reverts: run.reverts.map(|id| id.to_string()).unwrap_or_default(),
        reverted_by: run.reverted_by.iter().map(ToString::to_string).collect(),
        revert_reason: run.revert_reason.clone().unwrap_or_default(),
        note: note(run).unwrap_or_default(),
        details_pruned: run.details_pruned,
        waits: run.waits.iter().map(wait).collect(),
        waiting_for: waiting_for(run, now).unwrap_or_default(),
        waits_for_run_id: run.behind.map(|behind| behind.to_string()).unwrap_or_default(),
    }
}

/// What the run waits for just now.
pub fn waiting_for(run: &RunView, now: DateTime<Utc>) -> Option<String> {
    if run.state == State::Requested {
        return Some(match run.behind {
            Some(behind) => format!("the end of run {behind} of the same connection"),
            None if run.kind == Kind::Revert => "a reconciler".to_owned(),
            None => "a fetcher".to_owned(),
        });
    }
    let waiting = run.waiting.as_ref()?;
    let left = waiting
        .until
        .map(|until| (until - now).num_seconds())
        .filter(|left| *left > 0);
    Some(match left {
        Some(left) => format!("{left} s for {}", waiting.what),
        None => waiting.what.clone(),
    })
}

fn wait(waits: &Waits) -> v1::Wait {
    let milliseconds = |length| u32::try_from(length).unwrap_or(u32::MAX);
    v1::Wait {
        cause: waits.cause.clone(),
        resource: waits.resource.clone(),
        count: waits.count,
        total_milliseconds: milliseconds(waits.total_ms),
        longest_milliseconds: milliseconds(waits.longest_ms),
    }
}

/// Why the run is not what was asked for; and who ended it.
pub fn reason(run: &RunView) -> Option<String> {
    let stopped = (run.preview && !matches!(run.kind, Kind::Preview | Kind::Revert)).then(|| {
        "the connection's first run stops with its plan; look at it, then apply it (rollcall run apply ID)".to_owned()
    });
    let cancelled = run
        .cancel_requested
        .as_ref()
        .filter(|_| run.state == State::Cancelled)
        .map(|(_, by)| format!("cancelled by {by}"));
    let all: Vec<String> = run
        .comes_because
        .clone()
        .into_iter()
        .chain(run.reason.clone())
        .chain(stopped)
        .chain(cancelled)
        .collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// What else there is to know of a revert.
pub fn note(run: &RunView) -> Option<String> {
    run.reverts?;
    let counts = &run.counts;
    let nothing = counts.updated + counts.removed + counts.failed == 0;
    let ended = matches!(run.state, State::Planned | State::Finished);
    Some(match (ended && nothing, run.state) {
        (true, State::Planned) => "nothing is left to take back".to_owned(),
        (true, _) => "nothing was left to take back: everything is as it was before the run, or was edited since".to_owned(),
        (false, State::Planned) => {
            format!("nothing is taken back yet: this is what it would do (rollcall run apply {} does it)", run.id)
        }
        (false, _) => "the next full run decides these records anew, and does the same again unless the directory or the \
                       rules have changed by then"
            .to_owned(),
    })
}

/// Estimated seconds until the run has ended; none when nothing can be said.
///
/// The reading is estimated from its speed so far, the applying likewise; what lies between takes moments.
pub fn eta_seconds(run: &RunView, now: DateTime<Utc>) -> Option<u32> {
    let (done, all, since) = match run.state {
        State::Fetching => (
            run.progress.records_read,
            run.progress.records_expected?,
            run.started_at?,
        ),
        State::Applying => (
            run.progress.pages_applied,
            run.progress.pages_to_apply,
            run.apply_requested_at.or(run.planned_at)?,
        ),
        _ => return None,
    };
    let elapsed = (now - since).num_milliseconds();
    if done == 0 || elapsed <= 0 {
        return None;
    }
    let left = i64::from(all.saturating_sub(done)) * elapsed / i64::from(done);
    u32::try_from((left + 999) / 1_000).ok()
}

/// How much of the run is done, in per cent; none when nothing can be said.
pub fn percent(run: &RunView) -> Option<u32> {
    let share = |done: u32, all: u32| {
        (all > 0).then(|| u32::try_from(u64::from(done.min(all)) * 100 / u64::from(all)).unwrap_or(100))
    };
    match run.state {
        State::Fetching => share(run.progress.records_read, run.progress.records_expected?),
        State::Planning => share(run.progress.pages_decided, run.progress.pages_fetched),
        State::Applying => share(run.progress.pages_applied, run.progress.pages_to_apply),
        State::Requested => None,
        _ => Some(100),
    }
}

/// The trace id inside a `traceparent`.
pub fn trace_id(traceparent: &str) -> Option<&str> {
    traceparent.split('-').nth(1)
}

fn progress(run: &RunView, now: DateTime<Utc>) -> v1::Progress {
    let progress = &run.progress;
    v1::Progress {
        pages_fetched: progress.pages_fetched,
        pages_decided: progress.pages_decided,
        records_read: progress.records_read,
        records_expected: progress.records_expected.unwrap_or(0),
        pages_applied: progress.pages_applied,
        pages_to_apply: progress.pages_to_apply,
        throttle_waits: progress.waits,
        throttle_wait_milliseconds: u32::try_from(progress.wait_ms).unwrap_or(u32::MAX),
        resource_units: progress.resource_units,
        graph_calls: progress.calls,
        groups_read: progress.groups_read,
        eta_seconds: eta_seconds(run, now).unwrap_or(0),
    }
}

fn counts(counts: &Counts) -> v1::Counts {
    v1::Counts {
        seen: counts.seen,
        gone: counts.gone,
        added: counts.added,
        updated: counts.updated,
        overwritten: counts.overwritten,
        reactivated: counts.reactivated,
        unchanged: counts.unchanged,
        skipped: counts.skipped,
        removed: counts.removed,
        held: counts.held,
        failed: counts.failed,
    }
}

/// The kind as messages name it.
pub const fn kind(kind: Kind) -> v1::RunKind {
    match kind {
        Kind::Full => v1::RunKind::Full,
        Kind::Delta => v1::RunKind::Delta,
        Kind::Preview => v1::RunKind::Preview,
        Kind::Manual => v1::RunKind::Manual,
        Kind::Deprovision => v1::RunKind::Deprovision,
        Kind::Revert => v1::RunKind::Revert,
    }
}

/// The state as messages name it.
pub const fn state(state: State) -> v1::RunState {
    match state {
        State::Requested => v1::RunState::Requested,
        State::Fetching => v1::RunState::Fetching,
        State::Planning => v1::RunState::Planning,
        State::Planned => v1::RunState::Planned,
        State::Applying => v1::RunState::Applying,
        State::Finished => v1::RunState::Finished,
        State::Failed => v1::RunState::Failed,
        State::Cancelled => v1::RunState::Cancelled,
        State::Expired => v1::RunState::Expired,
    }
}

/// The outcome as messages name it.
pub const fn outcome(outcome: Outcome) -> v1::Outcome {
    match outcome {
        Outcome::Added => v1::Outcome::Added,
        Outcome::Updated => v1::Outcome::Updated,
        Outcome::Unchanged => v1::Outcome::Unchanged,
        Outcome::Skipped => v1::Outcome::Skipped,
        Outcome::Removed => v1::Outcome::Removed,
        Outcome::Held => v1::Outcome::Held,
        Outcome::Failed => v1::Outcome::Failed,
    }
}
