//! A full run: the groups, where they matter, then the delta token before anyone, so that nothing falls between, then
//! everyone, then the deleted items, then whether that was all (I1, B3, design §3).

use std::sync::Arc;

use contracts::bus::v1::Source;
use graph::{Error, Organization, Pages, Reading};
use store::run_fetch::{Cursor, Outcome};
use tracing::Instrument;

use crate::failure::FetchError;
use crate::groups::{self, Known};
use crate::job::Job;
use crate::managers::{self, Read};
use crate::pipeline::{Pipeline, Totals};
use crate::proof::{self, Listing};

/// How often a listing may break off before the run fails.
const RESTARTS: u32 = 5;

/// Reads everything. `reason` says why, where changes were asked for.
pub async fn read(
    job: &Job,
    reason: Option<String>,
    organization: &Organization,
) -> Result<Outcome, FetchError> {
    let groups = match &job.groups {
        None => None,
        Some(_) if !organization.offers_delta() => return Err(FetchError::NoGroups),
        Some(wanted) => {
            job.lease.describe(false, reason.as_deref(), None).await?;
            Some(groups::read_for_everyone(job, wanted).await?)
        }
    };
    job.steps.at(Reading::Users.title());
    let cursor = latest_cursor(job, organization).await?;
    let before = job.graph.count_users().await?;
    job.lease
        .describe(false, reason.as_deref(), expected(job, before))
        .await?;
    let mut users = job.graph.users();
    let mut restarts = 0;
    loop {
        let broke = match read_once(job, &mut users, groups.as_ref()).await {
            Ok((totals, left)) => {
                if left > 0 {
                    let reason = managers::too_many(reason.as_deref(), left);
                    let expected = expected(job, before);
                    job.lease.describe(false, Some(&reason), expected).await?;
                }
                let after = job.graph.count_users().await?;
                let listed = totals.listed;
                let doubt = proof::doubt(Listing {
                    listed,
                    before,
                    after,
                });
                if let Some(doubt) = &doubt {
                    tracing::warn!(doubt, listed, before, after, "the listing's end is not proved");
                }
                return Ok(job.outcome(totals, cursor, groups.map(|groups| groups.read), doubt));
            }
            Err(FetchError::Graph(error)) if may_begin_again(&error) => error,
            Err(error) => return Err(error),
        };
        restarts += 1;
        tracing::warn!(
            restarts,
            reason = &broke as &dyn std::error::Error,
            "the listing begins anew"
        );
        if restarts > RESTARTS {
            return Err(FetchError::TooManyAttempts {
                attempts: restarts,
                last: broke,
            });
        }
        job.lease.restart().await?;
        job.steps.at(Reading::Users.title());
        match broke {
            // Keeps the page size that it has found to work.
            Error::RestartListing { .. } => users.restart()?,
            _ => users = job.graph.users(),
        }
    }
}

/// One attempt: every page of users, then of deleted ones, then the managers to bring in. Answers how many of these are left.
async fn read_once(
    job: &Job,
    users: &mut Pages,
    groups: Option<&Known>,
) -> Result<(Totals, usize), FetchError> {
    let memberships = groups.map(|groups| Arc::clone(&groups.memberships));
    let mut pipeline = job.pipeline(memberships).await;
    while let Some(page) = next(users, Source::Listing).await? {
        pipeline.page(page, Source::Listing).await?;
    }
    job.steps.at(Reading::DeletedUsers.title());
    read_deleted(job, &mut pipeline).await?;
    let left = match pipeline.managers().await? {
        Some(seen) => managers::bring_in(job, &mut pipeline, seen, Read::Everything).await?,
        None => 0,
    };
    Ok((pipeline.finish().await?, left))
}

/// Without them it would be a guess who was deleted and who is gone for good, so that a refusal fails the run. A listing
/// that begins again repeats some, which does no harm.
async fn read_deleted(job: &Job, pipeline: &mut Pipeline) -> Result<(), FetchError> {
    let mut deleted = job.graph.deleted_users();
    loop {
        match next(&mut deleted, Source::DeletedItems).await {
            Ok(Some(page)) => pipeline.page(page, Source::DeletedItems).await?,
            Ok(None) => return Ok(()),
            Err(Error::RestartListing { .. }) => deleted.restart()?,
            Err(error) => return Err(error.into()),
        }
    }
}

async fn next(pages: &mut Pages, source: Source) -> Result<Option<graph::PageBody>, Error> {
    let span = tracing::info_span!(
        "graph.page",
        page = pages.read() + 1,
        source = source.as_str_name()
    );
    pages.next().instrument(span).await
}

/// Where the next delta begins; none where the tenant offers no delta (graph-facts §3.5): then every run is full.
async fn latest_cursor(job: &Job, organization: &Organization) -> Result<Option<Cursor>, FetchError> {
    if !organization.offers_delta() {
        return Ok(None);
    }
    let taken_at = job.clock.now();
    match job.graph.latest_delta_link().await {
        Ok(link) => job.seal(&link, taken_at).map(Some),
        Err(error) if offers_none(&error) => {
            tracing::warn!(
                reason = &error as &dyn std::error::Error,
                "the tenant offers no delta"
            );
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// A missing permission shows in the listing that follows, under its own name.
fn offers_none(error: &Error) -> bool {
    match error {
        Error::Denied { .. } | Error::Resync { .. } => true,
        Error::Refused { answer } => matches!(answer.status, 400 | 403 | 404 | 405 | 501),
        _ => false,
    }
}

/// A page that broke off or can't be read may be whole the next time.
fn may_begin_again(error: &Error) -> bool {
    matches!(error, Error::RestartListing { .. } | Error::Malformed { .. })
}

fn expected(job: &Job, counted: Option<u64>) -> Option<u32> {
    match counted {
        Some(count) => Some(u32::try_from(count).unwrap_or(u32::MAX)),
        None => job.last_full.map(|last| last.records),
    }
}
