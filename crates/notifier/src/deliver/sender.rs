//! Leasing due deliveries, trying each once, recording the try.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bus::Bus;
use chrono::{DateTime, TimeDelta, Utc};
use domain::id::{EventId, NoticeId, RunId};
use domain::notice::{Kind, mail_failed, thousands};
use futures::future::join_all;
use service::Clock;
use service::clock::earliest_id;
use service::drain::Stopper;
use service::error::chain;
use service::retry::Backoff;
use service::telemetry::{TraceContext, set_parent};
use store::delivery::{self, Leased, UNRECORDED};
use store::notice::{About, insert, is_told_since};
use store::{Store, StoreError, password_mail};
use tokio::sync::Notify;
use tracing::Instrument;
use vault::{Sealed, Vault};

use super::message::{Email, compose};
use super::smtp::Smtp;
use super::{attachment, password};
use crate::config::DeliveryConfig;
use crate::metrics::{Metrics, RESULT};
use crate::wake_up::wake_up;

/// A failed mail is told on the bell, then none for so long.
const QUIET: TimeDelta = TimeDelta::hours(24);

/// Characters of a recorded error, at most.
const MAX_ERROR: usize = 1_000;

/// What happened to a mail should be recorded even when the database is away for a moment: so many tries before the last.
const RECORD_TRIES: u32 = 7;
/// The waits between them.
const RECORD_WAITS: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));

/// Sends what is due.
#[derive(Debug)]
pub struct Sender {
    /// Where the deliveries are.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Metrics,
    /// The mail server.
    pub smtp: Smtp,
    /// Where the bell's watchers are woken.
    pub bus: Bus,
    /// Wakes the sender before its next look.
    pub due: Arc<Notify>,
    /// Tries and waits.
    pub config: DeliveryConfig,
    /// Opens the passwords that are mailed.
    pub vault: Arc<Vault>,
}

/// What deliveries need beside themselves.
struct Enclosed {
    files: HashMap<RunId, Arc<str>>,
    passwords: HashMap<EventId, Sealed>,
}

/// What a try came to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Sent,
    Again { error: String, at: DateTime<Utc> },
    Failed { error: String },
}

impl Sender {
    /// Sends until the stop; a batch that is under way is finished.
    pub async fn run(self, stopper: Stopper) -> anyhow::Result<()> {
        let poll = Duration::from_millis(self.config.poll_milliseconds);
        while !stopper.is_stopped() {
            match self.batch(&stopper).await {
                Ok(0) => {}
                Ok(_) => continue,
                Err(error) => tracing::warn!(error = %chain(&error), "deliveries have to wait"),
            }
            tokio::select! {
                () = self.due.notified() => {}
                () = tokio::time::sleep(poll) => {}
                () = stopper.stopped() => {}
            }
        }
        Ok(())
    }

    /// Tries a batch of due deliveries at the same time; how many there were.
    pub async fn batch(&self, stopper: &Stopper) -> Result<usize, StoreError> {
        let domain = self.smtp.from().email.domain();
        password::write(&self.store, &self.clock, domain).await?;
        let now = self.clock.now();
        let until =
            now + TimeDelta::seconds(i64::try_from(self.config.lease_seconds).unwrap_or(i64::MAX / 1_000));
        let lease = self.clock.new_id();
        let batch = {
            let mut connection = self.store.connection().await?;
            delivery::lease(&mut connection, lease, now, until, i64::from(self.config.batch)).await?
        };
        if batch.is_empty() {
            return Ok(0);
        }
        let enclosed = Enclosed {
            files: attachment::load(&self.store, &batch).await?,
            passwords: password::load(&self.store, &batch).await?,
        };
        let recorded = join_all(
            batch
                .iter()
                .map(|delivery| self.deliver(delivery, &enclosed, stopper)),
        )
        .await;
        recorded.into_iter().collect::<Result<Vec<()>, _>>()?;
        Ok(batch.len())
    }

    async fn deliver(
        &self,
        delivery: &Leased,
        enclosed: &Enclosed,
        stopper: &Stopper,
    ) -> Result<(), StoreError> {
        let run = delivery.run.map(|run| run.to_string());
        let span = tracing::info_span!(
            "delivery.send", delivery.id = %delivery.id, run.id = run, delivery.attempt = delivery.attempt
        );
        if let Some(parent) = delivery.traceparent.as_deref().and_then(TraceContext::parse) {
            set_parent(&span, &parent);
        }
        async {
            let outcome = self.attempt(delivery, enclosed).await;
            self.record_in_the_end(delivery, &outcome, stopper).await
        }
        .instrument(span)
        .await
    }

    /// One try.
    async fn attempt(&self, delivery: &Leased, enclosed: &Enclosed) -> Outcome {
        // Senders that died over it have used up its tries.
        if delivery.attempt > self.config.max_attempts {
            return self.failed(UNRECORDED.to_owned());
        }
        let email = match self.compose(delivery, enclosed) {
            Ok(email) => email,
            Err(error) => return self.failed(error),
        };
        match self.smtp.send(&email).await {
            Ok(answer) => {
                tracing::info!(message_id = delivery.message_id, answer, "mail accepted");
                self.metrics.deliveries.add(1, &[(RESULT, "sent")]);
                Outcome::Sent
            }
            Err(error) if error.is_final() => self.failed(text_of(&error)),
            Err(error) if delivery.attempt >= self.config.max_attempts => {
                let tries = thousands(delivery.attempt);
                self.failed(format!("given up after {tries} tries: {}", text_of(&error)))
            }
            Err(error) => {
                let wait = self.config.backoff().delay(delivery.attempt - 1, rand::random());
                let error = text_of(&error);
                tracing::warn!(error, wait_ms = wait.as_millis(), "mail not sent; trying again");
                self.metrics.deliveries.add(1, &[(RESULT, "retried")]);
                Outcome::Again {
                    error,
                    at: self.clock.now() + wait,
                }
            }
        }
    }

    /// The mail; or why it never can be one.
    fn compose(&self, delivery: &Leased, enclosed: &Enclosed) -> Result<Email, String> {
        let file = delivery
            .run
            .and_then(|run| enclosed.files.get(&run))
            .filter(|_| delivery.attach_failed)
            .map(Arc::as_ref);
        let (from, now) = (self.smtp.from(), self.clock.now());
        if !delivery.holds_password {
            return compose(delivery, from, file, now).map_err(|error| text_of(&error));
        }
        let filled = password::filled(delivery, &enclosed.passwords, &self.vault);
        let filled = filled.map_err(|error| text_of(&error))?;
        compose(&filled, from, file, now).map_err(|error| text_of(&error))
    }

    fn failed(&self, error: String) -> Outcome {
        tracing::error!(error, "mail failed");
        self.metrics.deliveries.add(1, &[(RESULT, "failed")]);
        Outcome::Failed { error }
    }

    /// Records the outcome even when the database is away for a moment; meanwhile the lease keeps others off.
    async fn record_in_the_end(
        &self,
        delivery: &Leased,
        outcome: &Outcome,
        stopper: &Stopper,
    ) -> Result<(), StoreError> {
        for attempt in 0..RECORD_TRIES {
            match self.record(delivery, outcome).await {
                Err(error) if error.is_retryable() => {
                    tracing::warn!(error = %chain(&error), "a mail's outcome is not recorded yet; trying again");
                }
                settled => return settled,
            }
            let wait = RECORD_WAITS.delay(attempt, rand::random());
            if stopper.until(tokio::time::sleep(wait)).await.is_none() {
                break;
            }
        }
        self.record(delivery, outcome).await
    }

    async fn record(&self, delivery: &Leased, outcome: &Outcome) -> Result<(), StoreError> {
        let now = self.clock.now();
        let mut tx = self.store.begin("notifier.record_delivery").await?;
        let mut notice = None;
        let was_news = match outcome {
            Outcome::Sent => delivery::record_sent(tx.connection(), delivery, now).await?,
            Outcome::Again { error, at } => {
                delivery::record_failure(tx.connection(), delivery, error, Some(*at), now).await?
            }
            Outcome::Failed { error } => {
                let news = delivery::record_failure(tx.connection(), delivery, error, None, now).await?;
                if news {
                    notice = self.tell_failure(&mut tx, delivery, error).await?;
                }
                news
            }
        };
        let ended = match outcome {
            Outcome::Sent => true,
            Outcome::Failed { .. } => was_news,
            Outcome::Again { .. } => false,
        };
        if delivery.holds_password && ended {
            password_mail::forget(tx.connection(), delivery.event).await?;
        }
        tx.commit().await?;
        if !was_news {
            tracing::warn!("another copy had taken this mail over");
        }
        if let Some(notice) = notice {
            wake_up(&self.bus, delivery.organization, &[notice]).await;
        }
        Ok(())
    }

    /// Puts a failed mail on the bell, unless one is there from the last day.
    async fn tell_failure(
        &self,
        tx: &mut store::Tx,
        delivery: &Leased,
        error: &str,
    ) -> Result<Option<NoticeId>, StoreError> {
        let now = self.clock.now();
        let since = NoticeId(earliest_id(now - QUIET));
        if is_told_since(tx.connection(), delivery.organization, Kind::MailFailed, since).await? {
            return Ok(None);
        }
        let about = About {
            organization: delivery.organization,
            event: delivery.event,
            run: delivery.run,
            connection: None,
        };
        let notice = mail_failed(&delivery.recipient, &delivery.subject, error);
        let id = NoticeId(self.clock.new_id());
        Ok(insert(tx.connection(), id, about, &notice, now)
            .await?
            .then_some(id))
    }
}

/// An error and its causes on one line, fit for the database and for people.
fn text_of(error: &(dyn std::error::Error + 'static)) -> String {
    chain(error).to_string().chars().take(MAX_ERROR).collect()
}
