//! What runs and tests find out about a connection: shown as its state (C7, C8).

use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use domain::id::ConnectionId;
use graph::Organization;
use store::connection_status::{self, Check, MadeBy, Status};
use store::{Store, StoreError};

use crate::failure::Told;

/// Getting a token.
pub const TOKEN: &str = "token";
/// Reading the tenant's own name and domains, and making sure that it is the connection's.
pub const ORGANIZATION: &str = "organization";

/// How far a run has come: the step that it is at, behind those that went well.
#[derive(Debug, Default)]
pub struct Steps(Mutex<Reached>);

#[derive(Debug, Default)]
struct Reached {
    steps: Vec<&'static str>,
    organization: Option<Organization>,
    warning: String,
}

impl Steps {
    /// Now at this step. The ones before went well; one that was there already is tried again.
    pub fn at(&self, step: &'static str) {
        let mut reached = self.lock();
        if let Some(again) = reached.steps.iter().position(|known| *known == step) {
            reached.steps.truncate(again);
        }
        reached.steps.push(step);
    }

    /// What the tenant said of itself.
    pub fn found(&self, organization: &Organization) {
        self.lock().organization = Some(organization.clone());
    }

    /// What is wrong with the credential, although it serves.
    pub fn warn(&self, warning: String) {
        if !warning.is_empty() {
            tracing::warn!("{warning}");
        }
        self.lock().warning = warning;
    }

    /// The connection's state after all steps went well, or after the last one failed.
    pub fn status(&self, failure: Option<&Told>, now: DateTime<Utc>) -> Status {
        let reached = self.lock();
        let mut checks: Vec<Check> = reached.steps.iter().map(|step| passed(step)).collect();
        if let (Some(last), Some(told)) = (checks.last_mut(), failure) {
            *last = failed(&last.name, told);
        } else if let Some(told) = failure {
            checks.push(failed(TOKEN, told));
        }
        Status {
            warning: reached.warning.clone(),
            ..status(checks, reached.organization.as_ref(), MadeBy::Run, now)
        }
    }

    fn lock(&self) -> MutexGuard<'_, Reached> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A step that went well.
pub fn passed(name: &str) -> Check {
    Check {
        name: name.to_owned(),
        passed: true,
        cause: String::new(),
        message: String::new(),
        next_step: String::new(),
    }
}

/// A step that went wrong.
pub fn failed(name: &str, told: &Told) -> Check {
    Check {
        name: name.to_owned(),
        passed: false,
        cause: told.cause.clone(),
        message: told.message.clone(),
        next_step: told.next_step.clone(),
    }
}

/// The state that these checks come to.
pub fn status(
    checks: Vec<Check>,
    organization: Option<&Organization>,
    made_by: MadeBy,
    now: DateTime<Utc>,
) -> Status {
    let domains = organization.map_or(&[][..], |organization| &organization.verified_domains);
    Status {
        passed: checks.iter().all(|check| check.passed),
        display_name: organization.map(|organization| organization.display_name.clone()),
        verified_domains: domains.iter().map(|domain| domain.name.clone()).collect(),
        checks,
        tested_at: now,
        made_by,
        warning: String::new(),
    }
}

/// Stores a connection's state.
pub async fn put(store: &Store, id: ConnectionId, status: &Status) -> Result<(), StoreError> {
    connection_status::put(&mut *store.connection().await?, id, status).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(steps: &Steps, failure: Option<&Told>) -> Vec<(String, bool)> {
        let status = steps.status(failure, DateTime::UNIX_EPOCH);
        assert_eq!(status.passed, failure.is_none());
        status
            .checks
            .into_iter()
            .map(|check| (check.name, check.passed))
            .collect()
    }

    #[test]
    fn the_last_step_is_the_one_that_failed() {
        let told = Told {
            cause: "throttled".into(),
            message: "M.".into(),
            next_step: "N.".into(),
        };
        let steps = Steps::default();
        assert_eq!(names(&steps, Some(&told)), [("token".into(), false)]);
        steps.at(TOKEN);
        steps.at(ORGANIZATION);
        steps.at("users");
        steps.at("deleted users");
        steps.at("users");
        let good = [
            ("token".into(), true),
            ("organization".into(), true),
            ("users".into(), true),
        ];
        assert_eq!(names(&steps, None), good);
        assert_eq!(names(&steps, Some(&told))[2], ("users".into(), false));
    }
}
