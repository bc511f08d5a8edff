//! Whole objects in place of rows that tell too little.
//!
//! To an account that is there, silence means "as it was". Somebody who comes in has no "as it was": their row tells what
//! was ever set, and of the manager only a change (graph-facts, trap 33). So they are looked up, in batches.

use std::collections::{HashMap, HashSet};

use domain::account::Kind;
use domain::id::ObjectId;
use domain::observed::ObservedUser;
use futures::{StreamExt, TryStreamExt};
use graph::{PageBody, UserBody, UserKey};
use store::{link, revert};
use tracing::Instrument;

use crate::changes::Changes;
use crate::failure::FetchError;
use crate::job::Job;
use crate::page;

/// Look-ups that are on their way at the same time.
const AT_A_TIME: usize = 8;
/// Objects that the register is asked about at once.
const ASKED_AT_ONCE: usize = 5_000;

/// The objects of which the round does not tell enough, and those that a change of groups has touched.
pub async fn lacking(
    job: &Job,
    changes: &Changes,
    touched: &[ObjectId],
) -> Result<Vec<ObjectId>, FetchError> {
    let may_come = changes.may_come();
    let mut kinds: Vec<Kind> = job.criteria.iter().map(|(kind, _)| *kind).collect();
    if kinds.is_empty() {
        kinds.extend(Kind::ALL);
    }
    let mut newcomers = HashSet::new();
    let mut database = job.store.connection().await?;
    let (id, kinds) = (job.connection.id, kinds.as_slice());
    let strangers = !may_come.is_empty() && revert::any_since_full(&mut database, id).await?;
    for objects in may_come.chunks(ASKED_AT_ONCE) {
        newcomers.extend(link::newcomers(&mut database, (id, kinds), objects, strangers).await?);
    }
    let mut lacking = changes.lacking(&newcomers);
    lacking.extend(touched.iter().filter(|user| !changes.has_left(**user)));
    lacking.sort_unstable();
    lacking.dedup();
    Ok(lacking)
}

/// Looks these objects up. One that is no longer there stays as it was told, if it was.
pub async fn complete(job: &Job, changes: &mut Changes, lacking: &[ObjectId]) -> Result<(), FetchError> {
    let mut found = futures::stream::iter(lacking.chunks(graph::MOST_IDS))
        .map(|ids| look_up(job, ids))
        .buffer_unordered(AT_A_TIME)
        .boxed();
    while let Some(found) = found.try_next().await? {
        found.each(|user| changes.complete(user))?;
    }
    Ok(())
}

/// What a look-up brought.
pub struct Found<'i> {
    asked: &'i [ObjectId],
    brought: Brought,
}

#[derive(Default)]
struct Brought {
    pages: Vec<PageBody>,
    users: Vec<UserBody>,
}

impl Found<'_> {
    /// Each user who was asked for and is there.
    pub fn each(&self, mut take: impl FnMut(ObservedUser<'_>)) -> Result<(), graph::Error> {
        for page in &self.brought.pages {
            let users = page.users()?.users.into_iter();
            users
                .filter(|user: &ObservedUser<'_>| self.asked.contains(&user.id))
                .for_each(&mut take);
        }
        for user in &self.brought.users {
            take(user.user()?);
        }
        Ok(())
    }
}

/// Users that were looked up, encoded.
#[derive(Default)]
pub struct Users(HashMap<ObjectId, Box<[u8]>>);

impl Users {
    /// Takes over what a look-up brought.
    pub fn take(&mut self, found: &Found<'_>) -> Result<(), graph::Error> {
        let mut buffer = Vec::new();
        found.each(|user| {
            page::encode(&user, &mut buffer);
            self.0.insert(user.id, buffer.as_slice().into());
        })
    }

    /// Gives one out.
    pub fn remove(&mut self, id: ObjectId) -> Option<Box<[u8]>> {
        self.0.remove(&id)
    }
}

/// Looks users up by their ids, [`graph::MOST_IDS`] at most.
pub async fn look_up<'i>(job: &Job, ids: &'i [ObjectId]) -> Result<Found<'i>, graph::Error> {
    let span = tracing::info_span!("graph.look_up", objects = ids.len());
    let read = async {
        match together(job, ids).await {
            Err(graph::Error::Refused { answer }) => {
                tracing::warn!(
                    status = answer.status,
                    "Graph does not look users up by their ids together; one by one"
                );
                one_by_one(job, ids).await
            }
            found => found,
        }
    };
    Ok(Found {
        asked: ids,
        brought: read.instrument(span).await?,
    })
}

async fn together(job: &Job, ids: &[ObjectId]) -> Result<Brought, graph::Error> {
    let mut pages = job.graph.users_by_id(ids);
    let mut found = Brought::default();
    while let Some(page) = pages.next().await? {
        found.pages.push(page);
    }
    Ok(found)
}

async fn one_by_one(job: &Job, ids: &[ObjectId]) -> Result<Brought, graph::Error> {
    let mut found = Brought::default();
    for id in ids {
        found.users.extend(job.graph.get_user(UserKey::Id(*id)).await?);
    }
    Ok(found)
}
