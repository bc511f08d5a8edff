//! Gives accounts that wait for one their local password (M6), beside the runs: a hash is slow on purpose.
//!
//! Any number of copies share the work; what a killed one had begun is found undone. The password itself leaves here only
//! sealed, for its mail.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::{self, PasswordHasher as _};
use argon2::{Algorithm, Argon2, Params, Version};
use chrono::{DateTime, Utc};
use domain::account::{Kind, Status as AccountStatus};
use domain::field::Field;
use domain::id::{AccountId, OrganizationId};
use rand::Rng as _;
use secrecy::{ExposeSecret as _, SecretString};
use service::Clock;
use service::drain::Stopper;
use service::error::chain;
use store::account_password::Hashed;
use store::credential::SealedSecret;
use store::password_settings::{Mode, PasswordSettings};
use store::password_task::Task;
use store::{
    Store, StoreError, Tx, account_list, account_password, password_mail, password_settings, password_task,
};
use tonic::Status;
use uuid::Uuid;
use vault::{OpenError, SealError, Sealed, Vault};

/// Accounts in one transaction.
const AT_ONCE: i64 = 8;
/// After a failure, so long nothing is tried.
const PAUSE: Duration = Duration::from_secs(5);
/// What api seals the predefined password as, with the organization's id.
const PREDEFINED: &str = keys::purpose::PREDEFINED_PASSWORD;
/// What notifier opens a password as, with the row's id.
const MAILED: &str = keys::purpose::MAILED_PASSWORD;

/// What OWASP recommends for argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1_024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Gives passwords.
pub struct Passwords {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// Opens the predefined password, and seals what is mailed.
    pub vault: Arc<Vault>,
    /// Between two looks for accounts that wait.
    pub every: Duration,
}

/// Why no password could be given.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the predefined password can't be opened; enter it again in the settings")]
    Predefined(#[source] OpenError),
    #[error("a password could not be sealed")]
    Seal(#[source] SealError),
    #[error("a password could not be hashed")]
    Hash(#[source] password_hash::Error),
    #[error("the thread that hashes passwords broke off")]
    Thread(#[source] tokio::task::JoinError),
}

/// One account's new password.
struct Given {
    task: Task,
    password: SecretString,
    must_change: bool,
    mail: bool,
}

impl Passwords {
    /// Goes round until it is told to stop.
    pub async fn run(self, stopper: Stopper) -> Result<(), Infallible> {
        while !stopper.is_stopped() {
            let wait = match self.round().await {
                Ok(0) => self.every,
                Ok(_) => continue,
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "accounts go on waiting for their passwords");
                    PAUSE
                }
            };
            stopper.until(tokio::time::sleep(wait)).await;
        }
        Ok(())
    }

    /// Deals with a few accounts that wait; how many.
    async fn round(&self) -> Result<usize, Error> {
        let mut tx = self.store.begin("passwords.round").await?;
        let tasks = password_task::take(tx.connection(), AT_ONCE).await?;
        if tasks.is_empty() {
            return Ok(0);
        }
        let mut accounts: Vec<Uuid> = tasks.iter().map(|task| task.account().0).collect();
        let mut settings: HashMap<OrganizationId, PasswordSettings> = HashMap::new();
        for task in &tasks {
            if let Entry::Vacant(place) = settings.entry(task.organization()) {
                place.insert(password_settings::find(tx.connection(), task.organization()).await?);
            }
        }
        let (given, stuck) = self.give(tasks, &settings);
        let hashed = hash_all(&given).await?;
        let now = self.clock.now();
        for (given, hash) in given.iter().zip(hashed) {
            let (organization, account) = (given.task.organization(), given.task.account());
            let password = Hashed {
                account,
                hash,
                must_change: given.must_change,
            };
            account_password::put(tx.connection(), organization, &password, now).await?;
            if given.mail {
                let id = self.clock.new_id();
                let Sealed { key_id, ciphertext } = self
                    .vault
                    .seal(&given.password, MAILED, id)
                    .map_err(Error::Seal)?;
                let sealed = SealedSecret { key_id, ciphertext };
                password_mail::put(tx.connection(), id, (organization, account), &sealed, now).await?;
            }
        }
        // One organization's trouble must not keep the others waiting.
        let behind: Vec<Uuid> = stuck.iter().map(|(account, _)| account.0).collect();
        password_task::put_behind(tx.connection(), &behind, now).await?;
        accounts.retain(|account| !behind.contains(account));
        password_task::done(tx.connection(), &accounts).await?;
        tx.commit().await?;
        tell(&given);
        match stuck.into_iter().next() {
            Some((_, error)) if accounts.is_empty() => Err(error),
            Some((account, error)) => {
                tracing::warn!(account.id = %account, error = %chain(&error), "an account goes on waiting for its password");
                Ok(accounts.len())
            }
            None => Ok(accounts.len()),
        }
    }

    /// Who gets which password, and who can't have one yet. Nobody does where passwords have been turned off meanwhile.
    fn give(
        &self,
        tasks: Vec<Task>,
        settings: &HashMap<OrganizationId, PasswordSettings>,
    ) -> (Vec<Given>, Vec<(AccountId, Error)>) {
        let mut all = Vec::with_capacity(tasks.len());
        let mut stuck = Vec::new();
        for task in tasks {
            let Some(settings) = settings.get(&task.organization()) else {
                continue;
            };
            let predefined = match settings.mode {
                Mode::None => continue,
                Mode::Predefined if !task.reset => match self.predefined(settings, task.organization()) {
                    Ok(predefined) => predefined,
                    Err(error) => {
                        stuck.push((task.account(), error));
                        continue;
                    }
                },
                Mode::Predefined | Mode::Random => None,
            };
            let own = |password: &SecretString| {
                // The policy may forbid it for this one login.
                let breaches = settings.policy.breaches(password.expose_secret(), &task.login);
                breaches.is_empty()
            };
            let password = predefined.filter(own).unwrap_or_else(|| {
                let mut random = rand::rng();
                let mut pick = |below| random.random_range(0..below);
                SecretString::from(settings.policy.random(&task.login, &mut pick))
            });
            all.push(Given {
                mail: task.reachable && (settings.mail || task.reset),
                must_change: settings.must_change,
                password,
                task,
            });
        }
        (all, stuck)
    }

    fn predefined(
        &self,
        settings: &PasswordSettings,
        organization: OrganizationId,
    ) -> Result<Option<SecretString>, Error> {
        let Some(stored) = &settings.predefined else {
            return Ok(None);
        };
        let sealed = Sealed {
            key_id: stored.key_id.clone(),
            ciphertext: stored.ciphertext.clone(),
        };
        self.vault
            .open(&sealed, PREDEFINED, organization.0)
            .map(Some)
            .map_err(Error::Predefined)
    }
}

/// Lets new accounts wait for a password, if the organization's get one.
pub async fn request(
    tx: &mut Tx,
    organization: OrganizationId,
    added: &[Uuid],
    now: DateTime<Utc>,
) -> Result<(), crate::error::Error> {
    if !added.is_empty() && password_settings::any(tx.connection(), organization).await? {
        password_task::request(tx.connection(), organization, added, now).await?;
    }
    Ok(())
}

/// Lets an account wait for another password, which is random and mailed; or says why it can't.
pub async fn reset(
    store: &Store,
    clock: &Clock,
    organization: OrganizationId,
    account: AccountId,
) -> Result<(), Status> {
    let failed = crate::error::Error::Store;
    let mut tx = store.begin("passwords.reset").await.map_err(failed)?;
    let found = account_list::find(tx.connection(), organization, (Kind::Account, account))
        .await
        .map_err(failed)?
        .ok_or_else(|| Status::not_found(format!("there is no account {account}")))?;
    let on = password_settings::any(tx.connection(), organization)
        .await
        .map_err(failed)?;
    let problem = if !on {
        "local passwords are off; set passwords.mode in a document of kind Settings"
    } else if found.status != AccountStatus::Active {
        "the account is not in use; a password would help nobody"
    } else if found.value(Field::Email).is_none() {
        "the account has no e-mail address to which a new password could be mailed"
    } else {
        password_task::reset(tx.connection(), organization, account, clock.now())
            .await
            .map_err(failed)?;
        return Ok(tx.commit().await.map_err(failed)?);
    };
    Err(Status::failed_precondition(problem))
}

/// The hashes, each with a salt of its own; on a thread of its own, one after the other.
async fn hash_all(given: &[Given]) -> Result<Vec<String>, Error> {
    let passwords: Vec<SecretString> = given.iter().map(|given| given.password.clone()).collect();
    tokio::task::spawn_blocking(move || passwords.iter().map(hash).collect::<Result<_, _>>())
        .await
        .map_err(Error::Thread)?
        .map_err(Error::Hash)
}

fn hash(password: &SecretString) -> Result<String, password_hash::Error> {
    let params =
        Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|_| password_hash::Error::ParamsInvalid)?;
    let hash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password(password.expose_secret().as_bytes())?;
    Ok(hash.to_string())
}

fn tell(given: &[Given]) {
    let unreachable = given.iter().filter(|given| !given.task.reachable).count();
    tracing::info!(
        passwords = given.len(),
        mails = given.iter().filter(|given| given.mail).count(),
        unreachable,
        "local passwords set"
    );
    for given in given.iter().filter(|given| !given.task.reachable) {
        tracing::warn!(
            account.id = %given.task.account(),
            "its password is not mailed: the account is not in use, or has no e-mail address; reset it when it has one"
        );
    }
}

#[cfg(test)]
mod tests {
    use argon2::PasswordVerifier as _;
    use argon2::password_hash::phc::PasswordHash;

    use super::*;

    #[test]
    fn hashes_are_argon2id_with_the_recommended_cost_and_a_salt_of_their_own() {
        let password = SecretString::from("correct horse");
        let [one, other] = [hash(&password).unwrap(), hash(&password).unwrap()];
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert_ne!(one, other);
        let parsed = PasswordHash::new(&one).unwrap();
        assert!(
            Argon2::default()
                .verify_password(b"correct horse", &parsed)
                .is_ok()
        );
        assert!(
            Argon2::default()
                .verify_password(b"wrong horse", &parsed)
                .is_err()
        );
    }
}
