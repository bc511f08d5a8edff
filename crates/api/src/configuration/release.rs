//! Ending a quarantine by hand (B17). The reconciler, whose table it is, finds the release by itself.

use contracts::v1;
use serde_json::json;
use store::{audit, connection};

use crate::app::App;
use crate::auth::Caller;
use crate::fault::Fault;
use crate::lookup;
use crate::once::Key;

/// Releases a connection. One that is not in quarantine is answered as it is.
pub async fn release(
    app: &App,
    caller: &Caller,
    request: v1::ReleaseConnectionRequest,
) -> Result<v1::Connection, Fault> {
    let key = Key::of(caller, "ReleaseConnection", &request.idempotency_key, &request)?;
    let now = app.clock.now();
    let mut tx = app.store.begin("connection.release").await?;
    if let Some(answer) = key.claim(app, &mut tx).await? {
        return Ok(answer);
    }
    let found = lookup::connection(&mut tx, caller, &request.connection).await?;
    let mut known = lookup::known(&mut tx, vec![found]).await?;
    let mut known = known
        .pop()
        .ok_or(Fault::Internal("a connection vanished while it was released"))?;
    if let Some(quarantine) = known.quarantine() {
        let entry = audit::Entry {
            id: app.clock.new_id(),
            organization: caller.organization(),
            at: now,
            actor: format!("token {}", caller.name()),
            action: "connection.release".to_owned(),
            subject: known.connection.name.clone(),
            before: Some(
                json!({ "quarantinedSince": quarantine.since.to_rfc3339(), "cause": quarantine.why.cause }),
            ),
            after: Some(json!({ "quarantinedSince": "" })),
        };
        // Later than what it is to end, also where the clocks of two machines differ a little.
        let at = known.considered_at().map_or(now, |considered| {
            now.max(considered + chrono::TimeDelta::milliseconds(1))
        });
        connection::release(tx.connection(), known.connection.id, at).await?;
        audit::insert(tx.connection(), &entry).await?;
        tracing::info!(
            connection = known.connection.name,
            by = caller.name(),
            "connection released"
        );
        known.health = None;
    }
    let answer = known.message(now);
    key.answer(&mut tx, &answer).await?;
    tx.commit().await?;
    Ok(answer)
}
