//! Mails that bring a password (M6): written with a gap, which is filled for the moment of sending.

use std::collections::HashMap;

use domain::id::{DeliveryId, EventId};
use domain::password::{fill, letter};
use secrecy::ExposeSecret as _;
use service::Clock;
use store::delivery::{self, Addressee, Leased, PasswordMail};
use store::{Store, StoreError, password_mail};
use vault::{OpenError, Sealed, Vault};

/// What the reconciler sealed it as, with the row's id.
const PURPOSE: &str = keys::purpose::MAILED_PASSWORD;
/// Mails that are written in one go.
const AT_ONCE: i64 = 100;

/// Why a password can't be mailed. It never can.
#[derive(Debug, thiserror::Error)]
pub(super) enum PasswordError {
    #[error("the password has been replaced by a newer one")]
    Gone,
    #[error("the password can't be opened; reset it")]
    Open(#[source] OpenError),
}

/// Writes the mails of passwords that have none yet; how many.
pub(super) async fn write(store: &Store, clock: &Clock, mail_domain: &str) -> Result<u64, StoreError> {
    let mut connection = store.connection().await?;
    let unwritten = password_mail::unwritten(&mut connection, AT_ONCE).await?;
    if unwritten.is_empty() {
        return Ok(0);
    }
    let mails: Vec<PasswordMail> = unwritten
        .into_iter()
        .map(|password| {
            let id = clock.new_id();
            PasswordMail {
                organization: password.organization(),
                event: password.event(),
                letter: letter(&password.name, &password.login, password.must_change),
                addressee: Addressee {
                    id: DeliveryId(id),
                    recipient: password.email,
                    message_id: format!("<{id}@{mail_domain}>"),
                },
            }
        })
        .collect();
    delivery::insert_passwords(&mut connection, &mails, clock.now()).await
}

/// The sealed passwords that these deliveries bring.
pub(super) async fn load(store: &Store, batch: &[Leased]) -> Result<HashMap<EventId, Sealed>, StoreError> {
    let events: Vec<_> = batch
        .iter()
        .filter(|delivery| delivery.holds_password)
        .map(|delivery| delivery.event.0)
        .collect();
    if events.is_empty() {
        return Ok(HashMap::new());
    }
    let mut connection = store.connection().await?;
    let found = password_mail::find(&mut connection, &events).await?;
    Ok(found
        .into_iter()
        .map(|(event, stored)| {
            let sealed = Sealed {
                key_id: stored.key_id,
                ciphertext: stored.ciphertext,
            };
            (event, sealed)
        })
        .collect())
}

/// The delivery with its password in place. It is not to be kept.
pub(super) fn filled(
    delivery: &Leased,
    passwords: &HashMap<EventId, Sealed>,
    vault: &Vault,
) -> Result<Leased, PasswordError> {
    let sealed = passwords.get(&delivery.event).ok_or(PasswordError::Gone)?;
    let password = vault
        .open(sealed, PURPOSE, delivery.event.0)
        .map_err(PasswordError::Open)?;
    Ok(Leased {
        body: fill(&delivery.body, password.expose_secret()),
        ..delivery.clone()
    })
}
