//! A run's progress: a bar on a terminal, lines elsewhere; both on standard error.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use contracts::v1;
use contracts::v1::RunState;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::show::{self, escape};
use crate::words;

/// How often a line is printed while nothing but the numbers change.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// How soon a line may follow another when the run begins to wait.
const WAIT_AFTER: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(120);

/// Where progress is shown.
pub enum Screen {
    /// A bar that moves.
    Bar(ProgressBar),
    /// Lines, and the one that was said last.
    Lines(Option<Said>),
}

/// A line that was said.
pub struct Said {
    state: RunState,
    waits: bool,
    line: String,
    at: Instant,
}

/// How far a run is: `done` of `all`, 0 when nobody knows, and the rest in words.
#[derive(Debug, PartialEq, Eq)]
struct Position {
    done: u32,
    all: u32,
    words: String,
}

impl Screen {
    /// A bar when standard error is a terminal; shows how far the run is from the start.
    pub fn new(run: &v1::Run) -> Self {
        if !std::io::stderr().is_terminal() {
            let mut screen = Self::Lines(None);
            screen.show(run);
            return screen;
        }
        let position = position(run);
        // Everything is set before the bar is drawn for the first time.
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
            .with_style(style(&position))
            .with_prefix(escape(&run.connection))
            .with_message(message(run, &position));
        bar.enable_steady_tick(TICK);
        Self::Bar(bar)
    }

    /// Shows how far the run is.
    pub fn show(&mut self, run: &v1::Run) {
        let position = position(run);
        match self {
            Self::Bar(bar) => draw(bar, run, &position),
            Self::Lines(last) => {
                let said = Said {
                    state: run.state(),
                    waits: !run.waiting_for.is_empty(),
                    line: line(run, &position),
                    at: Instant::now(),
                };
                if last.as_ref().is_none_or(|last| said.is_due_after(last)) {
                    eprintln!("{}", said.line);
                    *last = Some(said);
                }
            }
        }
    }

    /// Clears the bar.
    pub fn end(self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

impl Said {
    /// Whether it is worth a line after this one.
    fn is_due_after(&self, last: &Self) -> bool {
        let passed = self.at.saturating_duration_since(last.at);
        let begins_to_wait = self.waits && !last.waits && passed >= WAIT_AFTER;
        self.state != last.state || begins_to_wait || self.line != last.line && passed >= LINE_EVERY
    }
}

fn draw(bar: &ProgressBar, run: &v1::Run, position: &Position) {
    bar.set_style(style(position));
    bar.set_message(message(run, position));
    bar.set_length(u64::from(position.all.max(position.done)));
    bar.set_position(u64::from(position.done));
}

/// A bar with a percentage where somebody knows how much there is to do.
fn style(position: &Position) -> ProgressStyle {
    let template = if position.all > 0 {
        "{spinner} {prefix}: {msg} [{wide_bar}] {percent}%"
    } else {
        "{spinner} {prefix}: {msg}"
    };
    ProgressStyle::with_template(template)
        .expect("both templates are tested")
        .progress_chars("=> ")
}

fn message(run: &v1::Run, position: &Position) -> String {
    let message = format!("{} {}", words::run_state(run.state()), position.words);
    message.trim_end().to_owned()
}

fn line(run: &v1::Run, position: &Position) -> String {
    format!("{}: {}", escape(&run.connection), message(run, position))
}

fn position(run: &v1::Run) -> Position {
    let progress = run.progress.unwrap_or_default();
    let (done, all, unit) = match run.state() {
        RunState::Fetching => (progress.records_read, progress.records_expected, "records"),
        RunState::Planning => (progress.pages_decided, progress.pages_fetched, "pages"),
        RunState::Applying => (progress.pages_applied, progress.pages_to_apply, "pages"),
        _ => {
            return Position {
                done: 0,
                all: 0,
                words: if run.waiting_for.is_empty() {
                    String::new()
                } else {
                    format!("waiting {}", waiting(&run.waiting_for))
                },
            };
        }
    };
    let mut words = if all > 0 {
        format!("{} of {} {unit}", show::count(done), show::count(all))
    } else {
        format!("{} {unit}", show::count(done))
    };
    if run.state() == RunState::Fetching {
        let _ = write!(words, ", {} pages", show::count(progress.pages_fetched));
    }
    if progress.throttle_waits > 0 {
        let seconds = f64::from(progress.throttle_wait_milliseconds) / 1000.0;
        let _ = write!(words, ", {} waits ({seconds:.1} s)", progress.throttle_waits);
    }
    if progress.eta_seconds > 0 {
        let _ = write!(words, ", {} left", show::seconds(u64::from(progress.eta_seconds)));
    }
    if !run.waiting_for.is_empty() {
        let _ = write!(words, ", waiting {}", waiting(&run.waiting_for));
    }
    Position { done, all, words }
}

/// `12 s for …` as it is, anything else with its `for`.
fn waiting(what: &str) -> String {
    let timed = what.starts_with(|c: char| c.is_ascii_digit());
    if timed {
        what.to_owned()
    } else {
        format!("for {what}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(state: RunState, expected: u32) -> v1::Run {
        v1::Run {
            connection: "contoso".to_owned(),
            state: state.into(),
            progress: Some(v1::Progress {
                pages_fetched: 12,
                pages_decided: 9,
                records_read: 10_000,
                records_expected: expected,
                throttle_waits: 2,
                throttle_wait_milliseconds: 1_250,
                eta_seconds: 75,
                ..v1::Progress::default()
            }),
            ..v1::Run::default()
        }
    }

    #[test]
    fn a_line_tells_pages_records_waits_and_eta() {
        let fetching = run(RunState::Fetching, 20_000);
        assert_eq!(
            line(&fetching, &position(&fetching)),
            "contoso: fetching 10,000 of 20,000 records, 12 pages, 2 waits (1.2 s), 1m 15s left"
        );
        let unknown = run(RunState::Fetching, 0);
        assert!(position(&unknown).words.starts_with("10,000 records, 12 pages"));
        let planning = run(RunState::Planning, 0);
        assert!(position(&planning).words.starts_with("9 of 12 pages"));
        let mut waiting = run(RunState::Requested, 0);
        assert_eq!(line(&waiting, &position(&waiting)), "contoso: requested");
        waiting.waiting_for = "the end of run 0198 of the same connection".to_owned();
        assert_eq!(
            line(&waiting, &position(&waiting)),
            "contoso: requested waiting for the end of run 0198 of the same connection"
        );
        let throttled = v1::Run {
            waiting_for: "12 s for Graph: 429 with Retry-After on /users".to_owned(),
            ..run(RunState::Fetching, 0)
        };
        let told = position(&throttled).words;
        assert!(
            told.ends_with(", waiting 12 s for Graph: 429 with Retry-After on /users"),
            "{told}"
        );
    }

    #[test]
    fn lines_are_few_but_a_wait_is_told_soon() {
        let start = Instant::now();
        let said = |state, waits, line: &str, seconds| Said {
            state,
            waits,
            line: line.to_owned(),
            at: start + Duration::from_secs(seconds),
        };
        let last = said(RunState::Fetching, false, "1 of 9", 0);
        for (next, due) in [
            (said(RunState::Planning, false, "1 of 9", 0), true),
            (said(RunState::Fetching, false, "2 of 9", 4), false),
            (said(RunState::Fetching, false, "2 of 9", 5), true),
            (said(RunState::Fetching, false, "1 of 9", 60), false),
            (said(RunState::Fetching, true, "waiting 9 s", 0), false),
            (said(RunState::Fetching, true, "waiting 8 s", 1), true),
        ] {
            assert_eq!(next.is_due_after(&last), due, "{}", next.line);
        }
        let waiting = said(RunState::Fetching, true, "waiting 8 s", 1);
        let later = said(RunState::Fetching, true, "waiting 7 s", 2);
        assert!(!later.is_due_after(&waiting));
    }

    #[test]
    fn the_bar_s_templates_are_right() {
        let bar = ProgressBar::hidden();
        let waiting = run(RunState::Requested, 0);
        draw(&bar, &waiting, &position(&waiting));
        assert_eq!(bar.position(), 0);
        draw(
            &bar,
            &run(RunState::Fetching, 20_000),
            &position(&run(RunState::Fetching, 20_000)),
        );
        assert_eq!((bar.position(), bar.length()), (10_000, Some(20_000)));
    }
}
