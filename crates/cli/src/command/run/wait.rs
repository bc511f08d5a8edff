//! Following a run to its end, and what the end means.

use std::time::Duration;

use contracts::v1;
use contracts::v1::RunState;

use crate::api::Api;
use crate::command::follow::Patience;
use crate::command::run::progress::Screen;
use crate::failure::Failure;
use crate::show::escape;

/// How long to go on without api before giving up. The run itself goes on.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// The run's end; for a preview that is its plan.
    Planned,
    /// The end of applying a plan.
    Applied,
}

/// Shows progress until the run has ended, over broken connections too. Ctrl-C stops the waiting, not the run.
pub async fn follow(api: &Api, run: v1::Run, until: Until) -> Result<v1::Run, Failure> {
    let id = run.id.clone();
    let outcome = tokio::select! {
        ended = watch(api, run, until) => ended,
        stopped = tokio::signal::ctrl_c() => {
            stopped.map_err(Failure::Signal)?;
            eprintln!("\nStopped waiting.");
            Err(Failure::Told)
        }
    };
    if outcome.is_err() {
        eprintln!(
            "The run goes on. See it with `rollcall run show {id}`, stop it with `rollcall run cancel {id}`."
        );
    }
    outcome
}

async fn watch(api: &Api, mut run: v1::Run, until: Until) -> Result<v1::Run, Failure> {
    let mut screen = Screen::new(&run);
    let mut patience = Patience::new(PATIENCE);
    while !ended(&run, until) {
        let request = api.request(v1::GetRunRequest {
            run_id: run.id.clone(),
        });
        let mut status = None;
        match api.runs().watch_run(request).await {
            Ok(stream) => {
                let mut stream = stream.into_inner();
                while !ended(&run, until) {
                    match stream.message().await {
                        Ok(Some(update)) => {
                            patience.renew();
                            run = update;
                            screen.show(&run);
                        }
                        Ok(None) => break,
                        Err(error) => {
                            status = Some(error);
                            break;
                        }
                    }
                }
            }
            Err(error) => status = Some(error),
        }
        match status {
            Some(status) => patience.endure(api, status).await?,
            None if ended(&run, until) => {}
            None => patience.pause().await,
        }
    }
    screen.end();
    Ok(run)
}

fn ended(run: &v1::Run, until: Until) -> bool {
    match run.state() {
        RunState::Finished | RunState::Failed | RunState::Cancelled | RunState::Expired => true,
        RunState::Planned => until == Until::Planned,
        _ => false,
    }
}

/// Says on standard error what to do next, and whether the thing asked for happened.
pub fn conclude(run: &v1::Run, preview_asked: bool, strict: bool) -> Result<(), Failure> {
    let id = &run.id;
    match run.state() {
        RunState::Planned => {
            if !preview_asked {
                let why = if run.reason.is_empty() {
                    "it is the connection's first run"
                } else {
                    &run.reason
                };
                eprintln!(
                    "Nothing was applied: the run stopped as a preview ({}).",
                    escape(why)
                );
            }
            eprintln!(
                "See the plan with `rollcall run changes {id}`, apply it with `rollcall run apply {id} --wait`."
            );
            Ok(())
        }
        RunState::Finished => finished(run, strict),
        state => {
            let why = if run.error.is_empty() {
                String::new()
            } else {
                format!(": {}", escape(&run.error))
            };
            eprintln!("error: the run ended {}{why}", crate::words::run_state(state));
            Err(Failure::Told)
        }
    }
}

/// The same for a run of certain users, whose answer may not have waited for the end.
pub fn conclude_manual(run: &v1::Run, strict: bool) -> Result<(), Failure> {
    if ended(run, Until::Applied) {
        return conclude(run, false, strict);
    }
    eprintln!(
        "The run goes on. See what becomes of it with `rollcall run show {id}` and `rollcall run changes {id}`.",
        id = run.id
    );
    Err(Failure::Told)
}

fn finished(run: &v1::Run, strict: bool) -> Result<(), Failure> {
    let counts = run.counts.unwrap_or_default();
    if counts.held > 0 {
        let connection = escape(&run.connection);
        eprintln!(
            "{} removals are held: `rollcall review list --connection {connection}`.",
            counts.held
        );
    }
    if counts.failed == 0 {
        return Ok(());
    }
    eprintln!(
        "{} users failed: `rollcall run failed {}`.",
        counts.failed, run.id
    );
    if strict { Err(Failure::Told) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_in(state: RunState, failed: u32) -> v1::Run {
        let counts = Some(v1::Counts {
            failed,
            ..v1::Counts::default()
        });
        v1::Run {
            state: state.into(),
            counts,
            ..v1::Run::default()
        }
    }

    #[test]
    fn a_plan_ends_a_preview_but_not_its_application() {
        let planned = run_in(RunState::Planned, 0);
        assert!(ended(&planned, Until::Planned));
        assert!(!ended(&planned, Until::Applied));
        assert!(!ended(&run_in(RunState::Applying, 0), Until::Planned));
        assert!(ended(&run_in(RunState::Cancelled, 0), Until::Applied));
    }

    #[test]
    fn exit_codes_are_the_design_s() {
        assert!(conclude(&run_in(RunState::Finished, 3), false, false).is_ok());
        assert!(conclude(&run_in(RunState::Finished, 3), false, true).is_err());
        assert!(conclude(&run_in(RunState::Finished, 0), false, true).is_ok());
        assert!(conclude(&run_in(RunState::Planned, 0), false, true).is_ok());
        for state in [RunState::Failed, RunState::Cancelled, RunState::Expired] {
            assert!(conclude(&run_in(state, 0), false, false).is_err());
            assert!(conclude_manual(&run_in(state, 0), false).is_err());
        }
        assert!(conclude_manual(&run_in(RunState::Finished, 1), false).is_ok());
        assert!(conclude_manual(&run_in(RunState::Finished, 1), true).is_err());
        assert!(conclude_manual(&run_in(RunState::Fetching, 0), false).is_err());
    }
}
