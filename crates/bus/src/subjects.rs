//! Subjects: what each says is in the crate's table.
//!
//! The last part is an id, so that one organization or run can be listened to alone.

use std::fmt;

use domain::id::{OrganizationId, RunId};

/// A subject to publish on or to listen to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subject(String);

impl Subject {
    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its text without the id: one of a small closed set, fit for a metric's label.
    pub fn kind(&self) -> &str {
        kind_of(&self.0)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A subject's text without its last part.
pub(crate) fn kind_of(subject: &str) -> &str {
    subject.rsplit_once('.').map_or(subject, |(kind, _)| kind)
}

/// Every kind of subject, each followed by one id.
pub const ALL: [&str; 7] = [
    RUN_REQUESTED,
    PAGE,
    RUN_FETCHED,
    RUN_CANCEL,
    RUN_FINISHED,
    REGISTER_CHANGED,
    NOTICE,
];

pub(crate) const RUN_REQUESTED: &str = "rollcall.run.requested";
pub(crate) const PAGE: &str = "rollcall.page";
pub(crate) const RUN_FETCHED: &str = "rollcall.run.fetched";
pub(crate) const RUN_CANCEL: &str = "rollcall.run.cancel";
pub(crate) const RUN_FINISHED: &str = "rollcall.run.finished";
pub(crate) const REGISTER_CHANGED: &str = "rollcall.register.changed";
pub(crate) const NOTICE: &str = "rollcall.notice";

/// A run of this organization is waiting for a fetcher.
pub fn run_requested(organization: OrganizationId) -> Subject {
    with(RUN_REQUESTED, organization)
}

/// One numbered batch of this run's directory objects.
pub fn page(run: RunId) -> Subject {
    with(PAGE, run)
}

/// This run's fetch has ended.
pub fn run_fetched(run: RunId) -> Subject {
    with(RUN_FETCHED, run)
}

/// Someone asked for this run's end.
pub fn run_cancel(run: RunId) -> Subject {
    with(RUN_CANCEL, run)
}

/// A run of this organization has come to its end.
pub fn run_finished(organization: OrganizationId) -> Subject {
    with(RUN_FINISHED, organization)
}

/// This organization's register changed.
pub fn register_changed(organization: OrganizationId) -> Subject {
    with(REGISTER_CHANGED, organization)
}

/// A notice was written for this organization.
pub fn notice(organization: OrganizationId) -> Subject {
    with(NOTICE, organization)
}

/// Requests for the end of any run; for watching.
pub fn any_run_cancel() -> Subject {
    Subject(any(RUN_CANCEL))
}

/// The end of any organization's run; for watching.
pub fn any_run_finished() -> Subject {
    Subject(any(RUN_FINISHED))
}

/// Changes of any organization's register; for watching.
pub fn any_register_changed() -> Subject {
    Subject(any(REGISTER_CHANGED))
}

/// Notices of any organization; for watching.
pub fn any_notice() -> Subject {
    Subject(any(NOTICE))
}

/// The pattern of a kind of subject.
pub(crate) fn any(kind: &str) -> String {
    format!("{kind}.*")
}

fn with(kind: &str, id: impl fmt::Display) -> Subject {
    Subject(format!("{kind}.{id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_lists_every_subject() {
        let readme = include_str!("../README.md");
        for kind in ALL {
            assert!(
                readme.contains(&format!("| `{kind}.<")),
                "{kind} is missing in the README"
            );
        }
    }

    #[test]
    fn a_subject_ends_in_its_id() {
        let run = RunId(uuid::Uuid::from_u128(7));
        assert_eq!(
            page(run).as_str(),
            "rollcall.page.00000000-0000-0000-0000-000000000007"
        );
        assert_eq!(page(run).kind(), PAGE);
        assert_eq!(any_notice().as_str(), "rollcall.notice.*");
    }
}
