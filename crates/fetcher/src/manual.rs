//! A manual run: certain users, looked up by UPN or object id, and published whole (R1, R2). It reads no more than them: it
//! proves nothing about anybody else, and no delta begins behind it.

use std::collections::HashSet;

use contracts::bus::v1::Source;
use contracts::observed;
use domain::id::ObjectId;
use domain::observed::{Completeness, ObservedUser, Presence};
use futures::{StreamExt, TryStreamExt};
use graph::{Reading, UserKey};
use store::run::Manual;
use store::run_fetch::Outcome;
use tracing::Instrument;
use uuid::Uuid;

use crate::complete;
use crate::failure::FetchError;
use crate::groups;
use crate::job::Job;
use crate::page;

/// Users that are looked up one by one: someone new may be known by name or id before lists know them.
const ONE_BY_ONE: usize = graph::MOST_IDS;
/// Look-ups that are on their way at the same time.
const AT_A_TIME: usize = 8;

/// What a key came to.
enum Found {
    /// A user, encoded; or, for an object id, why there is none.
    Object(ObjectId, Box<[u8]>),
    /// Nobody, or somebody who can't be read.
    Nobody(String),
}

/// Reads the users of a manual run.
pub async fn read(job: &Job) -> Result<Outcome, FetchError> {
    let Some(manual) = &job.run.manual else {
        return Err(FetchError::Missing {
            what: "list of users",
        });
    };
    job.steps.at(Reading::Users.title());
    let expected = u32::try_from(manual.keys.len()).unwrap_or(u32::MAX);
    job.lease.describe(true, None, Some(expected)).await?;
    let found = look_up(job, manual).await?;
    let found = with_groups(job, found).await?;
    let objects: Vec<Option<ObjectId>> = found.iter().map(Found::object).collect();
    job.lease.note_found(&objects).await?;

    let source = if manual.by_hand {
        Source::Manual
    } else {
        Source::LookedUp
    };
    let mut pipeline = job.pipeline(None).await;
    let (users, reasons) = parts(found);
    pipeline.users(users, source).await?;
    pipeline.unusable(reasons, source).await?;
    let totals = pipeline.finish().await?;
    Ok(job.outcome(totals, None, None, None))
}

async fn look_up(job: &Job, manual: &Manual) -> Result<Vec<Found>, FetchError> {
    let ids: Option<Vec<ObjectId>> = manual.keys.iter().map(|key| object_id(key)).collect();
    match ids {
        Some(ids) if ids.len() > ONE_BY_ONE => together(job, &ids, manual.by_hand).await,
        _ => one_by_one(job, manual).await,
    }
}

/// With what they belong to, as far as the mirror knows: criteria may ask for it.
async fn with_groups(job: &Job, found: Vec<Found>) -> Result<Vec<Found>, FetchError> {
    let objects: Vec<ObjectId> = found.iter().filter_map(Found::object).collect();
    let Some(memberships) = groups::known_of(job, &objects).await? else {
        return Ok(found);
    };
    found
        .into_iter()
        .map(|one| {
            let Found::Object(id, bytes) = one else {
                return Ok(one);
            };
            let mut user = observed::decode(id, Completeness::Whole, &bytes)?;
            user.groups = Some(memberships.of(id).into());
            let mut encoded = Vec::new();
            page::encode(&user, &mut encoded);
            Ok(Found::Object(id, encoded.into()))
        })
        .collect()
}

async fn one_by_one(job: &Job, manual: &Manual) -> Result<Vec<Found>, FetchError> {
    futures::stream::iter(&manual.keys)
        .map(|key| one(job, key, manual.by_hand))
        .buffered(AT_A_TIME)
        .boxed()
        .try_collect()
        .await
}

async fn one(job: &Job, key: &str, by_hand: bool) -> Result<Found, FetchError> {
    let id = object_id(key);
    let named = id.map_or(UserKey::PrincipalName(key), UserKey::Id);
    let span = tracing::info_span!("graph.look_up", objects = 1);
    let body = job.graph.get_user(named).instrument(span).await?;
    let connection = &job.connection.name;
    let Some(body) = body else {
        return Ok(match id {
            Some(id) => nobody(id, connection, by_hand),
            None => Found::Nobody(format!("no user \"{key}\" in the directory of {connection}")),
        });
    };
    match body.user() {
        Ok(user) => Ok(found(&user)),
        Err(graph::Error::Unexpected { what, .. }) => Ok(Found::Nobody(format!(
            "the user \"{key}\" of {connection} can't be read: {what}"
        ))),
        Err(error) => Err(error.into()),
    }
}

/// Many at once; in the order of the ids.
async fn together(job: &Job, ids: &[ObjectId], by_hand: bool) -> Result<Vec<Found>, FetchError> {
    let mut all = complete::Users::default();
    let mut looked_up = futures::stream::iter(ids.chunks(graph::MOST_IDS))
        .map(|ids| complete::look_up(job, ids))
        .buffer_unordered(AT_A_TIME)
        .boxed();
    while let Some(some) = looked_up.try_next().await? {
        all.take(&some)?;
    }
    let found = ids.iter().map(|id| match all.remove(*id) {
        Some(user) => Found::Object(*id, user),
        None => nobody(*id, &job.connection.name, by_hand),
    });
    Ok(found.collect())
}

fn found(user: &ObservedUser<'_>) -> Found {
    let mut encoded = Vec::new();
    page::encode(user, &mut encoded);
    Found::Object(user.id, encoded.into())
}

/// An object id that no user of the directory has. It may be one of the register's, so it fails under its own name.
fn nobody(id: ObjectId, connection: &str, by_hand: bool) -> Found {
    let mut user = ObservedUser::new(id, Presence::Present, Completeness::Whole);
    let why = format!("no user \"{id}\" in the directory of {connection}");
    let next = "; the next full run decides what becomes of the account";
    user.problem = Some(if by_hand { why } else { why + next }.into());
    found(&user)
}

/// Every object once, and the reasons why there is none.
fn parts(found: Vec<Found>) -> (Vec<(ObjectId, Box<[u8]>)>, Vec<String>) {
    let (mut users, mut reasons, mut known) = (Vec::new(), Vec::new(), HashSet::new());
    for one in found {
        match one {
            Found::Object(id, user) if known.insert(id) => users.push((id, user)),
            Found::Object(..) => {}
            Found::Nobody(reason) => reasons.push(reason),
        }
    }
    (users, reasons)
}

fn object_id(key: &str) -> Option<ObjectId> {
    Uuid::try_parse(key).ok().map(ObjectId)
}

impl Found {
    fn object(&self) -> Option<ObjectId> {
        match self {
            Self::Object(id, _) => Some(*id),
            Self::Nobody(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use contracts::observed;

    use super::*;

    #[test]
    fn r1_one_object_under_two_names_is_published_once() {
        let id = ObjectId(Uuid::from_u128(7));
        let user = ObservedUser::new(id, Presence::Present, Completeness::Whole);
        let all = vec![found(&user), Found::Nobody("why".to_owned()), found(&user)];
        let objects: Vec<_> = all.iter().map(Found::object).collect();
        assert_eq!(objects, [Some(id), None, Some(id)], "each key has its answer");
        let (users, reasons) = parts(all);
        assert_eq!((users.len(), reasons), (1, vec!["why".to_owned()]));
    }

    #[test]
    fn r1_an_object_id_that_nobody_has_fails_under_its_name() {
        let id = ObjectId(Uuid::from_u128(7));
        let Found::Object(object, encoded) = nobody(id, "contoso", false) else {
            panic!()
        };
        let user = observed::decode(object, Completeness::Whole, &encoded).unwrap();
        assert_eq!(object, id);
        assert_eq!(
            user.problem.as_deref(),
            Some(
                "no user \"00000000-0000-0000-0000-000000000007\" in the directory of contoso; the next full run decides \
                 what becomes of the account"
            )
        );
    }

    #[test]
    fn r1_a_key_is_an_object_id_or_a_name() {
        assert!(object_id("6ea91a8d-e32e-41a1-b7bd-d2d185eed0e0").is_some());
        assert!(object_id("6EA91A8D-E32E-41A1-B7BD-D2D185EED0E0").is_some());
        assert!(object_id("$ann@contoso.com").is_none());
    }
}
