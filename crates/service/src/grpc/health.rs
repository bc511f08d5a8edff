//! Whether this process should be sent calls, as `grpc.health.v1` tells it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Mutex;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::metrics::{READY, observe};

/// Serving, unless something holds it back. Cheap to clone.
///
/// The chassis holds it while the process starts and while it drains; a service may add reasons of its own.
#[derive(Clone, Debug)]
pub struct Health {
    reporter: HealthReporter,
    state: Arc<Mutex<State>>,
    ready: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct State {
    names: BTreeSet<&'static str>,
    held_by: BTreeSet<&'static str>,
}

/// The name under which the process says that it lives: serving from the first answer to the last, whatever holds calls back.
/// For a liveness probe; readiness is the empty name's.
const LIVENESS: &str = "liveness";

/// Held while the process starts.
pub(crate) const STARTING: &str = "starting";
/// Held from the signal to stop on.
pub(crate) const DRAINING: &str = "draining";

impl Health {
    pub(super) fn new(reporter: HealthReporter) -> Self {
        Self {
            reporter,
            state: Arc::default(),
            ready: Arc::default(),
        }
    }

    /// Says from now on that the process lives.
    pub(super) async fn live(&self) {
        let serving = ServingStatus::Serving;
        self.reporter.set_service_status(LIVENESS, serving).await;
    }

    /// Tells it as a metric, from now on.
    pub(super) fn measure(&self) {
        let ready = Arc::clone(&self.ready);
        observe(
            READY,
            "1 where calls should be sent to this process.",
            "",
            move |to| {
                to.tell(f64::from(u8::from(ready.load(Ordering::Relaxed))), &[]);
            },
        );
    }

    /// Reports the gRPC service `names` from now on, beside the process as a whole (the empty name).
    pub(super) async fn cover(&self, names: &[&'static str]) {
        let mut state = self.state.lock().await;
        state.names.extend(names);
        self.report(&state).await;
    }

    /// Stops calls for this `reason` until it is released.
    pub async fn hold(&self, reason: &'static str) {
        let mut state = self.state.lock().await;
        if state.held_by.insert(reason) {
            tracing::info!(reason, "not ready");
        }
        self.report(&state).await;
    }

    /// Takes back a [`hold`](Self::hold).
    pub async fn release(&self, reason: &'static str) {
        let mut state = self.state.lock().await;
        if state.held_by.remove(reason) && state.held_by.is_empty() {
            tracing::info!("ready");
        }
        self.report(&state).await;
    }

    async fn report(&self, state: &State) {
        let status = if state.held_by.is_empty() {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        self.ready.store(state.held_by.is_empty(), Ordering::Relaxed);
        self.reporter.set_service_status("", status).await;
        for name in &state.names {
            self.reporter.set_service_status(*name, status).await;
        }
    }
}
