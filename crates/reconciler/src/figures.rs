//! Tells how all organizations together fare: asks the database and the broker every few seconds, and tells the answers as
//! metrics.
//!
//! Every copy of the reconciler asks the same question and tells the same answer: take the `max` over them, never the sum.
//! While the database does not answer, none of it is told, rather than what was true before.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bus::{Bus, consumers};
use chrono::{DateTime, Utc};
use service::Clock;
use service::drain::Stopper;
use service::error::chain;
use service::metrics::{Observer, observe};
use store::Store;
use store::figures::{self, Figures};

use crate::metrics::{
    CONNECTIONS, CREDENTIAL_EXPIRY, CURSOR_AGE, LAST_SUCCESS, MAIL_AGE, MAILS, OUTBOX, OUTBOX_AGE, OVERDUE,
    REVIEW_AGE, REVIEWS, RUNS_OPEN, STATE,
};

/// For one answer. A database that takes longer is as good as away.
const LIMIT: Duration = Duration::from_secs(10);

/// Asks, and tells.
pub struct Watch {
    /// The database.
    pub store: Store,
    /// The broker, for how far behind its consumers are.
    pub bus: Bus,
    /// The time.
    pub clock: Clock,
    /// Between two questions.
    pub every: Duration,
}

/// The last answer, and when it was given.
type Answer = Arc<Mutex<Option<(Figures, DateTime<Utc>)>>>;

impl Watch {
    /// Goes round until it is told to stop.
    pub async fn run(self, stopper: Stopper) -> Result<(), Infallible> {
        let answer = Answer::default();
        tell(&answer);
        while let Some(asked) = stopper.until(self.ask()).await {
            *answer.lock().unwrap_or_else(PoisonError::into_inner) = asked;
            stopper.until(self.measure_queues()).await;
            stopper.until(tokio::time::sleep(self.every)).await;
        }
        Ok(())
    }

    /// The bus tells it as a metric by itself.
    async fn measure_queues(&self) {
        for queue in consumers::ALL {
            if let Err(error) = self.bus.lag(&queue).await {
                // Of a service that has never run there is no queue; that the broker is away is told elsewhere.
                tracing::debug!(error = %chain(&error), queue = queue.durable, "a queue's length is not known");
            }
        }
    }

    async fn ask(&self) -> Option<(Figures, DateTime<Utc>)> {
        let now = self.clock.now();
        let asked = async { figures::load(&mut *self.store.connection().await?, now).await };
        match tokio::time::timeout(LIMIT, asked).await {
            Ok(Ok(figures)) => Some((figures, now)),
            Ok(Err(error)) => {
                tracing::warn!(error = %chain(&error), "the figures for metrics are not known");
                None
            }
            Err(_) => {
                tracing::warn!("the figures for metrics are not known: the database takes too long");
                None
            }
        }
    }
}

/// How long ago `at` was at `now`, in seconds; nothing of the kind is no time at all.
fn age(at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> f64 {
    at.map_or(0.0, |at| (now - at).as_seconds_f64().max(0.0))
}

/// Counts are far below what would not be told exactly.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
fn count(number: i64) -> f64 {
    number as f64
}

fn tell(answer: &Answer) {
    let told = |name, what, unit, read: fn(&Figures, DateTime<Utc>, &Observer<'_>)| {
        let answer = Arc::clone(answer);
        observe(name, what, unit, move |to| {
            if let Some((figures, at)) = &*answer.lock().unwrap_or_else(PoisonError::into_inner) {
                read(figures, *at, to);
            }
        });
    };
    told(CONNECTIONS, "Connections, by how they fare.", "", |of, _, to| {
        let working = of.connections - of.failing - of.quarantined;
        to.tell(count(working), &[(STATE, "working")]);
        to.tell(count(of.failing), &[(STATE, "failing")]);
        to.tell(count(of.quarantined), &[(STATE, "quarantined")]);
    });
    told(
        RUNS_OPEN,
        "Runs that have not ended, by how far they are.",
        "",
        |of, _, to| {
            for (state, runs) in [
                ("waiting", of.runs_waiting),
                ("reading", of.runs_reading),
                ("planning", of.runs_planning),
                ("planned", of.runs_planned),
                ("applying", of.runs_applying),
            ] {
                to.tell(count(runs), &[(STATE, state)]);
            }
        },
    );
    told(REVIEWS, "Reviews that wait for a person.", "", |of, _, to| {
        to.tell(count(of.reviews), &[]);
    });
    told(
        REVIEW_AGE,
        "How long the oldest review has waited.",
        "s",
        |of, at, to| {
            to.tell(age(of.oldest_review, at), &[]);
        },
    );
    told(
        CURSOR_AGE,
        "Age of the oldest delta token in use.",
        "s",
        |of, at, to| {
            to.tell(age(of.oldest_cursor, at), &[]);
        },
    );
    told(
        CREDENTIAL_EXPIRY,
        "Time until the first credential in use expires; below 0, it has.",
        "s",
        |of, at, to| {
            if let Some(expiry) = of.next_expiry {
                to.tell((expiry - at).as_seconds_f64(), &[]);
            }
        },
    );
    told(
        LAST_SUCCESS,
        "Time since the last successful run, of the scheduled connection where it is longest ago.",
        "s",
        |of, at, to| to.tell(age(of.oldest_success, at), &[]),
    );
    told(
        OVERDUE,
        "How long a scheduled connection has been due without a successful run, at most.",
        "s",
        |of, at, to| to.tell(age(of.overdue_since, at), &[]),
    );
    told(OUTBOX, "Events that wait to be published.", "", |of, _, to| {
        to.tell(count(of.events), &[]);
    });
    told(
        OUTBOX_AGE,
        "How long the oldest event has waited.",
        "s",
        |of, at, to| {
            to.tell(age(of.oldest_event, at), &[]);
        },
    );
    told(MAILS, "Mails that wait to be sent.", "", |of, _, to| {
        to.tell(count(of.mails), &[]);
    });
    told(
        MAIL_AGE,
        "How long the oldest mail has waited.",
        "s",
        |of, at, to| {
            to.tell(age(of.oldest_mail, at), &[]);
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_never_below_nothing() {
        let at = |second| DateTime::from_timestamp(second, 0).unwrap();
        assert_eq!(age(Some(at(10)), at(70)).to_bits(), 60.0_f64.to_bits());
        // Written by a clock that was ahead.
        assert_eq!(age(Some(at(80)), at(70)).to_bits(), 0.0_f64.to_bits());
        assert_eq!(age(None, at(70)).to_bits(), 0.0_f64.to_bits());
    }
}
