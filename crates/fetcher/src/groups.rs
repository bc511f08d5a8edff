//! Groups: all of them, or what has changed, into the mirror, and the memberships that the criteria ask for (I7, B10).
//!
//! They are read only where a mapping keeps them as an inventory or something asks who belongs to one (C11).

use std::sync::Arc;

use domain::id::{ConnectionId, ObjectId};
use domain::membership::Reach;
use futures::TryStreamExt;
use graph::{DeltaLink, Graph, PageBody, Reading, Round};
use store::delta_cursor::DeltaCursor;
use store::group_mirror;
use store::group_staging::{Batch, Merge, Merged, Staging};
use store::mapping::{Mapping, Target};
use store::run_fetch::GroupsRead;
use store::{Store, StoreError};
use tracing::Instrument;
use uuid::Uuid;

use crate::failure::FetchError;
use crate::job::Job;
use crate::kind;
use crate::memberships::{Builder, Memberships};

/// How often reading all groups may begin again because Graph asks for it.
const RESTARTS: u32 = 5;
/// Users whose groups are looked up at once.
const ASKED_AT_ONCE: usize = 2_000;

/// What is wanted of groups, and how far they are known.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The groups whose members matter.
    pub asked: Vec<ObjectId>,
    /// Where the last round ended.
    pub cursor: Option<DeltaCursor>,
    /// The version that the mirror is in; none while groups were never read.
    pub version: Option<i64>,
}

/// All groups are known as they are now.
#[derive(Debug)]
pub struct Known {
    /// Who belongs to what is asked for.
    pub memberships: Arc<Memberships>,
    /// For the run's end.
    pub read: GroupsRead,
}

/// What has changed about groups is read.
#[derive(Debug)]
pub struct Changed {
    /// How far down the groups asked for reach now.
    pub reach: Reach,
    /// Users who may belong to something else than before; one more than are worth it, when there are too many.
    pub touched: Vec<ObjectId>,
    /// For the run's end.
    pub read: GroupsRead,
}

/// The groups whose members matter to a connection with these mappings, and to whatever else asks for them; `None`: it
/// needs no groups at all.
pub fn asked(mappings: &[Mapping], others: &[ObjectId]) -> Option<Vec<ObjectId>> {
    let mut asked: Vec<ObjectId> = mappings
        .iter()
        .flat_map(|mapping| mapping.criteria.groups())
        .chain(others.iter().copied())
        .collect();
    asked.sort_unstable();
    asked.dedup();
    let inventory = mappings.iter().any(|mapping| mapping.target == Target::Groups);
    (inventory || !asked.is_empty()).then_some(asked)
}

/// Brings all groups up to date for a run that decides on everyone: by what has changed where they were read whole not
/// long ago, else by reading them whole.
pub async fn read_for_everyone(job: &Job, wanted: &Wanted) -> Result<Known, FetchError> {
    let (reach, read) = match read_since(job, wanted).await? {
        Some(changed) => (changed.reach, changed.read),
        None => read_all(job, wanted).await?,
    };
    let memberships = all_members(job, &reach).await?;
    tracing::info!(
        whole = read.whole,
        groups = read.groups,
        members = memberships.len(),
        version = read.version,
        "the groups are read"
    );
    Ok(Known {
        memberships: Arc::new(memberships),
        read,
    })
}

/// What has changed since they were last read; `None`: it can't be had, or it is time for everything.
async fn read_since(job: &Job, wanted: &Wanted) -> Result<Option<Changed>, FetchError> {
    let Some(cursor) = kind::groups_since(job.run.kind, wanted, job.clock.now()) else {
        return Ok(None);
    };
    let link = match job.directories.open_link(cursor, job.connection.id) {
        Ok(link) => link,
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(
                error,
                "the groups' delta link can't be opened; all groups are read"
            );
            return Ok(None);
        }
    };
    match read_changes(job, wanted, &link).await {
        Err(FetchError::Graph(error)) => match kind::resync(&error) {
            Some(reason) => {
                tracing::warn!(reason, "the groups' changes can't be had; all groups are read");
                Ok(None)
            }
            None => Err(error.into()),
        },
        changed => changed.map(Some),
    }
}

async fn read_all(job: &Job, wanted: &Wanted) -> Result<(Reach, GroupsRead), FetchError> {
    job.steps.at(Reading::Groups.title());
    let mut staging = Staging::open(&job.store).await?;
    let mut restarts = 0;
    let (round, taken_at) = loop {
        let taken_at = job.clock.now();
        let mut round = job.graph.group_changes(None)?;
        match stage(&mut staging, &mut round).await {
            Ok(()) => break (round, taken_at),
            Err(FetchError::Graph(error @ graph::Error::Resync { .. })) if restarts < RESTARTS => {
                restarts += 1;
                tracing::warn!(restarts, reason = %error, "reading the groups begins anew");
                staging.clear().await?;
            }
            Err(error) => return Err(error),
        }
    };
    let merged = merge(job, wanted, staging, true).await?;
    let read = read(job, &round, taken_at, &merged, true)?;
    Ok((merged.reach, read))
}

/// Reads what has changed since a round ended; the mirror must be as it was then.
pub async fn read_changes(job: &Job, wanted: &Wanted, since: &DeltaLink) -> Result<Changed, FetchError> {
    job.steps.at(Reading::GroupChanges.title());
    let taken_at = job.clock.now();
    let mut round = job.graph.group_changes(Some(since))?;
    let mut staging = None;
    while let Some(page) = next(&mut round).await? {
        let Some(batch) = batch_of(page, staging.as_ref()).await? else {
            continue;
        };
        let staging = match &mut staging {
            Some(staging) => staging,
            none => none.insert(Staging::open(&job.store).await?),
        };
        staging.send(batch).await?;
    }
    let merged = match staging {
        Some(staging) => merge(job, wanted, staging, false).await?,
        None => unchanged(job, wanted).await?,
    };
    Ok(Changed {
        read: read(job, &round, taken_at, &merged, false)?,
        reach: merged.reach,
        touched: merged.touched,
    })
}

/// What these users belong to, at the cost of a few look-ups.
pub async fn memberships_of(
    store: &Store,
    of: ConnectionId,
    reach: &Reach,
    mut users: Vec<Uuid>,
) -> Result<Memberships, StoreError> {
    let mut builder = Builder::new(reach);
    if !reach.is_empty() {
        users.sort_unstable();
        users.dedup();
        let mut database = store.connection().await?;
        for users in users.chunks(ASKED_AT_ONCE) {
            let edges = group_mirror::edges_of(&mut database, of, users).await?;
            for edge in edges {
                builder.add(edge);
            }
        }
    }
    Ok(builder.finish())
}

/// What these users belong to, as the mirror has it now. `None`: no group matters.
pub async fn known_of(job: &Job, users: &[ObjectId]) -> Result<Option<Memberships>, StoreError> {
    let Some(wanted) = &job.groups else {
        return Ok(None);
    };
    let of = job.connection.id;
    let reach = group_mirror::reach(&mut *job.store.connection().await?, of, &wanted.asked).await?;
    let users = users.iter().map(|user| user.0).collect();
    Ok(Some(memberships_of(&job.store, of, &reach, users).await?))
}

async fn all_members(job: &Job, reach: &Reach) -> Result<Memberships, FetchError> {
    let mut builder = Builder::new(reach);
    if !reach.is_empty() {
        let mut database = job.store.connection().await?;
        let mut edges = group_mirror::all_in(&mut database, job.connection.id, reach);
        while let Some(edge) = edges.try_next().await? {
            builder.add(edge);
        }
    }
    Ok(builder.finish())
}

async fn stage(staging: &mut Staging, round: &mut Round) -> Result<(), FetchError> {
    while let Some(page) = next(round).await? {
        if let Some(batch) = batch_of(page, Some(&*staging)).await? {
            staging.send(batch).await?;
        }
    }
    Ok(())
}

/// Off the async threads: a page may hold tens of thousands of members. `None` for a page with nothing on it.
async fn batch_of(page: PageBody, staging: Option<&Staging>) -> Result<Option<Batch>, FetchError> {
    let mut batch = staging.map_or_else(Batch::first, Staging::batch);
    let filled = tokio::task::spawn_blocking(move || {
        let found = page.groups()?;
        for group in &found.groups {
            if let Some(problem) = &group.problem {
                tracing::warn!(group.id = %group.id, problem = %problem, "a group can't be used as it is");
            }
            batch.push(group);
        }
        for unusable in &found.unusable {
            let reason = crate::pipeline::unusable_reason(page.number(), unusable);
            tracing::warn!(reason, "a group or member is left out");
        }
        let any = !found.groups.is_empty();
        Ok::<_, graph::Error>(any.then_some(batch))
    });
    Ok(filled.await??)
}

async fn merge(job: &Job, wanted: &Wanted, staging: Staging, whole: bool) -> Result<Merged, FetchError> {
    let hold = job.lease.held().await;
    let merge = Merge {
        of: job.connection.id,
        whole,
        asked: &wanted.asked,
        hold: &hold,
        now: job.clock.now(),
        most_touched: kind::MOST_LOOKED_UP,
    };
    staging.merge(merge).await?.ok_or(FetchError::Lost)
}

async fn unchanged(job: &Job, wanted: &Wanted) -> Result<Merged, FetchError> {
    let mut database = job.store.connection().await?;
    Ok(Merged {
        version: wanted.version.unwrap_or_default(),
        groups: 0,
        reach: group_mirror::reach(&mut database, job.connection.id, &wanted.asked).await?,
        touched: Vec::new(),
    })
}

fn read(
    job: &Job,
    round: &Round,
    taken_at: chrono::DateTime<chrono::Utc>,
    merged: &Merged,
    whole: bool,
) -> Result<GroupsRead, FetchError> {
    let end = round.end().ok_or(graph::Error::Broken)?;
    Ok(GroupsRead {
        groups: merged.groups,
        cursor: job.seal(&end, taken_at)?,
        selection: Graph::group_selection().to_owned(),
        version: merged.version,
        whole,
    })
}

async fn next(round: &mut Round) -> Result<Option<PageBody>, graph::Error> {
    let span = tracing::info_span!("graph.page", page = round.read() + 1, source = "groups");
    round.next().instrument(span).await
}
