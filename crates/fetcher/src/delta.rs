//! A delta run: one round from where the last one ended, merged by object, rows that tell too little completed (R5,
//! graph-facts §3).
//! Whatever speaks against the cursor or the round makes it a full run, which says why (R6).

use contracts::bus::v1::Source;
use graph::{Reading, Round};
use store::delta_cursor::DeltaCursor;
use store::run_fetch::Outcome;
use tracing::Instrument;

use crate::changes::Changes;
use crate::complete;
use crate::failure::FetchError;
use crate::job::Job;
use crate::kind;
use crate::managers::{self, Read};
use crate::page;

/// What came of a delta.
#[derive(Debug)]
pub enum Delta {
    /// All changes are published.
    Read(Box<Outcome>),
    /// Everything has to be read, for this reason.
    ReadEverything(String),
}

/// Reads what has changed since `cursor`.
pub async fn read(job: &Job, cursor: &DeltaCursor) -> Result<Delta, FetchError> {
    job.steps.at(Reading::UserChanges.title());
    match read_round(job, cursor).await {
        Err(FetchError::Graph(error)) => match kind::resync(&error) {
            Some(reason) => Ok(Delta::ReadEverything(reason)),
            None => Err(error.into()),
        },
        read => read,
    }
}

async fn read_round(job: &Job, cursor: &DeltaCursor) -> Result<Delta, FetchError> {
    let link = match job.directories.open_link(cursor, job.connection.id) {
        Ok(link) => link,
        Err(error) => {
            return Ok(Delta::ReadEverything(format!(
                "the delta link can't be opened: {error}"
            )));
        }
    };
    job.lease.describe(true, None, None).await?;
    let taken_at = job.clock.now();
    let mut round = job.graph.changes(&link)?;
    let mut changes = Changes::decided_by(job.criteria.clone());
    while let Some(page) = next(&mut round).await? {
        changes = merge(changes, page).await?;
        if changes.len() > kind::MOST_CHANGES {
            return Ok(Delta::ReadEverything(kind::too_many_changes()));
        }
    }
    let Some(end) = round.end() else {
        return Err(graph::Error::Broken.into());
    };
    let lacking = complete::lacking(job, &changes).await?;
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
    Ok(Delta::Read(Box::new(job.outcome(totals, Some(cursor), None))))
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

/// Publishes the changes, and the managers to bring in. Answers how many of these are left.
async fn publish(job: &Job, changes: Changes) -> Result<(crate::pipeline::Totals, usize), FetchError> {
    let mut pipeline = job.pipeline().await;
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
