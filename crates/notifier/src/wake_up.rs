//! Waking whoever watches the bell.

use std::time::Duration;

use bus::{Bus, Headers, subjects};
use bytes::Bytes;
use contracts::bus::v1::NoticeWritten;
use domain::id::{NoticeId, OrganizationId};
use prost::Message;
use service::error::chain;
use service::telemetry::TraceContext;

/// Watchers look by themselves from time to time, so a wake-up is not worth a long wait.
const LIMIT: Duration = Duration::from_secs(5);

/// Says that notices were written. A failure is logged and no more: the notices are in the database.
pub(crate) async fn wake_up(bus: &Bus, organization: OrganizationId, notices: &[NoticeId]) {
    let subject = subjects::notice(organization);
    for notice in notices {
        let message = NoticeWritten {
            organization_id: organization.0.as_bytes().to_vec(),
            notice_id: notice.0.as_bytes().to_vec(),
        };
        let headers = Headers {
            traceparent: TraceContext::current().map(|context| context.as_str().to_owned()),
            ..Headers::default()
        };
        let id = notice.to_string();
        let published = Box::pin(bus.publish(&subject, &id, &headers, Bytes::from(message.encode_to_vec())));
        match tokio::time::timeout(LIMIT, published).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(error = %chain(&error), "nobody was woken for a notice"),
            Err(_) => tracing::warn!("nobody was woken for a notice: the bus did not answer"),
        }
    }
}
