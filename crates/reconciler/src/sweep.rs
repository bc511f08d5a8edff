//! Carries every run on from wherever it stands. Woken by events and by time; what to do is read from the database, so
//! that there is one way on, whoever died before.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::id::RunId;
use service::drain::Stopper;
use service::error::chain;
use service::telemetry::{TraceContext, set_parent};
use store::run::Kind;
use store::run_page;
use store::run_plan::{self, Due, State, Work};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::config::WorkConfig;
use crate::decide::Decider;
use crate::error::Error;
use crate::{apply, cancel, end, plan, revert, settle};

/// Runs that are looked at in one round.
const MOST: i64 = 64;
/// Between two rounds that are woken.
const PAUSE: Duration = Duration::from_millis(20);

/// Carries runs on.
#[derive(Clone)]
pub struct Sweep {
    /// What it works with.
    pub decider: Decider,
    /// How much at a time.
    pub config: WorkConfig,
    /// Wakes it.
    pub wake: Arc<Notify>,
}

impl Sweep {
    /// Goes round until it is told to stop. Manual runs are short and carried on at once; the others beside them, since one
    /// may take minutes.
    pub async fn run(self, stopper: Stopper) -> Result<(), std::convert::Infallible> {
        let every = self.every();
        let mut others = Others::default();
        while !stopper.is_stopped() {
            if let Err(error) = self.round(&mut others, &stopper).await {
                tracing::warn!(error = %chain(&error), "the sweep was interrupted; it goes on");
                stopper.until(tokio::time::sleep(every)).await;
            }
            let woken = async {
                tokio::select! {
                    () = self.wake.notified() => {}
                    () = others.ended() => {}
                }
            };
            stopper.until(tokio::time::timeout(every, woken)).await;
            stopper.until(tokio::time::sleep(PAUSE)).await;
        }
        others.all_ended().await;
        Ok(())
    }

    async fn round(&self, others: &mut Others, stopper: &Stopper) -> Result<(), Error> {
        let store = &self.decider.store;
        self.expire().await?;
        let due = run_plan::due(&mut *store.connection().await?, MOST).await?;
        let (manual, rest): (Vec<Due>, Vec<Due>) = due.into_iter().partition(|due| due.manual);
        if !rest.is_empty() {
            let (this, stopper) = (self.clone(), stopper.clone());
            others.begin(async move {
                if let Err(error) = this.carry_all_on(&rest, &stopper).await {
                    tracing::warn!(error = %chain(&error), "carrying runs on was interrupted; it goes on");
                    stopper.until(tokio::time::sleep(this.every())).await;
                }
            });
        }
        self.carry_all_on(&manual, stopper).await
    }

    async fn carry_all_on(&self, due: &[Due], stopper: &Stopper) -> Result<(), Error> {
        for Due { run, .. } in due {
            if stopper.is_stopped() {
                return Ok(());
            }
            if let Err(error) = self.carry_on(*run, stopper).await {
                if error.is_retryable() {
                    return Err(error);
                }
                let why = chain(&error).to_string();
                tracing::error!(run.id = %run, error = why, "a run can't be carried on");
                if let Some(work) = plan::work(&self.decider.store, *run).await? {
                    cancel::fail(&self.decider.store, &work, &why, &self.decider.clock).await?;
                    self.count(&work, State::Failed);
                }
            }
        }
        Ok(())
    }

    fn every(&self) -> Duration {
        Duration::from_millis(self.config.sweep_milliseconds)
    }

    async fn expire(&self) -> Result<(), Error> {
        let now = self.decider.clock.now();
        let before = now - chrono::TimeDelta::hours(self.config.preview_hours);
        let store = &self.decider.store;
        for run in run_plan::expire(&mut *store.connection().await?, before, now).await? {
            tracing::info!(run.id = %run, "preview expired");
        }
        Ok(())
    }

    async fn carry_on(&self, run: RunId, stopper: &Stopper) -> Result<(), Error> {
        let Some(work) = plan::work(&self.decider.store, run).await? else {
            return Ok(());
        };
        let store = &self.decider.store;
        let clock = &self.decider.clock;
        if work.cancel_requested || work.fetch.state == "cancelled" {
            cancel::cancel(store, &work, clock).await?;
            self.count(&work, State::Cancelled);
            return Ok(());
        }
        if work.fetch.state == "failed" {
            let why = work
                .fetch
                .error
                .as_deref()
                .unwrap_or("the directory could not be read");
            cancel::fail(store, &work, why, clock).await?;
            self.count(&work, State::Failed);
            return Ok(());
        }
        if work.fetch.state != "fetched" {
            // The reading has begun anew since the run was found due: how many pages there will be is not known.
            return Ok(());
        }
        let state = self.settled(&work, stopper).await?;
        if state == Some(State::Applying) {
            self.apply(&work, stopper).await?;
        }
        Ok(())
    }

    /// The plan's state, after settling it if that can be done.
    async fn settled(&self, work: &Work, stopper: &Stopper) -> Result<Option<State>, Error> {
        let store = &self.decider.store;
        let clock = &self.decider.clock;
        if work.kind == Kind::Revert {
            let span = tracing::info_span!("run.revert", run.id = %work.run);
            adopt(&span, work);
            return revert::plan(store, work, clock, stopper).instrument(span).await;
        }
        // Without a lock: who decides the last pages must not wait for those who ask whether that is done.
        let decided = run_page::count(&mut *store.connection().await?, work.run, work.fetch.attempt).await?;
        if decided < i64::from(work.fetch.pages) {
            return Ok(None);
        }
        let Some(_) = plan::ensure(store, &self.decider.known, work, clock.now()).await? else {
            // Not planning any more: applying, or ended.
            let open = run_plan::share(&mut *store.connection().await?, work.run).await?;
            return Ok(open.map(|open| open.state));
        };
        let span = tracing::info_span!("run.settle", run.id = %work.run);
        adopt(&span, work);
        let settled = settle::settle(store, &self.decider.known, work, clock)
            .instrument(span.clone())
            .await?;
        if settled.is_some_and(|settled| settled.braked) {
            self.decider.metrics.braked.add(1, &[]);
        }
        let state = settled.map(|settled| settled.state);
        if state == Some(State::Planned) {
            span.in_scope(|| tracing::info!("preview planned"));
        }
        Ok(state)
    }

    async fn apply(&self, work: &Work, stopper: &Stopper) -> Result<(), Error> {
        let span = tracing::info_span!("run.apply", run.id = %work.run);
        adopt(&span, work);
        let begun = Instant::now();
        let waiting = run_page::waiting(&mut *self.decider.store.connection().await?, work.run).await?;
        let pages = waiting.per_transaction(self.config.decisions_per_transaction);
        let mut appliers = JoinSet::new();
        for _ in 0..self.config.appliers {
            let (this, work, stopper) = (self.clone(), work.clone(), stopper.clone());
            appliers.spawn(
                async move { this.apply_pages(&work, pages, &stopper).await }.instrument(span.clone()),
            );
        }
        while let Some(joined) = appliers.join_next().await {
            match joined {
                Ok(done) => done?,
                Err(panic) => std::panic::resume_unwind(panic.into_panic()),
            }
        }
        let done = end::finish(&self.decider.store, work, &self.decider.clock)
            .instrument(span.clone())
            .await?;
        if done {
            self.decider.metrics.apply_duration.record(begun.elapsed(), &[]);
            self.count(work, State::Finished);
            self.wake.notify_one();
            span.in_scope(|| tracing::info!("run finished"));
        }
        Ok(())
    }

    async fn apply_pages(&self, work: &Work, pages: i64, stopper: &Stopper) -> Result<(), Error> {
        let Decider { store, clock, .. } = &self.decider;
        loop {
            let now = plan::work(store, work.run).await?;
            if stopper.is_stopped() || now.is_none_or(|work| work.cancel_requested) {
                return Ok(());
            }
            if !apply::apply_some(store, work, pages, clock).await? {
                return Ok(());
            }
        }
    }

    fn count(&self, work: &Work, state: State) {
        let Decider { metrics, clock, .. } = &self.decider;
        metrics.ended(work.run, work.kind, state, clock);
    }
}

/// The runs that are carried on beside the manual ones, one after the other.
#[derive(Default)]
struct Others {
    work: JoinSet<()>,
    /// Somebody was woken for them while they were busy.
    missed: bool,
}

impl Others {
    /// Begins, unless it is still busy.
    fn begin(&mut self, work: impl Future<Output = ()> + Send + 'static) {
        while let Some(ended) = self.work.try_join_next() {
            resume(ended);
        }
        self.missed = !self.work.is_empty();
        if !self.missed {
            self.work.spawn(work.in_current_span());
        }
    }

    /// Waits until they are done, if there was more to do meanwhile.
    async fn ended(&mut self) {
        if !self.missed {
            return std::future::pending().await;
        }
        while let Some(ended) = self.work.join_next().await {
            resume(ended);
        }
        self.missed = false;
    }

    async fn all_ended(mut self) {
        while let Some(ended) = self.work.join_next().await {
            resume(ended);
        }
    }
}

/// A panic goes on here.
fn resume(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}

/// Makes a span part of the run's trace.
fn adopt(span: &tracing::Span, work: &Work) {
    if let Some(parent) = work.traceparent.as_deref().and_then(TraceContext::parse) {
        set_parent(span, &parent);
    }
}
