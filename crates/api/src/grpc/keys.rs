//! `rollcall.v1.Keys` (C12).

use contracts::v1;
use contracts::v1::keys_server::Keys;
use store::sealed::{self, Use};
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::auth::Caller;
use crate::fault::Fault;

/// The service.
pub struct Service(pub App);

#[tonic::async_trait]
impl Keys for Service {
    async fn list_keys(
        &self,
        request: Request<v1::ListKeysRequest>,
    ) -> Result<Response<v1::ListKeysResponse>, Status> {
        Caller::of(&request)?;
        Ok(Response::new(list(&self.0).await?))
    }
}

async fn list(app: &App) -> Result<v1::ListKeysResponse, Fault> {
    let mut connection = app.store.connection().await?;
    let uses = sealed::uses(&mut connection).await?;
    let ring: Vec<&str> = app.vault.key_ids().collect();
    let mut keys: Vec<v1::Key> = ring
        .iter()
        .enumerate()
        .map(|(place, id)| {
            let state = match place {
                0 => v1::KeyState::Current,
                _ => v1::KeyState::Older,
            };
            key(id, state, &uses)
        })
        .collect();
    let mut missing: Vec<&str> = uses.iter().map(|used| used.key_id.as_str()).collect();
    missing.dedup();
    missing.retain(|id| !ring.contains(id));
    keys.extend(
        missing
            .into_iter()
            .map(|id| key(id, v1::KeyState::Missing, &uses)),
    );
    Ok(v1::ListKeysResponse { keys })
}

fn key(id: &str, state: v1::KeyState, uses: &[Use]) -> v1::Key {
    let sealed: Vec<v1::SealedCount> = uses
        .iter()
        .filter(|used| used.key_id == id)
        .map(|used| v1::SealedCount {
            kind: used.kind.name(used.count).to_owned(),
            count: u32::try_from(used.count).unwrap_or(u32::MAX),
        })
        .collect();
    v1::Key {
        id: id.to_owned(),
        state: state.into(),
        secrets: sealed.iter().fold(0, |all, one| all.saturating_add(one.count)),
        sealed,
    }
}
