//! Holding the key ring against what is sealed.

use std::collections::BTreeMap;
use std::fmt;

use service::config::VaultConfig;
use service::drain::Stopper;
use service::retry::{Policy, Verdict, retry};
use store::sealed::{self, Kind, Placed};
use store::{Store, StoreError};
use vault::{Sealed, Vault};

use crate::purpose;

/// Values of a kind that are tried with their key. More than one: a single one may have been damaged.
const TRIED: i64 = 3;

/// Why a service must not start with its key ring.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The database.
    #[error("what is sealed could not be looked up")]
    Store(#[from] StoreError),
    /// Keys.
    #[error(
        "{}. Nothing was changed. Put the key back into the key ring, below the current one, and start again. If it is \
         lost for good, name it in vault.lost_keys (ROLLCALL_VAULT__LOST_KEYS={}): then what it sealed has to be entered \
         again",
        list(troubles),
        ids(troubles)
    )]
    Keys {
        /// What is wrong with each of them.
        troubles: Vec<Trouble>,
    },
}

/// What is wrong with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The key's id.
    pub key_id: String,
    /// What it has sealed.
    pub sealed: Vec<(Kind, u64)>,
    /// Whether the ring has a key of that id, which opens none of it.
    pub is_another: bool,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key_id;
        if self.is_another {
            write!(f, "key \"{key}\" of the key ring is not the one that sealed ")?;
        } else {
            write!(f, "the key ring lacks key \"{key}\", which sealed ")?;
        }
        for (index, (kind, count)) in self.sealed.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{count} {}", kind.name(*count))?;
        }
        Ok(())
    }
}

/// Whether the ring opens what is sealed. A database that is away meanwhile is waited for.
///
/// # Errors
/// Says which key is missing or has another value, and what it has sealed.
pub async fn check(
    store: &Store,
    vault: &Vault,
    config: &VaultConfig,
    stopper: &Stopper,
) -> Result<(), CheckError> {
    let judge = |error: &CheckError| match error {
        CheckError::Store(error) if !error.is_lasting() => Verdict::Again,
        _ => Verdict::GiveUp,
    };
    let policy = Policy::UNTIL_STOPPED;
    let look = async || look(store, vault, config).await;
    retry("looking up what is sealed", policy, stopper, judge, look).await
}

async fn look(store: &Store, vault: &Vault, config: &VaultConfig) -> Result<(), CheckError> {
    let lost: Vec<&str> = config.lost_keys.split(',').map(str::trim).collect();
    let uses = sealed::uses(&mut *store.connection().await?).await?;
    let mut by_key: BTreeMap<String, Vec<(Kind, u64)>> = BTreeMap::new();
    for used in uses {
        by_key
            .entry(used.key_id)
            .or_default()
            .push((used.kind, used.count));
    }
    let mut troubles = Vec::new();
    for (key_id, sealed) in by_key {
        if lost.contains(&key_id.as_str()) {
            tracing::warn!(key_id, "a key counts as lost: what it sealed can't be opened");
            continue;
        }
        let known = vault.key_ids().any(|id| id == key_id);
        if known && opens(store, vault, &key_id, &sealed).await? {
            continue;
        }
        troubles.push(Trouble {
            key_id,
            sealed,
            is_another: known,
        });
    }
    if troubles.is_empty() {
        return Ok(());
    }
    Err(CheckError::Keys { troubles })
}

/// Whether the ring's key opens any of what bears its id. It does where nothing bears it any more: it was sealed anew, or used,
/// since it was counted.
async fn opens(
    store: &Store,
    vault: &Vault,
    key_id: &str,
    kinds: &[(Kind, u64)],
) -> Result<bool, StoreError> {
    let mut connection = store.connection().await?;
    let keys = [key_id.to_owned()];
    let mut tried = 0;
    for (kind, _) in kinds {
        let some = sealed::sealed_by(&mut connection, *kind, &keys, None, TRIED).await?;
        tried += some.len();
        if some.iter().any(|one| opens_one(vault, *kind, one)) {
            return Ok(true);
        }
    }
    Ok(tried == 0)
}

fn opens_one(vault: &Vault, kind: Kind, one: &Placed) -> bool {
    let sealed = Sealed {
        key_id: one.sealed.key_id.clone(),
        ciphertext: one.sealed.ciphertext.clone(),
    };
    vault.open(&sealed, purpose::of(kind), one.bound_to).is_ok()
}

fn list(troubles: &[Trouble]) -> String {
    let told: Vec<String> = troubles.iter().map(ToString::to_string).collect();
    told.join("; ")
}

fn ids(troubles: &[Trouble]) -> String {
    let ids: Vec<&str> = troubles.iter().map(|trouble| trouble.key_id.as_str()).collect();
    ids.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c12_a_start_that_is_refused_says_which_key_how_many_secrets_and_what_to_do() {
        let troubles = vec![
            Trouble {
                key_id: "k1".to_owned(),
                sealed: vec![(Kind::ClientSecret, 2), (Kind::DeltaLink, 1)],
                is_another: false,
            },
            Trouble {
                key_id: "k2".to_owned(),
                sealed: vec![(Kind::MailedPassword, 3)],
                is_another: true,
            },
        ];
        let told = CheckError::Keys { troubles }.to_string();
        for part in [
            "lacks key \"k1\", which sealed 2 client secrets, 1 delta link;",
            "key \"k2\" of the key ring is not the one that sealed 3 passwords to be mailed.",
            "Nothing was changed",
            "ROLLCALL_VAULT__LOST_KEYS=k1,k2",
        ] {
            assert!(told.contains(part), "{told}");
        }
    }
}
