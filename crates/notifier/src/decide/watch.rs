//! What no event on the bus tells of: connections that came out of quarantine without a run (B17), secrets that expire soon
//! (B9), and full runs that are long ago (R6).

use chrono::{DateTime, Utc};
use domain::expiry::{self, FULL_RUN};
use domain::id::{CredentialId, EventId, NoticeId, OrganizationId};
use domain::notice;
use service::clock::earliest_id;
use store::connection_health::{self, Changed};
use store::notice::About;
use store::warning_told::{self, Overdue};
use store::{StoreError, connection, credential, credential_expiry, inbox};
use uuid::Uuid;

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
    for (organization, credential) in near(teller).await? {
        let written = tell_expiries(teller, organization, credential).await?;
        mails |= written.deliveries > 0;
        told.push((organization, written.notices));
    }
    let before = teller.clock().now() - FULL_RUN;
    let overdue = warning_told::overdue(&mut *teller.store().connection().await?, before, AT_ONCE).await?;
    for overdue in overdue {
        let written = tell_overdue(teller, &overdue).await?;
        mails |= written.deliveries > 0;
        told.push((overdue.organization, written.notices));
    }
    told.retain(|(_, notices)| !notices.is_empty());
    Ok((told, mails))
}

/// Organizations with a credential that expires soon.
async fn near(teller: &Teller) -> Result<Vec<(OrganizationId, CredentialId)>, StoreError> {
    let until = teller.clock().now() + expiry::FARTHEST;
    let mut after = (OrganizationId(Uuid::nil()), CredentialId(Uuid::nil()));
    let mut near = Vec::new();
    loop {
        let mut database = teller.store().connection().await?;
        let page = credential_expiry::near(&mut database, until, after, AT_ONCE).await?;
        near.extend_from_slice(&page);
        match page.last() {
            Some(last) if page.len() >= usize::try_from(AT_ONCE).unwrap_or(usize::MAX) => after = *last,
            _ => return Ok(near),
        }
    }
}

/// Each secret and threshold once, however often and from wherever this is called.
async fn tell_expiries(
    teller: &Teller,
    organization: OrganizationId,
    id: CredentialId,
) -> Result<Told, StoreError> {
    let now = teller.clock().now();
    let mut tx = teller.store().begin("notifier.tell_expiries").await?;
    let Some(credential) = credential::find(tx.connection(), id).await? else {
        return Ok(Told::default());
    };
    let read = credential_expiry::of_credentials(tx.connection(), &[id]).await?;
    let secrets = credential_expiry::secrets(&credential, read.first());
    let mut told = Told::default();
    for warning in expiry::warnings(&credential.name, &secrets, now) {
        let marks = expiry::marks(warning.near, warning.at);
        if !warning_told::mark(tx.connection(), (organization, warning.secret), &marks, now).await? {
            continue;
        }
        let about = About {
            organization,
            event: EventId(teller.clock().new_id()),
            run: None,
            connection: None,
        };
        let telling = notice::tell_expiry(&warning, teller.console());
        let written = teller.put(&mut tx, about, &telling).await?;
        tracing::info!(credential = credential.name, "told of a secret that expires");
        told.deliveries += written.deliveries;
        told.notices.extend(written.notices);
    }
    tx.commit().await?;
    Ok(told)
}

async fn tell_overdue(teller: &Teller, overdue: &Overdue) -> Result<Told, StoreError> {
    let now = teller.clock().now();
    let mut tx = teller.store().begin("notifier.tell_overdue").await?;
    let of = (overdue.organization, overdue.connection.0);
    let marks = [warning_told::overdue_mark(overdue.last_full)];
    let mut told = Told::default();
    if warning_told::mark(tx.connection(), of, &marks, now).await? {
        let about = About {
            organization: overdue.organization,
            event: EventId(teller.clock().new_id()),
            run: None,
            connection: Some(overdue.connection),
        };
        let telling = notice::tell_overdue(&overdue.name, overdue.last_full, teller.console());
        told = teller.put(&mut tx, about, &telling).await?;
        tracing::info!(connection.id = %overdue.connection, "told of a full run that is long ago");
    }
    tx.commit().await?;
    Ok(told)
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
