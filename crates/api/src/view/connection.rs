//! Connections, their tests, and credentials.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::v1;
use domain::expiry::{self, Source};
use domain::leaver::{Policy, Returning};
use domain::quarantine::{Health, Quarantine, reads_everything, test_shows};
use domain::schedule::Kind;
use store::connection::{Connection, DeletionMode, FirstRun};
use store::connection_health;
use store::connection_status::Status;
use store::connection_view::Facts;
use store::credential::Credential;
use store::credential_expiry::{self, Read};

use super::schedule::Planned;
use super::time;

/// Delta links are believed for so long (design §6, Reading).
const CURSOR_LIFE: TimeDelta = TimeDelta::days(7);

/// A connection with what goes with it.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its own row.
    pub connection: Connection,
    /// Counts and times.
    pub facts: Facts,
    /// What its last test found.
    pub status: Option<Status>,
    /// How it fares, unless it works.
    pub health: Option<connection_health::Known>,
    /// What it signs in with, and what the directory says of that.
    pub credential: Option<(Credential, Option<Read>)>,
    /// When its runs come by themselves.
    pub schedule: Option<Planned>,
}

/// How a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Never tested, and no run has ended.
    New,
    /// The last test or run went well.
    Connected,
    /// The last test or run failed.
    Failing,
    /// It was disconnected.
    Disconnected,
}

impl Known {
    /// How it is: whatever was last, test or run, says so.
    pub fn state(&self) -> State {
        if self.connection.disconnected_at.is_some() {
            return State::Disconnected;
        }
        let test = self
            .status
            .as_ref()
            .map(|status| (status.tested_at, !status.passed));
        let run = self.facts.last_run.as_ref().map(|run| (run.at, run.failed));
        match test.into_iter().chain(run).max_by_key(|(at, _)| *at) {
            None => State::New,
            Some((_, false)) => State::Connected,
            Some((_, true)) => State::Failing,
        }
    }

    /// Its quarantine, unless a person has just ended it, or the connection.
    pub fn quarantine(&self) -> Option<&Quarantine> {
        let known = self.health.as_ref().filter(|known| !known.released)?;
        match &known.health {
            Health::Quarantined(quarantine) if self.connection.disconnected_at.is_none() => Some(quarantine),
            Health::Quarantined(_) | Health::Working | Health::Failing { .. } => None,
        }
    }

    /// When a connection in quarantine is tried by itself: by a test where that tells enough, else by the next scheduled run.
    /// None: by nothing, for runs come by hand alone.
    pub fn next_try(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let quarantine = self.quarantine()?;
        let runs = [Kind::Full, Kind::Delta].map(|kind| self.next(kind, now));
        let run = runs.into_iter().flatten().min();
        if test_shows(&quarantine.why.cause, run.is_some()) {
            let held = self
                .health
                .as_ref()
                .and_then(connection_health::Known::held_until);
            return Some(held.map_or(now, |held| held.max(now)));
        }
        run
    }

    /// What is wrong, or will be, although it works.
    pub fn warnings(&self, now: DateTime<Utc>) -> Vec<String> {
        if self.connection.disconnected_at.is_some() {
            return Vec::new();
        }
        let overdue = self
            .facts
            .last_full
            .filter(|at| expiry::full_run_overdue(*at, now));
        let refused = self.status.as_ref().map(|status| status.warning.clone());
        let expiring = self.credential.iter().flat_map(|(credential, read)| {
            let secrets = credential_expiry::secrets(credential, read.as_ref());
            expiry::warnings(&credential.name, &secrets, now)
        });
        refused
            .into_iter()
            .filter(|refused| !refused.is_empty())
            .chain(expiring.map(|warning| warning.text()))
            .chain(overdue.map(expiry::full_run_words))
            .collect()
    }

    /// When the last outcome came in, of one that fails.
    pub fn considered_at(&self) -> Option<DateTime<Utc>> {
        self.health.as_ref().map(|known| known.considered_at)
    }

    /// Why its next delta will be a full run; none when it won't.
    pub fn next_full_reason(&self, now: DateTime<Utc>) -> Option<String> {
        let Some(cursor) = self.facts.cursor else {
            return Some("no run has been applied yet".to_owned());
        };
        if let Some(changed) = self.connection.rules_changed_at.filter(|at| *at > cursor.full_at) {
            let why = self
                .connection
                .rules_changed_why
                .as_deref()
                .unwrap_or("its mappings changed");
            return Some(format!("{why} ({})", changed.format("%Y-%m-%d %H:%M UTC")));
        }
        if now - cursor.taken_at > CURSOR_LIFE {
            return Some("the last delta link is more than 7 days old".to_owned());
        }
        let health = self.health.as_ref().filter(|known| !known.released)?;
        reads_everything(&health.health).map(str::to_owned)
    }

    /// When its next run of this kind begins by itself.
    pub fn next(&self, kind: Kind, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.schedule.as_ref()?.next(kind, now)
    }

    /// When its runs come by themselves, in words; empty without a schedule.
    pub fn schedule_in_words(&self) -> String {
        let schedule = self.schedule.as_ref();
        schedule
            .map(|planned| planned.stored.schedule.to_string())
            .unwrap_or_default()
    }

    /// The message, seen at `now`.
    pub fn message(&self, now: DateTime<Utc>) -> v1::Connection {
        let status = self.status.as_ref();
        v1::Connection {
            state: match self.state() {
                State::New => v1::ConnectionState::New,
                State::Connected => v1::ConnectionState::Connected,
                State::Failing => v1::ConnectionState::Failing,
                State::Disconnected => v1::ConnectionState::Disconnected,
            }
            .into(),
            display_name: status
                .and_then(|status| status.display_name.clone())
                .unwrap_or_default(),
            verified_domains: status
                .map(|status| status.verified_domains.clone())
                .unwrap_or_default(),
            last_test: status.map(|status| test(&self.connection.name, status)),
            last_full_time: self.facts.last_full.map(time),
            last_delta_time: self.facts.last_delta.map(time),
            next_full_reason: self.next_full_reason(now).unwrap_or_default(),
            schedule: self.schedule_in_words(),
            next_full_time: self.next(Kind::Full, now).map(time),
            next_delta_time: self.next(Kind::Delta, now).map(time),
            last_deprovision_time: self.facts.last_deprovision.map(time),
            next_deprovision_time: self.next(Kind::Deprovision, now).map(time),
            linked: self.facts.linked,
            update_time: Some(time(self.connection.updated_at)),
            quarantine: self.quarantine().map(|of| quarantine(of, self.next_try(now))),
            warnings: self.warnings(now),
            ..document(&self.connection, self.facts.credential.as_deref())
        }
    }
}

fn quarantine(quarantine: &Quarantine, next_try: Option<DateTime<Utc>>) -> v1::Quarantine {
    v1::Quarantine {
        since: Some(time(quarantine.since)),
        cause: quarantine.why.cause.clone(),
        reason: quarantine.why.text.clone(),
        next_try_time: next_try.map(time),
        tries: quarantine.tries,
    }
}

/// What of a connection is configured.
pub fn document(connection: &Connection, credential: Option<&str>) -> v1::Connection {
    let url = |url: &Option<String>| url.clone().unwrap_or_default();
    v1::Connection {
        id: connection.id.to_string(),
        name: connection.name.clone(),
        tenant_id: connection.tenant.to_string(),
        credential: credential.unwrap_or_default().to_owned(),
        cloud: cloud(&connection.cloud).into(),
        login_url: url(&connection.login_url),
        graph_url: url(&connection.graph_url),
        token_url: url(&connection.token_url),
        deletion_mode: match connection.deletion_mode {
            None => v1::DeletionMode::Unspecified,
            Some(DeletionMode::Automatic) => v1::DeletionMode::Automatic,
            Some(DeletionMode::Manual) => v1::DeletionMode::Manual,
        }
        .into(),
        leavers: Some(v1::LeaverPolicies {
            disabled: policy(connection.leavers.disabled).into(),
            soft_deleted: policy(connection.leavers.soft_deleted).into(),
            gone: policy(connection.leavers.gone).into(),
            out_of_scope: policy(connection.leavers.out_of_scope).into(),
            returning: match connection.leavers.returning {
                Returning::Reactivate => v1::ReturnAction::Reactivate,
                Returning::Nothing => v1::ReturnAction::Nothing,
            }
            .into(),
        }),
        brake: Some(v1::Brake {
            percent: connection.brake.percent,
            count: connection.brake.count,
            from: connection.brake.from,
        }),
        first_run: match connection.first_run {
            FirstRun::Preview => v1::FirstRun::Preview,
            FirstRun::Apply => v1::FirstRun::Apply,
        }
        .into(),
        ..v1::Connection::default()
    }
}

/// What a test found.
pub fn test(connection: &str, status: &Status) -> v1::ConnectionTest {
    v1::ConnectionTest {
        connection: connection.to_owned(),
        passed: status.passed,
        time: Some(time(status.tested_at)),
        display_name: status.display_name.clone().unwrap_or_default(),
        verified_domains: status.verified_domains.clone(),
        checks: status
            .checks
            .iter()
            .map(|check| v1::ConnectionCheck {
                name: check.name.clone(),
                passed: check.passed,
                cause: check.cause.clone(),
                message: check.message.clone(),
                next_step: check.next_step.clone(),
            })
            .collect(),
    }
}

/// What of a credential is configured, without its secrets.
pub fn credential_document(credential: &Credential) -> v1::Credential {
    let day = |day: Option<chrono::NaiveDate>| day.map(|day| day.to_string()).unwrap_or_default();
    v1::Credential {
        id: credential.id.to_string(),
        name: credential.name.clone(),
        tenant_id: credential.tenant.to_string(),
        client_id: credential.client_id.to_string(),
        update_time: Some(time(credential.updated_at)),
        has_secret: credential.secret.is_some(),
        has_next_secret: credential.next.is_some(),
        expires: day(credential.expires_on),
        next_expires: day(credential.next_expires_on),
        ..v1::Credential::default()
    }
}

/// A credential with what is known of its secrets, seen at `now`.
pub fn credential(credential: &Credential, read: Option<&Read>, now: DateTime<Utc>) -> v1::Credential {
    let secrets = credential_expiry::secrets(credential, read);
    let end = |next: bool| {
        let secret = secrets.iter().find(|secret| secret.next == next)?;
        secret.expiry
    };
    v1::Credential {
        expire_time: end(false).map(|expiry| time(expiry.at)),
        next_expire_time: end(true).map(|expiry| time(expiry.at)),
        expiry_note: match end(false) {
            Some(expiry) => said_by(expiry.source).to_owned(),
            None if credential.secret.is_none() => String::new(),
            None => unknown_expiry(read),
        },
        warnings: expiry::warnings(&credential.name, &secrets, now)
            .iter()
            .map(expiry::Warning::text)
            .collect(),
        ..credential_document(credential)
    }
}

/// Where an expiry is known from.
pub const fn said_by(source: Source) -> &'static str {
    match source {
        Source::Read => "as the directory tells",
        Source::Entered => "as it was entered",
    }
}

/// What is said of a secret whose end nobody knows.
pub fn unknown_expiry(read: Option<&Read>) -> String {
    match read {
        Some(read) if !read.note.is_empty() => read.note.clone(),
        _ => "unknown: enter it as expires, or grant the app Application.Read.All".to_owned(),
    }
}

/// The names of clouds, as the table has them.
pub const CLOUDS: [(&str, v1::Cloud); 5] = [
    ("global", v1::Cloud::Global),
    ("usGov", v1::Cloud::UsGov),
    ("usGovDod", v1::Cloud::UsGovDod),
    ("china", v1::Cloud::China),
    ("custom", v1::Cloud::Unspecified),
];

fn cloud(key: &str) -> v1::Cloud {
    CLOUDS
        .iter()
        .find(|(known, _)| *known == key)
        .map_or(v1::Cloud::Unspecified, |(_, cloud)| *cloud)
}

const fn policy(policy: Policy) -> v1::LeaverAction {
    match policy {
        Policy::Nothing => v1::LeaverAction::Nothing,
        Policy::Deactivate => v1::LeaverAction::Deactivate,
        Policy::Delete => v1::LeaverAction::Delete,
        Policy::Review => v1::LeaverAction::Review,
    }
}

#[cfg(test)]
mod tests {
    use domain::id::{ConnectionId, OrganizationId, TenantId};
    use store::connection_view::{Cursor, LastRun};
    use uuid::Uuid;

    use super::*;

    fn at(hour: u32) -> DateTime<Utc> {
        format!("2026-11-21T{hour:02}:00:00Z").parse().unwrap()
    }

    fn known() -> Known {
        let id = ConnectionId(Uuid::nil());
        Known {
            connection: Connection {
                id,
                organization: OrganizationId(Uuid::nil()),
                name: "contoso".into(),
                tenant: TenantId(Uuid::nil()),
                credential: None,
                cloud: "global".into(),
                login_url: None,
                graph_url: None,
                token_url: None,
                deletion_mode: None,
                leavers: domain::leaver::Policies::default(),
                brake: domain::brake::Brake::default(),
                first_run: FirstRun::Preview,
                rules_changed_at: None,
                rules_changed_why: None,
                disconnected_at: None,
                created_at: at(0),
                updated_at: at(0),
            },
            facts: Facts {
                connection: id,
                credential: None,
                linked: 0,
                last_full: None,
                last_delta: None,
                last_deprovision: None,
                cursor: None,
                last_run: None,
            },
            status: None,
            health: None,
            credential: None,
            schedule: None,
        }
    }

    fn tested(passed: bool, hour: u32) -> Status {
        Status {
            passed,
            display_name: None,
            verified_domains: vec![],
            checks: vec![],
            tested_at: at(hour),
            made_by: store::connection_status::MadeBy::Person,
            warning: String::new(),
        }
    }

    #[test]
    fn what_was_last_says_how_it_is() {
        let mut known = known();
        assert_eq!(known.state(), State::New);
        known.status = Some(tested(true, 1));
        assert_eq!(known.state(), State::Connected);
        known.facts.last_run = Some(LastRun {
            failed: true,
            at: at(2),
        });
        assert_eq!(known.state(), State::Failing);
        known.status = Some(tested(true, 3));
        assert_eq!(known.state(), State::Connected);
        known.connection.disconnected_at = Some(at(4));
        assert_eq!(known.state(), State::Disconnected);
    }

    #[test]
    fn f4_changed_rules_and_old_links_make_the_next_delta_full() {
        let mut known = known();
        let now = at(12);
        assert!(known.next_full_reason(now).is_some());
        known.facts.cursor = Some(Cursor {
            taken_at: at(5),
            full_at: at(5),
        });
        assert_eq!(known.next_full_reason(now), None);
        known.connection.rules_changed_at = Some(at(4));
        assert_eq!(known.next_full_reason(now), None);
        known.connection.rules_changed_at = Some(at(6));
        known.connection.rules_changed_why = Some("mapping staff changed: field jobTitle".into());
        assert!(known.next_full_reason(now).unwrap().contains("field jobTitle"));
        known.connection.rules_changed_at = None;
        assert!(
            known
                .next_full_reason(now + TimeDelta::days(8))
                .unwrap()
                .contains("7 days")
        );
    }
}
