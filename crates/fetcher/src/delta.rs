//! A delta run: one round from where the last one ended, merged by object, rows that tell too little completed (R5,
//! graph-facts §3). Where groups matter, their changes come first, and with them the people whom they bring in or take
//! out without a change of their own.
//! Whatever speaks against the cursor or the round makes it a full run, which says why (R6).

use contracts::bus::v1::Source;
use graph::{DeltaLink, Reading, Round};
use store::run_fetch::Outcome;
use tracing::Instrument;

use crate::changes::Changes;
use crate::complete;
use crate::failure::FetchError;
use crate::groups;
use crate::job::Job;
use crate::kind::{self, Cursors};
use crate::managers::{self, Read};
use crate::memberships::Memberships;
use crate::page;

/// What came of a delta.
#[derive(Debug)]
pub enum Delta {
    /// All changes are published.
    Read(Box<Outcome>),
    /// Everything has to be read, for this reason.
    ReadEverything(String),
}

/// Reads what has changed since these cursors.
pub async fn read(job: &Job, since: &Cursors) -> Result<Delta, FetchError> {
    match read_rounds(job, since).await {
        Err(FetchError::Graph(error)) => match kind::resync(&error) {
            Some(reason) => Ok(Delta::ReadEverything(reason)),
            None => Err(error.into()),
        },
        read => read,
    }
}

async fn read_rounds(job: &Job, since: &Cursors) -> Result<Delta, FetchError> {
    let (link, groups_link) = match open(job, since) {
        Ok(links) => links,
        Err(error) => {
            return Ok(Delta::ReadEverything(format!(
                "the delta link can't be opened: {error}"
            )));
        }
    };
    job.lease.describe(true, None, None).await?;
    let groups = match (&job.groups, groups_link) {
        (Some(wanted), Some(link)) => Some(groups::read_changes(job, wanted, &link).await?),
        _ => None,
    };
    let touched = groups.as_ref().map_or(&[][..], |groups| &groups.touched);
    if touched.len() > kind::MOST_LOOKED_UP {
        return Ok(Delta::ReadEverything(kind::too_many_touched()));
    }
    job.steps.at(Reading::UserChanges.title());
    let taken_at = job.clock.now();
    let mut round = job.graph.changes(&link)?;
    let mut changes = Changes::decided_by(
        job.criteria
            .iter()
            .map(|(_, criteria)| criteria.clone())
            .collect(),
    );
    while let Some(page) = next(&mut round).await? {
        changes = merge(changes, page).await?;
        if changes.len() > kind::MOST_CHANGES {
            return Ok(Delta::ReadEverything(kind::too_many_changes()));
        }
    }
    let Some(end) = round.end() else {
        return Err(graph::Error::Broken.into());
    };
    if let Some(groups) = &groups {
        let users = changes.objects().chain(touched.iter().copied());
        let users = users.map(|user| user.0).collect();
        let memberships = groups::memberships_of(&job.store, job.connection.id, &groups.reach, users).await?;
        changes = attach(changes, memberships).await?;
    }
    let lacking = complete::lacking(job, &changes, touched).await?;
    if lacking.len() > kind::MOST_LOOKED_UP {
        return Ok(Delta::ReadEverything(kind::too_many_to_look_up()));
    }
    complete::complete(job, &mut changes, &lacking).await?;
    // The deltaLink is the proof of a round's end (design §6).
    let (totals, left) = publish(job, changes).await?;
    if left > 0 {
        let reason = managers::too_many(None, left);
        job.lease.describe(true, Some(&reason), None).await?;
    }
    let cursor = job.seal(&end, taken_at)?;
    let groups = groups.map(|groups| groups.read);
    Ok(Delta::Read(Box::new(job.outcome(
        totals,
        Some(cursor),
        groups,
        None,
    ))))
}

fn open(job: &Job, since: &Cursors) -> Result<(DeltaLink, Option<DeltaLink>), vault::OpenError> {
    let open = |cursor| job.directories.open_link(cursor, job.connection.id);
    Ok((open(&since.users)?, since.groups.as_ref().map(open).transpose()?))
}

async fn next(round: &mut Round) -> Result<Option<graph::PageBody>, graph::Error> {
    let span = tracing::info_span!(
        "graph.page",
        page = round.read() + 1,
        source = Source::Delta.as_str_name()
    );
    round.next().instrument(span).await
}

/// Off the async threads: a page may take a hundred milliseconds.
async fn merge(mut changes: Changes, page: graph::PageBody) -> Result<Changes, FetchError> {
    let merged = tokio::task::spawn_blocking(move || changes.take(&page).map(|()| changes));
    merged.await?
}

/// Off the async threads, too: every row is encoded anew.
async fn attach(mut changes: Changes, memberships: Memberships) -> Result<Changes, FetchError> {
    let attached = tokio::task::spawn_blocking(move || changes.attach(memberships).map(|()| changes));
    Ok(attached.await??)
}

/// Publishes the changes, and the managers to bring in. Answers how many of these are left.
async fn publish(job: &Job, changes: Changes) -> Result<(crate::pipeline::Totals, usize), FetchError> {
    let mut pipeline = job.pipeline(None).await;
    let (rows, unusable) = changes.into_rows();
    let managers = managers::of_changes(job, &rows).await?;
    let mut rows = rows.into_iter();
    while rows.len() > 0 {
        pipeline
            .users(rows.by_ref().take(page::RECORDS).collect(), Source::Delta)
            .await?;
    }
    pipeline.unusable(unusable, Source::Delta).await?;
    let left = match managers {
        Some(seen) => managers::bring_in(job, &mut pipeline, seen, Read::Changes).await?,
        None => 0,
    };
    Ok((pipeline.finish().await?, left))
}
