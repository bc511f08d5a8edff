//! Who is told what when a run has ended: the bell's notices and the mail (N4, N5, N6; design §6, Telling).
//!
//! Notices: full runs, previews and reverts always; deltas and manual runs only when something failed; removals of all, done
//! or held. What a
//! person said to ignore does not count as failed. Mails: the
//! completion of a full run where the settings ask for it; a failure only when the connection worked until then, and
//! its recovery, so that a delta that fails every hour is one mail and not a storm.

mod recipients;
mod text;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::expiry::Warning;
use crate::id::RunId;
use crate::quarantine::Change;

pub use recipients::{MAX_RECIPIENTS, Recipients, recipients};
pub use text::{single_line, thousands};

/// The failed records that go with a mail, at most (N5).
pub const MAX_ATTACHED: u32 = 10_000;

/// A run that has ended, or a preview that waits to be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedRun {
    /// Its key.
    pub id: RunId,
    /// The connection's name.
    pub connection: String,
    /// What was asked for.
    pub asked: Asked,
    /// Whether it read everything: a delta may have had to (R6, F4).
    pub read_everything: bool,
    /// Why it read everything although a delta was asked for, or stopped as a preview although a full run was.
    pub reason: Option<String>,
    /// Who asked for it.
    pub requested_by: String,
    /// How it ended.
    pub ending: Ending,
    /// Its outcomes.
    pub counts: Counts,
    /// Of those that failed: how many a person said to ignore.
    pub failed_ignored: u32,
    /// Why removals are held, or why none was considered.
    pub removals_note: Option<String>,
    /// The removals that it did by itself, where there are any.
    pub removed: Option<Removed>,
    /// The first of those whose removals are held, as people call them.
    pub held_first: Vec<String>,
    /// The connection until then.
    pub before: Before,
}

/// Removals that a run did by itself (D9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// The first entry of the system log that says whom, with a CSV.
    pub entry: Uuid,
    /// How many entries there are: so many records don't fit into one.
    pub entries: u32,
    /// How many records.
    pub records: u32,
}

/// What kind of run was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// All users, applied.
    Full,
    /// The changes since the last run, applied.
    Delta,
    /// All users, not applied before someone says so.
    Preview,
    /// Certain users, applied.
    Manual,
    /// All users, but leavers alone are dealt with.
    Deprovision,
    /// What another run did, taken back.
    Revert,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its plan is applied.
    Finished,
    /// Its plan is there and waits.
    Planned,
    /// It could not go on.
    Failed {
        /// Why, and what to do next.
        error: String,
    },
    /// A person stopped it.
    Cancelled {
        /// Who.
        by: Option<String>,
    },
    /// Its plan waited for too long.
    Expired,
}

/// Outcomes by kind. seen + gone = added + updated + unchanged + skipped + removed + held + failed (design §6, Counting).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Distinct objects read.
    pub seen: u32,
    /// Linked objects found gone.
    pub gone: u32,
    /// New records.
    pub added: u32,
    /// Changed records.
    pub updated: u32,
    /// Of those updated: taken by overwrite rules 2–6.
    pub overwritten: u32,
    /// Of those updated: active again.
    pub reactivated: u32,
    /// Records that were as they should be.
    pub unchanged: u32,
    /// Objects left out, with a reason.
    pub skipped: u32,
    /// Deactivated or deleted.
    pub removed: u32,
    /// Removals that await a person.
    pub held: u32,
    /// Objects that could not be used.
    pub failed: u32,
}

/// What the connection's earlier runs say, for telling a change from more of the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Before {
    /// What the run changed in how the connection fares (B17).
    pub health: Option<Health>,
    /// Whether the run was no more than the next try of a connection in quarantine, which nobody asked for.
    pub just_a_try: bool,
    /// Whether another run of the last day had failed records.
    pub records_failed_lately: bool,
}

/// What changed in how a connection fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// What changed.
    pub change: Change,
    /// Why; of a recovery, what was wrong until then.
    pub reason: String,
    /// When a connection in quarantine is tried again.
    pub next_try: Option<DateTime<Utc>>,
}

/// What the policy asks besides the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner<'a> {
    /// Whether the completion of a full run is mailed.
    pub mail_on_completion: bool,
    /// The console's address, for links.
    pub console: Option<&'a str>,
}

/// What is to be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Telling {
    /// For the bell; at most one of each kind.
    pub notices: Vec<Notice>,
    /// For every recipient.
    pub letter: Option<Letter>,
}

/// A bell entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its kind.
    pub kind: Kind,
    /// One line.
    pub title: String,
    /// What happened and what to do next; lines of plain text.
    pub body: String,
}

/// A mail, before it has a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// One line.
    pub subject: String,
    /// Plain text.
    pub body: String,
    /// Whether the failed users' CSV goes with it.
    pub attach_failed: bool,
}

/// Kinds of notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A run has come to its end.
    RunFinished,
    /// A run could not go on.
    RunFailed,
    /// Removals await a person.
    ReviewsWaiting,
    /// A plan waits to be applied.
    PreviewReady,
    /// A mail could not be delivered.
    MailFailed,
    /// A run removed by itself.
    Removed,
    /// A connection is in quarantine from now on.
    ConnectionQuarantined,
    /// A connection's quarantine has ended: it works.
    ConnectionRecovered,
    /// A secret expires soon, or has.
    CredentialExpires,
    /// A connection's last full run is long ago.
    FullRunOverdue,
}

/// Why a mail is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Occasion {
    Completed,
    PreviewWaits,
    Failed,
    Quarantined,
    WorksAgain,
    RecordsFailed,
}

/// What to tell of a run, and how.
#[must_use]
pub fn tell(run: &EndedRun, manner: Manner<'_>) -> Telling {
    let notices = notices(run, manner.console);
    let letter =
        occasion(run, manner.mail_on_completion).map(|occasion| letter(run, occasion, manner.console));
    Telling { notices, letter }
}

/// What to tell of a connection that came out of quarantine without a run; nothing of any other change.
#[must_use]
pub fn tell_health(connection: &str, health: &Health, console: Option<&str>) -> Telling {
    let notices = match health.change {
        Change::Recovered => vec![recovered(connection, health, console)],
        Change::BeganToFail | Change::Quarantined | Change::WorksAgain => Vec::new(),
    };
    let letter = matches!(health.change, Change::Recovered | Change::WorksAgain).then(|| Letter {
        subject: single_line(&format!("Rollcall: {connection} works again")),
        body: text::recovered_letter(connection, health, console),
        attach_failed: false,
    });
    Telling { notices, letter }
}

/// What to tell of a secret that expires.
#[must_use]
pub fn tell_expiry(warning: &Warning, console: Option<&str>) -> Telling {
    warned(
        Kind::CredentialExpires,
        warning.what.trim_end_matches('.'),
        text::expiry(warning, console),
    )
}

/// What to tell of a connection whose last full run is long ago: on the bell alone.
#[must_use]
pub fn tell_overdue(connection: &str, last_full: DateTime<Utc>, console: Option<&str>) -> Telling {
    let title = format!("{connection}: the last full run is more than 30 days ago");
    let telling = warned(
        Kind::FullRunOverdue,
        &title,
        text::overdue(connection, last_full, console),
    );
    Telling {
        letter: None,
        ..telling
    }
}

fn warned(kind: Kind, title: &str, body: String) -> Telling {
    Telling {
        letter: Some(Letter {
            subject: single_line(&format!("Rollcall: {title}")),
            body: format!("{body}\nSent by Rollcall.\n"),
            attach_failed: false,
        }),
        notices: vec![Notice {
            kind,
            title: single_line(title),
            body,
        }],
    }
}

fn quarantined(connection: &str, health: &Health, console: Option<&str>) -> Notice {
    Notice {
        kind: Kind::ConnectionQuarantined,
        title: single_line(&format!("{connection}: in quarantine")),
        body: text::quarantined(connection, health, console),
    }
}

fn recovered(connection: &str, health: &Health, console: Option<&str>) -> Notice {
    Notice {
        kind: Kind::ConnectionRecovered,
        title: single_line(&format!("{connection}: works again")),
        body: text::recovered(connection, health, console),
    }
}

/// The bell entry for a mail that could not be delivered.
#[must_use]
pub fn mail_failed(recipient: &str, subject: &str, error: &str) -> Notice {
    Notice {
        kind: Kind::MailFailed,
        title: single_line(&format!("A mail to {recipient} could not be delivered")),
        body: text::mail_failed(recipient, subject, error),
    }
}

fn notices(run: &EndedRun, console: Option<&str>) -> Vec<Notice> {
    let mut notices = Vec::new();
    let mut add = |kind, title: String, body| {
        notices.push(Notice {
            kind,
            title: single_line(&format!("{}: {title}", run.connection)),
            body,
        });
    };
    match &run.ending {
        Ending::Finished if run.is_full() || run.asked == Asked::Revert || run.failed() > 0 => {
            add(
                Kind::RunFinished,
                text::headline(run),
                text::summary(run, console),
            );
        }
        Ending::Finished => {}
        Ending::Planned => add(
            Kind::PreviewReady,
            text::headline(run),
            text::preview(run, console),
        ),
        // The quarantine was told, and its end will be: what nobody asked for in between is no news.
        Ending::Failed { .. } if run.before.just_a_try => {}
        Ending::Failed { error } => {
            add(
                Kind::RunFailed,
                text::headline(run),
                text::failure(run, error, console),
            );
        }
        Ending::Cancelled { .. } if run.asked != Asked::Full => {}
        Ending::Cancelled { .. } | Ending::Expired => {
            add(
                Kind::RunFinished,
                text::headline(run),
                text::not_applied(run, console),
            );
        }
    }
    if let Some(removed) = run.removed.as_ref().filter(|_| run.ending == Ending::Finished) {
        add(
            Kind::Removed,
            text::removed(removed),
            text::removals(removed, console),
        );
    }
    if run.ending == Ending::Finished && run.counts.held > 0 {
        add(
            Kind::ReviewsWaiting,
            text::waiting(run.counts.held),
            text::held(run, console),
        );
    }
    if let Some(health) = &run.before.health {
        match health.change {
            Change::Quarantined => notices.push(quarantined(&run.connection, health, console)),
            Change::Recovered => notices.push(recovered(&run.connection, health, console)),
            Change::BeganToFail | Change::WorksAgain => {}
        }
    }
    notices
}

/// Whether there is an occasion for a mail. At most one: the first that fits.
fn occasion(run: &EndedRun, mail_on_completion: bool) -> Option<Occasion> {
    if run.asked == Asked::Revert && !matches!(run.ending, Ending::Failed { .. }) {
        // Who asks for one has the answer, and it says nothing of whether the connection works.
        return None;
    }
    let changed = run.before.health.as_ref().map(|health| health.change);
    match run.ending {
        _ if changed == Some(Change::Quarantined) => Some(Occasion::Quarantined),
        Ending::Failed { .. } => (changed == Some(Change::BeganToFail)).then_some(Occasion::Failed),
        Ending::Finished if run.is_full() && mail_on_completion => Some(Occasion::Completed),
        // Who asks for a preview is waiting for it; a run that stopped as one by itself may have nobody watching.
        Ending::Planned if run.asked != Asked::Preview && mail_on_completion => Some(Occasion::PreviewWaits),
        Ending::Finished | Ending::Planned if run.works_again() => Some(Occasion::WorksAgain),
        // Who asks for certain users has the answer.
        Ending::Finished
            if run.failed() > 0 && !run.before.records_failed_lately && run.asked != Asked::Manual =>
        {
            Some(Occasion::RecordsFailed)
        }
        Ending::Finished | Ending::Planned | Ending::Cancelled { .. } | Ending::Expired => None,
    }
}

fn letter(run: &EndedRun, occasion: Occasion, console: Option<&str>) -> Letter {
    let attach_failed = run.counts.failed > 0 && matches!(run.ending, Ending::Finished | Ending::Planned);
    let what = match occasion {
        Occasion::WorksAgain => "works again".to_owned(),
        Occasion::Quarantined => format!("{}, and is in quarantine", text::headline(run)),
        _ => text::headline(run),
    };
    let mut body = match &run.ending {
        Ending::Failed { error } => text::failure_letter(run, error, occasion == Occasion::Failed, console),
        Ending::Planned => text::preview_letter(run, console),
        _ => text::summary_letter(run, console),
    };
    if let (Occasion::Quarantined, Some(health)) = (occasion, &run.before.health) {
        body.push_str(&text::quarantine_in_letter(run, health));
    }
    if attach_failed {
        body.push_str(&text::attached(run.counts.failed));
    }
    body.push_str(&text::signature(run));
    Letter {
        subject: single_line(&format!("Rollcall: {} {what}", run.connection)),
        body,
        attach_failed,
    }
}

impl EndedRun {
    /// Whether it is told of as a full run: one that read everything, whatever was asked for.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self.asked {
            Asked::Full | Asked::Preview => true,
            Asked::Delta => self.read_everything,
            Asked::Manual | Asked::Revert => false,
            // Nights on which nobody leaves are no news.
            Asked::Deprovision => self.counts.removed > 0,
        }
    }

    /// Whether the connection had failed before, and this run shows that it works.
    fn works_again(&self) -> bool {
        let health = self.before.health.as_ref();
        health.is_some_and(|health| matches!(health.change, Change::Recovered | Change::WorksAgain))
    }

    /// How many records failed that nobody said to ignore.
    fn failed(&self) -> u32 {
        self.counts.failed.saturating_sub(self.failed_ignored)
    }
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 10] = [
        Self::RunFinished,
        Self::RunFailed,
        Self::ReviewsWaiting,
        Self::PreviewReady,
        Self::MailFailed,
        Self::Removed,
        Self::ConnectionQuarantined,
        Self::ConnectionRecovered,
        Self::CredentialExpires,
        Self::FullRunOverdue,
    ];

    /// Its name in the database.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::RunFinished => "run_finished",
            Self::RunFailed => "run_failed",
            Self::ReviewsWaiting => "reviews_waiting",
            Self::PreviewReady => "preview_ready",
            Self::MailFailed => "mail_failed",
            Self::Removed => "removed",
            Self::ConnectionQuarantined => "connection_quarantined",
            Self::ConnectionRecovered => "connection_recovered",
            Self::CredentialExpires => "credential_expires",
            Self::FullRunOverdue => "full_run_overdue",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn of_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.key() == key)
    }
}

#[cfg(test)]
mod tests;
