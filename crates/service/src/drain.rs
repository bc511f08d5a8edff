//! Stopping: the signal to stop, the tasks that heed it, and what happens when one of them fails.

use std::any::Any;
use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Says when to stop. Cheap to clone; all clones stop together.
#[derive(Clone, Debug, Default)]
pub struct Stopper(CancellationToken);

impl Stopper {
    /// One that nothing has stopped yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins the stop. Again is harmless.
    pub fn stop(&self) {
        self.0.cancel();
    }

    /// Whether the stop has begun.
    pub fn is_stopped(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits for the stop.
    pub async fn stopped(&self) {
        self.0.cancelled().await;
    }

    /// Runs `future` to its end (`Some`), or drops it when the stop comes first (`None`).
    pub async fn until<F: Future>(&self, future: F) -> Option<F::Output> {
        self.0.run_until_cancelled(future).await
    }

    /// One that stops with this one, or before it by itself.
    #[must_use]
    pub fn child(&self) -> Self {
        Self(self.0.child_token())
    }

    /// A future of the stop that borrows nothing.
    pub(crate) fn into_stopped(self) -> impl Future<Output = ()> + Send + 'static {
        self.0.cancelled_owned()
    }
}

/// The process' tasks. Cheap to clone.
///
/// A task is there to the end: one that returns an error or panics stops the process, which then exits with a failure,
/// rather than leaving it half alive. One that returns `Ok` has simply finished.
#[derive(Clone, Debug)]
pub struct Tasks {
    tracker: TaskTracker,
    stopper: Stopper,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    running: Mutex<BTreeMap<&'static str, usize>>,
    failure: OnceLock<Failure>,
}

/// Why the process could not go on, or did not end well.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// A task returned an error.
    #[error("task {name} failed: {cause}")]
    Failed {
        /// The task.
        name: &'static str,
        /// The error and its causes.
        cause: String,
    },
    /// A task panicked.
    #[error("task {name} panicked: {message}")]
    Panicked {
        /// The task.
        name: &'static str,
        /// What it said.
        message: String,
    },
    /// Tasks did not heed the stop in time.
    #[error("still running {seconds} s after the stop: {names}")]
    Outlived {
        /// The grace that they had.
        seconds: u64,
        /// Which ones.
        names: String,
    },
}

impl Tasks {
    /// No tasks yet; `stopper` is stopped when one fails.
    pub fn new(stopper: Stopper) -> Self {
        Self {
            tracker: TaskTracker::new(),
            stopper,
            shared: Arc::default(),
        }
    }

    /// Starts `future` as the task `name`. It should end soon after the [`Stopper`] says so.
    pub fn spawn<F, E>(&self, name: &'static str, future: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<anyhow::Error>,
    {
        let running = Running::enter(Arc::clone(&self.shared), name);
        let (stopper, shared) = (self.stopper.clone(), Arc::clone(&self.shared));
        self.tracker.spawn(async move {
            let failure = match AssertUnwindSafe(future).catch_unwind().await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(Failure::Failed {
                    name,
                    cause: one_line(error.into()),
                }),
                Err(panic) => Some(Failure::Panicked {
                    name,
                    message: panic_message(panic.as_ref()),
                }),
            };
            if let Some(failure) = failure {
                tracing::error!(task = name, "{failure}; stopping");
                // The first failure is the cause; what falls over after it is not.
                drop(shared.failure.set(failure));
                stopper.stop();
            }
            drop(running);
        });
    }

    /// Waits until every task has ended, for at most `grace`.
    ///
    /// # Errors
    /// The first task failure, or the tasks that were still running.
    pub(crate) async fn finish(self, grace: Duration) -> Result<(), Failure> {
        self.tracker.close();
        let outlived = tokio::time::timeout(grace, self.tracker.wait()).await.is_err();
        match self.shared.failure.get() {
            Some(failure) => Err(failure.clone()),
            None if outlived => Err(Failure::Outlived {
                seconds: grace.as_secs(),
                names: self.running(),
            }),
            None => Ok(()),
        }
    }

    fn running(&self) -> String {
        let running = self.shared.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.keys().copied().collect::<Vec<_>>().join(", ")
    }
}

/// Counts a task as running for as long as it lives, whatever ends it.
struct Running(Arc<Shared>, &'static str);

impl Running {
    fn enter(shared: Arc<Shared>, name: &'static str) -> Self {
        *shared
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(name)
            .or_default() += 1;
        Self(shared, name)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut running = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = running.get_mut(self.1) {
            *count -= 1;
            if *count == 0 {
                running.remove(self.1);
            }
        }
    }
}

/// The signals that end the process.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes over SIGTERM and SIGINT.
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for either and says which.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

fn one_line(error: anyhow::Error) -> String {
    let error: Box<dyn std::error::Error + Send + Sync> = error.into();
    crate::error::chain(error.as_ref()).to_string()
}

/// The text of a panic, where it has one.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("(no message)").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(10);

    fn new_tasks() -> (Tasks, Stopper) {
        let stopper = Stopper::new();
        (Tasks::new(stopper.clone()), stopper)
    }

    #[tokio::test]
    async fn tasks_that_heed_the_stop_end_well() {
        let (tasks, stopper) = new_tasks();
        let seen = stopper.clone();
        tasks.spawn("waiter", async move {
            seen.stopped().await;
            Ok::<_, anyhow::Error>(())
        });
        assert!(!stopper.is_stopped());
        stopper.stop();
        tasks.finish(GRACE).await.unwrap();
    }

    #[tokio::test]
    async fn a_failing_task_stops_the_others_and_is_named_with_its_causes() {
        let (tasks, stopper) = new_tasks();
        let seen = stopper.clone();
        tasks.spawn("waiter", async move {
            seen.stopped().await;
            Err(std::io::Error::other("knocked over by the stop"))
        });
        tasks.spawn("consumer", async {
            Err(anyhow::anyhow!("refused").context("no connection"))
        });
        stopper.stopped().await;
        let failure = tasks.finish(GRACE).await.unwrap_err();
        assert_eq!(
            failure.to_string(),
            "task consumer failed: no connection: refused"
        );
    }

    #[tokio::test]
    async fn a_panic_is_a_failure_too() {
        let (tasks, stopper) = new_tasks();
        tasks.spawn("relay", async {
            assert!(std::hint::black_box(1) > 3, "index {} out of range", 3);
            Ok::<_, anyhow::Error>(())
        });
        stopper.stopped().await;
        let failure = tasks.finish(GRACE).await.unwrap_err();
        assert_eq!(failure.to_string(), "task relay panicked: index 3 out of range");
    }

    #[tokio::test]
    async fn a_task_that_goes_on_is_named_after_the_grace() {
        let (tasks, stopper) = new_tasks();
        tasks.spawn("deaf", std::future::pending::<Result<(), anyhow::Error>>());
        tasks.spawn("done", async { Ok::<_, anyhow::Error>(()) });
        stopper.stop();
        let failure = tasks.finish(Duration::from_millis(200)).await.unwrap_err();
        assert_eq!(failure.to_string(), "still running 0 s after the stop: deaf");
    }

    #[tokio::test]
    async fn until_gives_up_what_it_waits_for() {
        let stopper = Stopper::new();
        assert_eq!(stopper.until(async { 7 }).await, Some(7));
        stopper.stop();
        assert_eq!(stopper.until(std::future::pending::<i32>()).await, None);
    }
}
