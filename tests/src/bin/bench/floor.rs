//! The floors: the least that an import and a re-sync cost, in one process, without a bus, without rules, without a word about
//! what was done. They share Rollcall's client and decoder, so that a better decoder makes both faster.
//!
//! *Import*: fetch, decode, COPY into the register's own table with all its indexes. *Re-sync*: fetch, decode, hash, look the
//! page's objects up by key and hash, write nothing. Each on two connections; the next page is on its way meanwhile. Where
//! criteria ask for groups, an import fetches and decodes these first; a re-sync knows them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use contracts::observed;
use domain::account::{Kind, Role, Status};
use domain::decision::{BroughtIn, LinkStatus};
use domain::field::{Field, Reading};
use domain::id::{AccountId, ConnectionId, OrganizationId, RunId};
use domain::observed::ObservedUser;
use graph::{Graph, PageBody};
use store::copy::Rows;
use store::{Store, account, link};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use uuid::Uuid;

/// Connections, each with a page in work.
pub const CONNECTIONS: usize = 2;
/// Pages that wait for one.
const WAITING: usize = 1;

const ORGANIZATION: OrganizationId = OrganizationId(Uuid::from_u128(1));
const CONNECTION: ConnectionId = ConnectionId(Uuid::from_u128(2));
const RUN: RunId = RunId(Uuid::from_u128(3));

/// Which floor.
#[derive(Clone, Copy)]
pub enum Work {
    /// Accounts go in.
    Import,
    /// Keys and hashes go in: what a re-sync looks up. Not a floor itself.
    Remember,
    /// Keys and hashes are looked up.
    Resync,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Done {
    /// Users read.
    pub users: usize,
    /// Of a re-sync, those that are not as they were.
    pub differ: usize,
}

/// Reads everyone and does the work; how long that took, and what it was.
pub async fn run(work: Work, graph: &Graph, groups: bool, store: &Store) -> anyhow::Result<(Duration, Done)> {
    // The connections are there before the clock starts, as they are in a service.
    drop((store.connection().await?, store.connection().await?));
    let begun = Instant::now();
    if groups && matches!(work, Work::Import) {
        let mut round = graph.group_changes(None)?;
        while let Some(page) = round.next().await? {
            page.groups()?;
        }
    }
    let (give, take) = mpsc::channel(WAITING);
    let take = Arc::new(Mutex::new(take));
    let mut workers = JoinSet::new();
    for _ in 0..CONNECTIONS {
        workers.spawn(worker(work, Arc::clone(&take), store.clone()));
    }
    drop(take);
    let mut pages = graph.users();
    while let Some(page) = pages.next().await? {
        if give.send(page).await.is_err() {
            // All workers have failed; they tell why.
            break;
        }
    }
    drop(give);
    let mut all = Done::default();
    while let Some(done) = workers.join_next().await {
        let done = done??;
        all.users += done.users;
        all.differ += done.differ;
    }
    Ok((begun.elapsed(), all))
}

async fn worker(
    work: Work,
    pages: Arc<Mutex<mpsc::Receiver<PageBody>>>,
    store: Store,
) -> anyhow::Result<Done> {
    let mut connection = store.connection().await?;
    let mut done = Done::default();
    loop {
        let Some(page) = pages.lock().await.recv().await else {
            return Ok(done);
        };
        let records = page.users()?;
        done.users += records.users.len();
        match work {
            Work::Import => account::insert(&mut connection, accounts(&records.users)).await?,
            Work::Remember => link::insert(&mut connection, links(&records.users)).await?,
            Work::Resync => {
                let (objects, hashes) = keys(&records.users);
                let found =
                    link::look_up(&mut connection, (CONNECTION, Kind::Account), &objects, &hashes).await?;
                done.differ += found.len();
            }
        }
    }
}

/// The rows of a page. No rule, no mapping: each attribute goes into its own column.
fn accounts(users: &[ObservedUser<'_>]) -> Rows {
    let mut rows = Rows::new(account::COPY_COLUMNS);
    for user in users {
        let values = Field::ALL.map(|field| value(user, field));
        let folded = |field: Field| values[field as usize].unwrap_or_default().to_lowercase();
        let (login, domain) = (folded(Field::Login), folded(Field::Domain));
        let state = (Status::Active, Role::User, None);
        let id = AccountId(user.id.0);
        account::copy_row(
            &mut rows,
            ORGANIZATION,
            (Kind::Account, id),
            state,
            Some((&login, &domain)),
            &values,
            DateTime::<Utc>::UNIX_EPOCH,
        );
    }
    rows
}

fn value<'a>(user: &'a ObservedUser<'_>, field: Field) -> Option<&'a str> {
    let reading = field.default_reading()?;
    let value = user.value(reading.attribute())?;
    match reading {
        Reading::Whole(_) => Some(value),
        Reading::Local(_) => value.rsplit_once('@').map(|(local, _)| local),
        Reading::Domain(_) => value.rsplit_once('@').map(|(_, domain)| domain),
    }
}

fn links(users: &[ObservedUser<'_>]) -> Rows {
    let (objects, hashes) = keys(users);
    let mut rows = Rows::new(link::COPY_COLUMNS);
    for (user, (object, hash)) in users.iter().zip(objects.into_iter().zip(hashes)) {
        let link = link::Written {
            kind: Kind::Account,
            object: user.id,
            account: Some(AccountId(object)),
            hash: hash.cast_unsigned(),
            brought_in: BroughtIn::ByCriteria,
            status: LinkStatus::Active,
            skip: None,
            linked: link::Linked {
                rule: link::CREATED,
                run: RUN,
                page: 1,
            },
            had_link: false,
        };
        link::copy_row(&mut rows, CONNECTION, ORGANIZATION, &link);
    }
    rows
}

fn keys(users: &[ObservedUser<'_>]) -> (Vec<Uuid>, Vec<i64>) {
    let mut wire = Vec::new();
    let hash = |user| {
        wire.clear();
        observed::encode(user, &mut wire);
        observed::hash(&wire).cast_signed()
    };
    (
        users.iter().map(|user| user.id.0).collect(),
        users.iter().map(hash).collect(),
    )
}
