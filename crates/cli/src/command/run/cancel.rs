//! `run cancel`.

use contracts::v1;

use crate::api::idempotency_key;
use crate::command::Session;
use crate::command::run::card;
use crate::failure::Failure;

/// Asks for the run to stop and shows where it is.
pub async fn run(session: &Session, run_id: String) -> Result<(), Failure> {
    let message = v1::CancelRunRequest {
        run_id,
        idempotency_key: idempotency_key(),
    };
    let api = session.api().await?;
    let answer = api
        .call(message, async |request| api.runs().cancel_run(request).await)
        .await?;
    session.output.answer(&answer, card::text)
}
