//! Following a run until it has ended.

use std::time::Duration;

use bus::subjects;
use store::run_view::RunView;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::app::App;
use crate::auth::Caller;
use crate::fault::Fault;
use crate::lookup;

/// How often the run is looked at while it changes.
const OFTEN: Duration = Duration::from_millis(300);
/// How often at most, when nothing happens for long.
const SELDOM: Duration = Duration::from_secs(2);
/// After so long without news the run is sent again, so that the watcher knows that it is watched.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);
/// While it waits it is sent so often: the seconds that are left go down.
const COUNT_DOWN: Duration = Duration::from_secs(1);

/// Sends the run whenever it has changed, the last time when it has ended. Ends early with a fault, or when nobody
/// listens any more.
pub async fn watch(app: App, caller: Caller, id: String, to: mpsc::Sender<Result<RunView, Fault>>) {
    if let Err(fault) = follow(&app, &caller, &id, &to).await {
        // Nobody listens any more: nobody to tell.
        drop(to.send(Err(fault)).await);
    }
}

async fn follow(
    app: &App,
    caller: &Caller,
    id: &str,
    to: &mpsc::Sender<Result<RunView, Fault>>,
) -> Result<(), Fault> {
    let mut ended = match app.bus.get() {
        Some(bus) => bus
            .watch(&subjects::run_finished(caller.organization()))
            .await
            .ok(),
        None => None,
    };
    let mut sent: Option<(RunView, Instant)> = None;
    let mut pause = OFTEN;
    loop {
        let run = lookup::run(app, caller, id).await?;
        let changed = sent.as_ref().is_none_or(|(last, _)| *last != run);
        let (again, seldom) = if run
            .waiting
            .as_ref()
            .is_some_and(|waiting| waiting.until.is_some())
        {
            (COUNT_DOWN, COUNT_DOWN)
        } else {
            (SIGN_OF_LIFE, SELDOM)
        };
        if changed || sent.as_ref().is_some_and(|(_, at)| at.elapsed() >= again) {
            let over = run.state.has_ended();
            if to.send(Ok(run.clone())).await.is_err() || over {
                return Ok(());
            }
            sent = Some((run, Instant::now()));
        }
        pause = if changed {
            OFTEN
        } else {
            (pause * 3 / 2).min(seldom)
        };
        let next = async {
            match &mut ended {
                Some(watch) => {
                    drop(tokio::time::timeout(pause, watch.next()).await);
                }
                None => tokio::time::sleep(pause).await,
            }
        };
        tokio::select! {
            () = next => {}
            () = to.closed() => return Ok(()),
            () = app.stopper.stopped() => return Err(Fault::Stopping),
        }
    }
}
