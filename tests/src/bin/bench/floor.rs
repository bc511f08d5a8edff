//! The floors: the least that an import and a re-sync cost, in one process, without a bus, without rules, without a word about
//! what was done. They share Rollcall's client and decoder, so that a better decoder makes both faster.
//!
//! *Import*: fetch, decode, COPY into the register's own table with all its indexes. *Re-sync*: fetch, decode, hash, look the
//! page's objects up by key and hash, write nothing. Each on two connections; the next page is on its way meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use contracts::observed;
use domain::account::{Role, Status};
use domain::decision::LinkStatus;
use domain::field::{Field, Reading};
use domain::id::{AccountId, ConnectionId, OrganizationId};
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
pub async fn run(work: Work, graph: &Graph, store: &Store) -> anyhow::Result<(Duration, Done)> {
    for connection in connect(store).await? {
        drop(connection);
    }
    let begun = Instant::now();
    let (give, take) = mpsc::channel(WAITING);
    let take = Arc::new(Mutex::new(take));
    let mut workers = JoinSet::new();
    for connection in connect(store).await? {
        workers.spawn(worker(work, Arc::clone(&take), connection));
    }
    drop(take);
    let mut pages = graph.users();
    while let Some(page) = pages.next().await? {
        if give.send(page).await.is_err() {
            break; // All workers have failed; they tell why.
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

type Connection = <Vec<()> as Never>::Connection;
