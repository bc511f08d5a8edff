//! Brings the managers of people in scope in, whom the criteria leave out: they are looked up whole, and published as what
//! they are (I5). [`domain::managers`] knows who is wanted.

use std::collections::HashMap;

use contracts::bus::v1::Source;
use contracts::observed;
use domain::decision::{BroughtIn, LinkStatus};
use domain::id::ObjectId;
use domain::managers::Managers;
use domain::observed::Completeness;
use futures::{StreamExt, TryStreamExt};
use store::link::{self, Way};
use uuid::Uuid;

use crate::complete;
use crate::failure::FetchError;
use crate::groups;
use crate::job::Job;
use crate::kind;
use crate::page;
use crate::pipeline::Pipeline;

/// Look-ups that are on their way at the same time.
const AT_A_TIME: usize = 8;
/// Objects that the links are asked about at once.
const ASKED_AT_ONCE: usize = 5_000;

/// What a run has read of its people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// Everybody.
    Everything,
    /// Who has changed: of the others the links tell.
    Changes,
}

/// Takes over what the changes say, and, where they don't, the links.
pub async fn of_changes(job: &Job, rows: &[(ObjectId, Box<[u8]>)]) -> Result<Option<Managers>, FetchError> {
    let Some(mut managers) = job.managers.clone() else {
        return Ok(None);
    };
    for (id, row) in rows {
        managers.see(&observed::decode(*id, Completeness::Partial, row)?);
    }
    let outside = managers.outside().to_vec();
    let objects: Vec<ObjectId> = outside.iter().map(|one| one.object).collect();
    let ways = ways(job, &objects).await?;
    for one in outside {
        let Some(way) = ways.get(&one.object) else {
            continue;
        };
        let as_manager = way.brought_in == BroughtIn::AsManager;
        if as_manager || (!one.certainly && is_in_scope(way)) {
            managers.want(one.manager);
        }
    }
    Ok(Some(managers))
}

/// Looks up whoever is wanted and not brought in yet, then their managers, until nobody new is wanted. Answers how many are
/// left to the next run, because there were too many.
pub async fn bring_in(
    job: &Job,
    pipeline: &mut Pipeline,
    mut managers: Managers,
    read: Read,
) -> Result<usize, FetchError> {
    let mut room = kind::MOST_LOOKED_UP;
    let mut left = 0;
    loop {
        let mut missing = managers.missing();
        if missing.is_empty() {
            return Ok(left);
        }
        let ways = ways(job, &missing).await?;
        missing.retain(|object| match ways.get(object) {
            None => true,
            Some(way) if way.brought_in != BroughtIn::ByCriteria => false,
            // After a full reading whoever is in scope was seen so; of changes the links tell it.
            Some(way) => read == Read::Everything || managers.is_left_out(*object) || !is_in_scope(way),
        });
        missing.sort_unstable();
        left += missing.len().saturating_sub(room);
        missing.truncate(room);
        room -= missing.len();
        look_up(job, pipeline, &mut managers, &missing).await?;
    }
}

/// Why a run did not bring everybody in, behind the reason that it had.
pub fn too_many(reason: Option<&str>, left: usize) -> String {
    let why = format!("{left} managers out of scope are left to the next run");
    reason.map_or_else(|| why.clone(), |reason| format!("{reason}; {why}"))
}

async fn look_up(
    job: &Job,
    pipeline: &mut Pipeline,
    managers: &mut Managers,
    missing: &[ObjectId],
) -> Result<(), FetchError> {
    let memberships = groups::known_of(job, missing).await?;
    let mut found = futures::stream::iter(missing.chunks(graph::MOST_IDS))
        .map(|ids| complete::look_up(job, ids))
        .buffer_unordered(AT_A_TIME)
        .boxed();
    let mut buffer = Vec::new();
    while let Some(found) = found.try_next().await? {
        let mut users = Vec::new();
        found.each(|mut user| {
            if let Some(memberships) = &memberships {
                user.groups = Some(memberships.of(user.id).to_vec().into());
            }
            if managers.bring_in(&user) {
                page::encode(&user, &mut buffer);
                users.push((user.id, buffer.as_slice().into()));
            }
        })?;
        pipeline.users(users, Source::Managers).await?;
    }
    Ok(())
}

async fn ways(job: &Job, objects: &[ObjectId]) -> Result<HashMap<ObjectId, Way>, FetchError> {
    let mut ways = HashMap::new();
    let mut database = job.store.connection().await?;
    for objects in objects.chunks(ASKED_AT_ONCE) {
        let objects: Vec<Uuid> = objects.iter().map(|object| object.0).collect();
        let found = link::ways(&mut database, job.connection.id, &objects).await?;
        ways.extend(found.into_iter().map(|way| (way.object, way)));
    }
    Ok(ways)
}

fn is_in_scope(way: &Way) -> bool {
    way.status.is_alive() && way.status != LinkStatus::OutOfScope
}
