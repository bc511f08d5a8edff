//! The same answer to a repeated mutation: idempotency keys.
//!
//! A mutation of ours claims its key in the transaction that does the work, so that both are there or neither is. One
//! that another service does claims it first, and gives it back when it was refused.

use domain::id::OrganizationId;
use prost::Message;
use sha2::{Digest, Sha256};
use store::Tx;
use store::idempotency::{self, Claim, Request};

use crate::app::App;
use crate::auth::Caller;
use crate::fault::Fault;

/// Characters in a key at most.
const LONGEST: usize = 200;

/// A mutation by its caller's key. An empty key makes every call a new one.
#[derive(Clone, Debug)]
pub struct Key {
    organization: OrganizationId,
    text: String,
    method: &'static str,
    hash: [u8; 32],
}

impl Key {
    /// The key of this request.
    pub fn of(
        caller: &Caller,
        method: &'static str,
        key: &str,
        request: &impl Message,
    ) -> Result<Self, Fault> {
        if key.len() > LONGEST {
            return Err(Fault::invalid(
                "idempotencyKey",
                format!("is longer than {LONGEST} bytes"),
            ));
        }
        Ok(Self {
            organization: caller.organization(),
            text: key.to_owned(),
            method,
            hash: Sha256::new()
                .chain_update(method)
                .chain_update(request.encode_to_vec())
                .finalize()
                .into(),
        })
    }

    fn request(&self) -> Option<Request<'_>> {
        (!self.text.is_empty()).then_some(Request {
            organization: self.organization,
            key: &self.text,
            method: self.method,
            hash: &self.hash,
        })
    }

    /// Claims the key in `tx`; the answer that was given before, if there is one.
    pub async fn claim<R: Message + Default>(&self, app: &App, tx: &mut Tx) -> Result<Option<R>, Fault> {
        match self.claim_bytes(app, tx).await? {
            None => Ok(None),
            Some(bytes) => Ok(Some(decode(&bytes)?)),
        }
    }

    /// As [`Key::claim`], for an answer that is stored in another form.
    pub async fn claim_bytes(&self, app: &App, tx: &mut Tx) -> Result<Option<Vec<u8>>, Fault> {
        let Some(request) = self.request() else {
            return Ok(None);
        };
        match idempotency::claim(tx.connection(), request, app.clock.now()).await? {
            Claim::Ours => Ok(None),
            Claim::Answered(bytes) => Ok(Some(bytes)),
            Claim::AtWork => Err(Fault::AtWork),
            Claim::Other => Err(Fault::Conflict(format!(
                "the idempotency key \"{}\" was used for another request; use a new one",
                self.text
            ))),
        }
    }

    /// Writes the answer down in `tx`.
    pub async fn answer(&self, tx: &mut Tx, answer: &impl Message) -> Result<(), Fault> {
        self.answer_bytes(tx, &answer.encode_to_vec()).await
    }

    /// Writes the answer down in `tx`, in another form.
    pub async fn answer_bytes(&self, tx: &mut Tx, answer: &[u8]) -> Result<(), Fault> {
        if let Some(request) = self.request() {
            idempotency::answer(tx.connection(), request, answer).await?;
        }
        Ok(())
    }

    /// Claims the key before another service does the work; the answer that was given before, if there is one.
    pub async fn claim_first<R: Message + Default>(&self, app: &App) -> Result<Option<R>, Fault> {
        if self.text.is_empty() {
            return Ok(None);
        }
        let mut tx = app.store.begin("idempotency.claim").await?;
        let answered = self.claim(app, &mut tx).await?;
        tx.commit().await?;
        Ok(answered)
    }

    /// Writes down what another service answered, or gives the key back when it did not: doing the work again is
    /// harmless there.
    pub async fn settle<R: Message>(&self, app: &App, outcome: &Result<R, Fault>) -> Result<(), Fault> {
        let Some(request) = self.request() else {
            return Ok(());
        };
        let mut connection = app.store.connection().await?;
        match outcome {
            Ok(answer) => idempotency::answer(&mut connection, request, &answer.encode_to_vec()).await?,
            Err(_) => idempotency::release(&mut connection, request).await?,
        }
        Ok(())
    }
}

fn decode<R: Message + Default>(bytes: &[u8]) -> Result<R, Fault> {
    R::decode(bytes).map_err(|_| Fault::Internal("a stored answer can't be read"))
}
