//! Telling that people, not a run, have changed the register.

use domain::id::{EventId, OrganizationId};
use prost::Message;
use service::Clock;
use store::Tx;
use store::outbox::{self, Event};

use crate::error::Error;

/// Writes the event, in the caller's transaction.
pub async fn tell(
    tx: &mut Tx,
    clock: &Clock,
    organization: OrganizationId,
    records: u32,
) -> Result<(), Error> {
    let id = clock.new_id();
    let message = contracts::bus::v1::RegisterChanged {
        event_id: id.as_bytes().to_vec(),
        organization_id: organization.0.as_bytes().to_vec(),
        run_id: Vec::new(),
        records,
    };
    let event = Event {
        id: EventId(id),
        organization,
        subject: bus::subjects::register_changed(organization).to_string(),
        payload: message.encode_to_vec(),
        run: None,
        traceparent: service::telemetry::TraceContext::current().map(|context| context.to_string()),
    };
    outbox::insert(tx.connection(), &event, clock.now()).await?;
    Ok(())
}
