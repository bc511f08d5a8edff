//! What one event comes to: its notices and its mails, in one transaction with its place in the inbox.

use bus::subjects;
use chrono::TimeDelta;
use domain::id::{DeliveryId, EventId, NoticeId, OrganizationId, RunId};
use domain::notice::{
    self, Asked, Before, Counts, EndedRun, Ending, Health, Letter, MAX_RECIPIENTS, Manner, Removed, Telling,
    recipients,
};
use domain::quarantine;
use service::Clock;
use service::telemetry::{TraceContext, set_parent};
use store::delivery::{Addressee, Mailing};
use store::notice::About;
use store::run::{Kind, OF_SCHEDULE};
use store::run_view::{RunView, State};
use store::{
    Store, StoreError, Tx, connection_health, delivery, earlier_runs, inbox, recipient, review_list,
    run_view, settings, system_log,
};
use tracing::Instrument;

use crate::config::Config;
use crate::metrics::{KIND, Metrics};

/// Failed records are mailed again after so long, even when they go on failing.
const QUIET: TimeDelta = TimeDelta::hours(24);

/// As many of those whose removals wait are named in a notice.
const NAMED: i64 = 10;

/// The end of a run, as the outbox tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its key.
    pub id: EventId,
    /// Whose it is.
    pub organization: OrganizationId,
    /// The run.
    pub run: RunId,
    /// The trace that it continues.
    pub traceparent: Option<String>,
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The notices.
    pub notices: Vec<NoticeId>,
    /// How many mails.
    pub deliveries: u64,
}

/// Tells of events. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Teller {
    store: Store,
    clock: Clock,
    metrics: Metrics,
    console: Option<String>,
    /// The right side of every Message-ID.
    mail_domain: String,
}

impl Teller {
    /// One that writes into `store`.
    pub fn new(store: Store, clock: Clock, metrics: Metrics, config: &Config) -> Self {
        Self {
            store,
            clock,
            metrics,
            console: config.console.url.clone(),
            mail_domain: config.smtp.from.email.domain().to_owned(),
        }
    }

    /// Writes what there is to tell of `event`, unless it is told already.
    pub async fn tell(&self, event: &Event) -> Result<Told, StoreError> {
        let span = tracing::info_span!("notice.decide", run.id = %event.run, event.id = %event.id);
        if let Some(parent) = event.traceparent.as_deref().and_then(TraceContext::parse) {
            set_parent(&span, &parent);
        }
        self.tell_once(event).instrument(span).await
    }

    async fn tell_once(&self, event: &Event) -> Result<Told, StoreError> {
        let mut tx = self.store.begin("notifier.tell").await?;
        if !inbox::receive(tx.connection(), event.id, self.clock.now()).await? {
            tx.rollback().await?;
            tracing::debug!("told already");
            return Ok(Told::default());
        }
        let told = match self.ended_run(&mut tx, event).await? {
            Some(run) => self.write(&mut tx, event, &run).await?,
            None => Told::default(),
        };
        tx.commit().await?;
        tracing::info!(notices = told.notices.len(), deliveries = told.deliveries, "told");
        Ok(told)
    }

    /// The run as the policy sees it; `None` when it has gone on since, or away: a later event tells of it, or nobody.
    async fn ended_run(&self, tx: &mut Tx, event: &Event) -> Result<Option<Ended>, StoreError> {
        let Some(view) = run_view::find(tx.connection(), event.organization, event.run).await? else {
            tracing::warn!("the run is not there any more; nothing is told");
            return Ok(None);
        };
        let Some(ending) = ending(&view) else {
            tracing::info!(state = ?view.state, "the run goes on; nothing is told yet");
            return Ok(None);
        };
        if inbox::is_superseded(tx.connection(), &finished_prefix(), event.id, event.run).await? {
            tracing::info!("a later event tells of this run");
            return Ok(None);
        }
        let before = self.before(tx, event, &view).await?;
        let removed = system_log::removals_of(tx.connection(), event.run).await?;
        let held_first = if view.counts.held > 0 {
            review_list::first_held(tx.connection(), event.run, NAMED).await?
        } else {
            Vec::new()
        };
        Ok(Some(Ended {
            connection: view.connection,
            run: EndedRun {
                removed: removed.map(|of| Removed {
                    entry: of.entry,
                    entries: of.entries,
                    records: of.records,
                }),
                held_first,
                ..as_told(view, ending, before)
            },
        }))
    }

    async fn before(&self, tx: &mut Tx, event: &Event, view: &RunView) -> Result<Before, StoreError> {
        let (of, run) = (view.connection, view.id);
        let changed = connection_health::change_of(tx.connection(), event.id, run).await?;
        let just_a_try = view.trigger.starts_with(OF_SCHEDULE)
            && changed.is_none()
            && connection_health::find(tx.connection(), of)
                .await?
                .is_some_and(|known| matches!(known.health, quarantine::Health::Quarantined(_)));
        let until = view.ended_at.unwrap_or_else(|| self.clock.now());
        let records_failed_lately =
            earlier_runs::had_failed_records(tx.connection(), of, run, until - QUIET, until).await?;
        Ok(Before {
            health: changed.map(health),
            just_a_try,
            records_failed_lately,
        })
    }

    async fn write(&self, tx: &mut Tx, event: &Event, ended: &Ended) -> Result<Told, StoreError> {
        let settings = settings::find(tx.connection(), event.organization).await?;
        let manner = Manner {
            mail_on_completion: settings.mail_on_completion,
            console: self.console(),
        };
        let telling = notice::tell(&ended.run, manner);
        let about = About {
            organization: event.organization,
            event: event.id,
            run: Some(event.run),
            connection: Some(ended.connection),
        };
        self.put(tx, about, &telling).await
    }

    /// Writes notices and mails.
    pub(super) async fn put(&self, tx: &mut Tx, about: About, telling: &Telling) -> Result<Told, StoreError> {
        let mut told = Told::default();
        for notice in &telling.notices {
            let id = NoticeId(self.clock.new_id());
            if store::notice::insert(tx.connection(), id, about, notice, self.clock.now()).await? {
                self.metrics.notices.add(1, &[(KIND, notice.kind.key())]);
                told.notices.push(id);
            }
        }
        if let Some(letter) = &telling.letter {
            let settings = settings::find(tx.connection(), about.organization).await?;
            told.deliveries = self.address(tx, about, letter, &settings.mail_to).await?;
        }
        Ok(told)
    }

    async fn address(
        &self,
        tx: &mut Tx,
        about: About,
        letter: &Letter,
        mail_to: &[String],
    ) -> Result<u64, StoreError> {
        // One more than are taken, so that it shows when there are more.
        let limit = i64::try_from(MAX_RECIPIENTS + 1).unwrap_or(i64::MAX);
        let admins = recipient::admins(tx.connection(), about.organization, limit).await?;
        let chosen = recipients(
            mail_to.iter().map(String::as_str),
            admins.iter().map(String::as_str),
        );
        if chosen.left_out > 0 {
            tracing::warn!(
                limit = MAX_RECIPIENTS,
                "too many recipients; the first ones get the mail"
            );
        }
        let traceparent = TraceContext::current();
        let addressees: Vec<Addressee> = chosen
            .chosen
            .into_iter()
            .map(|recipient| self.addressee(recipient))
            .collect();
        let mailing = Mailing {
            organization: about.organization,
            event: about.event,
            run: about.run,
            letter,
            traceparent: traceparent.as_ref().map(TraceContext::as_str),
            addressees: &addressees,
        };
        delivery::insert(tx.connection(), &mailing, self.clock.now()).await
    }

    fn addressee(&self, recipient: String) -> Addressee {
        let id = self.clock.new_id();
        Addressee {
            id: DeliveryId(id),
            recipient,
            message_id: format!("<{id}@{}>", self.mail_domain),
        }
    }

    /// The console's address, for links.
    pub(super) fn console(&self) -> Option<&str> {
        self.console.as_deref()
    }

    pub(super) const fn store(&self) -> &Store {
        &self.store
    }

    pub(super) const fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(super) const fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}

/// How the subjects of ended runs begin, in the outbox.
pub(super) fn finished_prefix() -> String {
    format!("{}.", subjects::any_run_finished().kind())
}

struct Ended {
    connection: domain::id::ConnectionId,
    run: EndedRun,
}

/// What changed, as the policy sees it.
pub(super) fn health(changed: connection_health::Changed) -> Health {
    Health {
        change: changed.change,
        reason: changed.reason,
        next_try: changed.next_try,
    }
}

fn ending(view: &RunView) -> Option<Ending> {
    match view.state {
        State::Finished => Some(Ending::Finished),
        State::Planned => Some(Ending::Planned),
        State::Expired => Some(Ending::Expired),
        State::Cancelled => Some(Ending::Cancelled {
            by: view.cancel_requested.as_ref().map(|(_, by)| by.clone()),
        }),
        State::Failed => {
            let error = view
                .error
                .clone()
                .unwrap_or_else(|| "No reason was recorded.".to_owned());
            Some(Ending::Failed { error })
        }
        State::Requested | State::Fetching | State::Planning | State::Applying => None,
    }
}

/// Why it comes when it does, and why it reads what it does.
fn reason(comes: Option<String>, reads: Option<String>) -> Option<String> {
    match (comes, reads) {
        (Some(comes), Some(reads)) => Some(format!("{comes}; {reads}")),
        (comes, reads) => comes.or(reads),
    }
}

fn as_told(view: RunView, ending: Ending, before: Before) -> EndedRun {
    let counts = view.counts;
    EndedRun {
        id: view.id,
        connection: view.connection_name,
        asked: match view.kind {
            Kind::Full => Asked::Full,
            Kind::Delta => Asked::Delta,
            Kind::Preview => Asked::Preview,
            Kind::Manual => Asked::Manual,
            Kind::Deprovision => Asked::Deprovision,
            Kind::Revert => Asked::Revert,
        },
        read_everything: view.delta.map_or(view.kind != Kind::Delta, |delta| !delta),
        reason: reason(view.comes_because, view.reason),
        requested_by: view.requested_by,
        ending,
        counts: Counts {
            seen: counts.seen,
            gone: counts.gone,
            added: counts.added,
            updated: counts.updated,
            overwritten: counts.overwritten,
            reactivated: counts.reactivated,
            unchanged: counts.unchanged,
            skipped: counts.skipped,
            removed: counts.removed,
            held: counts.held,
            failed: counts.failed,
        },
        failed_ignored: view.failed_ignored,
        removals_note: view.removals_note,
        removed: None,
        held_first: Vec::new(),
        before,
    }
}
