//! Sealing anew what an older key has sealed.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use service::drain::Stopper;
use service::error::chain;
use store::credential::SealedSecret;
use store::sealed::{self, Kind, Placed};
use store::{Store, StoreError};
use vault::{OpenError, SealError, Sealed, Vault};

use crate::purpose;

/// Between two rounds. A copy that was not restarted yet goes on sealing with the older key for a while.
const EVERY: Duration = Duration::from_secs(15);
/// Values looked at in one statement.
const AT_ONCE: u16 = 100;

/// Seals anew, round after round, what older keys of the ring have sealed of these kinds. With a ring of one key it ends at
/// once.
pub async fn reseal(
    store: Store,
    vault: Arc<Vault>,
    kinds: &'static [Kind],
    stopper: Stopper,
) -> Result<(), Infallible> {
    let older: Vec<String> = vault.key_ids().skip(1).map(str::to_owned).collect();
    while !older.is_empty() && !stopper.is_stopped() {
        for kind in kinds {
            match stopper.until(round(&store, &vault, *kind, &older)).await {
                Some(Ok(0)) => {}
                Some(Ok(done)) => {
                    let (what, key_id) = (kind.name(done), vault.current_key_id());
                    tracing::info!(done, what, key_id, "secrets sealed anew with the current key");
                }
                Some(Err(error)) => {
                    tracing::warn!(error = %chain(&error), "secrets are not all sealed anew; trying again");
                }
                None => return Ok(()),
            }
        }
        stopper.until(tokio::time::sleep(EVERY)).await;
    }
    Ok(())
}

/// Goes through the values of one kind; how many were sealed anew.
async fn round(store: &Store, vault: &Vault, kind: Kind, older: &[String]) -> Result<u64, StoreError> {
    let (mut done, mut after) = (0, None);
    loop {
        let mut connection = store.connection().await?;
        let some = sealed::sealed_by(&mut connection, kind, older, after.as_ref(), AT_ONCE.into()).await?;
        for old in &some {
            match anew(vault, kind, old) {
                // One that has been replaced meanwhile was sealed by its writer.
                Ok(new) => done += u64::from(sealed::put(&mut connection, kind, old, &new).await?),
                Err(error) => {
                    let (what, row) = (kind.name(1), old.bound_to);
                    tracing::warn!(what, %row, error = %chain(&error), "a secret stays sealed with an older key");
                }
            }
        }
        if some.len() < usize::from(AT_ONCE) {
            return Ok(done);
        }
        after = some.into_iter().next_back().map(|last| last.place);
    }
}

/// Why a value stays as it is.
#[derive(Debug, thiserror::Error)]
enum Stays {
    #[error("it does not open; enter it again")]
    Open(#[from] OpenError),
    #[error("it could not be sealed")]
    Seal(#[from] SealError),
}

fn anew(vault: &Vault, kind: Kind, old: &Placed) -> Result<SealedSecret, Stays> {
    let sealed = Sealed {
        key_id: old.sealed.key_id.clone(),
        ciphertext: old.sealed.ciphertext.clone(),
    };
    let purpose = purpose::of(kind);
    let opened = vault.open(&sealed, purpose, old.bound_to)?;
    let Sealed { key_id, ciphertext } = vault.seal(&opened, purpose, old.bound_to)?;
    Ok(SealedSecret { key_id, ciphertext })
}
