//! What every answer is made with.

use std::sync::{Arc, OnceLock};

use bus::Bus;
use contracts::internal::v1::directory_client::DirectoryClient;
use contracts::internal::v1::register_client::RegisterClient;
use service::grpc::GrpcChannel;
use service::{Clock, drain};
use store::Store;
use vault::Vault;

/// What every answer is made with. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// The database.
    pub store: Store,
    /// Seals and opens secrets.
    pub vault: Arc<Vault>,
    /// The time.
    pub clock: Clock,
    /// Where what goes on after an answer is spawned.
    pub tasks: drain::Tasks,
    /// Says when to stop.
    pub stopper: drain::Stopper,
    /// The bus, once it is connected. It only wakes others, so nothing waits for it.
    pub bus: Arc<OnceLock<Bus>>,
    /// The fetcher.
    pub directory: DirectoryClient<GrpcChannel>,
    /// The reconciler.
    pub register: RegisterClient<GrpcChannel>,
}

impl App {
    /// Publishes a wake-up without waiting for it. What it tells of is in the database; a sweep finds it there if
    /// the wake-up is lost.
    pub fn wake(&self, subject: bus::subjects::Subject, message_id: String, payload: &impl prost::Message) {
        let Some(bus) = self.bus.get().cloned() else {
            tracing::warn!(%subject, "the bus is not connected; a sweep will find what this would have told");
            return;
        };
        let headers = bus::Headers {
            traceparent: service::telemetry::TraceContext::current().map(|trace| trace.to_string()),
            run_id: None,
        };
        let payload = bytes::Bytes::from(payload.encode_to_vec());
        self.tasks.spawn("wake", async move {
            if let Err(error) = bus.publish(&subject, &message_id, &headers, payload).await {
                tracing::warn!(error = %service::error::chain(&error), "a wake-up was not published");
            }
            Ok::<_, std::convert::Infallible>(())
        });
    }
}
