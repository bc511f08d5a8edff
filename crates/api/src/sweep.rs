//! Deletes what has expired: stored answers and console sessions.

use std::convert::Infallible;
use std::time::Duration;

use store::{StoreError, console_session, idempotency};

use crate::app::App;

const EVERY: Duration = Duration::from_secs(600);
/// Rows deleted in one statement.
const MOST: u16 = 1_000;

/// Sweeps until the process stops.
pub async fn sweep(app: App) -> Result<(), Infallible> {
    while app.stopper.until(tokio::time::sleep(EVERY)).await.is_some() {
        match once(&app).await {
            Ok((answers, sessions)) if answers + sessions > 0 => {
                tracing::info!(answers, sessions, "expired rows deleted");
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(error = %service::error::chain(&error), "expired rows were not deleted");
            }
        }
    }
    Ok(())
}

async fn once(app: &App) -> Result<(u64, u64), StoreError> {
    let now = app.clock.now();
    let mut connection = app.store.connection().await?;
    let (mut answers, mut sessions) = (0, 0);
    loop {
        let some = idempotency::delete_expired(&mut connection, now, MOST.into()).await?;
        let others = console_session::delete_expired(&mut connection, now, MOST.into()).await?;
        (answers, sessions) = (answers + some, sessions + others);
        if some.max(others) < MOST.into() {
            return Ok((answers, sessions));
        }
    }
}
