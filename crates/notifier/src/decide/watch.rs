//! What no event on the bus tells of: connections that came out of quarantine without a run (B17).

use chrono::{DateTime, Utc};
use domain::id::{EventId, NoticeId, OrganizationId};
use domain::notice;
use service::clock::earliest_id;
use store::connection_health::{self, Changed};
use store::notice::About;
use store::{StoreError, connection, inbox};

use super::Teller;
use super::teller::{Told, health};

/// Changes told in one look, at most; the next one goes on.
const AT_ONCE: i64 = 100;

/// What was written for an organization.
pub type For = (OrganizationId, Vec<NoticeId>);

/// Tells of what there is to tell; for whom, and whether there are mails to send.
pub async fn look(teller: &Teller, since: DateTime<Utc>) -> Result<(Vec<For>, bool), StoreError> {
    let mut told = Vec::new();
    let mut mails = false;
    let since = EventId(earliest_id(since));
    let untold = connection_health::untold(&mut *teller.store().connection().await?, since, AT_ONCE).await?;
    for changed in untold {
        let organization = changed.organization;
        let written = tell_change(teller, changed).await?;
        mails |= written.deliveries > 0;
        told.push((organization, written.notices));
    }
    Ok((told, mails))
}

async fn tell_change(teller: &Teller, changed: Changed) -> Result<Told, StoreError> {
    let mut tx = teller.store().begin("notifier.tell_change").await?;
    if !inbox::receive(tx.connection(), changed.event, teller.clock().now()).await? {
        tx.rollback().await?;
        return Ok(Told::default());
    }
    let mut told = Told::default();
    if let Some(found) = connection::find(tx.connection(), changed.connection).await? {
        let about = About {
            organization: changed.organization,
            event: changed.event,
            run: None,
            connection: Some(changed.connection),
        };
        let telling = notice::tell_health(&found.name, &health(changed), teller.console());
        told = teller.put(&mut tx, about, &telling).await?;
        tracing::info!(connection.id = %found.id, notices = told.notices.len(), "told of a connection");
    }
    tx.commit().await?;
    Ok(told)
}
