//! Disconnecting: the stored secret is wiped and everything stops at once; accounts and roles stay (C9).

use contracts::v1;
use serde_json::json;
use store::{audit, connection, credential, run};

use crate::app::App;
use crate::auth::Caller;
use crate::fault::Fault;
use crate::once::Key;
use crate::{lookup, runs};

/// Disconnects a connection. Doing so again answers it as it is.
pub async fn disconnect(
    app: &App,
    caller: &Caller,
    request: v1::DisconnectConnectionRequest,
) -> Result<v1::Connection, Fault> {
    let key = Key::of(caller, "DisconnectConnection", &request.idempotency_key, &request)?;
    let now = app.clock.now();
    let mut tx = app.store.begin("connection.disconnect").await?;
    if let Some(answer) = key.claim(app, &mut tx).await? {
        return Ok(answer);
    }
    let found = lookup::connection(&mut tx, caller, &request.connection).await?;
    let mut stopped = Vec::new();
    if connection::disconnect(tx.connection(), found.id, now).await? {
        let wiped = match found.credential {
            Some(id) => credential::wipe_unused_secret(tx.connection(), id, now).await?,
            None => false,
        };
        stopped = run::request_cancel_of_connection(tx.connection(), found.id, now, caller.name()).await?;
        let entry = audit::Entry {
            id: app.clock.new_id(),
            organization: caller.organization(),
            at: now,
            actor: format!("token {}", caller.name()),
            action: "connection.disconnect".to_owned(),
            subject: found.name.clone(),
            before: Some(json!({ "disconnected": "" })),
            after: Some(
                json!({ "disconnected": "true", "secretWiped": wiped, "runsCancelled": stopped.len() }),
            ),
        };
        audit::insert(tx.connection(), &entry).await?;
    }
    let stored = connection::find(tx.connection(), found.id).await?;
    let known = lookup::known(&mut tx, stored.into_iter().collect()).await?;
    let known = known
        .first()
        .ok_or(Fault::Internal("a connection vanished while it was disconnected"))?;
    let answer = known.message(now);
    key.answer(&mut tx, &answer).await?;
    tx.commit().await?;
    for id in stopped {
        runs::cancel::wake(app, id);
    }
    tracing::info!(
        connection = answer.name,
        by = caller.name(),
        "connection disconnected"
    );
    Ok(answer)
}
